"""A database asked by queries, as its source reads it: pages by key, and rows that are not as they should be."""

import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.source import ExportEnded, Seen, SourceChange
from bus.connect.sql import SqlSource
from bus.connect.trouble import of_sql
from bus.errors import SourceUnfit


class Source(SqlSource):
    """One table."""

    manifest = Manifest.model_validate(
        {
            "name": "one",
            "registry": "one",
            "kind": "sql",
            "sql": {"tables": {"one.thing": {"key": ["a", "b"]}}},
            "datasets": {"one.thing": {"origin": "thing", "fields": {"id": "a"}}},
        }
    )


@pytest.fixture
def things(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[sqlite3.Connection]:
    """A table that has no key of its own, read in pages of two rows."""
    monkeypatch.setattr("bus.connect.sql.ROWS_AT_ONCE", 2)
    connection = sqlite3.connect(tmp_path / "a.sqlite", isolation_level=None)
    connection.execute("create table thing (a text, b int, note text)")
    yield connection
    connection.close()


async def read_whole(folder: Path) -> list[dict[str, Any]]:
    """The rows of a whole reading."""
    source = Source(Place("one", "", {"url": f"sqlite:///{folder}/a.sqlite"}))
    found: list[dict[str, Any]] = []
    try:
        async for events in source.changes(await source.open(None)):
            found += [dict(event.new or {}) for event in events if isinstance(event, SourceChange)]
            if any(isinstance(event, ExportEnded) for event in events):
                return found
    finally:
        await source.close()
    return found


async def test_pages_lead_through_every_row(things: sqlite3.Connection, tmp_path: Path) -> None:
    """Each row is on one page, also where the first column of the key is the same on both sides of a page's end."""
    rows = [("a", 1, "x"), ("a", 2, "x"), ("a", 3, "x"), ("b", 1, "x"), ("\u00e1", 0, "x")]
    things.executemany("insert into thing values (?, ?, ?)", rows)
    assert [tuple(row.values()) for row in await read_whole(tmp_path)] == rows


@pytest.mark.parametrize(("key", "told"), [(("a", 1), "several rows of one key"), (("a", None), "rows without a key")])
async def test_a_key_must_tell_rows_apart(things: Any, tmp_path: Path, key: tuple[Any, Any], told: str) -> None:
    """A row that a page's end could hide, and that would then count as gone, ends the connector with what mends it."""
    things.executemany("insert into thing values (?, ?, ?)", [("a", 1, "x"), (*key, "x"), ("b", 1, "x")])
    with pytest.raises(SourceUnfit, match=told):
        await read_whole(tmp_path)


async def test_a_text_of_another_encoding_stops_no_other_row(things: Any, tmp_path: Path) -> None:
    """It comes with the bytes that are none, for the contract to judge; an error about it would not quote it."""
    things.execute("insert into thing values ('a', 1, cast(x'416e82' as text)), ('b', 1, 'x')")
    assert [row["note"] for row in await read_whole(tmp_path)] == ["An\udc82", "x"]
    said = sqlite3.OperationalError("Could not decode to UTF-8 column 'note' with text 'An'")
    assert "An" not in of_sql(sqlalchemy.exc.OperationalError("select", {}, said), "sqlite:///a.sqlite")


class Versioned(SqlSource):
    """The same table, where `b` tells what is new."""

    manifest = Manifest.model_validate(
        {
            "name": "one",
            "registry": "one",
            "kind": "sql",
            "sql": {"tables": {"one.thing": {"key": ["a"], "version": "b", "safety": 5}}, "poll_seconds": 0.001},
            "datasets": {"one.thing": {"origin": "thing", "fields": {"id": "a"}}},
        }
    )


@pytest.fixture
async def asked(things: Any, tmp_path: Path) -> AsyncIterator[Callable[[], Awaitable[list[SourceChange]]]]:
    """What each asking tells, one after another, once everything was read."""
    things.executemany("insert into thing values (?, ?, ?)", [("a", 1, "x"), ("b", 8, "x"), ("c", 9, "x")])
    source = Versioned(Place("one", "", {"url": f"sqlite:///{tmp_path}/a.sqlite"}))
    stream = source.changes(await source.open(None))

    async def ask() -> list[SourceChange]:
        """Until all was asked for."""
        found: list[SourceChange] = []
        async for events in stream:
            found += [event for event in events if isinstance(event, SourceChange)]
            if len(events) == 1 and isinstance(events[0], Seen) and events[0].position["rows"] is None:
                return found
        return found

    await ask()
    yield ask
    await stream.aclose()  # type: ignore[attr-defined] # it is an async generator
    await source.close()


Ask = Callable[[], Awaitable[list[SourceChange]]]


async def test_what_the_last_asking_told_is_not_told_again(things: Any, asked: Ask) -> None:
    """A row within the safety is told once each time it changes: or a broken one is a dead letter each time."""
    things.execute("update thing set note = 'y' where a = 'c'")
    assert [(one.new or {})["a"] for one in await asked()] == ["c"]
    assert await asked() == []
    things.execute("update thing set note = 'z' where a = 'b'")
    assert [(one.new or {})["a"] for one in await asked()] == ["b"]


async def test_a_row_that_is_again_what_it_was_is_another_change(things: Any, asked: Ask) -> None:
    """It has an id of its own: of two changes with one id, a reader would leave the second out."""
    ids = []
    for note in ("y", "z", "y"):
        things.execute("update thing set note = ? where a = 'c'", (note,))
        ids += [one.change_id for one in await asked() if (one.new or {})["a"] == "c"]
    assert len(set(ids)) == len(ids) == 3


async def test_a_page_is_passed_with_its_last_row(things: Any, asked: Ask) -> None:
    """Where the connector stops before a row of a page, the rows from there on are asked for again."""
    things.executemany("insert into thing values (?, ?, ?)", [("d", 20, "x"), ("e", 40, "x")])
    first, second = await asked()
    assert [one.position["versions"] for one in (first, second)] == [{"one.thing": 9}] * 2


@pytest.mark.parametrize(("ahead_ms", "due"), [(-3_599_000, False), (-3_601_000, True), (0, False), (10**12, True)])
async def test_a_clock_that_was_ahead_holds_no_whole_reading_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, ahead_ms: int, *, due: bool
) -> None:
    """A whole reading that is dated in the future is due anew: until that day no deletion would be noticed."""
    monkeypatch.setattr("bus.connect.sql.now_ms", lambda: 10**12)
    source = Source(Place("one", "", {"url": f"sqlite:///{tmp_path}/a.sqlite"}))
    assert source._due({"compared_at": 10**12 + ahead_ms}) is due
