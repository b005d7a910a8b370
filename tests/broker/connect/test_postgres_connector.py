"""The population registry's PostgreSQL into Kafka: snapshot, stream, crash, restart."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import psycopg
import pytest

from bus.connect.place import Place
from bus.connect.runner import Runner
from connectors.population.source import Source

pytestmark = [pytest.mark.broker, pytest.mark.postgres]

PERSON = "population.person"


@asynccontextmanager
async def running(bus: Any, dsn: str) -> AsyncIterator[Runner]:
    """The connector in this process, until the block ends."""
    source = Source(Place("population", bus.topics.prefix, {"dsn": dsn}))
    runner = Runner(source, Source.manifest, bus.reach)
    task = asyncio.create_task(runner.run())
    ready = asyncio.create_task(runner.ready.wait())
    await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        ready.cancel()
        task.result()
    yield runner
    runner.stop()
    await task


def number(n: int) -> str:
    return f"{n:012d}"


async def test_a_snapshot_and_what_follows_arrive(
    bus: Any, database: str, citizens: psycopg.Connection[Any], grow: Callable[[int, int], None], until: Any
) -> None:
    """Every row of the table is published, then every change of it, under the subject's key in the subject's lane."""
    grow(0, 2500)
    async with running(bus, database):

        async def snapshot_done() -> bool:
            standing = await bus.standing("population")
            return bool(standing and standing.snapshot is None and standing.published >= 2500)

        await until(snapshot_done)
        citizens.execute("update citizen set ho_ten = 'Trần Thị Bình' where so_dinh_danh = %s", (number(7),))
        citizens.execute("delete from citizen where so_dinh_danh = %s", (number(8),))
        grow(2500, 2501)

        async def stream_arrived() -> bool:
            return bool((await bus.standing("population")).published >= 2503)

        await until(stream_arrived)
    records = await bus.changes(PERSON)
    assert len(records) == 2503
    newest = await bus.newest(PERSON)
    assert newest[f"{number(7)}/{number(7)}"]["full_name"] == "Trần Thị Bình"
    assert f"{number(8)}/{number(8)}" not in newest
    assert len(newest) == 2500
