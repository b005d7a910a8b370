"""The store that a lane keeps on the disk: it knows what dictionaries would, whatever is done to its files."""

import json
import os
from collections.abc import Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.errors import StoreBroken, StoreLocked
from bus.route.load import Stood
from bus.route.state import Cursor, DeadVersion, Draft, Position
from bus.route.store import shelf as shelves
from bus.route.store import tables
from bus.route.store.bodies import entries_of
from bus.route.store.resume import distrust, too_old
from bus.route.store.shelf import Shelf, sweep
from bus.route.store.stored import StoredState
from bus.route.store.tables import LONGEST_SLOT, Tables
from tests.unit.route.lanes import PERSON, Nutshell, give, rule, rules, value, withdraw
from tests.unit.route.model.machine import LaneAgainstModel
from tests.unit.route.model.naive import Place
from tests.unit.route.test_model import STEPS


@pytest.fixture
def stored(tmp_path: Path) -> Iterator[StoredState]:
    state = StoredState(tmp_path)
    yield state
    state.close(sync=False)


def taken(folder: Path, bus: str = "bus", lane: int = 3) -> tuple[Shelf, StoredState]:
    shelf = Shelf.take(folder, bus, lane)
    return shelf, shelf.open()


def left(folder: Path, *, synced: bool = True) -> Position:
    """A store that was used and left behind; returns where it stood."""
    shelf, state = taken(folder)
    lane, now = Nutshell(state=state), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give()])
    state.stand(state.position, 41)
    shelf.put_back(good=True, synced=synced)
    return state.position


def found(folder: Path, **words: Any) -> int | None:
    """Where the store that lies there says that it stands; None when it was begun anew."""
    shelf, state = taken(folder, **words)
    stood_at = state.stood_at
    if stood_at is not None:
        assert state.record(PERSON, b"p1/1") == value("An")
        assert state.held(PERSON, b"p1/1").keys() == {"a"}
        assert state.consent("p1", "a").given == give()
    else:
        assert state.record(PERSON, b"p1/1") is None
    shelf.put_back(good=True, synced=False)
    return stood_at


def test_a_story_on_the_store(stored: StoredState) -> None:
    """A lane on the store delivers, catches up, erases what is withdrawn and what expires, as on dictionaries."""
    lane, now = Nutshell(state=stored), rules(rule(needs_consent=True))
    lane.step(now, *(lane.change(one, value("An")) for one in ("p1", "p2", "p3")), consents=[give("p1")])
    assert lane.held() == {"p1/1": "An"}
    lane.step(now, consents=[give("p2", valid_until_ms=2000), give("p3")])
    assert stored.next_due_ms() == 2000
    lane.step(now, consents=[withdraw("p3")])
    assert lane.held() == {"p1/1": "An", "p2/1": "An"}
    lane.now = 2500
    lane.step(now)
    assert lane.held() == {"p1/1": "An"}
    assert stored.next_due_ms() is None
    assert list(stored.keys_of_person(PERSON, "p1")) == [b"p1/1"]
    lane.step(now, lane.change("p1", None))
    assert (lane.held(), list(stored.keys_of_person(PERSON, "p1"))) == ({}, [])


def test_dues_of_what_was_replaced_are_gone(stored: StoredState) -> None:
    """A copy sent again has one end of retention, the newest; erased, it has none."""
    lane, now = Nutshell(state=stored), rules(rule(retention_ms=1000))
    lane.step(now, lane.change("p1", value("An")))
    lane.now = 1500
    lane.step(now, lane.change("p1", value("Ba")))
    assert stored.due(10_000, 10) == [(2500, "holding", "a", b"p1/1")]
    lane.step(now, lane.change("p1", None))
    assert stored.due(10_000, 10) == []


def test_everything_is_there_after_a_restart(tmp_path: Path) -> None:
    """Position, cursors, dead versions, records and what falls due are found again, in order."""
    state = StoredState(tmp_path)
    draft = Draft(state, Position(5, 1, 2, 3, {PERSON: 9}, 4, 5))
    draft.cursors["a"] = Cursor("text", b"p1/1", done=True)
    draft.dead[(PERSON, b"p9/1")] = DeadVersion(7, discarded=True)
    draft.records |= {(PERSON, b"p%d/1" % number): b"\0\0\0\0\x01" for number in (3, 1, 2)}
    draft.consents[("p1", "a")] = replace(state.consent("p1", "a"), given=give(valid_until_ms=900))
    state.apply(draft, 17)
    state.settle()
    state.close(sync=False)
    again = StoredState(tmp_path)
    assert (again.position, again.stood_at, again.cursor("a")) == (draft.position, 17, draft.cursors["a"])
    assert (again.dead_version(PERSON, b"p9/1"), again.due(1000, 9)) == (
        DeadVersion(7, discarded=True),
        [(900, "consent", "a", b"p1")],
    )
    assert again.keys_after(PERSON, b"", 2) == [b"p1/1", b"p2/1"]
    assert again.keys_after(PERSON, b"p2/1", 2) == [b"p3/1", b"p9/1"]
    assert again.schemas == {b"\0\0\0\0\x01"}
    again.close(sync=False)


def test_that_a_lane_has_caught_up_is_written_at_once(tmp_path: Path) -> None:
    """A router that is killed as soon as a lane has read everything finds a store that may be trusted."""
    state, now_ms = StoredState(tmp_path), 1_790_000_000_000
    state.apply(Draft(state, Position(block=1)), 1)
    state.caught_up(now_ms)
    state.apply(Draft(state, Position(block=2)), 2)
    state.close(sync=False)  # as a kill would leave it: what waits is lost
    again = StoredState(tmp_path)
    assert (again.position.block, again.stood_at, again.caught_up_ms) == (1, 1, now_ms)
    again.close(sync=False)


def remove(state: StoredState, *keys: bytes) -> None:
    for key in keys:
        state.put_record(PERSON, key, None)


def put_all(store: Tables, keys: list[bytes], framed: bytes | None) -> None:
    for key in keys:
        store.put("t", key, framed)


def test_orphans_are_found_slice_by_slice(stored: StoredState) -> None:
    """Copies of lost records are found, some keys at a time, to the end."""
    lane, now = Nutshell(state=stored), rules(rule())
    people = [f"p{number}" for number in range(7)]
    lane.step(now, *(lane.change(one, value("An")) for one in people))
    stored.land(lambda: remove(stored, b"p2/1", b"p6/1"))
    lost: list[bytes] = []
    after, slices = b"", 0
    while True:
        some, then = stored.orphans(PERSON, after, 3)
        lost, slices = lost + some, slices + 1
        if then is None:
            break
        after = then
    assert (lost, slices) == ([b"p2/1", b"p6/1"], 3)


def test_the_map_grows(tmp_path: Path) -> None:
    """What does not fit the map makes it grow, and lands once and whole, together with new tables."""
    state = StoredState(tmp_path, map_bytes=1 << 17)
    lane, now = Nutshell(state=state), rules(rule(), rule("b"))
    for batch in range(5):
        lane.step(now, *(lane.change(f"p{batch}-{one}", value("An" * 50)) for one in range(200)))
    assert len(state.keys_after(PERSON, b"", 2000)) == 1000
    assert state.held(PERSON, b"p4-199/1").keys() == {"a", "b"}
    state.close(sync=False)


def test_a_failed_landing_leaves_nothing(stored: StoredState) -> None:
    """When putting fails in the midst nothing of it has landed, and the next landing works."""

    def fail() -> None:
        stored.put_record(PERSON, b"p1/1", value("An"))
        raise OSError

    with pytest.raises(OSError):  # noqa: PT011 - this very one
        stored.land(fail)
    assert stored.record(PERSON, b"p1/1") is None
    stored.land(lambda: stored.put_record(PERSON, b"p1/1", value("An")))
    assert stored.record(PERSON, b"p1/1") == value("An")


@settings(max_examples=30, deadline=None)
@given(st.lists(st.binary(min_size=1, max_size=5).map(lambda key: key * (LONGEST_SLOT // 3)), max_size=20, unique=True))
def test_long_keys(tmp_path_factory: pytest.TempPathFactory, keys: list[bytes]) -> None:
    """Keys of any length are kept apart, come back whole, are each met once in order, and go when they are removed."""
    store = Tables(tmp_path_factory.mktemp("store"))
    store.land(lambda: put_all(store, keys, b"x"))
    assert [store.get("t", key) for key in keys] == [b"x"] * len(keys)
    met: list[bytes] = []
    after = b""
    while some := store.after("t", after, 3):
        met, after = met + some, some[-1]
    assert sorted(met) == sorted(keys)
    for key in keys:
        assert key in store.beginning("t", key[: LONGEST_SLOT - 1])
    store.land(lambda: put_all(store, keys, None))
    assert store.after("t", b"", 99) == []
    store.close(sync=False)


@pytest.mark.parametrize("synced", [True, False])
def test_a_store_is_found_again(tmp_path: Path, synced: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A store that was left, closed in order or not, is used again on the same machine."""
    left(tmp_path, synced=synced)
    assert found(tmp_path) == 41


def test_after_a_start_of_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """After a start of the machine only a store that was closed in order is used: of others a part may be lost."""
    left(tmp_path / "closed")
    left(tmp_path / "open", synced=False)
    monkeypatch.setattr(shelves, "boot", lambda: "another")
    assert (found(tmp_path / "closed"), found(tmp_path / "open")) == (41, None)


def test_of_another_bus_lane_or_layout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A store of another bus, of another lane or of another layout is begun anew."""
    for name in ("bus", "lane", "layout"):
        left(tmp_path / name)
    assert found(tmp_path / "bus", bus="other") is None
    (tmp_path / "lane/lane-3").rename(tmp_path / "lane/lane-4")
    assert found(tmp_path / "lane", lane=4) is None
    monkeypatch.setattr(shelves, "FORMAT", -1)
    assert found(tmp_path / "layout") is None


def cut(file: Path) -> None:
    os.truncate(file, file.stat().st_size // 2)


def empty(file: Path) -> None:
    file.write_bytes(b"")


def garble(file: Path) -> None:
    file.write_bytes(b"x" * file.stat().st_size)


@pytest.mark.parametrize("harm", [cut, empty, garble, Path.unlink])
def test_a_torn_store(tmp_path: Path, harm: Any) -> None:
    """A file that was cut, emptied, overwritten or deleted is begun anew."""
    left(tmp_path)
    harm(tmp_path / "lane-3/data.mdb")
    assert found(tmp_path) is None


@pytest.mark.parametrize("text", ["", "{", "[]", json.dumps({"bus": "bus"})])
def test_a_torn_label(tmp_path: Path, text: str) -> None:
    """A label that cannot be read labels nothing."""
    left(tmp_path)
    (tmp_path / "lane-3/label.json").write_text(text)
    assert found(tmp_path) is None


def test_an_unfinished_store(tmp_path: Path) -> None:
    """A store whose filling did not come to its end is begun anew."""
    shelf, state = taken(tmp_path)
    state.land(lambda: state.put_record(PERSON, b"p1/1", value("An")))
    shelf.put_back(good=True, synced=True)
    assert found(tmp_path) is None


def test_a_store_that_made_no_sense(tmp_path: Path) -> None:
    """A store that was put back as bad is begun anew."""
    left(tmp_path)
    shelf, _ = taken(tmp_path)
    shelf.put_back(good=False, synced=True)
    assert found(tmp_path) is None


def test_two_cannot_have_one_store(tmp_path: Path) -> None:
    """While a process has a store nobody else takes it; one beside it can be taken, and is swept away later."""
    shelf, _ = taken(tmp_path)
    with pytest.raises(StoreLocked):
        Shelf.take(tmp_path, "bus", 3)
    beside = Shelf.beside(tmp_path, "bus", 3)
    assert beside.open().stood_at is None
    sweep(tmp_path)
    assert beside.folder.is_dir()
    beside.put_back(good=True, synced=False)
    sweep(tmp_path)
    assert (beside.folder.exists(), shelf.folder.exists()) == (False, True)
    shelf.put_back(good=True, synced=False)


def test_files_are_private(tmp_path: Path) -> None:
    """What lies there is personal: for its owner's eyes alone, and nothing of it in a name."""
    left(tmp_path)
    modes = {path.name: oct(path.stat().st_mode & 0o777) for path in (tmp_path / "lane-3").iterdir()}
    assert modes == {"data.mdb": "0o600", "label.json": "0o600", "lock": "0o600"}
    assert (tmp_path / "lane-3").stat().st_mode & 0o777 == 0o700


COMMITTED = Stood(Position(50, 5, 50, 50, {PERSON: 50}, 50, 50), 500)


@pytest.mark.parametrize(
    ("kept", "trusted"),
    [
        (COMMITTED, True),
        (Stood(Position(40, 4, 50, 50, {PERSON: 40}, 50, 40), 400), True),
        (Stood(COMMITTED.position, 499), True),
        (Stood(COMMITTED.position, 501), False),
        (Stood(replace(COMMITTED.position, block=6), 500), False),
        (Stood(replace(COMMITTED.position, block=4, inputs={PERSON: 51}), 400), False),
        (Stood(replace(COMMITTED.position, block=4, consents_offset=51), 400), False),
        (Stood(replace(COMMITTED.position, inputs={PERSON: 49}), 500), False),
        (Stood(replace(COMMITTED.position, consents_offset=49), 450), False),
    ],
)
def test_what_is_trusted(kept: Stood, trusted: bool) -> None:  # noqa: FBT001 - a parameter of the test
    """A store may be what was committed, or behind it; never ahead, nor anything that was not committed."""
    assert (distrust(kept, COMMITTED) is None) is trusted
    assert distrust(kept, None) is not None


def test_how_long_it_is_trusted() -> None:
    """A store is trusted for a time after it had read everything; never one that never had, or from the future."""
    trusted = range(100, 201)
    assert [too_old(moment, trusted) is None for moment in (0, 99, 100, 200, 201)] == [False, False, True, True, False]


def test_a_broken_store_says_so(tmp_path: Path) -> None:
    """A file that is none of a store raises StoreBroken."""
    (tmp_path / "data.mdb").write_bytes(b"x" * 8192)
    with pytest.raises(StoreBroken):
        Tables(tmp_path)


class Logged(StoredState):
    """A store beside a log of what was committed, from which one that lost something is brought up to date."""

    def __init__(self, folder: Path, log: list[Draft]) -> None:
        super().__init__(folder)
        self._log = log
        for number in range((self.stood_at or 0) + 1, len(log) + 1):
            draft = log[number - 1]
            self.position = log[-1].position  # as the loader does: what fell due before is not noted again
            self.land(lambda draft=draft: self._again(draft))  # type: ignore[misc]  # bound now
            self.stand(log[-1].position, len(log))

    def apply(self, draft: Draft, stood_at: int | None = None) -> None:
        """Take over what was committed, and log it."""
        del stood_at
        self._log.append(draft)
        super().apply(draft, len(self._log))

    def _again(self, draft: Draft) -> None:
        for place, framed in draft.records.items():
            self.put_record(*place, framed)
        for key, body in entries_of(draft):
            self.put_entry(key, body)


def forget(state: StoredState, places: AbstractSet[Place]) -> None:
    for dataset, key in places:
        state.put_record(dataset, key.encode(), None)


class StoreAgainstModel(LaneAgainstModel):
    """The lane on the store, against the same model; it is killed or ends in order, and goes on with what is there."""

    def fresh_state(self) -> StoredState:
        self.scratch, self.log = TemporaryDirectory(), list[Draft]()
        self.written_at_once = patch.multiple(tables, WRITTEN_AT_ONCE=7, WRITTEN_AFTER_FEW=7)
        self.written_at_once.start()
        return Logged(Path(self.scratch.name), self.log)

    def state_again(self, without: AbstractSet[Place] = frozenset()) -> StoredState:
        assert isinstance(self.lane.state, StoredState)
        if len(self.log) % 2:
            self.lane.state.settle()  # an end in order; otherwise what waited is lost
        self.lane.state.close(sync=False)
        if not without:
            return Logged(Path(self.scratch.name), self.log)
        self.scratch.cleanup()
        self.scratch = TemporaryDirectory()
        state = Logged(Path(self.scratch.name), self.log)
        state.land(lambda: forget(state, without))
        state.settle()
        return state

    def teardown(self) -> None:
        if hasattr(self, "lane"):
            self.written_at_once.stop()
            self.lane.state.close(sync=False)
            self.scratch.cleanup()


StoreAgainstModel.TestCase.settings = settings(STEPS, max_examples=60)
TestStoreAgainstModel = StoreAgainstModel.TestCase
