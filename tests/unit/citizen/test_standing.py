"""How a person stands, told in the words of the catalogue of reasons."""

from dataclasses import replace
from typing import Any

import pytest

from bus.citizen.standing import standings_of
from bus.clock import parse_iso
from bus.model.consent import Consent, ConsentAction, ConsentEvent, GivenBy
from bus.model.reasons import Reason
from bus.register.state import RegisterState
from tests.unit.citizen.conftest import BANK, PORTAL, TAX

NOW = 1_772_326_800_000

GIVEN = ConsentEvent(
    "e-1", "001190000029", BANK, "new", ConsentAction.GIVE, GivenBy.GUARDIAN, "paper:7", NOW - 5, None, NOW - 10
)


def bank(state: RegisterState, consent: Consent) -> dict[str, Any]:
    (found,) = [one for one in standings_of({BANK: consent}, state, NOW) if one["agreement"] == BANK]
    return found


def test_every_agreement_about_people(state: RegisterState) -> None:
    """A person sees each agreement about people, whether it asks for consent or rests on law, and no other."""
    found = standings_of({}, state, NOW)
    assert [(one["agreement"], one["standing"]) for one in found] == [
        (BANK, "not-consented"),
        (PORTAL, "not-consented"),
        (TAX, "by-law"),
    ]
    assert found[0]["recipient"] == {"id": "bank", "name": {"en": "The Bank"}}
    assert found[0]["fields"] == ["full_name", "is_adult"]
    assert [one["agreement_standing"] for one in found] == ["active", "ended", "active"]


def test_given(state: RegisterState) -> None:
    """A standing consent is shown whole: what for, who gave it, the proof, its times, and when one was withdrawn."""
    document = state.agreements[BANK].document
    assert bank(state, Consent(given=GIVEN, withdrawn_at_ms=NOW - 20)) == {
        "agreement": BANK,
        "recipient": {"id": "bank", "name": {"en": "The Bank"}},
        "fields": ["full_name", "is_adult"],
        **{name: document[name] for name in ("title", "purpose", "basis", "dataset")},
        "agreement_standing": "active",
        "standing": "consented",
        "reason": None,
        "words": "The person consented.",
        "given": {
            "event_id": "e-1",
            "revision": "new",
            "given_by": "GUARDIAN",
            "proof": "paper:7",
            "valid_from": "2026-03-01T00:59:59.995Z",
            "valid_until": None,
            "at": "2026-03-01T00:59:59.990Z",
        },
        "withdrawn_at": "2026-03-01T00:59:59.980Z",
    }
    (by_law,) = [one for one in standings_of({}, state, NOW) if one["agreement"] == TAX]
    told = {name: by_law[name] for name in ("reason", "words", "given", "withdrawn_at")}
    words = "The law lets these data flow; consent is not asked for."
    assert told == {"reason": None, "words": words, "given": None, "withdrawn_at": None}


@pytest.mark.parametrize(
    ("consent", "reason"),
    [
        (Consent(), Reason.CONSENT_MISSING),
        (Consent(withdrawn_at_ms=NOW - 1), Reason.CONSENT_WITHDRAWN),
        (Consent(withdrawn_at_ms=NOW - 1, unreadable=True), Reason.CONSENT_UNREADABLE),
        (Consent(given=replace(GIVEN, revision="older")), Reason.CONSENT_REVISION),
        (Consent(given=replace(GIVEN, valid_from_ms=NOW + 1)), Reason.CONSENT_NOT_YET),
        (Consent(given=replace(GIVEN, valid_until_ms=NOW)), Reason.CONSENT_EXPIRED),
    ],
)
def test_not_covered(state: RegisterState, consent: Consent, reason: Reason) -> None:
    """A consent that covers nothing now is shown with the reason for which data are withheld."""
    found = bank(state, consent)
    assert (found["standing"], found["reason"], found["words"]) == ("not-consented", reason.value, reason.meaning)


@pytest.mark.parametrize(
    ("until", "shown"),
    [
        ("9999-12-31T23:59:59.9999999Z", "9999-12-31T23:59:59.000Z"),
        ("9999-12-31T23:59:59-14:00", "9999-12-31T23:59:59.000Z"),
        ("2099-12-31T23:59:59.999Z", "2099-12-31T23:59:59.999Z"),
    ],
)
def test_a_consent_for_ever(state: RegisterState, until: str, shown: str) -> None:
    """The last moment that a caller's clock knows is taken for an end, and can be shown like any other."""
    found = bank(state, Consent(given=replace(GIVEN, valid_until_ms=parse_iso(until))))
    assert found["standing"] == "consented"
    assert found["given"]["valid_until"] == shown


def test_words_in_a_language(state: RegisterState) -> None:
    """Each standing is told in the language that was asked for."""
    words = {one["agreement"]: one["words"] for one in standings_of({BANK: Consent(given=GIVEN)}, state, NOW, "vi")}
    assert words[BANK] == "Người này đã đồng ý."
    assert words[PORTAL] == "Người dân chưa từng đồng ý với thỏa thuận này."
    assert words[TAX].startswith("Luật cho phép")


@pytest.mark.parametrize(("at", "stands"), [("2025-12-31T16:59:59Z", "not-begun"), ("2026-12-31T17:00:00Z", "over")])
def test_an_agreement_beyond_its_days(state: RegisterState, at: str, stands: str) -> None:
    """No agreement is told as active before its first day or after its last one, in its time zone."""
    entry = state.agreements[BANK]
    dated = replace(entry, document={**entry.document, "valid": {"from": "2026-01-01", "until": "2026-12-31"}})
    known = replace(state, agreements={BANK: dated})
    assert standings_of({}, known, parse_iso(at))[0]["agreement_standing"] == stands
    assert standings_of({}, known, NOW)[0]["agreement_standing"] == "active"
