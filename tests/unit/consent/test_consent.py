"""What consent events come to, and what they cover."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.consent.covers import refusal
from bus.consent.fold import MOST_SEEN, NEVER, fold, fold_unreadable
from bus.consent.messages import LONGEST, consent_event, consent_message, pair_of
from bus.model.consent import Consent, ConsentAction, ConsentEvent, GivenBy
from bus.model.key import LONGEST_KEY
from bus.model.reasons import Held, Reason
from bus.route.entries import consent_body
from bus.topics import MAX_RECORD_BYTES

SHOWN = "9e3324f9c82e0b71"
ACCEPTED = frozenset({SHOWN})


def giving(at: int, event_id: str | None = None, *, until: int | None = None, revision: str = SHOWN) -> ConsentEvent:
    return ConsentEvent(
        event_id=event_id or f"given-{at}",
        subject="001190000029",
        agreement="person-address-to-bank",
        revision=revision,
        action=ConsentAction.GIVE,
        given_by=GivenBy.SELF,
        proof="app:1",
        valid_from_ms=at,
        valid_until_ms=until,
        at_ms=at,
    )


def withdrawal(at: int, event_id: str | None = None) -> ConsentEvent:
    return replace(giving(at, event_id or f"withdrawn-{at}"), action=ConsentAction.WITHDRAW)


def folded(*events: ConsentEvent) -> Consent:
    standing = NEVER
    for event in events:
        standing = fold(standing, event)
    return standing


CASES: list[tuple[str, tuple[ConsentEvent, ...], int, Reason | None]] = [
    ("nobody has consented before they do", (), 10, Reason.CONSENT_MISSING),
    ("a giving covers from its moment on", (giving(10),), 10, None),
    ("it does not cover the moment before", (giving(10),), 9, Reason.CONSENT_NOT_YET),
    ("it covers the last moment before its end", (giving(10, until=20),), 19, None),
    ("it does not cover its end", (giving(10, until=20),), 20, Reason.CONSENT_EXPIRED),
    ("a withdrawal ends it", (giving(10), withdrawal(11)), 12, Reason.CONSENT_WITHDRAWN),
    ("a withdrawal with an earlier time ends it too", (giving(10), withdrawal(5)), 12, Reason.CONSENT_WITHDRAWN),
    ("a withdrawal alone is a withdrawal", (withdrawal(10),), 12, Reason.CONSENT_WITHDRAWN),
    ("a giving later than the withdrawal counts", (withdrawal(10), giving(11)), 12, None),
    ("one of the same moment does not", (withdrawal(10), giving(10)), 12, Reason.CONSENT_WITHDRAWN),
    ("an older one does not", (withdrawal(10), giving(9)), 12, Reason.CONSENT_WITHDRAWN),
    (
        "an early withdrawal does not take back what a later one said",
        (withdrawal(10), withdrawal(5, "late"), giving(7)),
        12,
        Reason.CONSENT_WITHDRAWN,
    ),
    (
        "a giving that is sent again after the withdrawal changes nothing",
        (giving(10, "once"), withdrawal(11), giving(12, "once")),
        13,
        Reason.CONSENT_WITHDRAWN,
    ),
    (
        "a withdrawal under the id of the giving that stands ends it",
        (giving(10, "one id"), withdrawal(11, "one id")),
        12,
        Reason.CONSENT_WITHDRAWN,
    ),
    (
        "what was withdrawn does not come again under another id, though the withdrawal's clock was slow",
        (giving(10), withdrawal(5), giving(10, "sent by another device")),
        12,
        Reason.CONSENT_WITHDRAWN,
    ),
    ("of two givings the later in the log stands", (giving(10), giving(9, until=12)), 13, Reason.CONSENT_EXPIRED),
    ("consent is for the text that was shown", (giving(10, revision="another"),), 12, Reason.CONSENT_REVISION),
]


@pytest.mark.parametrize(("events", "now", "expected"), [case[1:] for case in CASES], ids=[case[0] for case in CASES])
def test_what_is_covered(events: tuple[ConsentEvent, ...], now: int, expected: Reason | None) -> None:
    """Each case's sentence, on the left, must hold."""
    assert refusal(folded(*events), ACCEPTED, now) is expected


def test_what_cannot_be_read_counts_as_withdrawal() -> None:
    """An unreadable event must stop releases, whatever it may have said, and a later giving starts them anew."""
    unreadable = fold_unreadable(folded(giving(10)), 20)
    assert refusal(unreadable, ACCEPTED, 21) is Reason.CONSENT_UNREADABLE
    assert refusal(fold(unreadable, giving(20, "as old")), ACCEPTED, 21) is Reason.CONSENT_UNREADABLE
    assert refusal(fold(unreadable, giving(21, "newer")), ACCEPTED, 21) is None


def test_a_standing_fits_into_a_record() -> None:
    """However often somebody acts, with ids as long as may be, the lane's record of it is one that the broker takes."""
    standing = Consent(seen=frozenset(f"{number:0200}" for number in range(MOST_SEEN - 1)))
    standing = fold(standing, giving(1, "i" * 200))
    assert refusal(standing, ACCEPTED, 3) is None
    assert fold(standing, giving(2, "j" * 200)) is standing
    standing = fold(standing, withdrawal(2, "k" * 200))
    assert refusal(standing, ACCEPTED, 3) is Reason.CONSENT_WITHDRAWN
    assert fold(standing, giving(3, "l" * 200)) is standing
    for number in range(1000):
        standing = fold(standing, withdrawal(4 + number, f"{number:0200}+"))
    assert len(consent_body(standing)) < 0.9 * MAX_RECORD_BYTES


EVENTS = st.builds(
    lambda at, number, withdraw: (withdrawal if withdraw else giving)(at, f"event-{number}"),
    st.integers(0, 20),
    st.integers(0, 30),
    st.booleans(),
)


@given(st.lists(EVENTS, max_size=12), EVENTS)
def test_an_event_seen_before_changes_nothing(history: list[ConsentEvent], event: ConsentEvent) -> None:
    """However often an event that counted comes again, the standing must stay the same object."""
    standing = fold(folded(*history), event)
    if event.event_id in standing.seen:
        assert fold(standing, event) is standing


@given(st.lists(EVENTS, max_size=12), st.integers(0, 20))
def test_a_withdrawal_always_ends_it(history: list[ConsentEvent], at: int) -> None:
    """After a withdrawal that was not seen before nothing is covered, at any time."""
    standing = fold(folded(*history), withdrawal(at, "the last word"))
    assert all(refusal(standing, ACCEPTED, now) is not None for now in range(25))


@given(st.lists(EVENTS, max_size=12))
def test_what_is_covered_was_given_after_the_last_withdrawal(history: list[ConsentEvent]) -> None:
    """A consent that stands must be newer than every withdrawal that counted."""
    standing = folded(*history)
    if standing.given is not None and standing.withdrawn_at_ms is not None:
        assert standing.given.at_ms > standing.withdrawn_at_ms


def test_a_lack_of_consent_always_erases() -> None:
    """Where consent is what is missing, a copy already held must be erased."""
    of_consent = [reason for reason in Reason if reason.value.startswith("consent-")]
    assert len(of_consent) >= 6
    assert {reason.held for reason in of_consent} == {Held.ERASE}


@pytest.mark.parametrize("name", LONGEST)
def test_an_event_with_a_text_that_is_too_long(name: str) -> None:
    """It is unreadable, so that it counts as a withdrawal: noted in `lane-state` it would stop its lane for good."""
    message = consent_message(giving(10))
    fitting = message | {name: "x" * LONGEST[name]}
    assert consent_message(consent_event(fitting)) == fitting
    with pytest.raises(ValueError, match="too long"):
        consent_event(message | {name: "x" * LONGEST[name] + "x"})


def test_a_key_that_is_too_long() -> None:
    """A key that no record of `lane-state` has room for names nobody."""
    assert pair_of(b"s/" + b"a" * (LONGEST_KEY - 2)) is not None
    assert pair_of(b"s/" + b"a" * (LONGEST_KEY - 1)) is None
