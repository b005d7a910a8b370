"""The pretend country on a real PostgreSQL and with its systems as processes: filling, the day, going on."""

import asyncio
import csv
import json
import os
import signal
import subprocess
import threading
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from psycopg import sql

from bus.model.country import OtherCountryThere, Place, Step
from seeds import day as script
from seeds.country import Country
from seeds.dice import Dice
from seeds.live import live
from seeds.offices import open_offices
from seeds.plugin import PRETEND
from seeds.site import Site

pytestmark = pytest.mark.postgres

PEOPLE, SEED = 600, 11
DEADLINE_SECONDS = 20


@pytest.fixture
def place(postgres: str, tmp_path: Path) -> Iterator[Place]:
    """A place of its own on the shared server; its databases are dropped afterwards."""
    place = Place(home=tmp_path, postgres=postgres, prefix=f"c{os.urandom(4).hex()}.")
    yield place
    with psycopg.connect(postgres, autocommit=True) as connection:
        for registry in ("population", "land"):
            name = Site(place).database_name(registry)
            connection.execute(sql.SQL("drop database if exists {} with (force)").format(sql.Identifier(name)))


@pytest.fixture
def running(place: Place) -> Iterator[dict[str, subprocess.Popen[bytes]]]:
    """The country's processes, ready to answer; they must end within the deadline when told to."""
    started = {process.name: start(place, process.name) for process in PRETEND.processes(place)}
    yield started
    for process in started.values():
        process.send_signal(signal.SIGTERM)
    for process in started.values():
        assert process.wait(DEADLINE_SECONDS) in {0, -signal.SIGTERM}


def start(place: Place, name: str) -> subprocess.Popen[bytes]:
    """Start one of the country's processes and wait until it says that it is ready."""
    spec = next(process for process in PRETEND.processes(place) if process.name == name)
    ready = place.home / f"{name}.ready.json"
    ready.unlink(missing_ok=True)
    process = subprocess.Popen(spec.argv, env={**os.environ, **spec.env, "BUS_READY_FILE": str(ready)})
    until(ready.exists)
    assert json.loads(ready.read_text())["pid"] == process.pid
    return process


def until(condition: Callable[[], Any]) -> None:
    """Ask again until it holds."""
    deadline = time.monotonic() + DEADLINE_SECONDS
    while not condition():
        assert time.monotonic() < deadline, "the deadline passed"
        threading.Event().wait(0.02)


def rows(place: Place, registry: str, query: str) -> list[tuple[Any, ...]]:
    """What a registry's database answers."""
    with psycopg.connect(Site(place).database(registry)) as connection:
        return connection.execute(query.encode()).fetchall()


async def played(steps: AsyncIterator[Step]) -> dict[str, Step]:
    """All steps, by name."""
    return {step.name: step async for step in steps}


def covers(place: Place) -> dict[tuple[str, str], dict[str, str]]:
    """The insurance registry as its files tell it: the full one, then every delta."""
    found: dict[tuple[str, str], dict[str, str]] = {}
    for path in sorted(Site(place).drop.glob("coverage-*.csv"), key=lambda path: path.stem.rsplit("-", 1)[1]):
        with path.open(encoding="utf-8-sig", newline="") as file:
            for row in csv.DictReader(file, delimiter=";"):
                key = row["ma_so_bhxh"], row["loai"]
                if row.pop("thao_tac", "U") == "D":
                    found.pop(key)
                else:
                    found[key] = row
    return found


async def test_filling_puts_every_record_of_the_country_into_its_system(place: Place) -> None:
    """The counts are those of the generated country, and the databases hold as many rows."""
    made = await PRETEND.make(place, people=PEOPLE, seed=SEED)
    country = Country(SEED, PEOPLE)
    assert made.counts == {
        "population.person": PEOPLE,
        "land.parcel": sum(not parcel.secret for parcel in country.parcels()),
        "land.right": sum(1 for _ in country.rights()),
        "tax.taxpayer": sum(1 for _ in country.taxpayers()),
        "tax.obligation": sum(1 for _ in country.obligations()),
        "insurance.coverage": sum(1 for _ in country.coverage()),
    }
    assert rows(place, "population", "select count(*) from citizen") == [(PEOPLE,)]
    identity = "select relname from pg_class where relkind = 'r' and relreplident = 'f' order by 1"
    assert rows(place, "population", identity) == [("citizen",)]
    assert rows(place, "land", identity) == [("land_right",), ("parcel",)]


async def test_filling_twice_changes_nothing_and_another_country_is_refused(place: Place) -> None:
    """The same seed and size is fine, also after changes; another one is refused and leaves the first as it was."""
    first = await PRETEND.make(place, people=60, seed=1)
    with psycopg.connect(Site(place).database("population")) as connection:
        connection.execute("update citizen set so_dien_thoai = '0000000000'")
    assert await PRETEND.make(place, people=60, seed=1) == first
    assert rows(place, "population", "select distinct so_dien_thoai from citizen") == [("0000000000",)]
    with pytest.raises(OtherCountryThere, match=r"60 people from seed 1.*seed 2"):
        await PRETEND.make(place, people=60, seed=2)
    assert rows(place, "population", "select count(*) from citizen") == [(60,)]


async def test_a_filling_that_broke_off_is_completed(place: Place) -> None:
    """When only some systems were filled, the next call fills the others."""
    await PRETEND.make(place, people=60, seed=1)
    with psycopg.connect(Site(place).database("land")) as connection:
        connection.execute("drop table land_right, parcel, made_from")
    made = await PRETEND.make(place, people=60, seed=1)
    assert made.counts["land.right"] == sum(1 for _ in Country(1, 60).rights())


async def test_the_day_happens_in_the_registries(place: Place, running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Every scene changes something, and the registries still agree with each other in the evening."""
    await PRETEND.make(place, people=PEOPLE, seed=SEED)
    steps = await played(PRETEND.day(place, seed=SEED))
    assert set(steps) == {scene.name for scene in script.SCRIPT if isinstance(scene, script.Scene)}
    assert [name for name, step in steps.items() if not sum(step.counts.values())] == []
    born = rows(place, "population", "select so_dinh_danh from citizen where ngay_sinh = '2026-03-02'")
    assert len(born) == steps["births"].counts["population.person"]
    one_sided = """select count(*) from citizen a left join citizen b on a.so_dinh_danh_vc = b.so_dinh_danh
                   where a.so_dinh_danh_vc is not null
                   and (b.so_dinh_danh_vc is distinct from a.so_dinh_danh or a.hon_nhan <> 1)"""
    assert rows(place, "population", one_sided) == [(0,)]
    sold = rows(place, "land", "select ma_thua, so_gcn, mau_so, so_dinh_danh from land_right where so_gcn like 'SB%'")
    assert len({row[3] for row in sold}) == 2
    dead = {row[0] for row in rows(place, "population", "select so_dinh_danh from citizen where tinh_trang = 2")}
    headers = {"Authorization": f"Bearer {Site(place).token('insurance')}"}
    until(lambda: httpx.get(f"{Site(place).url('insurance')}/exports", headers=headers).json()["pending"] == 0)
    assert [key for key, row in covers(place).items() if row["so_dinh_danh"] in dead and not row["den_ngay"]] == []


async def test_systems_remember_across_a_kill(place: Place, running: dict[str, subprocess.Popen[bytes]]) -> None:
    """After SIGKILL a system answers at the same address, with every change, and its files go on without a gap."""
    await PRETEND.make(place, people=60, seed=3)
    site = Site(place)
    auth = {"Authorization": f"Bearer {site.token('tax')}"}
    async with httpx.AsyncClient(base_url=site.url("tax"), headers=auth) as client:
        page = (await client.get("/obligations", params={"limit": "1"})).json()
        owed = page["records"][0]["id"]
        await client.put(f"/obligations/{owed}", json={"paid": 1})
    for name in ("country-tax", "country-insurance"):
        running[name].kill()
        running[name].wait()
        running[name] = start(place, name)
    async with httpx.AsyncClient(base_url=site.url("tax"), headers=auth) as client:
        feed = (await client.get("/feed")).json()
    assert [(entry["id"], entry["record"]["paid"]) for entry in feed["entries"]] == [(owed, 1)]
    until(lambda: len(covers(place)) == sum(1 for _ in Country(3, 60).coverage()))


async def test_a_living_country_never_stops_and_keeps_its_pace(
    place: Place, running: dict[str, subprocess.Popen[bytes]]
) -> None:
    """At 50 changes a second, 50 changes take at least most of a second, and each is a real one."""
    await PRETEND.make(place, people=PEOPLE, seed=SEED)
    began, changes = time.monotonic(), 0
    async with asyncio.timeout(DEADLINE_SECONDS), aclosing(live(Site(place), 50, 1)) as steps:
        async for step in steps:
            changes += sum(step.counts.values())
            if changes >= 50:
                break
    assert time.monotonic() - began > 0.7


async def test_nothing_happens_in_an_empty_country(place: Place, running: dict[str, subprocess.Popen[bytes]]) -> None:
    """Where nobody lives and nothing is owed, nothing happens and nothing fails."""
    seed = next(seed for seed in range(100) if not list(Country(seed, 1).obligations()))
    await PRETEND.make(place, people=1, seed=seed)
    with psycopg.connect(Site(place).database("population")) as connection:
        connection.execute("update citizen set tinh_trang = 3")
    async with open_offices(Site(place)) as offices:
        for scene in script.SCRIPT:
            if isinstance(scene, script.Scene):
                assert await scene.happening(offices, Dice(1)) is None, scene.name
