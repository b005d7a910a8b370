"""The fold of `schemas`, and stores that race on one log."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.avro.compatibility import Level
from bus.avro.registry import decide
from bus.avro.registry.codes import Code
from bus.avro.registry.entries import Deleted, Entry, LevelSet, VersionAdded, from_bytes, to_bytes
from bus.avro.registry.fold import SchemaLog, Version
from bus.avro.registry.store import SchemaStore
from bus.avro.registry.submitted import MAX_SCHEMA_BYTES, Submitted, submitted
from bus.errors import RegistryRefusal
from bus.model.record import Incoming


class MemoryLog:
    """An entry log that several stores share; each call lets the others go first, as a broker would."""

    def __init__(self) -> None:
        self.entries: list[bytes] = []

    async def append(self, _key: bytes, value: bytes) -> int:
        await asyncio.sleep(0)
        self.entries.append(value)
        return len(self.entries) - 1

    async def read_from(self, offset: int) -> list[Incoming]:
        await asyncio.sleep(0)
        return [Incoming("schemas", 0, at, 0, b"", self.entries[at]) for at in range(offset, len(self.entries))]


def send(schema: Any) -> Submitted:
    return submitted({"schema": json.dumps(schema)})


def record(*names: str) -> Any:
    return {"type": "record", "name": "R", "fields": [{"name": name, "type": "int"} for name in names]}


def fold(*entries: Entry | bytes) -> SchemaLog:
    log = SchemaLog()
    for offset, entry in enumerate(entries):
        log.apply(offset, entry if isinstance(entry, bytes) else to_bytes(entry))
    return log


def added(subject: str, schema: str, seen: int) -> VersionAdded:
    return VersionAdded(subject, f'"{schema}"', schema, seen)


def ids(log: SchemaLog, subject: str) -> list[tuple[int, int]]:
    return [(version.number, version.schema_id) for version in log.versions(subject)]


def test_an_id_is_the_rank_of_a_schema() -> None:
    """The first schema is 1, the second 2, and one that was there before keeps its id."""
    log = fold(added("a", "int", 0), added("b", "long", 1), added("c", "int", 2), added("a", "float", 3))
    assert (ids(log, "a"), ids(log, "b"), ids(log, "c")) == ([(1, 1), (2, 3)], [(1, 2)], [(1, 1)])
    assert [log.text(schema_id) for schema_id in range(5)] == [None, '"int"', '"long"', '"float"', None]


def test_an_entry_judged_too_early_is_void() -> None:
    """An entry does not count when its subject changed after its writer had looked, and takes no id."""
    log = fold(added("a", "int", 0), added("a", "long", 0), added("b", "float", 0))
    assert [log.counted(offset) for offset in range(3)] == [True, False, True]
    assert (ids(log, "a"), ids(log, "b")) == ([(1, 1)], [(1, 2)])


@pytest.mark.parametrize(
    ("between", "counts"),
    [
        (LevelSet("a", Level.NONE), False),
        (LevelSet(None, Level.NONE), False),
        (Deleted("a", None, permanent=False, seen=1), False),
        (LevelSet("b", Level.NONE), True),
        (added("b", "long", 1), True),
        (b"nonsense", True),
    ],
)
def test_what_makes_a_judgement_stale(between: Entry | bytes, counts: bool) -> None:  # noqa: FBT001 - a parameter of a case
    """What bears on the subject or on every subject does; what concerns others does not."""
    log = fold(added("a", "int", 0), between, added("a", "float", 1))
    assert log.counted(2) is counts


@pytest.mark.parametrize(
    "value",
    [
        b"",
        b"{",
        b"[]",
        b'{"kind": "other", "subject": null}',
        b'{"kind": "level"}',
        b'{"kind": "deleted", "subject": "a", "version": 1, "permanent": true, "seen": Infinity}',
        b"\xff",
    ],
)
def test_nonsense_is_passed(value: bytes) -> None:
    """A record that makes no sense changes nothing but the count of such records."""
    log = fold(added("a", "int", 0), value, added("b", "long", 2))
    assert (log.unreadable, log.next_offset, log.counted(1)) == (1, 3, False)
    assert (ids(log, "a"), ids(log, "b")) == ([(1, 1)], [(1, 2)])


def test_read_twice_counts_once() -> None:
    """A record that was taken in before changes nothing."""
    log = fold(added("a", "int", 0))
    log.apply(0, to_bytes(added("z", "long", 0)))
    assert log.subjects() == ["a"]


def test_deletion_hides_then_removes() -> None:
    """A deleted version is hidden, one deleted for good is gone; its number is not given again, its schema stays."""
    soft: list[Entry] = [added("a", "int", 0), added("a", "long", 1), Deleted("a", 1, permanent=False, seen=2)]
    log = fold(*soft)
    assert ids(log, "a") == [(2, 2)]
    assert log.versions("a", deleted=True)[0] == Version("a", 1, 1, deleted=True)
    log = fold(*soft, Deleted("a", None, permanent=False, seen=3), Deleted("a", None, permanent=True, seen=4))
    assert log.subjects(deleted=True) == []
    assert log.text(1) == '"int"'
    log.apply(5, to_bytes(added("a", "int", 5)))
    assert ids(log, "a") == [(3, 1)]


def test_levels() -> None:
    """A subject's own level holds before that of all, and that before the default."""
    log = fold(LevelSet(None, Level.FULL), LevelSet("a", Level.NONE), LevelSet("b", Level.NONE), LevelSet("b", None))
    assert (log.level("a"), log.level("b"), log.level(None)) == (Level.NONE, Level.FULL, Level.FULL)
    assert (log.own_level("a"), log.own_level("b")) == (Level.NONE, None)
    assert fold().level("a") is Level.BACKWARD_TRANSITIVE


@given(
    st.one_of(
        st.builds(VersionAdded, st.text(), st.text(), st.text(), st.integers(0)),
        st.builds(Deleted, st.text(), st.none() | st.integers(1), st.booleans(), st.integers(0)),
        st.builds(LevelSet, st.none() | st.text(), st.none() | st.sampled_from(Level)),
    )
)
def test_entries_round_trip(entry: Entry) -> None:
    """What is written is what is read."""
    assert from_bytes(to_bytes(entry)) == entry


@pytest.mark.parametrize(
    ("body", "said"),
    [
        ({}, "the body must be"),
        ({"schema": {"type": "int"}}, "the body must be"),
        ({"schema": "int"}, "no JSON"),
        ({"schema": '"int"', "schemaType": "PROTOBUF"}, "the only schema type is AVRO"),
        ({"schema": '"int"', "references": [{"name": "x"}]}, "`references` is not supported: define"),
        ({"schema": '"int"', "ruleSet": {"domainRules": []}}, "`ruleSet` is not supported"),
        ({"schema": "[" * 100_000}, "nested too deep"),
        ({"schema": '"' + "x" * MAX_SCHEMA_BYTES + '"'}, "more than"),
    ],
)
def test_what_is_not_taken(body: Any, said: str) -> None:
    """What cannot be kept is refused with the reason, and nothing of it is dropped in silence."""
    with pytest.raises(RegistryRefusal) as caught:
        submitted(body)
    assert said in str(caught.value)
    assert caught.value.details["code"] is Code.INVALID_SCHEMA


@pytest.mark.parametrize("subject", ["", "x" * 256, "a\nb"])
def test_subjects_that_are_none(subject: str) -> None:
    """A subject has a name that can be shown."""
    with pytest.raises(RegistryRefusal, match="printable"):
        decide.registration(fold(), subject, send("int"))


async def register(store: SchemaStore, subject: str, schema: Any) -> int:
    new = send(schema)
    await store.change(lambda log: (decide.registration(log, subject, new), None))
    given = (await store.current()).id_of(new.fingerprint)
    assert given is not None
    return given


async def test_racing_stores_give_one_id() -> None:
    """Twenty writers at four stores: one id a schema, the same everywhere, and one version a subject and schema."""
    log = MemoryLog()
    stores = [SchemaStore(log) for _ in range(4)]
    writes = [(stores[number % 4], f"subject-{number % 3}", record("a", *"bc"[: number % 2])) for number in range(20)]
    for store in stores:
        await store.change(lambda _log: (LevelSet(None, Level.NONE), None))
    given = await asyncio.gather(*(register(*write) for write in writes))
    assert len(set(given[0::2])) == len(set(given[1::2])) == 1
    assert sorted({*given}) == [1, 2]
    for store in stores:
        fold_there = await store.current()
        assert [len(fold_there.versions(f"subject-{number}")) for number in range(3)] == [2, 2, 2]


async def test_racing_stores_stay_compatible() -> None:
    """Of schemas that exclude each other, sent at once to one subject, one becomes its version."""
    log = MemoryLog()
    writes = [register(SchemaStore(log), "contested", record(f"field_{number}")) for number in range(10)]
    outcomes = await asyncio.gather(*writes, return_exceptions=True)
    refusals = [one for one in outcomes if isinstance(one, RegistryRefusal)]
    assert len(refusals) == 9
    assert {one.details["code"] for one in refusals} == {Code.INCOMPATIBLE}
    assert ids(await SchemaStore(log).current(), "contested") == [(1, 1)]


@given(st.lists(st.tuples(st.integers(0, 2), st.sampled_from("ab"), st.sampled_from(["x", "xy", "y"])), max_size=12))
@settings(deadline=None)
def test_any_history_has_one_fold(history: list[tuple[int, str, str]]) -> None:
    """However writers interleave, a store that reads everything at once comes to what the writers saw."""

    async def play() -> None:
        log = MemoryLog()
        stores = [SchemaStore(log) for _ in range(3)]
        writes = [register(stores[store], subject, record(*fields)) for store, subject, fields in history]
        await asyncio.gather(*writes, return_exceptions=True)
        fresh = await SchemaStore(log).current()
        for store in stores:
            seen = await store.current()
            assert [ids(seen, subject) for subject in "ab"] == [ids(fresh, subject) for subject in "ab"]
        for subject in "ab":
            versions = [fresh.schema(version.schema_id) for version in fresh.versions(subject)]
            assert len({json.dumps(one) for one in versions}) == len(versions)

    asyncio.run(play())
