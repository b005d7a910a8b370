"""The PostgreSQL source against a real server: every type, large values, positions inside transactions, visibility."""

import re
from collections.abc import Iterator
from typing import Any

import psycopg
import pytest

from bus.connect.place import Place as ConnectorPlace
from bus.connect.source import Position, SourceChange
from tests.broker.connect.conftest import Thing

pytestmark = [pytest.mark.postgres]

THING = "test.thing"


@pytest.fixture
def things(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A table with a column of each kind that registries use."""
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute(
            """create domain share as numeric(5, 2) check (value >= 0);
               create type colour as enum ('red', 'blue');
               create table thing (
                 a int, b text collate "C", flag bool, tiny smallint, big bigint, real4 real, real8 double precision,
                 money numeric(14, 2), part share, paint colour, day date, at timestamptz, local timestamp, raw bytea,
                 doc jsonb, words text[], numbers bigint[], days date[], letters char(5), twice int generated always as
                 (a * 2) stored, large text, primary key (a, b));
               alter table thing replica identity full;
               alter table thing alter column large set storage external"""
        )
        yield sql


def fill(things: psycopg.Connection[Any], a: int) -> None:
    things.execute(
        """insert into thing (a, b, flag, tiny, big, real4, real8, money, part, paint, day, at, local, raw, doc, words,
             numbers, days, letters, large)
           values (%s, 'Nguyễn "A"', true, -1, 9007199254740993, 0.1, 105.85, 12345.60, 33.33, 'blue', '2024-02-29',
             '2026-03-01 08:00:00.123456+07', '2026-03-01 08:00:00', '\\x00ff', '{"k": ["v", null]}',
             '{"a b",NULL,"\\""}', '{1,2}', '{2024-02-29}', 'ab', repeat('x', 100000))""",
        (a,),
    )


async def take(source: Thing, after: Position, count: int) -> list[SourceChange]:
    """The next changes of the stream."""
    found: list[SourceChange] = []
    changes = source.changes(after)
    async for events in changes:
        found += [event for event in events if isinstance(event, SourceChange)]
        if len(found) >= count:
            break
    await changes.aclose()  # type: ignore[attr-defined] # the source's stream is an async generator
    return found[:count]


async def test_stream_and_chunk_read_the_same_values(things: Any, source: Thing) -> None:
    """A row has the same typed values whether it came by the stream or by a chunk; no type is left out."""
    start = await source.open(None)
    fill(things, 1)
    things.execute("insert into thing (a, b) values (2, 'nulls')")
    streamed = [dict(change.new or {}) for change in await take(source, start, 2)]
    chunk = await source.chunk(THING, None, 10)
    if things.info.server_version < 180000:
        streamed = [row | {"twice": chunk.rows[at]["twice"]} for at, row in enumerate(streamed)]
    assert streamed == [dict(row) for row in chunk.rows]
    assert chunk.rows[0]["numbers"] == [1, 2]
    assert chunk.rows[0]["doc"] == {"k": ["v", None]}
    assert chunk.rows[0]["twice"] == 2


async def test_an_untouched_large_value_is_there(things: Any, source: Thing) -> None:
    """An update that leaves a value stored out of line alone still gives it, in the old row and in the new one."""
    fill(things, 1)
    start = await source.open(None)
    things.execute("update thing set tiny = 5")
    (change,) = await take(source, start, 1)
    assert change.old is not None
    assert change.new is not None
    assert change.old["large"] == change.new["large"] == "x" * 100_000
    assert (change.old["tiny"], change.new["tiny"]) == (-1, 5)


async def test_reading_goes_on_inside_a_transaction(things: Any, source: Thing) -> None:
    """From a position in the middle of a large transaction the rest of it follows, with the same ids."""
    start = await source.open(None)
    things.execute("insert into thing (a, b) select n, 'x' from generate_series(1, 3000) n")
    things.execute("insert into thing (a, b) values (9999, 'after')")
    whole = await take(source, start, 3001)
    rest = await take(source, whole[1233].position, 3001 - 1234)
    assert [change.change_id for change in rest] == [change.change_id for change in whole[1234:]]
    assert rest[-1].new is not None
    assert rest[-1].new["b"] == "after"


async def test_chunks_go_through_the_whole_key(things: Any, source: Thing) -> None:
    """Chunks by a key of two columns meet every row once, in order, Vietnamese text and quotes included."""
    await source.open(None)
    for a in range(3):
        things.execute("insert into thing (a, b) select %s, b from unnest('{a,Đ,\"q''\",z}'::text[]) b", (a,))
    met: list[tuple[int, str]] = []
    after = None
    while True:
        chunk = await source.chunk(THING, after, 5)
        met += [(row["a"], row["b"]) for row in chunk.rows]
        if chunk.last_key is None:
            break
        after = chunk.last_key
    assert met == sorted({(a, b) for a in range(3) for b in ("a", "Đ", "q'", "z")})


@pytest.mark.parametrize(
    ("kind", "keys"),
    [
        ("bytea", ("\\x00", "\\x01ff", "\\xff")),
        ("int[]", ("{1}", "{1,2}", "{3}")),
        ("jsonb", ('{"a": 1}', '{"a": 2}', '{"b": 1}')),
        ("timestamptz", ("-infinity", "2024-01-01 00:00:00+00", "infinity")),
        ("numeric", ("0.0000001", "1", "NaN")),
        ("boolean", ("f", "t")),
        ("text", ("A", "a", "b", "\u00e1'\\")),
    ],
)
async def test_chunks_go_through_keys_of_any_type(database: str, kind: str, keys: tuple[str, ...]) -> None:
    """Whatever type and order a key has: each row is in one chunk, and the chunks come to an end."""
    made = Thing(ConnectorPlace("things", f"t{database[-8:]}.", {"dsn": database}))
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute(f"create table thing (a {kind} primary key, b text)")
        sql.execute("alter table thing replica identity full")
        for key in keys:
            sql.execute("insert into thing values (%s, %s)", (key, key))
    found, after = [], None
    try:
        await made.open(None)
        for _ in range(len(keys) + 1):
            chunk = await made.chunk(THING, after, 1)
            found += [row["b"] for row in chunk.rows]
            after = chunk.last_key
            if after is None:
                break
    finally:
        await made.forget()
        await made.close()
    assert (sorted(found), after) == (sorted(keys), None)


async def test_what_is_no_key_is_told_with_what_one_is(things: Any, source: Thing) -> None:
    """A bound of a range with too few values, or of another type, is refused with the columns or their types."""
    await source.open(None)
    assert await source.part(THING, ["1", "a"], None) == {"from": ["1", "a"], "until": None}
    with pytest.raises(ValueError, match=r"^a key of test.thing is made of a, b: give one value for each, of several"):
        await source.part(THING, ["1"], None)
    with pytest.raises(ValueError, match=r"^that is no key of test.thing: a is of type integer, b is of type text$"):
        await source.part(THING, None, ["one", "a"])


async def test_a_new_column_in_mid_stream_is_in_the_rows_after_it(things: Any, source: Thing) -> None:
    """Rows from before a schema change have the old columns, rows from after it the new ones."""
    start = await source.open(None)
    things.execute("insert into thing (a, b) values (1, 'old')")
    things.execute("alter table thing add column extra int")
    things.execute("insert into thing (a, b, extra) values (2, 'new', 7)")
    old, new = await take(source, start, 2)
    assert old.new is not None
    assert new.new is not None
    assert "extra" not in old.new
    assert new.new["extra"] == 7


async def test_stream_agrees_with_test_decoding(things: Any, source: Thing) -> None:
    """What our decoder makes of interleaved writes is what PostgreSQL's own test_decoding prints, value for value."""
    things.execute("select pg_create_logical_replication_slot(%s, 'test_decoding')", (source._slot[:50] + "_ref",))
    start = await source.open(None)
    for n in range(40):
        with things.transaction():
            things.execute("insert into thing (a, b) values (%s, %s)", (n, f"it's {n}"))
            things.execute("update thing set big = %s where a %% 3 = %s", (n, n % 3))
            things.execute("delete from thing where a = %s", (n - 20,))
    rows = things.execute(
        """select data from pg_logical_slot_get_changes(%s, null, null, 'include-xids', '0', 'skip-empty-xacts', '1')
           where data like 'table public.thing:%%'""",
        (source._slot[:50] + "_ref",),
    ).fetchall()
    words = {"created": "INSERT", "updated": "UPDATE", "deleted": "DELETE"}
    changes = await take(source, start, len(rows))
    ours = [(words[one.operation.value], known(one.old), known(one.new)) for one in changes]
    assert ours == [as_printed(data) for (data,) in rows]


PRINTED = ("a", "b", "big")
CELL = re.compile(r"(\w+)\[[^]]*\]:('(?:[^']|'')*'|\S+)")


def known(row: Any) -> dict[str, Any] | None:
    """What a row has in some columns; null is left out, as test_decoding leaves it out of old rows."""
    return None if row is None else {name: row[name] for name in PRINTED if row.get(name) is not None}


def as_printed(data: str) -> tuple[str, dict[str, Any] | None, dict[str, Any] | None]:
    """Word, old row and new row of a line of test_decoding."""
    word, cells = data.removeprefix("table public.thing: ").split(": ", 1)
    old, marked, new = cells.removeprefix("old-key: ").partition(" new-tuple: ")
    if marked:
        return word, _read(old), _read(new)
    return (word, None, _read(old)) if word == "INSERT" else (word, _read(old), None)


def _read(cells: str) -> dict[str, Any]:
    found = {name: text for name, text in CELL.findall(cells) if name in PRINTED and text != "null"}
    return {name: text[1:-1].replace("''", "'") if text[0] == "'" else int(text) for name, text in found.items()}
