"""The fold of the register: what each fact changes, and what a broken one stops."""

from dataclasses import replace
from typing import Any

import pytest

from bus.model.fact import Fact, FactKind
from bus.register.state import AgreementEntry, Founding, RegisterState, Standing
from bus.register.steps import of_operator
from tests.unit.register.book import OPERATOR, enrol, founded

FOUNDING = {"prefix": "", "lanes": 8, "group": "route"}


def fact(kind: FactKind, name: str, action: str, **body: Any) -> Fact:
    return Fact(kind, name, action, body, by="operator", reason="a test", at_ms=0)


def known(number: int = 1, standing: Standing = Standing.ACTIVE) -> RegisterState:
    """A state with one agreement, however it came there: its life is the subject of other tests."""
    entry = AgreementEntry(
        agreement="one",
        number=number,
        revision="r1",
        document={"id": "one"},
        topic="agency.bank.one.v1",
        view_schema_id=7,
        standing=standing,
        accepted_revisions=frozenset({"r1"}),
        consent_basis="VN-PDPL-9",
        since_offset=0,
    )
    return RegisterState(offset=1, agreements={"one": entry})


def folded(*facts: Fact) -> RegisterState:
    state = RegisterState()
    for offset, one in enumerate(facts):
        state = state.apply(one, offset)
    return state


def test_a_bus_is_founded_once() -> None:
    """A second founding must change nothing: lanes are fixed, for records lie in them."""
    state = folded(
        fact(FactKind.BUS, "bus", "founded", **FOUNDING),
        fact(FactKind.BUS, "bus", "founded", **FOUNDING | {"lanes": 16}),
    )
    assert state.founding == Founding("", 8, "route")
    assert state.offset == 2
    assert founded().state.bus == "this-bus"


def test_the_founding_tells_the_root_key() -> None:
    """The first founding's check of the root key counts; one from before it was told has none, and is a founding."""
    assert folded(fact(FactKind.BUS, "bus", "founded", **FOUNDING)).root_check is None
    told = fact(FactKind.BUS, "bus", "founded", **FOUNDING, root_check="first")
    other = fact(FactKind.BUS, "bus", "founded", **FOUNDING, root_check="other")
    assert folded(told, other).root_check == "first"


def test_numbers_are_never_given_twice() -> None:
    """The next number must be above every number in use, those of ended agreements too."""
    assert RegisterState().next_number() == 1
    ended = known(5, Standing.ENDED)
    assert ended.next_number() == 6
    assert replace(ended, agreements={**ended.agreements, "two": known(2).agreements["one"]}).next_number() == 6


def test_a_fact_that_cannot_be_read_suspends_what_it_names() -> None:
    """The agreement that an unreadable fact names must release nothing more, and the others go on."""
    state = known().apply_unreadable(b"agreement/one", 1)
    assert state.agreements["one"].standing is Standing.SUSPENDED
    assert not state.everything_suspended
    assert state.offset == 2


@pytest.mark.parametrize("key", [None, b"", b"agreement/unknown", b"agency/bank", b"\xff\xfe", b"dataset/land.parcel"])
def test_a_fact_that_names_nothing_known_suspends_everything(key: bytes | None) -> None:
    """Where it is not known what an unreadable fact was about, it may have been about anything."""
    state = known().apply_unreadable(key, 1)
    assert state.everything_suspended
    assert state.offset == 2


def test_an_unreadable_word_on_a_flow_holds_it_up() -> None:
    """A flow that an unreadable fact names is held up, and no more than that flow; one without a name may be any."""
    state = known().apply_unreadable(b"route/one", 1)
    assert state.paused == {"one"}
    assert (state.everything_suspended, state.offset) == (False, 2)
    assert state.agreements["one"].standing is Standing.ACTIVE
    assert known().apply_unreadable(b"route/", 1).everything_suspended


def test_what_takes_part_is_kept_as_it_was_told() -> None:
    """An agency or a connector is known by what was said of it and by nothing of how; one that is removed is gone."""
    book = founded().sign(enrol(FactKind.AGENCY, "bank", {"name": "Bank"}), enrol(FactKind.CONNECTOR, "land", {"a": 1}))
    assert (book.state.agencies, book.state.connectors) == ({"bank": {"name": "Bank"}}, {"land": {"a": 1}})
    book.sign(of_operator(FactKind.CONNECTOR, "land", "removed", OPERATOR, "a test"))
    assert (set(book.state.agencies), set(book.state.connectors)) == ({"bank"}, set())


def test_a_broken_fact_is_refused_as_a_whole() -> None:
    """A fact that lacks what it must say must raise, and leave the state as it was."""
    state = founded().state
    broken = OPERATOR.sign(fact(FactKind.DATASET, "a.b", "added", step=1), state.bus)
    with pytest.raises((ValueError, KeyError)):
        state.apply(broken, 1)
    assert state == founded().state


def test_an_earlier_state_is_not_changed_by_a_later_fact() -> None:
    """A state is a value: a lane that decides under it must not see it move."""
    before = known()
    after = before.apply_unreadable(b"agreement/one", 1)
    assert before.agreements["one"].standing is Standing.ACTIVE
    assert after.agreements["one"].standing is Standing.SUSPENDED
