"""Orders of operators, and what can become of them."""

from enum import StrEnum
from typing import Self

LANE_ORDER = b"lane/"
"""What the key of an order to a lane begins with; orders to others lie in the same topic."""


class CommandKind(StrEnum):
    """What an operator orders."""

    RELEASE = "RELEASE_DEAD_LETTER"
    DISCARD = "DISCARD_DEAD_LETTER"


class Ending(StrEnum):
    """What became of an order, in a sentence; `closes` says whether the dead letter is done with."""

    meaning: str
    closes: bool

    def __new__(cls, code: str, meaning: str, closes: bool) -> Self:  # noqa: FBT001 - a column of the table below
        """A StrEnum member that carries its meaning."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.closes = closes
        return member

    RELEASED = "released", "It went back into the flow and was judged by the rules of that moment.", True
    DISCARDED = "discarded", "It stays out for good.", True
    SUPERSEDED = "superseded", "Its record was taken since: in a newer version, or by an earlier release.", True
    CLOSED_BEFORE = "closed-before", "It had been discarded already.", True
    STILL_UNREADABLE = "still-unreadable", "It still cannot be read; it stays open.", False
    NO_CHANGE = "no-change", "It holds no change that could be taken: it can be discarded, never released.", False
    REFUSED = "refused-by-broker", "What it leads to is refused by the broker; it stays open.", False
    NOT_FOUND = "not-found", "No dead letter lies there.", False
