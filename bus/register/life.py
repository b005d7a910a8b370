"""The life of an agreement, pure: which step may follow which, taken by whom.

    drafted → submitted → approved by one side → approved by the other → activated → suspended ↔ resumed → ended

A text in review can be returned with grounds. A changed text is a proposal of its own beside the one in force: its
approvals begin anew, and the old text stays in force until the new one takes over. Activated before its first day, it
is scheduled, and takes effect on that day without anybody's further word. Nothing comes into force that two people did
not approve, one for the registry and one for the recipient, neither of whom wrote it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from bus.model.signature import Role

UNREADABLE = "unreadable"
"""Holds an agreement suspended beside the roles: a fact about it could not be read. The operator lifts it."""


class Action(StrEnum):
    """A step in the life of an agreement, as facts name it."""

    DRAFTED = "drafted"
    SUBMITTED = "submitted"
    APPROVED = "approved"
    RETURNED = "returned"
    ACTIVATED = "activated"
    TOOK_EFFECT = "took-effect"
    """The first day of a scheduled text has come: nobody's decision, so nobody signs it."""

    SUSPENDED = "suspended"
    RESUMED = "resumed"
    ENDED = "ended"


class Refusal(StrEnum):
    """Why a fact is ignored. The sentences stand by code in the words of each language."""

    UNSIGNED = "unsigned"
    KEY_UNKNOWN = "key-unknown"
    KEY_REVOKED = "key-revoked"
    KEY_KNOWN = "key-known"
    SIGNATURE_FALSE = "signature-false"
    NAME_FALSE = "name-false"
    NOT_THEIRS = "not-theirs"
    NOT_NEXT = "not-next"
    NO_REASON = "no-reason"
    REVISION_FALSE = "revision-false"
    TEXT_IN_FORCE = "text-in-force"
    OTHER_FLOW = "other-flow"
    NOT_PROPOSED = "not-proposed"
    NOT_IN_REVIEW = "not-in-review"
    IN_REVIEW = "in-review"
    OWN_TEXT = "own-text"
    SIDE_APPROVED = "side-approved"
    PERSON_APPROVED = "person-approved"
    NOT_APPROVED = "not-approved"
    SCHEDULED = "scheduled"
    NOT_DUE = "not-due"
    NOT_IN_FORCE = "not-in-force"
    HELD_ALREADY = "held-already"
    NOT_HELD = "not-held"
    TERMS_FALSE = "terms-false"
    UNKNOWN_ACTION = "unknown-action"
    NOT_OPERATOR = "not-operator"
    FOUNDED = "founded"
    LAST_KEY = "last-key"


class NotAllowed(Exception):
    """A step that may not be taken. Within this folder only: it becomes a refused fact, or StepRefused."""

    def __init__(self, refusal: Refusal) -> None:
        self.refusal = refusal
        super().__init__(refusal.value)


class Stage(StrEnum):
    """Where a proposed text stands."""

    DRAFT = "draft"
    IN_REVIEW = "in-review"
    APPROVED_BY_REGISTRY = "approved-by-registry"
    APPROVED_BY_RECIPIENT = "approved-by-recipient"
    APPROVED = "approved"
    SCHEDULED = "scheduled"
    RETURNED = "returned"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A text that is not in force: who wrote it, and who has approved it for which side."""

    revision: str
    author: str
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)
    submitted: bool = False
    approvals: Mapping[Role, str] = field(default_factory=dict)
    grounds: str | None = None
    """Why it was returned, if it was."""

    scheduled: bool = False
    """Activated, and waiting for its first day beside the text in force."""

    @property
    def stage(self) -> Stage:
        """Where it stands."""
        if not self.submitted:
            return Stage.DRAFT if self.grounds is None else Stage.RETURNED
        if len(self.approvals) == 2:
            return Stage.SCHEDULED if self.scheduled else Stage.APPROVED
        if not self.approvals:
            return Stage.IN_REVIEW
        return Stage.APPROVED_BY_REGISTRY if Role.REGISTRIES in self.approvals else Stage.APPROVED_BY_RECIPIENT


@dataclass(frozen=True, slots=True)
class Life:
    """Where an agreement stands. `steps` counts what happened, so that a fact counts once and in its place only."""

    steps: int = 0
    proposal: Proposal | None = None
    in_force: str | None = None
    """The revision that was activated last, ended or not."""

    held_by: frozenset[str] = frozenset()
    """The roles that hold it suspended; each lifts only its own."""

    ended: bool = False


@dataclass(frozen=True, slots=True)
class Act:
    """A step that somebody takes. `role` is what they speak for in this agreement; None when it is not theirs."""

    action: Action
    number: int
    holder: str
    role: Role | None
    reason: str
    revision: str = ""
    document: Mapping[str, Any] = field(default_factory=dict, compare=False)
    due: bool = True
    """Whether the first day of the proposed text has come."""


def advance(life: Life, act: Act) -> Life:
    """The life after a step. Raises NotAllowed.

    What takes effect by itself is no step that anybody takes, so it has no number; told again, it changes nothing.
    """
    if act.action is Action.TOOK_EFFECT:
        return _took_effect(life, act)
    if act.role is None:
        raise NotAllowed(Refusal.NOT_THEIRS)
    if act.number != life.steps + 1:
        raise NotAllowed(Refusal.NOT_NEXT)
    if not act.reason.strip():
        raise NotAllowed(Refusal.NO_REASON)
    return replace(_STEPS[act.action](life, act, act.role), steps=act.number)


def _drafted(life: Life, act: Act, role: Role) -> Life:
    _require(role is not Role.OPERATOR, Refusal.NOT_THEIRS)
    _require(life.ended or act.revision != life.in_force, Refusal.TEXT_IN_FORCE)
    return replace(life, proposal=Proposal(act.revision, act.holder, act.document))


def _submitted(life: Life, act: Act, role: Role) -> Life:
    _require(role is not Role.OPERATOR, Refusal.NOT_THEIRS)
    proposal = _proposed(life, act)
    _require(not proposal.submitted, Refusal.IN_REVIEW)
    return replace(life, proposal=replace(proposal, submitted=True, grounds=None))


def _approved(life: Life, act: Act, role: Role) -> Life:
    _require(role is not Role.OPERATOR, Refusal.NOT_THEIRS)
    proposal = _proposed(life, act)
    _require(proposal.submitted, Refusal.NOT_IN_REVIEW)
    _require(act.holder != proposal.author, Refusal.OWN_TEXT)
    _require(role not in proposal.approvals, Refusal.SIDE_APPROVED)
    _require(act.holder not in proposal.approvals.values(), Refusal.PERSON_APPROVED)
    return replace(life, proposal=replace(proposal, approvals={**proposal.approvals, role: act.holder}))


def _returned(life: Life, act: Act, role: Role) -> Life:
    _require(role is not Role.OPERATOR, Refusal.NOT_THEIRS)
    proposal = _proposed(life, act)
    _require(proposal.submitted, Refusal.NOT_IN_REVIEW)
    return replace(life, proposal=replace(proposal, submitted=False, approvals={}, grounds=act.reason, scheduled=False))


def _activated(life: Life, act: Act, role: Role) -> Life:
    _require(role is Role.OPERATOR, Refusal.NOT_THEIRS)
    proposal = _proposed(life, act)
    _require(not proposal.scheduled, Refusal.SCHEDULED)
    _require(proposal.stage is Stage.APPROVED, Refusal.NOT_APPROVED)
    if life.in_force is None or life.ended:  # no older text to give way: its own validity says when it begins
        return replace(life, proposal=None, in_force=proposal.revision, held_by=frozenset(), ended=False)
    if not act.due:
        return replace(life, proposal=replace(proposal, scheduled=True))
    return replace(life, proposal=None, in_force=proposal.revision)


def _took_effect(life: Life, act: Act) -> Life:
    if not life.ended and life.in_force == act.revision:
        return life  # each router tells of it, and the first one counts
    proposal = _proposed(life, act)
    _require(proposal.scheduled, Refusal.NOT_APPROVED)
    _require(act.due, Refusal.NOT_DUE)
    return replace(life, proposal=None, in_force=proposal.revision)


def _suspended(life: Life, act: Act, role: Role) -> Life:
    del act
    _in_force(life)
    _require(role not in life.held_by, Refusal.HELD_ALREADY)
    return replace(life, held_by=life.held_by | {role})


def _resumed(life: Life, act: Act, role: Role) -> Life:
    del act
    _in_force(life)
    theirs = {role, UNREADABLE} if role is Role.OPERATOR else {role}
    _require(bool(theirs & life.held_by), Refusal.NOT_HELD)
    return replace(life, held_by=life.held_by - theirs)


def _ended(life: Life, act: Act, role: Role) -> Life:
    del act, role
    _in_force(life)
    return replace(life, proposal=None, ended=True)


_STEPS: Mapping[Action, Callable[[Life, Act, Role], Life]] = {
    Action.DRAFTED: _drafted,
    Action.SUBMITTED: _submitted,
    Action.APPROVED: _approved,
    Action.RETURNED: _returned,
    Action.ACTIVATED: _activated,
    Action.SUSPENDED: _suspended,
    Action.RESUMED: _resumed,
    Action.ENDED: _ended,
}


def _proposed(life: Life, act: Act) -> Proposal:
    if life.proposal is None or life.proposal.revision != act.revision:
        raise NotAllowed(Refusal.NOT_PROPOSED)
    return life.proposal


def _in_force(life: Life) -> None:
    _require(life.in_force is not None and not life.ended, Refusal.NOT_IN_FORCE)


def _require(holds: bool, refusal: Refusal) -> None:  # noqa: FBT001 - the condition is what it is about
    if not holds:
        raise NotAllowed(refusal)
