"""Sources that change under a running connector: columns and types in mid-stream, as the manifest says."""

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bus.avro.own import OwnMessages
from bus.connect.orders import Order, OrderKind, give
from bus.connect.place import Place
from bus.connect.runner import Runner
from bus.connect.standing import Standing
from connectors.insurance.source import Source as Insurance
from connectors.land.source import Source as Land
from connectors.population.source import Source as Population
from tests.broker.connect.conftest import under
from tests.broker.connect.test_files_connector import COLUMNS, line

pytestmark = [pytest.mark.broker]

PERSON, COVERAGE = "population.person", "insurance.coverage"


@contextlib.asynccontextmanager
async def running(bus: Any, source: Any, proposals: Path | None = None) -> AsyncIterator[None]:
    """The connector in this process, which may stand still, until the block ends."""
    runner = Runner(source, source.manifest, bus.reach, proposals)
    task = asyncio.create_task(runner.run())
    try:
        yield
    finally:
        runner.stop()
        await asyncio.wait({task})
    task.result()


async def frozen(bus: Any, name: str) -> str:
    """Wait until a connector stands still; answers before what."""

    async def reached() -> bool:
        at = await bus.standing(name)
        return bool(at and at.drift.frozen)

    await bus.until(reached)
    found: Standing = await bus.standing(name)
    return found.drift.frozen


@pytest.mark.postgres
async def test_a_new_column_freezes_until_it_is_accepted(bus: Any, population: Any) -> None:
    """Under `freeze` nothing after the difference is published, nor lost: accepted, everything comes, in its order."""
    population.grow(0, 5)
    source = under(Population, "freeze")(Place("population", bus.topics.prefix, {"dsn": population.dsn}))
    async with running(bus, source):
        await bus.until_published("population", 5)
        population.sql.execute("update citizen set ho_ten = 'Trước' where so_dinh_danh = '000000000001'")
        await bus.until_published("population", 6)
        population.sql.execute("alter table citizen add column bi_danh text")
        population.sql.execute("update citizen set ho_ten = 'Sau', bi_danh = 'X' where so_dinh_danh = '000000000001'")
        population.grow(5, 7)
        assert await frozen(bus, "population") == f"{PERSON}: new-column bi_danh (text)"
        assert await bus.published("population") == 6
    async with running(bus, source):
        assert await frozen(bus, "population")
        own = OwnMessages(bus.client)
        await own.prepare()
        await give(bus.access, bus.topics, own, "population", Order("a", OrderKind.ACCEPT))
        await bus.until_published("population", 9)
    newest = await bus.newest(PERSON)
    assert newest["000000000001/000000000001"]["full_name"] == "Sau"
    assert len(newest) == 7
    assert (await bus.standing("population")).drift.frozen == ""
    await bus.assert_unique(PERSON)


@pytest.mark.postgres
async def test_a_new_column_is_proposed_and_another_type_discarded(bus: Any, population: Any, tmp_path: Path) -> None:
    """A new column becomes a proposal and is left out meanwhile; rows whose type no longer fits are dead letters."""
    population.grow(0, 3)
    drift = {"new_column": "evolve", "changed_type": "discard"}
    source = under(Population, drift)(Place("population", bus.topics.prefix, {"dsn": population.dsn}))
    async with running(bus, source, tmp_path / "proposed"):
        await bus.until_published("population", 3)
        population.sql.execute("alter table citizen add column bi_danh text")
        population.sql.execute("update citizen set bi_danh = 'X' where so_dinh_danh = '000000000001'")
        await bus.until_published("population", 4)
        population.sql.execute("alter table citizen alter muc_dinh_danh type text using 'level ' || muc_dinh_danh")
        population.sql.execute("update citizen set ho_ten = 'Sau'")

        async def dead() -> bool:
            return len(await bus.read(bus.topics.deadletters_of("population"))) == 3

        await bus.until(dead)
    schema = json.loads((tmp_path / "proposed" / "population" / "person.avsc").read_text(encoding="utf-8"))
    assert schema["fields"][-1]["name"] == "bi_danh"
    assert schema["fields"][-1]["to_confirm"]
    strange = {(one.column, one.difference): one for one in (await bus.standing("population")).drift.found}
    assert {(column, str(difference)) for column, difference in strange} == {
        ("bi_danh", "new-column"),
        ("muc_dinh_danh", "changed-type"),
    }
    assert [one.rows for one in strange.values()] == [4, 3]


async def test_a_new_column_of_a_file(bus: Any, tmp_path: Path) -> None:
    """A file with one more column is not begun under `freeze`; with a manifest that ignores the column it is read."""
    (tmp_path / "coverage-full-1.csv").write_text(f"{COLUMNS}\n{line(1)}\n", encoding="utf-8")
    place = Place("insurance", bus.topics.prefix, {"folder": str(tmp_path)})
    async with running(bus, under(Insurance, "freeze")(place)):
        await bus.until_published("insurance", 1)
        more = f"thao_tac;{COLUMNS};ghi_chu\nU;{line(2)};x\n"
        (tmp_path / "coverage-delta-2.csv").write_text(more, encoding="utf-8")
        assert await frozen(bus, "insurance") == f"{COVERAGE}: new-column ghi_chu (text)"
    assert await bus.published("insurance") == 1
    source = under(Insurance, {"new_column": "freeze", "ignore": ["ghi_chu"]})(place)
    async with bus.running(source):
        await bus.caught_up(source, "insurance")
    assert set(await bus.newest(COVERAGE)) == {"p0001/s0001-COMPULSORY", "p0002/s0002-COMPULSORY"}
    assert (await bus.standing("insurance")).drift.frozen == ""


@pytest.mark.postgres
async def test_a_dataset_that_joins_the_manifest_is_read_whole(bus: Any, database: str) -> None:
    """One more table in the manifest of a connector that has run is snapshot by itself, and then followed."""
    sql = (Path(__file__).parents[3] / "seeds" / "systems" / "land.sql").read_bytes()
    right = """insert into land_right (ma_quyen, ma_thua, so_dinh_danh, loai_quyen, tu_so, mau_so, so_gcn,
        ngay_dang_ky, han_che) values (%s, 'w1', 'p1', 'SDD', 1, 1, 'g', '2020-01-01', '{}')"""
    parcel = """insert into parcel (ma_thua, so_to, so_thua, tinh, xa, dien_tich, muc_dich, vi_do, kinh_do,
        quy_hoach, mat) values ('w1', 1, 1, '01', '1', 1, '{ONT}', 1, 1, 0, false)"""
    place = Place("land", bus.topics.prefix, {"dsn": database})
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute(sql)
        connection.execute(parcel)
        connection.execute(right, ("q1",))
        async with running(bus, under(Land, "discard", "land.right")(place)):
            await bus.until_published("land", 1)
        source = under(Land, "discard")(place)
        async with running(bus, source):
            await bus.until_published("land", 2)
            connection.execute(right, ("q2",))
            await bus.until_published("land", 3)
    assert set(await bus.newest("land.right")) == {"p1/q1", "p1/q2"}
    assert len(await bus.changes("land.parcel")) == 1
