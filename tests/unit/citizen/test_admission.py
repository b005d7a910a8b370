"""Which acts become consent events: giving is narrow, withdrawing is wide."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

from bus.citizen.admission import SKEW_MS, admit
from bus.citizen.ledger import Entered
from bus.citizen.request import Finding, read_acts
from bus.consent.covers import refusal
from bus.consent.fold import MOST_SEEN, NEVER, fold
from bus.errors import ActsRefused
from bus.model.consent import Consent, ConsentAction, ConsentEvent
from bus.register.state import RegisterState, Standing
from tests.unit.citizen.conftest import BANK, PARCELS, PORTAL, TAX, activated, in_force

NOW = 1_772_326_800_000  # 2026-03-01T01:00:00Z
LATER, EARLIER = "2026-03-01T02:00:00Z", "2026-03-01T00:00:00Z"
SUBJECT = "001190000029"


def document(number: int = 0, **changes: Any) -> dict[str, Any]:
    base = {
        "event_id": f"e-{number}",
        "subject": SUBJECT,
        "agreement": BANK,
        "action": "GIVE",
        "given_by": "SELF",
        "proof": "app:1",
    }
    return base | changes


@dataclass(frozen=True)
class Book:
    """What is known of everybody, and of the events by id."""

    everybody: Consent = NEVER
    events: Mapping[str, Entered] = field(default_factory=dict)
    on_the_way: Mapping[str, ConsentEvent] = field(default_factory=dict)

    def standing(self, subject: str, agreement: str) -> Consent:
        del subject, agreement
        return self.everybody

    def entered(self, event_id: str) -> Entered | None:
        return self.events.get(event_id)

    def coming(self, event_id: str) -> ConsentEvent | None:
        return self.on_the_way.get(event_id)


def admitted(state: RegisterState, *documents: dict[str, Any], known: Book | None = None) -> list[ConsentEvent]:
    return admit(read_acts(list(documents)), state, known or Book(), NOW, listed=True)


def refused(state: RegisterState, *documents: dict[str, Any], known: Book | None = None) -> list[Finding]:
    with pytest.raises(ActsRefused) as caught:
        admitted(state, *documents, known=known)
    found = caught.value.details["findings"]
    assert isinstance(found, tuple)
    return list(found)


def test_give(state: RegisterState) -> None:
    """A consent is to the revision in force and holds at once and until withdrawn, unless the caller says otherwise."""
    (event,) = admitted(state, document())
    assert (event.revision, event.valid_from_ms, event.valid_until_ms, event.at_ms) == ("new", NOW, None, NOW)
    (event,) = admitted(state, document(revision="narrower", valid_from=LATER, valid_until="2026-03-01T03:00:00Z"))
    assert (event.revision, event.valid_from_ms - NOW, event.valid_until_ms) == ("narrower", 3_600_000, NOW + 7_200_000)


@pytest.mark.parametrize(
    ("changes", "place", "words"),
    [
        ({"agreement": "address-to-bnak"}, "agreement", "Did you mean address-to-bank?"),
        ({"agreement": TAX}, "agreement", "LAW-1"),
        ({"agreement": PARCELS}, "agreement", "LAW-1"),
        ({"agreement": PORTAL}, "agreement", "Do not ask for this consent now."),
        ({"revision": "wider"}, "revision", "Show the person the text in force, new"),
        ({"at": LATER}, "at", "Set the clock"),
        ({"valid_until": EARLIER}, "valid_until", "later end"),
        ({"valid_from": LATER, "valid_until": LATER}, "valid_until", "later end"),
        ({"subject": "-"}, "subject", "personal id"),
        ({"event_id": f"give-{SUBJECT}"}, "event_id", "UUID"),
    ],
)
def test_give_refused(state: RegisterState, changes: dict[str, Any], place: str, words: str) -> None:
    """What cannot be consented to is refused with its place and a remedy."""
    (found,) = refused(state, document(0, subject="001190000030"), document(1, **changes))
    assert found.place == f"[1].{place}"
    assert words in found.remedy


def test_known_agreements_are_named(state: RegisterState) -> None:
    """An unknown agreement is answered with those that ask for consent, and no others."""
    (found,) = refused(state, document(agreement="zzz"))
    assert found.remedy == f"Agreements that ask for consent: {BANK}, {PORTAL}."


@pytest.mark.parametrize("agreement", [BANK, PORTAL, TAX])
@pytest.mark.parametrize("changes", [{}, {"revision": "never-was"}, {"at": LATER}, {"valid_until": EARLIER}])
def test_withdraw_is_always_taken(state: RegisterState, agreement: str, changes: dict[str, Any]) -> None:
    """Stopping is never refused for an agreement that was ever known, whatever stands beside it."""
    (event,) = admitted(state, document(action="WITHDRAW", agreement=agreement, **changes))
    assert event.at_ms <= NOW
    assert refusal(fold(NEVER, event), frozenset({"new"}), NOW) is not None


def test_suspended(state: RegisterState) -> None:
    """While an agreement, or everything, is suspended nobody is asked for consent, and everybody may withdraw."""
    suspended = in_force(state, replace(activated(BANK, consent=True), standing=Standing.SUSPENDED))
    for now in (suspended, replace(state, everything_suspended=True)):
        assert refused(now, document())[0].place == "[0].agreement"
        assert len(admitted(now, document(action="WITHDRAW"))) == 1


def test_same_id_twice(state: RegisterState) -> None:
    """Two acts of one request cannot have one id, for the second would change nothing."""
    (found,) = refused(state, document(0), document(1), document(0, action="WITHDRAW"))
    assert (found.place, found.reason) == ("[2].event_id", "the same id stands at [0].event_id")


@pytest.mark.parametrize(
    "another",
    [
        {"action": "WITHDRAW"},
        {"agreement": PORTAL, "action": "WITHDRAW"},
        {"subject": "001190000030"},
        {"valid_until": LATER},
        {"revision": "narrower"},
    ],
)
def test_an_id_of_another_act(state: RegisterState, another: dict[str, Any]) -> None:
    """An act under the id of another one, be it still on its way, is refused; the same one again is taken."""
    (event,) = admitted(state, document())
    entered = Entered(SUBJECT, BANK, ConsentAction.GIVE, 3, 41)
    read_back, written = Book(fold(NEVER, event), {event.event_id: entered}), Book(on_the_way={event.event_id: event})
    for known in (read_back, written):
        assert admitted(state, document(), known=known)
        (found,) = refused(state, document(**another), known=known)
        assert (found.place, found.reason) == ("[0].event_id", "another act was sent under this id")


def test_too_many_acts(state: RegisterState) -> None:
    """A giving that no fold would count is refused, in a list of many too; a withdrawal is taken."""
    known = Book(Consent(seen=frozenset(map(str, range(MOST_SEEN - 1)))))
    assert len(admitted(state, document(1), document(2, action="WITHDRAW"), known=known)) == 2
    (found,) = refused(state, document(1), document(2), known=known)
    assert found.place == "[1].agreement"


def test_last_word_stands(state: RegisterState) -> None:
    """Of acts without times the last one counts, within a request and after what is known, however quick they are."""
    acts = [document(0), document(1, action="WITHDRAW"), document(2), document(3, action="WITHDRAW"), document(4)]
    ahead = Consent(withdrawn_at_ms=NOW + 5)
    standing = ahead
    for event in admitted(state, *acts, known=Book(ahead)):
        standing = fold(standing, event)
        assert event.at_ms < NOW + 20
    assert standing.given is not None
    assert standing.given.event_id == "e-4"


def test_clock_a_little_ahead(state: RegisterState) -> None:
    """A caller's clock may be a little ahead."""
    (event,) = admitted(state, document(at="2026-03-01T01:00:59Z"))
    assert NOW < event.at_ms <= NOW + SKEW_MS


def test_place_of_a_single_act(state: RegisterState) -> None:
    """Where the caller sent one object, places begin with the name of the key."""
    with pytest.raises(ActsRefused) as caught:
        admit(read_acts(document(agreement="zzz")), state, Book(), NOW, listed=False)
    found = caught.value.details["findings"]
    assert isinstance(found, tuple)
    assert found[0].place == "agreement"
