"""Every error that the bus raises on purpose: what happened, what to do about it, and whether trying again can help.

A message names ids, places and rules, never a personal value. `bus` prints an error as two lines, `error:` and
`remedy:`, and ends with the class's exit code. A new error is a subclass here, in its section.
"""

from typing import ClassVar


class BusError(Exception):
    """The root: a message and a remedy, both templates filled from keyword arguments."""

    message: ClassVar[str] = "something went wrong"
    remedy: ClassVar[str] = "See the log."
    retryable: ClassVar[bool] = False
    exit_code: ClassVar[int] = 1

    def __init__(self, **details: object) -> None:
        self.details = details
        super().__init__(self.message.format(**details))

    @property
    def how_to_mend(self) -> str:
        """The remedy with its places filled."""
        return self.remedy.format(**self.details)


# --- settings and wrong use -------------------------------------------------------------------------------------------


class WrongUse(BusError):
    """A command was called with words that do not fit together."""

    message = "{what}"
    remedy = "{instead}"
    exit_code = 2


class NotFound(BusError):
    """A named thing is not in the register."""

    message = "there is no {kind} named {name}"
    remedy = "Known: {known}."


# --- Kafka ------------------------------------------------------------------------------------------------------------


class KafkaUnreachable(BusError):
    """No broker answered."""

    message = "no Kafka broker answers at {bootstrap} ({reason})"
    remedy = "Is it running? `bus status` shows the local one; BUS_KAFKA names another."
    retryable = True


class KafkaTooOld(BusError):
    """The broker is below 4.0."""

    message = "the Kafka broker at {bootstrap} is older than 4.0 ({found})"
    remedy = "Point BUS_KAFKA to Kafka 4.0 or newer; transactions of older brokers lack the defence the bus relies on."


class TopicDrifted(BusError):
    """A topic's settings are not what the bus needs."""

    message = "topic {topic} has {setting}={found}, and the bus needs {needed}"
    remedy = "Set it back with kafka-configs or the admin client; erasure and exactly-once depend on it."


class Fenced(BusError):
    """Another producer with the same transactional id has started."""

    message = "this process was fenced: another one now writes as {transactional_id}"
    remedy = "Nothing is lost. End this process if the other one is meant to run."


class RecordRefused(BusError):
    """The broker refused one record of a transaction; the transaction was aborted."""

    message = "the broker refused a record for {topic} partition {partition}: {reason}"
    remedy = "The transaction was aborted whole. The record's size or the topic's settings are the usual cause."


class CommitUncertain(BusError):
    """The outcome of a commit is not known; the producer must be thrown away and state read back."""

    message = "it is not known whether the transaction of {transactional_id} was committed ({reason})"
    remedy = "The writer starts anew and reads its committed position back; nothing to do by hand."
    retryable = True


class BusNotFounded(BusError):
    """The register holds no founding fact."""

    message = "there is no bus at {bootstrap} under the prefix {prefix!r}: its register has no founding fact"
    remedy = "Found it with `bus up`, or `bus found` on your own Kafka."


class BusMismatch(BusError):
    """This process was configured for another bus than the one it found."""

    message = "the bus was founded with {setting}={founded}, and this process was started with {given}"
    remedy = "Start it with the founded value; it cannot be changed in place."


# --- schemas ----------------------------------------------------------------------------------------------------------


class SchemaUnknown(BusError):
    """A schema id that the registry does not know: the record cannot be read."""

    message = "schema id {schema_id} is not in the schema registry"
    remedy = "The record goes to deadletters; register the schema and release it."


class SchemaRegistryUnreachable(BusError):
    """The registry did not answer; nothing can be decided until it does."""

    message = "the schema registry at {url} does not answer ({reason})"
    remedy = "Is it running? `bus status` shows the local one; BUS_SCHEMA_REGISTRY names another."
    retryable = True


class SchemaRefused(BusError):
    """The registry refused a schema."""

    message = "the schema registry refused {subject}: {reason}"
    remedy = "Mend the schema, or register it under a new subject."


class RecordUnreadable(BusError):
    """Bytes that do not follow their schema."""

    message = "a record cannot be read with schema {schema_id}: {reason}"
    remedy = "The record goes to deadletters with its original bytes."


# --- platform ---------------------------------------------------------------------------------------------------------


# --- agreements and consents ------------------------------------------------------------------------------------------


class FilterError(BusError):
    """A filter met a record that it could not be evaluated on; the record is withheld as `filter-error`."""

    message = "the filter of {agreement} could not be evaluated on a record"
    remedy = "Guard fields that can be missing with has(); `bus agreement try` shows the step that failed."


class FieldMissing(BusError):
    """A record lacks a field that the agreement releases; the record is withheld as `field-missing`."""

    message = "a record lacks the field {field} that {agreement} releases, or holds it in another type"
    remedy = "The registry's schema and the agreement have grown apart: check the agreement against the newest schema."


# --- connectors -------------------------------------------------------------------------------------------------------
