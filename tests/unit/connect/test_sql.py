"""A database asked by queries, as its source reads it: pages by key, and rows that are not as they should be."""

import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy

from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.source import ExportEnded, SourceChange
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
