"""The fold of the register: what each fact changes, and what a broken one stops."""

from typing import Any

import pytest

from bus.model.fact import Fact, FactKind
from bus.register.state import Founding, RegisterState, Standing

FOUNDING = {"prefix": "", "lanes": 8, "group": "route"}


def fact(kind: FactKind, name: str, action: str, **body: Any) -> Fact:
    return Fact(kind, name, action, body, by="operator", reason="a test", at_ms=0)


def activated(number: int | str = 1, revision: str = "r1", **body: Any) -> Fact:
    told = {
        "number": number,
        "revision": revision,
        "document": {"id": "one"},
        "topic": "agency.bank.one.v1",
        "view_schema_id": 7,
        "accepted_revisions": [revision],
        "consent_basis": "VN-PDPL-9",
        **body,
    }
    return fact(FactKind.AGREEMENT, "one", "activated", **told)


def step(action: str) -> Fact:
    return fact(FactKind.AGREEMENT, "one", action)


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


@pytest.mark.parametrize(
    ("steps", "standing"),
    [
        ([], Standing.ACTIVE),
        (["suspended"], Standing.SUSPENDED),
        (["suspended", "resumed"], Standing.ACTIVE),
        (["ended"], Standing.ENDED),
        (["ended", "resumed"], Standing.ENDED),
        (["suspended", "ended", "suspended"], Standing.ENDED),
    ],
    ids=lambda steps: "-".join(steps) or "activated" if isinstance(steps, list) else "",
)
def test_the_life_of_an_agreement(steps: list[str], standing: Standing) -> None:
    """A suspended agreement can be resumed; what is ended stays ended."""
    assert folded(activated(), *map(step, steps)).agreements["one"].standing is standing


def test_an_agreement_knows_since_when_it_stands_so() -> None:
    """Each step that counts must be known by its offset, and one that changes nothing must not move it."""
    assert folded(activated(), step("suspended")).agreements["one"].since_offset == 1
    assert folded(activated(), step("ended"), step("resumed")).agreements["one"].since_offset == 1


def test_a_new_revision_takes_the_place_of_the_old() -> None:
    """An activation must replace the text, and accept exactly the consents that its fact names."""
    entry = folded(activated(), activated(revision="r2", accepted_revisions=["r1", "r2"])).agreements["one"]
    assert entry.revision == "r2"
    assert entry.accepted_revisions == {"r1", "r2"}


def test_numbers_are_never_given_twice() -> None:
    """The next number must be above every number in use, those of ended agreements too."""
    assert RegisterState().next_number() == 1
    assert folded(activated(number=5), step("ended")).next_number() == 6


def test_a_fact_that_cannot_be_read_suspends_what_it_names() -> None:
    """The agreement that an unreadable fact names must release nothing more, and the others go on."""
    state = folded(activated()).apply_unreadable(b"agreement/one", 1)
    assert state.agreements["one"].standing is Standing.SUSPENDED
    assert not state.everything_suspended
    assert state.offset == 2


@pytest.mark.parametrize("key", [None, b"", b"agreement/unknown", b"agency/bank", b"\xff\xfe", b"dataset/land.parcel"])
def test_a_fact_that_names_nothing_known_suspends_everything(key: bytes | None) -> None:
    """Where it is not known what an unreadable fact was about, it may have been about anything."""
    assert folded(activated()).apply_unreadable(key, 1).everything_suspended


@pytest.mark.parametrize(
    "broken", [step("suspended"), activated(number="many"), fact(FactKind.DATASET, "a.b", "added")], ids=str
)
def test_a_broken_fact_is_refused_as_a_whole(broken: Fact) -> None:
    """A fact that lacks something or names what is not there must raise, and leave the state as it was."""
    state = RegisterState()
    with pytest.raises((ValueError, KeyError)):
        state.apply(broken, 0)
    assert state == RegisterState()


def test_an_earlier_state_is_not_changed_by_a_later_fact() -> None:
    """A state is a value: a lane that decides under it must not see it move."""
    before = folded(activated())
    after = before.apply(step("suspended"), 1)
    assert before.agreements["one"].standing is Standing.ACTIVE
    assert after.agreements["one"].standing is Standing.SUSPENDED
