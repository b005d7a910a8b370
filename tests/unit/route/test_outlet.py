"""What goes out with a view: the key that its recipient may see, the place, and the consent that allowed it."""

from dataclasses import replace
from typing import Any

import pytest

from bus.model.key import lane_of
from bus.model.reasons import Reason
from bus.route.outlet import agency_key
from tests.unit.route.lanes import PERSON, Nutshell, Ticks, give, holdings, rule, rules, value, withdraw


@pytest.mark.parametrize(
    ("subject_shown", "record_id_shown", "subject", "shown"),
    [
        (True, True, "p1", "p1/r/1"),
        (True, False, "p1", "p1/<r/1>"),
        (False, True, "p1", "<p1>/r/1"),
        (False, False, "p1", "<p1>/<r/1>"),
        (False, True, None, "r/1"),
        (True, False, None, "<r/1>"),
    ],
)
def test_a_key_tells_what_the_view_shows(
    subject: str | None, shown: str, *, subject_shown: bool, record_id_shown: bool
) -> None:
    """What a view hides, a person's number or a record's, stands in no key; where it hides whom, no lane tells it."""
    one = rule(subject_shown=subject_shown, record_id_shown=record_id_shown)
    key = ("r/1" if subject is None else f"{subject}/r/1").encode()
    plain = record_id_shown if subject is None else subject_shown
    assert agency_key(one, key, subject, 5) == (shown.encode(), 5 if plain else lane_of(shown, 8))


@pytest.mark.parametrize(
    ("subject_shown", "record_id_shown", "shown"),
    [(True, True, "p1/1"), (True, False, "p1/<1>"), (False, True, "<p1>/1"), (False, False, "<p1>/<1>")],
)
def test_a_view_goes_out_under_that_key(shown: str, *, subject_shown: bool, record_id_shown: bool) -> None:
    """A release lies under that key and in that partition, and so does its erasure."""
    lane = Nutshell()
    now = rules(rule(subject_shown=subject_shown, record_id_shown=record_id_shown))
    lane.step(now, lane.change("p1", value("An")))
    lane.step(now, lane.change("p1", None))
    partition = 0 if subject_shown else lane_of(shown, 8)
    assert subject_shown or partition
    assert [(one.key.decode(), one.where.partition) for one in lane.log] == [(shown, partition)] * 2


def test_each_output_names_its_consent() -> None:
    """A release names the consent that allowed it, an erasure the one that the copy stood on last; by law, none."""
    lane, now = Nutshell(), rules(rule("a", needs_consent=True), rule("b"))
    lane.step(now, lane.change("p1", value("An")), consents=[give(at=10)])
    lane.step(now, consents=[give(at=11)])
    lane.step(now, consents=[withdraw(at=20)])
    told = [(one.where.agreement, one.value is not None, one.consent) for one in lane.log]
    assert told == [("a", True, b"give-p1-a-10"), ("b", True, None), ("a", False, b"give-p1-a-11")]


def test_a_copy_names_the_consent_it_was_released_under() -> None:
    """The copy that a release leaves names text, consent and moment, and one of an agreement by law no consent."""
    lane, now = Nutshell(), rules(rule("a", needs_consent=True, retention_ms=70), rule("b"))
    lane.step(now, lane.change("p1", value("An")), consents=[give(), give(agreement="b")])
    copies = holdings(lane.state, PERSON, b"p1/1")
    assert (copies["a"].consent, copies["b"].consent) == ("give-p1-a-10", None)
    assert (copies["a"].released_at_ms, copies["a"].due_ms, copies["b"].due_ms) == (1000, 1070, None)


def test_another_topic() -> None:
    """A copy in a flow's older version is erased where it lies, and released in the new topic under the same key."""
    lane = Nutshell()
    lane.step(rules(rule(retention_ms=500)), lane.change("p1", value("An")))
    lane.now = 1100
    lane.step(rules(rule(retention_ms=500, revision="r2", topic="agency.agency-of-a.a.v2"), offset=2))
    assert [(one.where.topic[-2:], one.where.revision, one.reason) for one in lane.log] == [
        ("v1", "r1", None),
        ("v1", "r1", Reason.RECORD_MOVED),
        ("v2", "r2", None),
    ]
    assert holdings(lane.state, PERSON, b"p1/1")["a"].due_ms == 1600


def test_what_waits_for_its_span_is_told() -> None:
    """A version that waits for the next span is counted as withheld, and one that is as the copy is not."""
    lane, now = Nutshell(), rules(rule(frequency=Ticks(100)))
    lane.step(now, lane.change("p1", value("An")))
    assert lane.step(now, lane.change("p1", value("Ba"))).withheld == {("a", Reason.TOO_SOON): 1}
    assert lane.step(now, lane.change("p1", value("An"))).withheld == {}


def test_an_update_is_kept_from_its_own_release_on() -> None:
    """What a change brings may be kept for as long as a new copy, also where updates are spaced."""
    lane, one = Nutshell(), rule(retention_ms=500)
    lane.step(rules(one), lane.change("p1", value("An")))
    lane.now = 1100
    lane.step(rules(replace(one, route=replace(one.route, frequency=Ticks(10)))), lane.change("p1", value("Ba")))
    assert holdings(lane.state, PERSON, b"p1/1")["a"].due_ms == 1600


def test_a_deletion_is_no_withholding() -> None:
    """What the registry deleted is counted among what was withheld nowhere, held or not."""
    lane, now = Nutshell(), rules(rule())
    lane.step(now, lane.change("p1", value("An")))
    assert lane.step(now, lane.change("p1", None), lane.change("p2", None)).withheld == {}


@pytest.mark.parametrize(
    ("then", "due"),
    [({"retention_ms": 500}, 2000), ({"retention_ms": None, "revision": "r2"}, None)],
    ids=["as long again", "without an end"],
)
def test_a_change_at_the_moment_a_retention_ends(then: dict[str, Any], due: int | None) -> None:
    """A copy that is brought up to date in the very transaction in which it falls due stays, for its new time."""
    lane = Nutshell()
    lane.step(rules(rule(retention_ms=500)), lane.change("p1", value("An")))
    lane.now = 1500
    lane.step(rules(rule(**then), offset=2), lane.change("p1", value("Ba")))
    assert (lane.held(), holdings(lane.state, PERSON, b"p1/1")["a"].due_ms) == ({"p1/1": "Ba"}, due)


def test_a_retention_that_is_over_and_kept_as_agreed() -> None:
    """Where what ended may be kept, a retention that is over erases nothing."""
    lane, now = Nutshell(), rules(rule(retention_ms=500, keep_on_end=True))
    lane.step(now, lane.change("p1", value("An")))
    lane.now = 1500
    lane.step(now)
    assert lane.held() == {"p1/1": "An"}


def test_a_retention_under_an_agreement_that_nothing_is_known_of() -> None:
    """What falls due under an agreement that the rules do not name holds nobody up."""
    lane = Nutshell()
    lane.step(rules(rule(retention_ms=500), rule("b", retention_ms=500)), lane.change("p1", value("An")))
    lane.now = 1500
    lane.step(rules(rule("b", retention_ms=500), offset=2))
    assert (lane.held("a"), lane.held("b")) == ({"p1/1": "An"}, {})
