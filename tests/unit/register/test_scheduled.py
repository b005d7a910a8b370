"""A text that is activated before its first day, and takes over on it: who may tell of the day, and when."""

from dataclasses import replace
from datetime import date
from typing import Any

import pytest

from bus.agreements.document import revision
from bus.agreements.moments import midnight_ms
from bus.model.fact import Fact, FactKind
from bus.register.days import facts_of_the_day
from bus.register.days import scheduled as takes_effect
from bus.register.life import Action, Refusal, Stage
from bus.register.state import Standing
from bus.register.steps import drafting, step
from tests.unit.register.book import (
    BOSS,
    DESK,
    NARROWER,
    POLICE,
    TAX,
    Book,
    activate,
    approve,
    peopled,
)


@pytest.fixture
def book() -> Book:
    return peopled()


LATER = NARROWER.model_copy(update={"valid": TAX.valid.model_copy(update={"from_": date(2027, 1, 1)})})
FIRST_DAY = midnight_ms(date(2027, 1, 1), TAX.timezone)


def the_day(by: str = "a router", **changes: Any) -> Fact:
    body = {"revision": revision(LATER)}
    return replace(Fact(FactKind.AGREEMENT, TAX.id, "took-effect", body, by, "its day", FIRST_DAY), **changes)


def scheduled(book: Book) -> Book:
    return book.life().sign(*drafting(LATER, DESK, "less"), approve(POLICE), approve(BOSS), activate(LATER))


def test_a_scheduled_text_takes_over_on_its_day(book: Book) -> None:
    """Activated before its first day it waits beside the old text; on that day, and not a moment earlier, it counts."""
    scheduled(book)
    before = book.state.agreements[TAX.id]
    proposal = book.state.lives[TAX.id].proposal
    assert proposal is not None
    assert (before.revision, proposal.stage) == (revision(TAX), Stage.SCHEDULED)
    assert takes_effect(book.state) == {TAX.id: FIRST_DAY}
    assert facts_of_the_day(book.state, FIRST_DAY - 1, "route") == []
    [day] = facts_of_the_day(book.state, FIRST_DAY, "route")
    book.now_ms = FIRST_DAY
    offset = book.state.offset
    assert book.refused(day) is None
    entry = book.state.agreements[TAX.id]
    assert (entry.revision, entry.number, entry.since_offset) == (revision(LATER), before.number, offset)
    assert entry.accepted_revisions == {revision(TAX), revision(LATER)}
    assert not book.state.coming


def test_two_who_tell_of_the_day(book: Book) -> None:
    """Any number of routers may tell of the day: the first counts, the others change nothing and are no offence."""
    scheduled(book)
    book.now_ms = FIRST_DAY + 5
    book.tell(the_day("route"))
    entry = book.state.agreements[TAX.id]
    for fact in (the_day("route-2"), the_day("route")):
        assert book.refused(fact) is None
        assert book.state.agreements[TAX.id] == entry


def test_a_forged_day(book: Book) -> None:
    """A day counts by the broker's clock, for the text that is scheduled; what the teller says of time says nothing."""
    scheduled(book)
    book.now_ms = FIRST_DAY - 1
    assert book.refused(the_day(at_ms=FIRST_DAY + 1)) is Refusal.NOT_DUE
    book.now_ms = FIRST_DAY
    for body in ({"revision": "0123456789abcdef"}, {}, {"revision": None}):
        assert book.refused(the_day(body=body)) is Refusal.NOT_PROPOSED
    assert book.refused(the_day(subject_id="person-to-nobody")) is Refusal.NOT_PROPOSED
    book.sign(step(TAX.id, Action.RETURNED, POLICE, "it was a mistake"))
    assert book.refused(the_day()) is Refusal.NOT_APPROVED
    assert book.state.agreements[TAX.id].revision == revision(TAX)


def test_what_happens_between_schedule_and_day(book: Book) -> None:
    """A suspension meanwhile holds the new text too; an end, or another text, takes the scheduled one away."""
    scheduled(book).sign(step(TAX.id, Action.SUSPENDED, POLICE, "a leak"))
    assert takes_effect(book.state) == {TAX.id: FIRST_DAY}
    book.now_ms = FIRST_DAY
    held = book.tell(the_day()).state.agreements[TAX.id]
    assert (held.revision, held.standing) == (revision(LATER), Standing.SUSPENDED)
    for way in ([step(TAX.id, Action.ENDED, BOSS, "over")], drafting(EARLIER, DESK, "another")):
        other = scheduled(peopled()).sign(*way)
        assert takes_effect(other.state) == {}
        other.now_ms = FIRST_DAY
        assert other.refused(the_day()) in {Refusal.NOT_PROPOSED, Refusal.NOT_APPROVED}


EARLIER = TAX.model_copy(update={"fields": TAX.fields[:2]})


def test_activated_on_its_day_or_later(book: Book) -> None:
    """A text whose first day has come takes over in the very fact that activates it."""
    book.life().now_ms = FIRST_DAY
    book.sign(*drafting(LATER, DESK, "less"), approve(POLICE), approve(BOSS), activate(LATER))
    assert book.state.agreements[TAX.id].revision == revision(LATER)
    assert book.state.lives[TAX.id].proposal is None
