"""Which facts counted, as whoever tells of the past may tell them. Pure."""

from dataclasses import replace

from bus.model.fact import Fact, FactKind
from bus.register.entries import Counted
from bus.register.life import Action
from bus.register.state import RegisterState

NOBODY = "nobody"
"""Who took a step that follows by itself."""

DAY_HAS_COME = "its first day has come"


def counted(before: RegisterState, after: RegisterState, fact: Fact, appended_ms: int) -> Counted | None:
    """The fact between two states; None for one that was refused, or that changed nothing.

    `appended_ms` is when the broker took it.
    """
    if after.refused_count > before.refused_count:
        return None
    if fact.kind is not FactKind.AGREEMENT:
        return Counted(after.offset - 1, fact)
    if after.lives is before.lives:
        return None
    entry = after.agreements.get(fact.subject_id)
    said = _of_itself(fact, appended_ms) if fact.action == Action.TOOK_EFFECT else fact
    return Counted(after.offset - 1, said, None if entry is None else entry.revision)


def _of_itself(fact: Fact, appended_ms: int) -> Fact:
    """A fact that nobody has to sign, without what its teller said beside: whose it is, why and when."""
    return replace(fact, by=NOBODY, reason=DAY_HAS_COME, at_ms=appended_ms, signature=None, signing_key=None)
