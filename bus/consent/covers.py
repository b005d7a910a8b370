"""Whether a consent covers a release now, and if not, why not. Pure."""

from collections.abc import Set as AbstractSet

from bus.model.consent import NO_COVER, Consent, Cover
from bus.model.reasons import Reason


def cover_of(consent: Consent) -> Cover:
    """What of a standing decides."""
    given = consent.given
    if given is not None:
        return Cover(None, given.event_id, given.revision, given.valid_from_ms, given.valid_until_ms)
    if consent.unreadable:
        return Cover(Reason.CONSENT_UNREADABLE)
    return NO_COVER if consent.withdrawn_at_ms is None else Cover(Reason.CONSENT_WITHDRAWN)


def uncovered(cover: Cover, accepted_revisions: AbstractSet[str], now_ms: int) -> Reason | None:
    """Why it covers nothing now, or None when it covers. An interval of validity is half open."""
    lacking, _, revision, valid_from_ms, valid_until_ms = cover
    if lacking is not None:
        return lacking
    if revision not in accepted_revisions:
        return Reason.CONSENT_REVISION
    if now_ms < valid_from_ms:
        return Reason.CONSENT_NOT_YET
    if valid_until_ms is not None and now_ms >= valid_until_ms:
        return Reason.CONSENT_EXPIRED
    return None


def refusal(consent: Consent, accepted_revisions: AbstractSet[str], now_ms: int) -> Reason | None:
    """The same of a whole standing."""
    return uncovered(cover_of(consent), accepted_revisions, now_ms)
