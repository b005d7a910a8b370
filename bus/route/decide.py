"""The decision about one record under one agreement. Everything else in the router obeys it."""

from typing import NamedTuple

from bus.agreements.route import Route
from bus.consent.covers import refusal
from bus.errors import FieldMissing, FilterError
from bus.model.consent import Consent
from bus.model.key import UNKNOWN_SUBJECT
from bus.model.reasons import Held, Reason
from bus.register.state import Standing
from bus.route.rules import Rule
from bus.route.seen import Seen


class Release(NamedTuple):
    """Give the recipient this framed view; `consent` is the event that allows it, None where an article of law does."""

    view: bytes
    consent: str | None


class Withhold(NamedTuple):
    """Let the recipient have nothing; what becomes of a copy already held follows from the reason."""

    reason: Reason


Decision = Release | Withhold


class Whose(NamedTuple):
    """Whom a record is about, None in a dataset without subjects, and how they stand to the agreement."""

    subject: str | None
    consent: Consent


def decide(seen: Seen | None, whose: Whose, rule: Rule, now_ms: int) -> Decision:
    """Release or withhold. Deny by default: only the last line releases.

    `seen` None means deleted at the source; `now_ms` is the time of the lane.
    """
    if seen is None:
        return Withhold(Reason.DELETED)
    route = rule.route
    paused = Reason.ROUTE_PAUSED if rule.standing is Standing.PAUSED else None
    # A hold-up comes last: a withdrawal erases, whatever an operator holds up.
    refused = agreement_refusal(route, rule.standing, now_ms) or consent_refusal(route, whose, now_ms) or paused
    if refused is not None:
        return Withhold(refused)
    try:
        if not route.admits(seen.record):
            return Withhold(Reason.OUTSIDE_FILTER)
        view = rule.cut(seen)
    except FilterError:
        return Withhold(Reason.FILTER_ERROR)
    except FieldMissing:
        return Withhold(Reason.FIELD_MISSING)
    given = whose.consent.given
    return Release(view, given.event_id if route.needs_consent and given is not None else None)


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


def consent_refusal(route: Route, whose: Whose, now_ms: int) -> Reason | None:
    """Why consent does not cover a release now, or None."""
    if not route.needs_consent:
        return None
    if whose.subject is None or whose.subject == UNKNOWN_SUBJECT:
        return Reason.SUBJECT_UNKNOWN
    return refusal(whose.consent, route.accepted_revisions, now_ms)


def erases(reason: Reason, route: Route) -> bool:
    """Whether a copy already held is erased when its record is withheld for this reason."""
    if reason.held is not Held.AS_AGREED:
        return reason.held is Held.ERASE
    return not (route.keep_on_exit if reason is Reason.OUTSIDE_FILTER else route.keep_on_end)
