"""Consent events as Avro messages, and back."""

from typing import Any

from bus.model.consent import Consent, ConsentAction, ConsentEvent, GivenBy
from bus.model.key import LONGEST_KEY

LONGEST = {"event_id": 200, "subject": 256, "agreement": 60, "revision": 256, "proof": 2000}
"""Texts of an event in bytes: four for each character that the consent API takes, but for ASCII ids. They stand in one
record of `lane-state`, the id with all others of the person and the agreement: what the broker would refuse there would
stop the lane for good."""


_MOMENT = {int, type(None)}


def consent_message(event: ConsentEvent) -> dict[str, Any]:
    """The event as its Avro schema has it."""
    return {
        "event_id": event.event_id,
        "subject": event.subject,
        "agreement": event.agreement,
        "revision": event.revision,
        "action": event.action.value,
        "given_by": event.given_by.value,
        "proof": event.proof,
        "valid_from": event.valid_from_ms,
        "valid_until": event.valid_until_ms,
        "at": event.at_ms,
    }


def consent_event(message: dict[str, Any]) -> ConsentEvent:
    """The inverse of `consent_message`. Raises KeyError or ValueError for a message of another shape, or too long.

    Whoever writes to Kafka chooses the schema: what is no text or no number there could be noted by no lane.
    """
    for name, most in LONGEST.items():
        if type(message[name]) is not str or len(message[name].encode()) > most:
            raise ValueError(f"{name} is no text, or too long")
    if {type(message[name]) for name in ("valid_from", "at")} != {int} or type(message["valid_until"]) not in _MOMENT:
        raise ValueError("a moment of it is none")
    return _event(message)


def _event(message: dict[str, Any]) -> ConsentEvent:
    return ConsentEvent(
        event_id=message["event_id"],
        subject=message["subject"],
        agreement=message["agreement"],
        revision=message["revision"],
        action=ConsentAction(message["action"]),
        given_by=GivenBy(message["given_by"]),
        proof=message["proof"],
        valid_from_ms=message["valid_from"],
        valid_until_ms=message["valid_until"],
        at_ms=message["at"],
    )


def standing_message(consent: Consent) -> dict[str, Any]:
    """A folded standing as the lane keeps it."""
    return {
        "given": None if consent.given is None else consent_message(consent.given),
        "withdrawn_at": consent.withdrawn_at_ms,
        "unreadable": consent.unreadable,
        "seen": sorted(consent.seen),
    }


def standing(message: dict[str, Any]) -> Consent:
    """The inverse of `standing_message`."""
    given = message["given"]
    return Consent(
        None if given is None else _event(given),
        message["withdrawn_at"],
        frozenset(message["seen"]),
        message["unreadable"],
    )


def split_key(key: bytes) -> tuple[str, str]:
    """Subject and agreement of a key of `consents`. Raises ValueError."""
    subject, slash, agreement = key.decode().partition("/")
    if len(key) > LONGEST_KEY:
        raise ValueError("the key is too long to be noted")
    if not (subject and slash and agreement):
        raise ValueError("the key is not `subject/agreement`")
    return subject, agreement


def pair_of(key: bytes | None) -> tuple[str, str] | None:
    """The same; None for a key that is none."""
    try:
        return split_key(key or b"")
    except ValueError:
        return None
