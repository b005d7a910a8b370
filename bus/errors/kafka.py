"""Kafka: reaching it, writing to it, and finding the bus that it holds."""

from bus.errors.base import BusError


class KafkaUnreachable(BusError):
    """No broker answered."""

    message = "no Kafka broker answers at {bootstrap} ({reason})"
    remedy = (
        "Is it running? `bus status` shows the local one; BUS_KAFKA names another, BUS_KAFKA_USERNAME and"
        " BUS_KAFKA_PASSWORD who asks; a user of the bus has BUS_PREFIX before its name. Passwords lie in BUS_HOME, in"
        " secrets/users: one that was lost there `bus down` and `bus up` make anew on the local Kafka, but for admin's."
    )
    retryable = True


class KafkaRefused(BusError):
    """A broker answers, and does not do what a command asks of it."""

    message = "Kafka did not do what was asked of it: {reason}"
    remedy = "May this user do it? BUS_KAFKA_USERNAME says who asks, and `bus status` whether the local broker runs."
    retryable = True


class BusLost(BusError):
    """A Kafka in which this home has founded a bus holds none any more."""

    message = "the Kafka at {bootstrap} has no register, and a bus{prefix} was founded there from this home"
    remedy = (
        "Is its disk mounted, and is it the same Kafka? Consents, the steps of agreements and the log of disclosures"
        " lie there and nowhere else: bring them back. Where they are lost for good, or were thrown away on purpose,"
        " remove {file}: then a new bus is founded."
    )


class RightMissing(BusError):
    """A broker knows the user, who lacks a right."""

    message = "the Kafka user {user} may not {what} at {bootstrap}"
    remedy = (
        "Call it as a user who may: with the BUS_HOME in which `bus up` keeps the passwords of the bus's users, or as"
        " the one that BUS_KAFKA_USERNAME names; and see that BUS_PREFIX is that of the bus."
    )
    retryable = True


class UserTaken(BusError):
    """A Kafka has users of the names that the bus would give its own, and the home knows nothing of them."""

    message = "users of these names are at {bootstrap} already, with passwords that BUS_HOME does not have: {users}"
    remedy = (
        "Their passwords were left as they are. Are they another system's? Set BUS_PREFIX: it stands before the name of"
        " every user and topic. Are they this bus's? Use its BUS_HOME; if that is lost, take their passwords away with"
        " kafka-configs (--entity-type users --alter --delete-config)."
    )


class NoAuthorizer(BusError):
    """A broker that knows users, and lets each of them do everything."""

    message = "the Kafka at {bootstrap} keeps no rights, for it has no authorizer"
    remedy = (
        "Set its authorizer.class.name; or, to do without rights, BUS_KAFKA_RIGHTS=false: then everybody works as who"
        " BUS_KAFKA_USERNAME names."
    )


class TransactionTooLong(BusError):
    """A broker allows no transactions as long as a process asks for."""

    message = "the Kafka at {bootstrap} allows no transaction to last {ms} ms"
    remedy = (
        "Raise its transaction.max.timeout.ms to that, or ask for less: BUS_ROUTE_TRANSACTION_TIMEOUT_MS is the"
        " router's, BUS_CONNECT_TRANSACTION_TIMEOUT_MS that of connectors."
    )


class KafkaTooOld(BusError):
    """The broker is below 4.0."""

    message = "the Kafka broker at {bootstrap} is older than 4.0 ({found})"
    remedy = "Point BUS_KAFKA to Kafka 4.0 or newer; transactions of older brokers lack the defence the bus relies on."


class TopicDrifted(BusError):
    """A topic's settings are not what the bus needs."""

    message = "topic {topic} has {setting}={found}, and the bus needs {needed}"
    remedy = (
        "Set it back with kafka-configs or the admin client; erasure and exactly-once depend on it. Partitions that"
        " were added cannot be taken away: found the bus anew, under another BUS_PREFIX."
    )


class Dismissed(BusError):
    """The Kafka user has lost the rights of its process: what it works for was removed."""

    message = "this process may no longer use {what}"
    remedy = "Its connector was removed, or its user lost its rights: register it again, or let the process be."


class Fenced(BusError):
    """Another producer with the same transactional id has started."""

    message = "this process was fenced: another one now writes as {transactional_id}"
    remedy = "Nothing is lost. End this process if the other one is meant to run."


class RecordRefused(BusError):
    """The broker refused one record of a transaction; the transaction was aborted."""

    message = "the broker refused a record for {topic} partition {partition}: {reason}"
    remedy = "The transaction was aborted whole. The record's size or the topic's settings are the usual cause."


class ClockWrong(BusError):
    """The broker refused a transaction for the time of its records; it was aborted, and no record is to blame."""

    message = "the broker takes nothing for {topic} that says it is of {now}: that lies too far from its own time"
    remedy = (
        "Set this machine's clock, or the broker's: Kafka takes nothing that is ahead of its own by more than "
        "`message.timestamp.after.max.ms`, an hour if nobody chose. Nothing is lost: it goes on when they agree."
    )
    retryable = True


class CommitUncertain(BusError):
    """The outcome of a commit is not known; the producer must be thrown away and state read back."""

    message = "it is not known whether the transaction of {transactional_id} was committed ({reason})"
    remedy = "The writer starts anew and reads its committed position back; nothing to do by hand."
    retryable = True


class StateOutdated(BusError):
    """A lane had read its state from a broker that did not know all of it; nothing was committed on top of that."""

    message = "lane {lane} began with an old state: {missing} offsets of it were not there when it was read"
    remedy = "The lane starts anew and reads again; nothing to do by hand. A broker had hung, and its place was taken."
    retryable = True


class TopicGone(BusError):
    """A topic of the bus is not there."""

    message = "topic {topic} is not there at {bootstrap}"
    remedy = (
        "Was it deleted? `bus up` makes the bus's topics anew, empty (`--without-stages` where the stages run"
        " elsewhere): recipients have what they read before, and who begins anew lacks it. Or is BUS_PREFIX another"
        " bus's?"
    )
    retryable = True


class TopicReplaced(BusError):
    """Another topic has the name of one that was read."""

    message = "topic {topic} was deleted and made anew since it was read"
    remedy = (
        "Offsets of the old one mean nothing in the new one, and nothing of it is read: what was withdrawn or deleted"
        " in between would be missed. Found the bus anew, under another BUS_PREFIX."
    )


class OffsetsGone(BusError):
    """A partition does not hold the offset that is to be read next: its end or its beginning was lost."""

    message = "topic {topic} has no offset {offset} in partition {partition}, up to which it was read"
    remedy = (
        "Its newest records were lost, as by an election of a leader that lacked them, or it was deleted and made anew."
        " Bring a replica back that has them, or found the bus anew, under another BUS_PREFIX."
    )


class TwoOfOneName(BusError):
    """A router was fenced again and again: another process works under its name, and neither would get anywhere."""

    message = "lane {lane} was taken from this router {times} times within {seconds} s: a second one bears its name"
    remedy = "End one of the two, or start it with another --instance. Nothing is lost: fences kept them apart."
    exit_code = 4


class LaneKeepsFailing(BusError):
    """A lane failed as often as it may without getting anywhere in between."""

    message = "lane {lane} failed {times} times in a row and got nowhere; the last time: {last}"
    remedy = "Mend what it names. Nothing is lost: whoever starts next goes on from what was committed."
    exit_code = 5


class TopicTooNarrow(BusError):
    """A topic would refuse what must always find room in it."""

    message = "topic {topic} takes records up to {found} bytes, and {needed} are needed: {reason}"
    remedy = "Raise its max.message.bytes; a record that finds no room there would hold its lane up for ever."


class BusNotFounded(BusError):
    """The register holds no founding fact."""

    message = "there is no bus at {bootstrap} under the prefix {prefix!r}: its register has no founding fact"
    remedy = "Found it with `bus up`; with BUS_KAFKA set that founds it on your own Kafka."


class BusMismatch(BusError):
    """This process was configured for another bus than the one it found."""

    message = "the bus was founded with {setting}={founded}, and this process was started with {given}"
    remedy = "Start it with the founded value; it cannot be changed in place."
