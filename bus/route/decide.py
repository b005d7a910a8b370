"""The decision about one record under one agreement. Everything else in the router obeys it."""

from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Protocol, Self

from bus.agreements.route import Route
from bus.consent.covers import uncovered
from bus.errors import FieldMissing, FilterError, RecordUnreadable
from bus.model.consent import Cover
from bus.model.key import UNKNOWN_SUBJECT
from bus.model.reasons import Held, Reason
from bus.register.state import Standing
from bus.route.rules import Rule
from bus.route.seen import LOST, Seen

UNJUDGED = frozenset({Reason.RECORD_UNREADABLE, Reason.FILTER_ERROR, Reason.FIELD_MISSING})
"""Why nobody can tell what of a record may go out under a text."""

Decision = bytes | Reason
"""The framed view that the recipient gets; or why it gets none: from that follows what becomes of a copy it holds."""


class Copy(Protocol):
    """What a recipient holds of a record, as far as its own time and that of the next version are concerned."""

    @property
    def topic(self) -> str:
        """Where it lies."""
        ...

    @property
    def revision(self) -> str:
        """The text under which it was released."""
        ...

    @property
    def released_at_ms(self) -> int:
        """When."""
        ...

    @property
    def due_ms(self) -> int | None:
        """When its retention is over, or None."""
        ...

    @property
    def epoch(self) -> int:
        """Of the pseudonyms in it."""
        ...


@dataclass(frozen=True, slots=True)
class Term:
    """A rule at a moment: what of its decisions depends on no record and on nobody is settled."""

    rule: Rule
    refused: Reason | None
    """Why the agreement lets nothing through now."""

    held_up: Reason | None
    """That an operator holds it up."""

    agreement: str
    needs_consent: bool
    accepted_revisions: AbstractSet[str]

    scoped: bool
    """Whether it shares some records only."""

    @classmethod
    def of(cls, rule: Rule, now_ms: int) -> Self:
        """The rule as it stands at a time of the lane."""
        route = rule.route
        return cls(
            rule,
            refused=agreement_refusal(route, rule.standing, now_ms),
            held_up=Reason.ROUTE_PAUSED if rule.standing is Standing.PAUSED else None,
            agreement=route.agreement,
            needs_consent=route.needs_consent,
            accepted_revisions=route.accepted_revisions,
            scoped=route.filtered or route.oldest is not None,
        )


def decide(seen: Seen | None, subject: str | None, cover: Cover, term: Term, now_ms: int) -> Decision:
    """Release a view, or withhold for a reason. Deny by default: only one line releases, after the last refusal.

    `seen` None means deleted at the source; LOST is judged by all that does not depend on what a record says. `subject`
    is whom it is about, None in a dataset without subjects; `cover` what of their consent decides; `now_ms` the time of
    the lane.
    """
    if seen is None:
        return Reason.DELETED
    refused = term.refused
    if term.needs_consent and (refused is None or refused is Reason.AGREEMENT_SUSPENDED):
        if subject is None or subject == UNKNOWN_SUBJECT:
            return Reason.SUBJECT_UNKNOWN
        refused = uncovered(cover, term.accepted_revisions, now_ms) or refused
    if refused is None:  # as a suspension this comes last: a withdrawal erases, whatever is held up
        refused = term.held_up or (Reason.RECORD_UNREADABLE if seen is LOST else None)
    if refused is not None:
        return refused
    try:
        outside = scope_refusal(term.rule, seen, now_ms) if term.scoped else None
        return term.rule.cut(seen) if outside is None else outside
    except FilterError:
        return Reason.FILTER_ERROR
    except (FieldMissing, RecordUnreadable):
        return Reason.FIELD_MISSING


def agreement_refusal(route: Route, standing: Standing, now_ms: int) -> Reason | None:
    """Why the agreement lets nothing through now, or None."""
    if standing is Standing.ENDED:
        return Reason.AGREEMENT_ENDED
    if route.valid_until_ms is not None and now_ms >= route.valid_until_ms:
        return Reason.AGREEMENT_OVER  # before a suspension, which keeps copies: it must not lengthen what is over
    if standing is Standing.SUSPENDED:
        return Reason.AGREEMENT_SUSPENDED
    return Reason.AGREEMENT_NOT_YET if now_ms < route.valid_from_ms else None


def scope_refusal(rule: Rule, seen: Seen, now_ms: int) -> Reason | None:
    """Why the record is none of those that the agreement shares now, or None. Raises FilterError."""
    failure: FilterError | None = None
    try:
        if not rule.admits(seen):
            return Reason.OUTSIDE_FILTER
    except FilterError as error:
        failure = error
    if rule.route.oldest is not None and rule.route.too_old(seen.record, now_ms):
        return Reason.TOO_OLD  # whatever the filter would say
    if failure is not None:
        raise failure
    return None


def erases(reason: Reason, route: Route) -> bool:
    """Whether a copy already held is erased when its record is withheld for this reason."""
    if reason.held is not Held.AS_AGREED:
        return reason.held is Held.ERASE
    left_scope = reason in {Reason.OUTSIDE_FILTER, Reason.TOO_OLD}
    return not (route.keep_on_exit if left_scope else route.keep_on_end)


def unjudged(reason: Reason, held: Copy, rule: Rule) -> Reason:
    """Why a copy is withheld whose record is withheld for one of UNJUDGED: it stays if nothing more went out with it.

    It cannot be brought under another text, another place or other pseudonyms; of a LOST record nobody knows the age.
    """
    route = rule.route
    as_much = held.revision == route.revision or held.revision in route.no_wider
    if held.topic != route.topic or held.epoch != rule.epoch or not as_much:
        return Reason.CANNOT_FOLLOW
    return Reason.TOO_OLD if reason is Reason.RECORD_UNREADABLE and route.oldest is not None else reason


def too_soon(held: Copy, rule: Rule, now_ms: int) -> bool:
    """Whether a new version of a copy waits for the next span of the agreement's frequency.

    A new revision waits for nothing: it may release less. Nor do renewed pseudonyms.
    """
    route = rule.route
    if route.frequency is None:
        return False
    if (held.revision, held.epoch) != (route.revision, rule.epoch):
        return False
    return route.frequency.begin(held.released_at_ms) == route.frequency.begin(now_ms)


def due_under(held: Copy, route: Route) -> int | None:
    """When a copy that stays as it is falls due, or None.

    A newer text that shortens the retention shortens it for what is held; one that lengthens it does so for new copies.
    """
    if route.retention_ms is None:
        return held.due_ms
    due_ms = held.released_at_ms + route.retention_ms
    return due_ms if held.due_ms is None else min(due_ms, held.due_ms)
