"""What the stream has told and nobody can see yet: a commit that waits for a replica."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any

import psycopg
import pytest

from bus.clock import monotonic
from bus.connect.postgres.source import RECENT_KEPT
from bus.connect.source import Position, SourceChange
from tests.broker.connect.conftest import Thing

pytestmark = [pytest.mark.postgres]

THING = "test.thing"
OTHERS = 100


@pytest.fixture
def things(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A table with one row; what this connection commits waits for no replica."""
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute("create table thing (id int primary key, name text); alter table thing replica identity full")
        sql.execute("insert into thing values (1, 'before')")
        sql.execute("set synchronous_commit = local")
        yield sql


@contextlib.asynccontextmanager
async def waiting(database: str, things: psycopg.Connection[Any]) -> AsyncIterator[None]:
    """A commit that is in the log and waits for a replica that never comes."""
    things.execute("alter system set synchronous_standby_names = 'nobody'")
    things.execute("select pg_reload_conf()")
    async with await psycopg.AsyncConnection.connect(database, autocommit=True) as late:
        await late.execute("set synchronous_commit = on")
        deadline = monotonic() + 20
        while True:
            hanging = asyncio.ensure_future(late.execute("update thing set name = 'after'"))
            done, _ = await asyncio.wait({hanging}, timeout=0.5)
            if not done:
                break
            assert monotonic() < deadline, "the server does not wait for a replica"
            things.execute("update thing set name = 'before'")
        try:
            yield
        finally:
            things.execute("alter system reset synchronous_standby_names")
            things.execute("select pg_reload_conf()")
            await hanging


async def take(source: Thing, after: Position, enough: int) -> Position:
    """Read until the row of that number was told; the place after it."""
    changes = source.changes(after)
    async for events in changes:
        told = [event.new and event.new["id"] for event in events if isinstance(event, SourceChange)]
        after = events[-1].position
        if enough in told:
            break
    await changes.aclose()  # type: ignore[attr-defined] # the source's stream is an async generator
    return after


@pytest.mark.parametrize("restarted", [False, True])
async def test_a_chunk_waits_for_a_commit_that_many_have_overtaken(
    things: Any, source: Thing, database: str, *, restarted: bool
) -> None:
    """However many transactions were told after it, what was told first is in each chunk, also after a restart."""
    start = await source.open(None)
    async with waiting(database, things):
        for number in range(2, OTHERS):
            things.execute("insert into thing values (%s, 'other')", (number,))
        position = await take(source, start, OTHERS - 1)
        if restarted:
            await source.close()
            source._recent.clear()
            await source.open(json.loads(json.dumps(position)))
        reading = asyncio.ensure_future(source.chunk(THING, None, 1))
        done, _ = await asyncio.wait({reading}, timeout=0.5)
        assert not done, "the chunk was read before what the stream told"
        assert things.execute("select name from thing where id = 1").fetchone() == ("before",)
    assert (await reading).rows[0]["name"] == "after"
    for number in (OTHERS, OTHERS + 1):
        things.execute("insert into thing values (%s, 'other')", (number,))
        position = await take(source, position, number)
    assert len(position["recent"]) < RECENT_KEPT


async def test_a_history_that_is_lost_is_waited_for_no_more(things: Any, source: Thing) -> None:
    """A server that was restored from a backup may never see what the stream told before: nothing waits for that.

    A connector that ran meanwhile stood still for good, without a word, also after it was started again.
    """
    start = await source.open(None)
    ahead = things.execute("select txid_current()").fetchone()[0] + 1_000_000
    await source.open({**start, "recent": [ahead]})
    position = await source.open(None)
    chunk = await asyncio.wait_for(source.chunk(THING, None, 1), 10)
    assert chunk.rows[0]["name"] == "before"
    things.execute("insert into thing values (2, 'other')")
    assert ahead not in (await take(source, position, 2))["recent"]


async def test_a_mark_waits_for_no_replica(things: Any, source: Thing, database: str) -> None:
    """Where a replica is away, the connector's own marks in the log do not wait for it: they say nothing to keep."""
    await source.open(None)
    async with waiting(database, things):
        assert await asyncio.wait_for(source.head(), 10)
