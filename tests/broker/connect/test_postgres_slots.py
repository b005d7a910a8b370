"""Replication slots: a server has one of a name, whatever the database and the bus."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import urlsplit

import psycopg
import pytest

from bus.connect.place import Place
from bus.connect.postgres.catalog import cut_name, slot_name
from bus.connect.postgres.check import check_postgres
from bus.connect.source import Position, SourceChange, SourceEvent
from bus.errors import PositionLost, SourceUnfit
from tests.broker.connect.conftest import Thing
from tests.conftest import drop_slots

pytestmark = [pytest.mark.postgres]


@pytest.fixture
def things(database: str) -> Iterator[psycopg.Connection[Any]]:
    """A table, and another database of the same server that holds one too."""
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute("create table thing (id int primary key); alter table thing replica identity full")
        yield sql


@pytest.fixture
def other(database: str, things: psycopg.Connection[Any]) -> Iterator[str]:
    """Another database of the same server, with a table of that name."""
    name = f"{urlsplit(database).path[1:]}_test"
    things.execute(f"create database {name}")
    address = urlsplit(database)._replace(path=f"/{name}").geturl()
    with psycopg.connect(address, autocommit=True) as sql:
        sql.execute("create table thing (id int primary key); alter table thing replica identity full")
    yield address
    drop_slots(things, name)
    things.execute(f"drop database {name} with (force)")


async def test_the_slot_of_another_database_is_left_alone(source: Thing, database: str, other: str) -> None:
    """A bus beside, as one for tests, whose connector has the same name takes nobody's slot: it says whose it is."""
    start = await source.open(None)
    place = Place("things", f"t{database[-8:]}.", {"dsn": other})
    beside = Thing(place)
    try:
        with pytest.raises(SourceUnfit, match=f"is that of the database {urlsplit(database).path[1:]}"):
            await beside.open(None)
        assert any("is that of the database" in finding.what for finding in await check_postgres(Thing.manifest, place))
        await beside.forget()
    finally:
        await beside.close()
    assert await source.open(start) == start


@asynccontextmanager
async def reading(source: Thing, after: Position) -> AsyncIterator["asyncio.Queue[SourceEvent]"]:
    """The source's changes, read by it until the block ends."""
    queue: asyncio.Queue[SourceEvent] = asyncio.Queue()
    begun = asyncio.Event()

    async def read() -> None:
        async for events in source.changes(after):
            begun.set()
            for event in events:
                queue.put_nowait(event)

    task = asyncio.create_task(read())
    waiting = asyncio.create_task(begun.wait())
    await asyncio.wait({task, waiting}, return_when=asyncio.FIRST_COMPLETED)
    try:
        yield queue
    finally:
        waiting.cancel()
        task.cancel()
        await asyncio.wait({task})
        await source.close()


@pytest.mark.parametrize("prefix", ["{}.", "{}-"], ids=["of another bus", "with another sign"])
async def test_a_slot_that_another_reads_is_left_alone(source: Thing, database: str, things: Any, prefix: str) -> None:
    """Two connectors whose slots have one name do not take it from each other: who comes second is told, by either."""
    beside = Thing(Place("things", prefix.format(f"t{database[-8:]}"), {"dsn": database}))
    start = await source.open(None)
    async with reading(source, start) as told:
        for _ in range(2):
            with pytest.raises(SourceUnfit, match="is read by another connector") as refused:
                await beside.open(None)
        assert "another BUS_PREFIX" in refused.value.how_to_mend
        with pytest.raises(SourceUnfit, match="is read by another connector") as refused:
            await beside.forget()
        assert "--force" in refused.value.how_to_mend
        things.execute("insert into thing values (1)")
        while not isinstance(await told.get(), SourceChange):
            pass
    begun = await beside.open(None)
    async with reading(beside, begun):
        with pytest.raises(SourceUnfit, match="is read by another connector"):
            await source.open(start)
    with pytest.raises(PositionLost):
        await source.open(start)


async def test_a_reader_that_is_leaving_is_waited_for(
    source: Thing, database: str, things: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One that has let go of the slot may still be listed for a moment, and refuses nobody."""
    monkeypatch.setattr("bus.connect.postgres.catalog.READER_LOOKS", 1000)
    next_one = Thing(Place("things", f"t{database[-8:]}.", {"dsn": database}))
    async with reading(source, await source.open(None)):
        opening = asyncio.create_task(next_one.open(None))
        done, _ = await asyncio.wait({opening}, timeout=0.5)
        assert not done
    begun = await opening
    assert await next_one.open(begun) == begun
    await next_one.close()


async def test_a_successor_takes_its_own_slot(source: Thing, database: str, things: Any) -> None:
    """One that goes on where its predecessor stood takes the slot from it, also where that still reads."""
    start = await source.open(None)
    heir = Thing(Place("things", f"t{database[-8:]}.", {"dsn": database}))
    async with reading(source, start):
        assert await heir.open(start) == start
        async with reading(heir, start) as told:
            things.execute("insert into thing values (1)")
            while not isinstance(change := await told.get(), SourceChange):
                pass
            last = Thing(Place("things", f"t{database[-8:]}.", {"dsn": database}))
            await last.forget(change.position)  # whoever still reads is the one that is taken down
            await last.close()
    with pytest.raises(PositionLost):
        await heir.open(change.position)
    await heir.close()


@pytest.mark.parametrize("name", ["a" * 20, "a" * 80])
async def test_connectors_with_long_names_share_no_slot(database: str, things: Any, name: str) -> None:
    """What PostgreSQL would cut off ends in a digest: two connectors that differ at the end have a slot each."""
    made = [Thing(Place(f"{name}{end}", f"t{database[-8:]}.", {"dsn": database})) for end in ("-one", "-two")]
    try:
        starts = [await source.open(None) for source in made]
        assert [await source.open(start) for source, start in zip(made, starts, strict=True)] == starts
        slots = things.execute("select slot_name from pg_replication_slots where database = current_database()")
        assert len(slots.fetchall()) == 2
    finally:
        for source in made:
            await source.forget()
            await source.close()


async def test_a_slot_whose_name_was_cut_off_keeps_no_log(database: str, things: Any) -> None:
    """A connector that had one begins with a new slot and a full snapshot, and takes the old one away."""
    place = Place("a" * 80, f"t{database[-8:]}.", {"dsn": database})
    things.execute("select pg_create_logical_replication_slot(%s, 'pgoutput')", (cut_name(place),))
    source = Thing(place)
    try:
        with pytest.raises(PositionLost):
            await source.open({"lsn": 1, "row": 0})
        await source.open(None)
        slots = things.execute("select slot_name from pg_replication_slots where database = current_database()")
        assert slots.fetchall() == [(slot_name(place),)]
    finally:
        await source.forget()
        await source.close()
