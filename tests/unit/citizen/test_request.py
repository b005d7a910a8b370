"""Reading acts from JSON: strictly, and without repeating what was sent."""

from typing import Any

import pytest

from bus.citizen.request import MOST_ACTS, Finding, read_acts
from bus.errors import ActsRefused
from bus.model.consent import ConsentAction, GivenBy

SUBJECT = "001190000029"


def act(**changes: Any) -> dict[str, Any]:
    document = {
        "event_id": "e-1",
        "subject": SUBJECT,
        "agreement": "address-to-bank",
        "action": "GIVE",
        "given_by": "SELF",
        "proof": "app:1",
    }
    return {name: value for name, value in (document | changes).items() if value is not ...}


def findings(body: Any) -> tuple[Finding, ...]:
    with pytest.raises(ActsRefused) as caught:
        read_acts(body)
    found = caught.value.details["findings"]
    assert isinstance(found, tuple)
    return found


def test_one_act_or_a_list() -> None:
    """An object is one act and a list is several, with times read to the millisecond from any offset."""
    (alone,) = read_acts(act(at="2026-03-01T08:00:00.5+07:00"))
    assert (alone.action, alone.given_by, alone.at) == (ConsentAction.GIVE, GivenBy.SELF, 1772326800500)
    assert [one.event_id for one in read_acts([act(), act(event_id="e-2")])] == ["e-1", "e-2"]
    assert read_acts([]) == ()


@pytest.mark.parametrize(
    ("changes", "place", "remedy"),
    [
        ({"subject": ...}, "subject", "Add it."),
        ({"subject": 1190000029}, "subject", "Send a text."),
        ({"subject": "0011/90000029"}, "subject", "without spaces, slashes"),
        ({"subject": "001190000029\n"}, "subject", "without spaces, slashes"),
        ({"subject": "001190000029\u200b"}, "subject", "that nobody sees"),
        ({"subject": "\x00001190000029"}, "subject", "that nobody sees"),
        ({"subject": "001190000029\ufe0f"}, "subject", "that nobody sees"),
        ({"subject": "001190000029\u3164"}, "subject", "that nobody sees"),
        ({"subject": "001190000029\u2800"}, "subject", "that nobody sees"),
        ({"event_id": "an id"}, "event_id", "UUID"),
        ({"agreement": ""}, "agreement", "not empty"),
        ({"action": "give"}, "action", "in capitals"),
        ({"action": ["GIVE"]}, "action", "in capitals"),
        ({"given_by": "SOMEBODY"}, "given_by", "in capitals"),
        ({"proof": " "}, "proof", "not empty"),
        ({"proof": "x" * 501}, "proof", "shorter"),
        ({"valid_until": "2026-03-01"}, "valid_until", "with an offset"),
        ({"valid_until": 1772326800}, "valid_until", "with an offset"),
        ({"at": "2026-03-01T08:00:00"}, "at", "with an offset"),
        ({"valid_til": "2026-03-01T08:00:00Z"}, "valid_til", "Leave it out"),
    ],
)
def test_findings(changes: dict[str, Any], place: str, remedy: str) -> None:
    """Each thing that is wrong is told with its place and what to do."""
    (found,) = findings([act(event_id="e-0"), act(**changes)])
    assert found.place == f"[1].{place}"
    assert remedy in found.remedy


@pytest.mark.parametrize("body", [None, 3, "act", [None], [[]]])
def test_no_objects(body: Any) -> None:
    """What is no JSON object is refused as such."""
    (found,) = findings(body)
    assert found.remedy == "Send a JSON object."


def test_every_finding_at_once() -> None:
    """A caller learns all that is wrong with all acts from one answer."""
    found = findings([act(subject=...), act(), act(action="TAKE", given_by="ME")])
    assert [one.place for one in found] == ["[0].subject", "[2].action", "[2].given_by"]


def test_nothing_is_repeated() -> None:
    """A finding never repeats a value, whatever place a personal id was put into."""
    wrong = [act(action=SUBJECT), act(at=SUBJECT), act(subject=f"{SUBJECT}/"), act(given_by=SUBJECT, proof="")]
    assert SUBJECT not in repr(findings(wrong))


def test_too_many() -> None:
    """More acts than one request may hold are refused before any is looked at."""
    (found,) = findings([None] * (MOST_ACTS + 1))
    assert str(MOST_ACTS) in found.remedy
