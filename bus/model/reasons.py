"""Why a record is withheld or erased: one catalogue, from which screens and documentation take their words."""

from enum import StrEnum
from typing import Self


class Held(StrEnum):
    """What becomes of a copy that a recipient already holds when its record is withheld for a reason."""

    ERASE = "erase"
    KEEP_STALE = "keep-stale"
    AS_AGREED = "as-agreed"  # erase, unless a statutory agreement says `keep`


class Reason(StrEnum):
    """A reason, its meaning in one sentence, and what becomes of a copy already held."""

    meaning: str
    held: Held

    def __new__(cls, code: str, meaning: str, held: Held) -> Self:
        """A StrEnum member that carries its meaning."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.held = held
        return member

    DELETED = "deleted-at-source", "The registry deleted the record.", Held.ERASE
    CONSENT_WITHDRAWN = "consent-withdrawn", "The person withdrew the consent.", Held.ERASE
    CONSENT_MISSING = "consent-missing", "The person has never consented to this agreement.", Held.ERASE
    CONSENT_EXPIRED = "consent-expired", "The consent was given for a time that is over.", Held.ERASE
    CONSENT_NOT_YET = "consent-not-yet-valid", "The consent begins later.", Held.ERASE
    CONSENT_REVISION = (
        "consent-other-revision",
        "The consent was given to a narrower agreement.",
        Held.ERASE,
    )
    CONSENT_UNREADABLE = "consent-unreadable", "A consent event could not be read; it counts as withdrawal.", Held.ERASE
    SUBJECT_UNKNOWN = "subject-unknown", "The record names no person, so no consent can cover it.", Held.ERASE
    OUTSIDE_FILTER = "outside-filter", "The record is outside the agreement's filter.", Held.AS_AGREED
    FILTER_ERROR = "filter-error", "The filter could not be evaluated on the record.", Held.KEEP_STALE
    FIELD_MISSING = "field-missing", "The record lacks a field that the agreement releases.", Held.KEEP_STALE
    AGREEMENT_NOT_YET = "agreement-not-yet-valid", "The agreement's validity begins later.", Held.AS_AGREED
    AGREEMENT_OVER = "agreement-over", "The agreement's validity is over.", Held.AS_AGREED
    AGREEMENT_ENDED = "agreement-ended", "The agreement was ended.", Held.AS_AGREED
    AGREEMENT_SUSPENDED = "agreement-suspended", "The agreement is suspended.", Held.KEEP_STALE
    ROUTE_PAUSED = "route-paused", "An operator holds the flow up; it goes on where it stopped.", Held.KEEP_STALE
    RETENTION_OVER = "retention-over", "The copy is older than the agreement lets it be kept.", Held.AS_AGREED
    RECORD_MOVED = "record-moved", "The record now belongs to another person.", Held.ERASE
