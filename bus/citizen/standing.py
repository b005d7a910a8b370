"""How a person stands to every agreement, as the app and a clerk can show it. Pure."""

from collections.abc import Iterator, Mapping
from enum import StrEnum
from typing import Any

from bus.agreements.finding import reason_words, words_of
from bus.citizen.admission import asks_for_consent
from bus.clock import iso
from bus.consent.covers import refusal
from bus.consent.fold import NEVER
from bus.model.consent import Consent, ConsentEvent
from bus.register.published import stands
from bus.register.state import AgreementEntry, RegisterState

NO_PEOPLE = "none"
"""The `identifier` of an agreement over records that are about nobody."""


class Flow(StrEnum):
    """Whether data of a person may flow under an agreement, as far as it depends on the person."""

    CONSENTED = "consented"
    NOT_CONSENTED = "not-consented"
    BY_LAW = "by-law"


def standings_of(
    consents: Mapping[str, Consent], state: RegisterState, now_ms: int, language: str = "en"
) -> list[dict[str, Any]]:
    """One entry for each agreement about people, by name; `words` are in a language that the bus speaks."""
    about_people = [entry for _, entry in sorted(state.agreements.items()) if _is_about_people(entry)]
    return [_standing(entry, consents.get(entry.agreement, NEVER), state, now_ms, language) for entry in about_people]


def _is_about_people(entry: AgreementEntry) -> bool:
    return bool(entry.document["identifier"] != NO_PEOPLE)


def _standing(
    entry: AgreementEntry, consent: Consent, state: RegisterState, now_ms: int, language: str
) -> dict[str, Any]:
    document = entry.document
    agency = state.agencies.get(document["recipient"], {})
    return {
        "agreement": entry.agreement,
        "title": document["title"],
        "recipient": {"id": document["recipient"], "name": agency.get("name", {})},
        "purpose": document["purpose"],
        "basis": document["basis"],
        "dataset": document["dataset"],
        "fields": list(_field_names(document)),
        "agreement_standing": stands(entry, now_ms),
        **_flow(entry, consent, now_ms, language),
        "given": None if consent.given is None else _given(consent.given),
        "withdrawn_at": None if consent.withdrawn_at_ms is None else iso(consent.withdrawn_at_ms),
    }


def _flow(entry: AgreementEntry, consent: Consent, now_ms: int, language: str) -> dict[str, Any]:
    words = words_of(language)["flow"]
    if not asks_for_consent(entry):
        return {"standing": Flow.BY_LAW, "reason": None, "words": words[Flow.BY_LAW]}
    why_not = refusal(consent, entry.accepted_revisions, now_ms)
    if why_not is None:
        return {"standing": Flow.CONSENTED, "reason": None, "words": words[Flow.CONSENTED]}
    return {"standing": Flow.NOT_CONSENTED, "reason": why_not.value, "words": reason_words(why_not, language)[0]}


def _given(event: ConsentEvent) -> dict[str, Any]:
    return {
        "event_id": event.event_id,
        "revision": event.revision,
        "given_by": event.given_by.value,
        "proof": event.proof,
        "valid_from": iso(event.valid_from_ms),
        "valid_until": None if event.valid_until_ms is None else iso(event.valid_until_ms),
        "at": iso(event.at_ms),
    }


def _field_names(document: Mapping[str, Any]) -> Iterator[str]:
    for rule in document["fields"]:
        yield rule.get("called") or rule["name"]
