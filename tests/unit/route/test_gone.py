"""Copies of records that the log has forgotten: tombstone and all, or the last version that could be read."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from bus.model.consent import ConsentEvent, UnreadableConsent
from bus.model.reasons import Reason
from bus.register.state import Standing
from bus.route.batch import Inputs
from bus.route.rules import Rule, Rules
from bus.route.store.memory import MemoryState
from tests.unit.route.lanes import PERSON, Nutshell, Ticks, give, rule, rules, value, withdraw

POISON = b"no frame"
LAW = rule(no_wider=frozenset({"r1"}))
ASKED = rule(needs_consent=True, no_wider=frozenset({"r1"}))
AGED: dict[str, Any] = {"age_field": "since", "oldest": lambda now_ms: now_ms - 500, "days": Ticks(25)}


def test_a_copy_without_a_record_is_erased() -> None:
    """A recipient's copy of a record that is gone from the log altogether is erased as deleted, and only that one."""
    lane, now = Nutshell(), rules(rule())
    lane.step(now, lane.change("p1", value("An")), lane.change("p2", value("Ba")))
    assert lane.core.gone(lane.state, now, PERSON, b"", 10) == ([], None)
    lane.state.put_record(PERSON, b"p1/1", None)  # as after a start from a log that was compacted meanwhile
    gone, _ = lane.core.gone(lane.state, now, PERSON, b"", 10)
    outcome = lane.core.draft(lane.state, now, Inputs(gone=gone), lane.now)
    [erasure] = outcome.deliveries
    assert (erasure.key, erasure.value, erasure.reason) == (b"p1/1", None, Reason.DELETED)
    lane.state.apply(outcome.draft)
    assert lane.core.gone(lane.state, now, PERSON, b"", 10) == ([], None)


def test_a_copy_without_a_record_under_an_agreement_that_nothing_is_known_of() -> None:
    """Where the rules name an agreement no more, its copies are left to when they do, and the others are erased."""
    lane = Nutshell()
    lane.step(rules(rule(), rule("b")), lane.change("p1", value("An")))
    lane.state.put_record(PERSON, b"p1/1", None)
    assert lane.core.gone(lane.state, rules(rule("b")), PERSON, b"", 10) == ([("b", b"p1/1")], None)


def built_anew(lane: Nutshell) -> None:
    """The lane after its store was built anew from topics that have forgotten what dead letters took the place of."""
    before: MemoryState = lane.state
    lane.state = after = MemoryState()
    after.position = before.position
    for name, cursor in before.cursors.items():
        after.put_cursor(name, cursor)
    for (subject, agreement), consent in before.consents.items():
        after.put_consent(subject, agreement, consent)
    for place, letter in before.dead.items():
        after.put_dead(*place, letter)
    for dataset, held in before.holdings.items():
        for key, copies in held.items():
            after.put_held(dataset, key, copies)
    for dataset, records in before.records.items():
        for key, framed in records.items():
            if (dataset, key) not in before.dead:
                after.put_record(dataset, key, framed)


def looked_at(lane: Nutshell, now: Rules) -> None:
    """What a lane does once when it has read everything that there was at its start."""
    gone, _ = lane.core.gone(lane.state, now, PERSON, b"", 100)
    outcome = lane.core.draft(lane.state, now, Inputs(gone=gone, catch_up_limit=0), lane.now)
    lane.state.apply(outcome.draft)
    for delivery in outcome.deliveries:
        lane.deliver(delivery)


def forgotten(one: Rule, consents: Sequence[ConsentEvent | UnreadableConsent] = ()) -> Nutshell:
    """A lane of which a recipient holds An's record, which poison followed; its store was built anew since."""
    lane, now = Nutshell(), rules(one)
    lane.step(now, lane.change("p1", value("An", since=900)), consents=consents)
    lane.step(now, lane.change("p1", POISON))
    assert lane.held() == {"p1/1": "An"}
    built_anew(lane)
    looked_at(lane, now)
    return lane


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        (replace(LAW, standing=Standing.ENDED), Reason.AGREEMENT_ENDED),
        (rule(valid_until_ms=1000), Reason.AGREEMENT_OVER),
        (rule(valid_from_ms=2000), Reason.AGREEMENT_NOT_YET),
        (rule(revision="r2", no_wider=frozenset({"r2"})), Reason.CANNOT_FOLLOW),
        (rule(revision="r2", no_wider=frozenset({"r1", "r2"}), topic="agency.agency-of-a.a.v2"), Reason.CANNOT_FOLLOW),
        (replace(LAW, epoch=2), Reason.CANNOT_FOLLOW),
        (replace(ASKED, standing=Standing.SUSPENDED), Reason.CONSENT_MISSING),
        (replace(LAW, standing=Standing.SUSPENDED), None),
        (replace(LAW, standing=Standing.PAUSED), None),
        (replace(LAW, backfill=1), None),
        (rule(revision="r2", no_wider=frozenset({"r1", "r2"})), None),
        (rule(standing=Standing.ENDED, keep_on_end=True), None),
    ],
    ids=[
        "ended",
        "validity over",
        "not yet valid",
        "another text",
        "another topic",
        "renewed pseudonyms",
        "another basis",
        "suspended",
        "paused",
        "backfill",
        "a text that allows as much",
        "ended and kept",
    ],
)
def test_a_copy_whose_record_can_no_more_be_read(then: Rule, reason: Reason | None) -> None:
    """What ends a copy or leaves it no place reaches one whose record nobody can judge; nothing is released of it."""
    lane = forgotten(LAW)
    lane.step(rules(then, offset=2))
    assert [one.reason for one in lane.log] == [None, *([] if reason is None else [reason])]


@pytest.mark.parametrize(
    ("event", "reason"),
    [
        (withdraw(at=20), Reason.CONSENT_WITHDRAWN),
        (UnreadableConsent("p1", "a", 20), Reason.CONSENT_UNREADABLE),
        (give(at=20, revision="r0"), Reason.CONSENT_REVISION),
        (give(at=20), None),
    ],
    ids=["withdrawn", "unreadable", "to another text", "given again"],
)
def test_a_consent_of_whose_record_nothing_can_be_read(
    event: ConsentEvent | UnreadableConsent, reason: Reason | None
) -> None:
    """What ends a consent erases such a copy, with its own reason; a consent that is given again leaves it alone."""
    lane = forgotten(ASKED, [give()])
    lane.step(rules(ASKED), consents=[event])
    assert [one.reason for one in lane.log] == [None, *([] if reason is None else [reason])]


@pytest.mark.parametrize(
    ("words", "reason"),
    [({"needs_consent": True}, Reason.CONSENT_EXPIRED), ({"retention_ms": 1000}, Reason.RETENTION_OVER)],
    ids=["consent", "retention"],
)
def test_what_falls_due_of_such_a_record(words: dict[str, Any], reason: Reason) -> None:
    """A consent that expires, and a retention that is over, end such a copy at their moment."""
    one = rule(no_wider=frozenset({"r1"}), **words)
    lane = forgotten(one, [give(valid_until_ms=2000)])
    lane.now = 2000
    lane.step(rules(one))
    assert [told.reason for told in lane.log] == [None, reason]


@pytest.mark.parametrize(("words", "reasons"), [({}, [None, Reason.TOO_OLD]), ({"keep_on_exit": True}, [None])])
def test_such_a_record_does_not_say_how_old_it_is(words: dict[str, Any], reasons: list[Reason | None]) -> None:
    """Where an agreement shares records up to some age, such a copy counts as too old."""
    lane = forgotten(rule(no_wider=frozenset({"r1"}), **AGED, **words))
    assert [told.reason for told in lane.log] == reasons


def test_a_version_that_can_be_read_is_released_again() -> None:
    """What could not follow comes back with the next version of its record; what stayed is erased by a deletion."""
    lane, then = forgotten(LAW), rules(rule(revision="r2", no_wider=frozenset({"r2"})), offset=2)
    lane.step(then)
    assert lane.held() == {}
    lane.step(then, lane.change("p1", value("Ba")))
    assert lane.held() == {"p1/1": "Ba"}
    lane = forgotten(LAW)
    lane.step(rules(LAW), lane.change("p1", None))
    assert [one.reason for one in lane.log] == [None, Reason.DELETED]


def test_an_end_reaches_all_of_them_over_restarts() -> None:
    """An end erases in bounded parts, each copy once, with and without a record; a restart goes on where it stood."""
    lane, now, ended = Nutshell(), rules(LAW), rules(replace(LAW, standing=Standing.ENDED), offset=2)
    people = [f"p{number}" for number in range(9)]
    lane.step(now, *(lane.change(one, value("An")) for one in people))
    lane.step(now, *(lane.change(one, POISON) for one in people[::2]), lane.change("p9", POISON))
    for left in (7, 5, 3, 1, 0):
        built_anew(lane)
        assert lane.step(ended, existing_limit=2).caught_up <= 2
        assert len(lane.held()) == left
    assert not lane.step(ended).lagging
