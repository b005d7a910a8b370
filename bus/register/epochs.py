"""The epochs of recipients' pseudonyms: which one counts now, and whose salts are destroyed. Pure.

    begun 1 → begun 2 → … ; destroyed n, for an n that a later one has taken the place of

A fact names an epoch and never holds a salt: those lie in the homes of the machines that route.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from bus.model.fact import Fact
from bus.register.life import NotAllowed, Refusal

BEGUN, DESTROYED = "begun", "destroyed"


@dataclass(frozen=True, slots=True)
class Epoch:
    """The epoch in which a recipient's pseudonyms are made now."""

    number: int
    check: str | None = None
    """What a key ring says of pseudonyms with the right salt; None where nobody has told."""

    since_offset: int = -1
    destroyed: frozenset[int] = frozenset()
    """Earlier epochs of which nothing is left to make pseudonyms with."""


FIRST_EPOCH = Epoch(1)
"""The epoch of a recipient of which no fact tells."""

Epochs = Mapping[str, Epoch]
"""By recipient."""


def epoch_after(known: Epoch | None, fact: Fact, offset: int) -> Epoch:
    """A recipient's epoch after a fact about it by the operator.

    Raises NotAllowed; ValueError or KeyError for a broken fact.
    """
    number = int(fact.body["epoch"])
    if fact.action == BEGUN:
        if number != (1 if known is None else known.number + 1):
            raise NotAllowed(Refusal.NOT_NEXT)
        destroyed = frozenset[int]() if known is None else known.destroyed
        return Epoch(number, str(fact.body["check"]), offset, destroyed)
    if fact.action != DESTROYED:
        raise NotAllowed(Refusal.UNKNOWN_ACTION)
    if known is None or not 1 <= number < known.number or number in known.destroyed:
        raise NotAllowed(Refusal.NOT_NEXT)
    return replace(known, destroyed=known.destroyed | {number})
