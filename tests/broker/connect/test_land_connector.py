"""The land registry into Kafka: two tables, a right that changes hands, parcels that are state secrets."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bus.connect.place import Place
from connectors.land.source import Source
from seeds.systems import tables

pytestmark = [pytest.mark.broker, pytest.mark.postgres]

PARCEL, RIGHT = "land.parcel", "land.right"


@pytest.fixture
def land(database: str) -> Iterator[psycopg.Connection[Any]]:
    """The land registry with two parcels, one of them secret, and a couple's rights to the open one."""
    with psycopg.connect(database, autocommit=True) as sql:
        sql.execute((Path(tables.__file__).parent / "land.sql").read_bytes())
        sql.execute(
            """insert into parcel values ('open', 1, 2, '01', '00001', 120.5, '{ODT,CLN}', 21.03, 105.85, 0, false),
                                         ('secret', 1, 3, '01', '00001', 9000, '{CQP}', 21.04, 105.86, 0, true)"""
        )
        sql.execute(
            """insert into land_right (ma_quyen, ma_thua, so_dinh_danh, loai_quyen, tu_so, mau_so, so_gcn, ngay_dang_ky)
               values ('r1', 'open', 'anh', 'SDD', 1, 2, 'AB12345678', '2020-01-02'),
                      ('r2', 'open', 'chi', 'SDD', 1, 2, 'AB12345678', '2020-01-02')"""
        )
        yield sql


@pytest.fixture
def source(bus: Any, database: str) -> Source:
    """The land registry as a source."""
    return Source(Place("land", bus.topics.prefix, {"dsn": database}))


async def test_a_right_that_changes_hands_leaves_its_holder(bus: Any, land: Any, source: Source) -> None:
    """Old holder: a tombstone. New holder: the record. Nobody else is touched."""
    async with bus.running(source):
        await bus.caught_up(source, "land")
        land.execute("update land_right set so_dinh_danh = 'moi' where ma_quyen = 'r1'")
        await bus.caught_up(source, "land")
    newest = await bus.newest(RIGHT)
    assert set(newest) == {"moi/r1", "chi/r2"}
    assert newest["moi/r1"]["kind"] == "LAND_USE"
    assert newest["moi/r1"]["restrictions"] == []
    (gone,) = [record for record in await bus.changes(RIGHT) if record.value is None]
    assert gone.key == b"anh/r1"
    assert gone.header("ce_type") == "land.right.deleted"


async def test_a_state_secret_never_travels(bus: Any, land: Any, source: Source) -> None:
    """A secret parcel appears in no topic, by snapshot or stream; one that becomes secret is erased; each counts."""
    async with bus.running(source):
        await bus.caught_up(source, "land")
        assert set(await bus.newest(PARCEL)) == {"open"}
        land.execute("update parcel set so_to = 77 where ma_thua = 'secret'")
        land.execute("update parcel set mat = true where ma_thua = 'open'")
        await bus.caught_up(source, "land")
        assert await bus.newest(PARCEL) == {}
        land.execute("update parcel set mat = false where ma_thua = 'open'")
        await bus.caught_up(source, "land")
    newest = await bus.newest(PARCEL)
    assert newest["open"]["purposes"] == ["URBAN_RESIDENTIAL", "PERENNIAL_CROP"]
    assert newest["open"]["area_m2"] == 120.5
    records = [*await bus.changes(PARCEL), *await bus.read(bus.topics.deadletters_of("land"))]
    assert not [record for record in records if b"secret" in (record.key or b"") + (record.value or b"")]
    assert (await bus.standing("land")).refused == 3
