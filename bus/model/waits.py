"""What a lane or a connector may wait for at the broker, in words for operators."""

from enum import StrEnum
from typing import Self


class Wait(StrEnum):
    """Which step of its transactions a broker does not let a lane take; `meaning` says why that may be."""

    meaning: str

    def __new__(cls, code: str, meaning: str) -> Self:
        """A StrEnum member that carries its meaning."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        return member

    START = "start", "it may not begin yet, for what its predecessor left open is not ended"
    RECORDS = (
        "records",
        "its records are not taken: the end of its last transaction is not written everywhere, or a topic is not there",
    )
    END = "end", "its records are taken, and the transaction is not ended"


MEND_WAIT = (
    "See that every broker runs and that each partition of __transaction_state and of the bus's topics has a leader"
    " (kafka-topics --describe --unavailable-partitions); one that was deleted is named in the log, and `bus up`"
    " makes it anew. Nothing is lost: it goes on by itself."
)
"""What an operator can do about any of them."""

MEND_HELD_BACK = (
    "Find out who writes there, and start it anew: that ends what it left open, as its own abort would. Otherwise the"
    " broker ends it after that producer's transaction.timeout.ms. One that outlasts even that has no coordinator any"
    " more, and is ended by hand (kafka-transactions find-hanging, then abort with --topic, --partition and the"
    " --start-offset named here). Nothing is lost: the lane goes on by itself."
)
"""What an operator can do about a transaction of somebody else that is not ended."""

OF_A_START = (
    "started_at",
    "restarts",
    "fences",
    "read_back",
    "waiting_for",
    "waiting_since",
    "held_back",
    "stopped",
)
"""What a report says of a lane that does not serve yet: all else stands where the lane was left."""
