"""Whether a consent covers a release now, and if not, why not. Pure."""

from collections.abc import Set as AbstractSet

from bus.model.consent import Consent
from bus.model.reasons import Reason


def refusal(consent: Consent, accepted_revisions: AbstractSet[str], now_ms: int) -> Reason | None:
    """Why the consent covers nothing now, or None when it covers. An interval of validity is half open."""
    given = consent.given
    if given is None:
        return _never_or_no_more(consent)
    if given.revision not in accepted_revisions:
        return Reason.CONSENT_REVISION
    if now_ms < given.valid_from_ms:
        return Reason.CONSENT_NOT_YET
    if given.valid_until_ms is not None and now_ms >= given.valid_until_ms:
        return Reason.CONSENT_EXPIRED
    return None


def _never_or_no_more(consent: Consent) -> Reason:
    if consent.unreadable:
        return Reason.CONSENT_UNREADABLE
    return Reason.CONSENT_MISSING if consent.withdrawn_at_ms is None else Reason.CONSENT_WITHDRAWN
