"""The store on the disk beside dictionaries: what was applied to both, both know, and so does who opens it anew."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest

from bus.route.state import DeadVersion, Draft, LaneState, Position
from bus.route.store import shelf
from bus.route.store import stored as module
from bus.route.store.stored import StoredState
from tests.unit.route.lanes import PARCEL, PERSON, Nutshell, give, rule, rules, value, withdraw

PEOPLE = ("p1", "p2", "p3", "p4", "p10")


def known(state: LaneState) -> dict[str, Any]:
    """All that is asked of a state but what falls due: dictionaries keep of that what is no more."""
    lost: list[bytes] = []
    after: bytes | None = b""
    while after is not None:
        some, after = state.orphans(PERSON, after, 2)
        lost += some
    keys = {dataset: list(state.keys_after(dataset, b"", 99)) for dataset in (PERSON, PARCEL)}
    pages, page = list[bytes](), list(state.keys_after(PERSON, b"", 2))
    while page:
        pages, page = pages + page, list(state.keys_after(PERSON, page[-1], 2))
    assert pages == keys[PERSON]
    both = [(one, agreement) for one in PEOPLE for agreement in ("a", "b", "c")]
    return {
        "keys": keys,
        "records": [state.record(dataset, key) for dataset, of in keys.items() for key in of],
        "held": {one: state.held(PERSON, f"{one}/1".encode()) for one in PEOPLE},
        "of each": {one: sorted(state.keys_of_person(PERSON, one)) for one in PEOPLE},
        "lost": lost,
        "dead": [state.dead_version(PERSON, f"{one}/1".encode()) for one in PEOPLE],
        "consents": [state.consent(*pair) for pair in both],
        "covers": [dict(state.covers(one)) for one in PEOPLE],
        "cursors": [state.cursor(name) for name in ("a", "b", "c", "a/sweep")],
        "position": state.position,
    }


class Both:
    """A lane on dictionaries, whose transactions the store takes too."""

    def __init__(self, stored: StoredState) -> None:
        self.lane, self.stored, self.taken = Nutshell(), stored, 0

    def step(self, *names: tuple[str, bytes | None], consents: tuple[Any, ...] = ()) -> None:
        """A transaction; then both know the same."""
        now = rules(rule(needs_consent=True, retention_ms=900), rule("b"), rule("c", needs_consent=True))
        changes = [self.lane.change(one, framed) for one, framed in names]
        outcome = self.lane.step(now, *changes, consents=consents)
        self.taken += 1
        self.stored.apply(outcome.draft, self.taken)
        assert known(self.stored) == known(self.lane.state)


@pytest.fixture
def both(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Both]:
    """Of a store that keeps few people in memory."""
    monkeypatch.setattr(module, "PEOPLE_KEPT", 2)
    one = Both(StoredState(tmp_path))
    yield one
    one.stored.close(sync=False)


def test_both_know_the_same(both: Both, tmp_path: Path) -> None:
    """Records, copies, consents and what decides of them are the same in memory and on the disk, and found again."""
    both.step(*((one, value("An")) for one in PEOPLE), consents=tuple(give(one) for one in PEOPLE))
    both.step(consents=(give("p1", "c"), withdraw("p2"), give("p3", at=30, valid_until_ms=1500)))
    both.step(("p1", value("Anh")), ("p2", None), consents=(withdraw("p1", "c"), give("p2", "c", at=40)))
    both.lane.now = 1600
    both.step(("p4", b"\0\0\0\0\x09x"))
    both.lane.now = 2200
    both.step(consents=(give("p10", at=50, valid_until_ms=9000), withdraw("p4")))
    draft = Draft(both.lane.state, both.lane.state.position)
    draft.dead[(PERSON, b"p3/1")] = DeadVersion(70, discarded=True)
    both.lane.state.put_record(PERSON, b"p1/1", None)  # lost, and copies of it are held
    both.stored.land(lambda: both.stored.put_record(PERSON, b"p1/1", None))
    for state in (both.lane.state, both.stored):
        state.apply(draft, 9)
    before = known(both.stored)
    assert (before, before["lost"]) == (known(both.lane.state), [b"p1/1"])
    due = both.stored.due(10_000, 99)
    both.stored.settle()
    both.stored.close(sync=False)
    both.stored = StoredState(tmp_path)
    assert (known(both.stored), both.stored.due(10_000, 99), both.stored.stood_at) == (before, due, 9)


def test_what_falls_due(both: Both) -> None:
    """Only what is due is told, the earliest first; what was withdrawn, renewed or erased meanwhile is due no more."""
    until = [give(one, valid_until_ms=moment) for one, moment in (("p1", 1300), ("p2", 1200), ("p3", 1400))]
    both.step(("p1", value("An")), ("p2", value("Bo")), consents=(*until, give("p4", valid_from_ms=1250)))
    ends = [(1200, "consent", "a", b"p2"), (1250, "consent", "a", b"p4"), (1300, "consent", "a", b"p1")]
    assert both.stored.next_due_ms() == 1200
    assert [both.stored.due(now, 99) for now in (1199, 1200, 1300)] == [[], ends[:1], ends]
    assert both.stored.due(9999, 2) == ends[:2]
    kept = [(1900, "holding", "a", b"p1/1"), (1900, "holding", "a", b"p2/1")]
    assert sorted(both.stored.due(9999, 99)[4:]) == kept
    both.step(consents=(withdraw("p2"), give("p1", at=15, valid_until_ms=1350), withdraw("p3"), withdraw("p4")))
    assert both.stored.due(9999, 99) == [(1350, "consent", "a", b"p1"), kept[0]]
    both.step(("p1", None), consents=(withdraw("p1"),))
    assert (both.stored.due(9999, 99), both.stored.next_due_ms()) == ([], None)


def test_a_transaction_that_the_store_does_not_take(both: Both, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store that fails stands where it stood; where the offset of a position is not known, the last one is kept."""
    both.step(("p1", value("An")))
    stands = both.stored.position, both.stored.stood_at
    draft = Draft(both.lane.state, Position(block=99))
    with monkeypatch.context() as broken:
        broken.setattr(both.stored, "_put_place", Mock(side_effect=OSError("full")))
        with pytest.raises(OSError, match="full"):
            both.stored.apply(draft, 77)
    assert (both.stored.position, both.stored.stood_at) == stands
    both.stored.apply(draft)
    assert (both.stored.position, both.stored.stood_at) == (draft.position, 1)


def test_where_it_was_filled_to_is_written_at_once(both: Both, tmp_path: Path) -> None:
    """What was read back from topics is not read again by who comes after a kill."""
    both.stored.land(lambda: both.stored.put_record(PERSON, b"p1/1", value("An")))
    both.stored.stand(Position(block=3), 12)
    both.stored.close(sync=False)  # as a kill would leave it: what waits is lost
    both.stored = StoredState(tmp_path)
    assert (both.stored.position.block, both.stored.stood_at) == (3, 12)
    assert (both.stored.record(PERSON, b"p1/1"), both.stored.schemas) == (value("An"), {b"\0\0\0\0\x01"})


def test_a_store_in_use_is_not_closed_in_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that was closed in order and taken again may be torn where the machine stops: it is begun anew then."""
    for stops, position in ((False, 7), (True, None)):
        folder = tmp_path / str(stops)
        first = shelf.Shelf.take(folder, "bus", 3)
        first.open().stand(Position(block=3), 7)
        first.put_back(good=True, synced=True)
        second = shelf.Shelf.take(folder, "bus", 3)
        state = second.open()
        assert state.stood_at == 7
        state.close(sync=False)  # as a kill leaves it
        second._lock.close()
        with monkeypatch.context() as machine:
            if stops:
                machine.setattr(shelf, "boot", lambda: "another")
            third = shelf.Shelf.take(folder, "bus", 3)
            assert third.open().stood_at == position
            third.put_back(good=True, synced=False)


def test_a_start_of_the_machine_has_a_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By it a store that a machine left half written is known: it is the same until the machine starts again."""
    for name in ("one", "another"):
        (tmp_path / "id").write_text(f"{name}\n")
        monkeypatch.setattr(shelf, "_BOOT_FILE", tmp_path / "id")
        assert (shelf.boot(), shelf.boot()) == (name, name)
    monkeypatch.setattr(shelf, "_BOOT_FILE", tmp_path / "none")
    assert shelf.boot() == shelf.boot() != ""
