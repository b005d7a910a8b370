"""The population registry's PostgreSQL into Kafka: snapshot, stream, crash, restart."""

import asyncio
import json
from itertools import pairwise
from typing import Any

import psycopg
import pytest

from bus.clock import parse_iso
from bus.connect.place import Place
from bus.errors import SourceUnfit
from bus.kafka.log import LogWriter
from bus.model.key import lane_of
from bus.model.record import Outgoing
from connectors.population.source import Source

pytestmark = [pytest.mark.broker, pytest.mark.postgres]

PERSON = "population.person"
HEARTBEATS = 6
SOONEST_SECONDS, SLOWEST_SECONDS = 0.9, 2.5
"""An idle move of the position is written once a second at most, and is looked at twice a second at least."""


@pytest.fixture
def source(bus: Any, population: Any) -> Source:
    """The population registry as a source."""
    return Source(Place("population", bus.topics.prefix, {"dsn": population.dsn}))


def number(n: int) -> str:
    return f"{n:012d}"


async def test_a_snapshot_and_what_follows_arrive(bus: Any, population: Any, source: Source) -> None:
    """Every row of the table is published, then every change of it, under the subject's key in the subject's lane."""
    population.grow(0, 2500)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        assert await bus.published("population") == 2500
        population.sql.execute("update citizen set ho_ten = 'Trần Thị Bình' where so_dinh_danh = %s", (number(7),))
        population.sql.execute("delete from citizen where so_dinh_danh = %s", (number(8),))
        population.grow(2500, 2501)
        await bus.caught_up(source, "population")
    records = await bus.changes(PERSON)
    assert len(records) == 2503
    newest = await bus.newest(PERSON)
    assert newest[f"{number(7)}/{number(7)}"]["full_name"] == "Trần Thị Bình"
    assert f"{number(8)}/{number(8)}" not in newest
    assert len(newest) == 2500


async def dropped(sql: psycopg.Connection[Any], slot: str) -> bool:
    """Drop a slot, once the server has noticed that its reader is gone."""
    sql.execute(
        "select pg_drop_replication_slot(slot_name) from pg_replication_slots where slot_name = %s and not active",
        (slot,),
    )
    return sql.execute("select 1 from pg_replication_slots where slot_name = %s", (slot,)).fetchone() is None


async def published(bus: Any) -> dict[str, str]:
    """Key → name, as the topic says."""
    return {key: record["full_name"] for key, record in (await bus.newest(PERSON)).items()}


async def test_kill_9_in_snapshot_and_stream_loses_and_repeats_nothing(
    bus: Any, population: Any, source: Source, connectors: Any
) -> None:
    """After SIGKILLs at any moment of a snapshot under load and of a large transaction, topic and table agree."""
    population.grow(0, 12_000)
    for kills in range(3):
        goal = await bus.published("population") + 1500
        process = connectors.start("population", dsn=population.dsn)
        with population.sql.transaction():
            population.sql.execute(
                "update citizen set ho_ten = %s where so_dinh_danh < '000000004000'", (f"Lần {kills}",)
            )
            population.sql.execute("delete from citizen where so_dinh_danh = %s", (number(5000 + kills),))
            population.grow(20_000 + kills, 20_001 + kills)
        await bus.until_published("population", goal)
        process.kill()
        process.wait()
    connectors.start("population", dsn=population.dsn)
    await bus.caught_up(source, "population")
    assert await published(bus) == population.names()
    await bus.assert_unique(PERSON)


async def test_a_second_start_fences_the_first(bus: Any, population: Any, source: Source, connectors: Any) -> None:
    """Of two runs of one connector the older one ends, and what the younger publishes is complete and single."""
    population.grow(0, 50)
    first = connectors.start("population", dsn=population.dsn)
    await bus.caught_up(source, "population")
    second = connectors.start("population", dsn=population.dsn)

    async def first_ended() -> bool:
        return first.poll() is not None

    await bus.until(first_ended)
    population.grow(50, 60)
    await bus.caught_up(source, "population")
    assert second.poll() is None
    assert await published(bus) == population.names()
    await bus.assert_unique(PERSON)


async def test_sigterm_ends_it_in_order(bus: Any, population: Any, source: Source, connectors: Any) -> None:
    """On SIGTERM the process ends by itself within two seconds, with exit code 0."""
    process = connectors.start("population", dsn=population.dsn)
    await bus.caught_up(source, "population")
    process.terminate()
    assert await asyncio.to_thread(process.wait, 2) == 0


async def test_a_row_outside_the_contract_becomes_a_dead_letter(bus: Any, population: Any, source: Source) -> None:
    """A code that nobody knows stops neither its neighbours nor the stream; the reason names the column alone."""
    population.grow(0, 3)
    population.sql.execute("update citizen set gioi_tinh = 77 where so_dinh_danh = %s", (number(1),))
    async with bus.running(source):
        await bus.caught_up(source, "population")
        population.sql.execute("update citizen set hon_nhan = 99 where so_dinh_danh = %s", (number(2),))
        population.sql.execute("update citizen set ho_ten = 'Sau' where so_dinh_danh = %s", (number(0),))
        await bus.caught_up(source, "population")
    dead = await bus.read(bus.topics.deadletters_of("population"))
    reasons = {record.key.decode(): record.header("dead-reason") for record in dead}
    assert set(reasons) == {f"{number(1)}/{number(1)}", f"{number(2)}/{number(2)}"}
    assert "gioi_tinh" in reasons[f"{number(1)}/{number(1)}"]
    assert "77" not in reasons[f"{number(1)}/{number(1)}"]
    assert "hon_nhan" in reasons[f"{number(2)}/{number(2)}"]
    assert json.loads(dead[0].value)["ho_ten"].startswith("Nguyễn Văn")
    assert (await published(bus))[f"{number(0)}/{number(0)}"] == "Sau"


async def test_a_corrected_number_moves_the_record(bus: Any, population: Any, source: Source) -> None:
    """When the personal number changes, the old key gets a tombstone and the new one the record, side by side."""
    population.grow(0, 2)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        population.sql.execute("update citizen set so_dinh_danh = %s where so_dinh_danh = %s", (number(9), number(1)))
        await bus.caught_up(source, "population")
    moved = [record for record in await bus.changes(PERSON) if record.header("ce_type") != f"{PERSON}.read"]
    assert sorted((record.key.decode(), record.value is None) for record in moved) == [
        (f"{number(1)}/{number(1)}", True),
        (f"{number(9)}/{number(9)}", False),
    ]
    assert all(record.partition == lane_of(record.key.decode()[:12], bus.topics.lanes) for record in moved)


async def test_headers_are_cloudevents(bus: Any, population: Any, source: Source) -> None:
    """Each record carries CloudEvents 1.0 in binary mode, and its id holds nothing personal."""
    population.grow(3, 4)
    async with bus.running(source):
        await bus.caught_up(source, "population")
    (record,) = await bus.changes(PERSON)
    assert record.header("content-type") == "application/avro"
    assert record.header("ce_specversion") == "1.0"
    assert record.header("ce_source") == "/registries/population"
    assert record.header("ce_type") == "population.person.read"
    assert parse_iso(record.header("ce_time")) > 0
    assert number(3) not in record.header("ce_id")


async def test_a_lost_slot_is_mended_by_a_snapshot_and_a_sweep(bus: Any, population: Any, source: Source) -> None:
    """What happened while there was no slot is found out: changed rows come again, vanished ones get tombstones."""
    population.grow(0, 30)
    async with bus.running(source):
        await bus.caught_up(source, "population")
    slot = f"bus_{bus.topics.prefix}population".replace(".", "_")
    await bus.until(lambda: dropped(population.sql, slot))
    population.sql.execute("delete from citizen where so_dinh_danh < %s", (number(5),))
    population.sql.execute("update citizen set ho_ten = 'Mới' where so_dinh_danh = %s", (number(6),))
    async with bus.running(source):
        await bus.caught_up(source, "population")
    assert await published(bus) == population.names()
    gone = [record for record in await bus.changes(PERSON) if record.value is None]
    assert {record.header("ce_type") for record in gone} == {f"{PERSON}.deleted"}
    assert len(gone) == 5


async def test_a_connector_that_was_removed_comes_back_to_what_is(bus: Any, population: Any, source: Source) -> None:
    """What vanished while there was no connector is erased when there is one again, and no id is given twice."""
    population.grow(0, 6)
    async with bus.running(source):
        await bus.caught_up(source, "population")
    await source.forget()
    await source.close()
    writer = LogWriter(bus.access)
    await writer.start()
    topic = bus.topics.positions("population")
    await writer.append(Outgoing(topic, 0, b"population", None))  # as `bus connector remove` does
    await writer.stop()
    population.sql.execute("delete from citizen where so_dinh_danh < %s", (number(2),))
    async with bus.running(source):
        await bus.caught_up(source, "population")
    assert await published(bus) == population.names()
    await bus.assert_unique(PERSON)


async def test_a_table_put_in_the_place_of_the_published_one_is_read(
    bus: Any, population: Any, source: Source, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the connector runs, another table gets the name of the published one: its rows are published, no others."""
    monkeypatch.setattr("bus.connect.postgres.source.TABLES_SECONDS", 0.1)
    population.grow(0, 6)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        population.sql.execute(
            """create table other (like citizen including all); alter table other replica identity full;
               insert into other select * from citizen where so_dinh_danh > '000000000001'"""
        )
        population.sql.execute("alter table citizen rename to kept; alter table other rename to citizen")
        population.grow(100, 103)

        async def all_published() -> bool:
            return bool(await published(bus) == population.names())

        await bus.until(all_published)


async def test_truncate_empties_the_topic(bus: Any, population: Any, source: Source) -> None:
    """A truncated table leaves a tombstone for every record that was published, and what comes after it stays."""
    population.grow(0, 10)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        population.sql.execute("truncate citizen")
        population.grow(100, 103)
        await bus.caught_up(source, "population")
    assert await published(bus) == population.names()


async def test_a_connection_that_breaks_is_taken_up_again(bus: Any, population: Any, source: Source) -> None:
    """When the server ends the replication, the connector comes back by itself and goes on where it was."""
    population.grow(0, 5)
    async with bus.running(source):
        await bus.caught_up(source, "population")
        population.sql.execute(
            """select pg_terminate_backend(pid) from pg_stat_activity
               where datname = current_database() and pid <> pg_backend_pid()"""
        )
        population.grow(5, 9)
        await bus.caught_up(source, "population")
    assert await published(bus) == population.names()
    await bus.assert_unique(PERSON)


async def test_an_idle_connector_goes_along_with_its_log(bus: Any, population: Any, source: Source) -> None:
    """While the log moves by what others write, the position moves about once a second, and the server is told.

    Otherwise a server would keep its log for a connector that has nothing to do, and nobody could see that it lives.
    """
    population.grow(0, 3)
    population.sql.execute("create table other (n int)")
    name, moved = bus.topics.positions("population"), set[int]()
    async with bus.running(source):
        await bus.caught_up(source, "population")
        began = (await bus.standing("population")).stream["lsn"]

        async def has_moved_often() -> bool:
            population.sql.execute("insert into other values (1)")
            moved.add((await bus.standing("population")).stream["lsn"])
            return len(moved) > HEARTBEATS

        await bus.until(has_moved_often)
        (confirmed,) = population.sql.execute(
            "select confirmed_flush_lsn - '0/0'::pg_lsn from pg_replication_slots where database = current_database()"
        ).fetchone()
        assert confirmed > began
    times = [one.timestamp_ms for one in await bus.read(name, 1) if one.key == b"population"][-HEARTBEATS:-1]
    pauses = [(later - earlier) / 1000 for earlier, later in pairwise(times)]
    assert SOONEST_SECONDS < sorted(pauses)[len(pauses) // 2] < SLOWEST_SECONDS, pauses
    assert await bus.published("population") == 3


async def test_a_table_that_hides_old_rows_is_refused(bus: Any, population: Any, source: Source) -> None:
    """Without REPLICA IDENTITY FULL the connector ends and says which statement mends it."""
    population.sql.execute("alter table citizen replica identity default")
    with pytest.raises(SourceUnfit) as refused:
        async with bus.running(source):
            pass
    assert "alter table citizen replica identity full" in refused.value.how_to_mend


async def test_a_row_too_large_for_kafka_blocks_nothing(bus: Any, population: Any, source: Source) -> None:
    """A record beyond what Kafka takes is a dead letter, cut only where that too is too large; the flow goes on."""
    async with bus.running(source):
        population.grow(0, 3)
        population.sql.execute(
            "update citizen set ho_ten = repeat('x', 1500000 * (1 + so_dinh_danh::int)) where so_dinh_danh < %s",
            (number(2),),
        )
        population.sql.execute("update citizen set ho_ten = 'Sau' where so_dinh_danh = %s", (number(2),))
        await bus.caught_up(source, "population")
    assert (await published(bus))[f"{number(2)}/{number(2)}"] == "Sau"
    dead = {record.key.decode()[:12]: record for record in await bus.read(bus.topics.deadletters_of("population"))}
    assert json.loads(dead[number(0)].value)["ho_ten"] == "x" * 1_500_000
    assert dead[number(0)].header("dead-cut-from") is None
    assert int(dead[number(1)].header("dead-cut-from")) > 3_000_000
