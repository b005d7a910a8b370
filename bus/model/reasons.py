"""Why a record is withheld or erased: one catalogue, from which screens and documentation take their words."""

from enum import StrEnum
from typing import Self


class Held(StrEnum):
    """What becomes of a copy that a recipient already holds when its record is withheld for a reason."""

    ERASE = "erase"
    KEEP_STALE = "keep-stale"
    AS_AGREED = "as-agreed"  # erase, unless a statutory agreement says `keep`


class Reason(StrEnum):
    """A reason, its meaning in one sentence, what can be done about it, and what becomes of a copy already held."""

    meaning: str
    remedy: str
    held: Held

    def __new__(cls, code: str, meaning: str, remedy: str, held: Held) -> Self:
        """A StrEnum member that carries its meaning and its remedy."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.remedy = remedy
        member.held = held
        return member

    __hash__ = str.__hash__
    """An enum's own is slow, and each withholding is counted by its reason."""

    DELETED = (
        "deleted-at-source",
        "The registry deleted the record.",
        "None: what is no longer in the registry is with nobody. A deletion by mistake is undone in the registry.",
        Held.ERASE,
    )
    CONSENT_WITHDRAWN = (
        "consent-withdrawn",
        "The person withdrew the consent.",
        "None but the person's own: they may consent again.",
        Held.ERASE,
    )
    CONSENT_MISSING = (
        "consent-missing",
        "The person has never consented to this agreement.",
        "Ask the person, in the citizens' app or at a counter.",
        Held.ERASE,
    )
    CONSENT_EXPIRED = (
        "consent-expired",
        "The consent was given for a time that is over.",
        "Ask the person to consent anew.",
        Held.ERASE,
    )
    CONSENT_NOT_YET = (
        "consent-not-yet-valid",
        "The consent begins later.",
        "Wait for its first day; the record is then released by itself.",
        Held.ERASE,
    )
    CONSENT_REVISION = (
        "consent-other-revision",
        "The consent was given to a narrower agreement.",
        "Ask the person to consent to the text in force; or go back to a text that asks for no more.",
        Held.ERASE,
    )
    CONSENT_UNREADABLE = (
        "consent-unreadable",
        "A consent event could not be read; it counts as withdrawal.",
        "The operator finds out who wrote it; the person consents again.",
        Held.ERASE,
    )
    SUBJECT_UNKNOWN = (
        "subject-unknown",
        "The record names no person, so no consent can cover it.",
        "The registry completes the record; or the agreement stands on an article of law.",
        Held.ERASE,
    )
    OUTSIDE_FILTER = (
        "outside-filter",
        "The record is outside the agreement's filter.",
        "None where that is meant; else a new text with a wider filter. `bus agreement try` shows the clause.",
        Held.AS_AGREED,
    )
    TOO_OLD = (
        "too-old",
        "The record is older than the agreement allows, or does not say how old it is.",
        "None where that is meant; else a new text with a longer `data_range`. A registry completes the date.",
        Held.AS_AGREED,
    )
    TOO_SOON = (
        "too-soon",
        "The copy was brought up to date in this day, week or month already.",
        "Wait for the next one, which brings the newest version; or a new text with another `frequency`.",
        Held.KEEP_STALE,
    )
    FILTER_ERROR = (
        "filter-error",
        "The filter could not be evaluated on the record.",
        "`bus agreement try` shows the clause; the registry mends the record, or the text guards it with has().",
        Held.KEEP_STALE,
    )
    FIELD_MISSING = (
        "field-missing",
        "The record lacks a field that the agreement releases.",
        "The registry completes the record.",
        Held.KEEP_STALE,
    )
    RECORD_UNREADABLE = (
        "record-unreadable",
        "The newest version of the record cannot be read, and no version before it is known.",
        "The operator looks at its dead letter (`bus deadletter`); the registry publishes the record again.",
        Held.KEEP_STALE,
    )
    CANNOT_FOLLOW = (
        "cannot-follow",
        "The record cannot be judged, so its copy cannot be brought under the text or the pseudonyms in force.",
        "As for `record-unreadable`, `filter-error` or `field-missing`: once it can be judged, it is released again.",
        Held.ERASE,
    )
    AGREEMENT_NOT_YET = (
        "agreement-not-yet-valid",
        "The agreement's validity begins later.",
        "Wait for its first day; records are then released by themselves.",
        Held.AS_AGREED,
    )
    AGREEMENT_OVER = (
        "agreement-over",
        "The agreement's validity is over.",
        "A new text with a later last day, approved by both sides.",
        Held.AS_AGREED,
    )
    AGREEMENT_ENDED = (
        "agreement-ended",
        "The agreement was ended.",
        "None for this one: hand in a text anew, which both sides approve.",
        Held.AS_AGREED,
    )
    AGREEMENT_SUSPENDED = (
        "agreement-suspended",
        "The agreement is suspended.",
        "`bus agreement history` tells which side suspended it, and why; that side resumes it.",
        Held.KEEP_STALE,
    )
    ROUTE_PAUSED = (
        "route-paused",
        "An operator holds the flow up; it goes on where it stopped.",
        "The operator resumes it.",
        Held.KEEP_STALE,
    )
    RETENTION_OVER = (
        "retention-over",
        "The copy is older than the agreement lets it be kept.",
        "None where that is meant; else a new text with a longer retention. A change of the record is released again.",
        Held.AS_AGREED,
    )
    PSEUDONYMS_RENEWED = (
        "pseudonyms-renewed",
        "The recipient's pseudonyms were renewed; the record follows under its new one.",
        "None: the recipient has the record under its new pseudonym.",
        Held.ERASE,
    )
    RECORD_MOVED = (
        "record-moved",
        "The record now belongs to another person, or the flow has a topic of a new version.",
        "None: the recipient has it under the other person's key, or in the new topic, where the agreement lets it.",
        Held.ERASE,
    )
