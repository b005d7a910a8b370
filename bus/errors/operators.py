"""Orders of operators and their outcome, the demonstration and the bench."""

from bus.errors.base import BusError


class NotEffective(BusError):
    """Lanes have not passed a fact in time."""

    message = "fact {offset} has not taken effect after {seconds} s in lanes {lanes}"
    remedy = "It stands in the register and will; `bus lanes` shows who serves those lanes."
    retryable = True


class LetterClosed(BusError):
    """A dead letter is done with."""

    message = "dead letter {letter} was closed: {outcome}"
    remedy = "`bus deadletter list --closed` tells when and by whom."


class OrderPending(BusError):
    """Orders were written and not carried out in time."""

    message = "nothing was carried out for {seconds:.0f} s: {done} letters are done with, {count} are ordered"
    remedy = (
        "What is ordered stands and will be obeyed, once; `bus lanes` shows who serves lanes {lanes}. Then repeat it."
    )
    retryable = True


class EpochHeld(BusError):
    """The key of an epoch of pseudonyms cannot be destroyed yet."""

    message = "the key of {recipient}'s pseudonyms of epoch {epoch} must stay: {reason}"
    remedy = "See `bus key epochs`. Copies go when their flow has caught up; kept ones when their retention is over."


class NotQuiet(BusError):
    """What had been set going did not come to its end."""

    message = "waited {seconds:.0f} s in vain for: {waited_for}"
    remedy = "The logs in BUS_HOME/logs say what holds it up; a machine under load may only need a second try."
    retryable = True


class CheckerFailed(BusError):
    """The independent checker ended without a verdict."""

    message = "the checker ended with code {code}; its last lines:\n{last}"
    remedy = "It reads Kafka, the registries and the schema registry itself: one of them did not answer as it must."


class BenchFailed(BusError):
    """A measurement was not what it says it measures."""

    message = "the measurement failed: {what}"
    remedy = "No figure is given for a run that was not right; its logs are in bus-bench-… among your temporary files."
