"""The decision about one record under one agreement. Everything else in the router obeys it."""

from typing import NamedTuple, Self

from bus.agreements.route import Route
from bus.consent.covers import refusal
from bus.errors import FieldMissing, FilterError, RecordUnreadable
from bus.model.consent import Consent
from bus.model.key import UNKNOWN_SUBJECT
from bus.model.reasons import Held, Reason
from bus.register.state import Standing
from bus.route.rules import Rule
from bus.route.seen import Seen
from bus.route.state import Holding


class Release(NamedTuple):
    """Give the recipient this framed view; `consent` is the event that allows it, None where an article of law does."""

    view: bytes
    consent: str | None


class Withhold(NamedTuple):
    """Let the recipient have nothing; what becomes of a copy already held follows from the reason."""

    reason: Reason


WITHHOLD = {reason: Withhold(reason) for reason in Reason}

Decision = Release | Withhold


class Term(NamedTuple):
    """A rule at a moment: what of its decisions depends on no record and on nobody."""

    rule: Rule
    refused: Reason | None
    """Why the agreement lets nothing through now."""

    held_up: Reason | None
    """That an operator holds it up."""

    @classmethod
    def of(cls, rule: Rule, now_ms: int) -> Self:
        """The rule as it stands at a time of the lane."""
        held_up = Reason.ROUTE_PAUSED if rule.standing is Standing.PAUSED else None
        return cls(rule, agreement_refusal(rule.route, rule.standing, now_ms), held_up)


def decide(seen: Seen | None, subject: str | None, consent: Consent, term: Term, now_ms: int) -> Decision:
    """Release or withhold. Deny by default: only the last line releases.

    `seen` None means deleted at the source. `subject` is whom the record is about, None in a dataset without subjects;
    `consent` how they stand to the agreement; `now_ms` the time of the lane.
    """
    if seen is None:
        return WITHHOLD[Reason.DELETED]
    rule, refused, held_up = term
    needs_consent = rule.route.needs_consent
    # A hold-up comes last: a withdrawal erases, whatever an operator holds up.
    refused = refused or (consent_refusal(rule.route, subject, consent, now_ms) if needs_consent else None) or held_up
    if refused is not None:
        return WITHHOLD[refused]
    try:
        outside = scope_refusal(rule, seen, now_ms)
        if outside is not None:
            return WITHHOLD[outside]
        view = rule.cut(seen)
    except FilterError:
        return WITHHOLD[Reason.FILTER_ERROR]
    except (FieldMissing, RecordUnreadable):
        return WITHHOLD[Reason.FIELD_MISSING]
    given = consent.given
    return Release(view, given.event_id if needs_consent and given is not None else None)


def agreement_refusal(route: Route, standing: Standing, now_ms: int) -> Reason | None:
    """Why the agreement lets nothing through now, or None."""
    if standing is Standing.ENDED:
        return Reason.AGREEMENT_ENDED
    if standing is Standing.SUSPENDED:
        return Reason.AGREEMENT_SUSPENDED
    if now_ms < route.valid_from_ms:
        return Reason.AGREEMENT_NOT_YET
    if route.valid_until_ms is not None and now_ms >= route.valid_until_ms:
        return Reason.AGREEMENT_OVER
    return None


def consent_refusal(route: Route, subject: str | None, consent: Consent, now_ms: int) -> Reason | None:
    """Why a consent does not cover a release now that needs one, or None."""
    if subject is None or subject == UNKNOWN_SUBJECT:
        return Reason.SUBJECT_UNKNOWN
    return refusal(consent, route.accepted_revisions, now_ms)


def scope_refusal(rule: Rule, seen: Seen, now_ms: int) -> Reason | None:
    """Why the record is none of those that the agreement shares now, or None. Raises FilterError."""
    if not rule.admits(seen):
        return Reason.OUTSIDE_FILTER
    route = rule.route
    return Reason.TOO_OLD if route.oldest is not None and route.too_old(seen.record, now_ms) else None


def erases(reason: Reason, route: Route) -> bool:
    """Whether a copy already held is erased when its record is withheld for this reason."""
    if reason.held is not Held.AS_AGREED:
        return reason.held is Held.ERASE
    left_scope = reason in {Reason.OUTSIDE_FILTER, Reason.TOO_OLD}
    return not (route.keep_on_exit if left_scope else route.keep_on_end)


def too_soon(held: Holding, view_hash: bytes, route: Route, now_ms: int) -> bool:
    """Whether a new version of a copy waits for the next span of the agreement's frequency.

    A new revision waits for nothing: it may release less.
    """
    if route.frequency is None or held.view_hash == view_hash or held.revision != route.revision:
        return False
    return route.frequency.begin(held.released_at_ms) == route.frequency.begin(now_ms)
