"""A database that is asked by queries into Kafka, SQLite and PostgreSQL alike: versions, deletions, kills."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy

from bus.clock import now_ms
from bus.connect import SqlSource
from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.errors import SourceUnfit

pytestmark = [pytest.mark.broker]

TAXPAYER = "tax.taxpayer"
FIELDS = {
    "tax_code": "code",
    "personal_id": "person",
    "kind": {"constant": "EMPLOYEE"},
    "tax_office": "office",
    "status": {"constant": "ACTIVE"},
    "registered_on": {"constant": 18000},
    "updated_at": {"constant": 0},
}


def source_class(**rule: Any) -> type[SqlSource]:
    table = {"key": ["code"], "version": "version", "safety": 5, **rule.pop("table", {})}
    manifest = {
        "name": "tax",
        "registry": "tax",
        "kind": "sql",
        "sql": {"tables": {TAXPAYER: table}, "poll_seconds": 0.1, **rule},
        "datasets": {TAXPAYER: {"origin": "taxpayer", "fields": FIELDS}},
    }
    return type("Registry", (SqlSource,), {"manifest": Manifest.model_validate(manifest)})


class Registry:
    """The registry's own side of its table."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._engine = sqlalchemy.create_engine(url)
        self.do("create table taxpayer (code varchar(20) primary key, person varchar(20), office text, version bigint)")

    def do(self, statement: str, *rows: dict[str, Any]) -> None:
        with self._engine.begin() as connection:
            connection.execute(sqlalchemy.text(statement), list(rows) or None)

    def grow(self, first: int, end: int) -> None:
        rows = [{"n": f"c{n:04}", "p": f"p{n:04}", "v": n} for n in range(first, end)]
        self.do("insert into taxpayer values (:n, :p, '01-01', :v)", *rows)

    def close(self) -> None:
        self._engine.dispose()


@pytest.fixture(params=["sqlite", "postgresql"])
def registry(request: pytest.FixtureRequest, tmp_path: Path) -> Any:
    if request.param == "sqlite":
        found = Registry(f"sqlite:///{tmp_path}/registry.sqlite")
    else:
        found = Registry(request.getfixturevalue("database").replace("postgresql://", "postgresql+psycopg://"))
    yield found
    found.close()


@asynccontextmanager
async def running(bus: Any, registry: Registry, **rule: Any) -> AsyncIterator[SqlSource]:
    """The connector runs; it has published what the table held."""
    source = source_class(**rule)(Place("tax", bus.topics.prefix, {"url": registry.url}))
    async with bus.running(source):
        await bus.caught_up(source, "tax")
        yield source


async def offices(bus: Any) -> dict[str, str]:
    return {key: record["tax_office"] for key, record in (await bus.newest(TAXPAYER)).items()}


async def until(bus: Any, expected: dict[str, str]) -> None:
    async def is_so() -> bool:
        return await offices(bus) == expected

    await bus.until(is_so)


async def test_versions(bus: Any, registry: Registry) -> None:
    """What was there is read, then what has a new version; a transaction that commits late is found by the window."""
    registry.grow(0, 1200)
    expected = {f"p{n:04}/c{n:04}": "01-01" for n in range(1200)}
    async with running(bus, registry):
        registry.do("update taxpayer set office = '02-02', version = 1300 where code = 'c0007'")
        expected["p0007/c0007"] = "02-02"
        await until(bus, expected)
        registry.do("insert into taxpayer values ('late', 'p', '03-03', 1296)")
        expected["p/late"] = "03-03"
        await until(bus, expected)
    await bus.assert_unique(TAXPAYER)
    assert len(await bus.changes(TAXPAYER)) == 1202


async def test_what_no_version_tells(bus: Any, registry: Registry) -> None:
    """Deletions, and rows changed or inserted without a version, are found by the whole reading that comes next."""
    registry.grow(0, 100)
    async with running(bus, registry, compare_seconds=0.3):
        registry.do("delete from taxpayer where code = 'c0003'")
        registry.do("update taxpayer set office = '09-09' where code = 'c0004'")
        registry.do("insert into taxpayer values ('none', 'p', '04-04', null)")
        expected = {f"p{n:04}/c{n:04}": "09-09" if n == 4 else "01-01" for n in range(100) if n != 3}
        await until(bus, expected | {"p/none": "04-04"})
    assert len(await bus.changes(TAXPAYER)) == 103


async def test_a_restart(bus: Any, registry: Registry) -> None:
    """A connector that starts again publishes what changed meanwhile, and nothing else."""
    registry.grow(0, 300)
    async with running(bus, registry):
        pass
    registry.do("update taxpayer set office = '02-02', person = 'moved', version = 400 where code = 'c0005'")
    async with running(bus, registry):
        assert (await offices(bus))["moved/c0005"] == "02-02"
    assert len(await bus.changes(TAXPAYER)) == 302  # the record's tombstone under the key that it left, and its new one
    assert len(await offices(bus)) == 300


async def test_an_emptied_table_erases_nothing(bus: Any, registry: Registry) -> None:
    """A table that is suddenly empty is not believed."""
    registry.grow(0, 50)
    async with running(bus, registry, compare_seconds=3) as source:
        registry.do("delete from taxpayer")
        before = (await bus.standing("tax")).stream["full"]

        async def read_anew() -> bool:
            return bool((await bus.standing("tax")).stream["full"] > before + 1)

        await bus.until(read_anew)
        assert source.passed({"full": 1, "rows": None, "versions": {}}, await source.head())
    assert len(await offices(bus)) == 50


@pytest.mark.parametrize("table", [{"key": ["nowhere"]}, {"version": "nowhere"}])
async def test_a_wrong_manifest(registry: Registry, table: dict[str, Any]) -> None:
    """A column that the table lacks is named before anything is read."""
    source = source_class(table=table)(Place("tax", "", {"url": registry.url}))
    with pytest.raises(SourceUnfit, match="nowhere"):
        await source.open(None)
    await source.close()


async def test_what_is_given_up_leaves_no_connection(bus: Any, database: str) -> None:
    """A connector that ends while the database still answers a question leaves no connection behind."""
    others = "select count(*) from pg_stat_activity where datname = current_database() and pid <> pg_backend_pid()"
    with psycopg.connect(database, autocommit=True) as own:
        own.execute("create table taxpayer (code text primary key, version bigint)")
        url = database.replace("postgresql://", "postgresql+psycopg://")
        source = source_class()(Place("tax", "", {"url": url}))
        changes = source.changes(await source.open(None))
        with own.transaction():
            own.execute("lock table taxpayer in access exclusive mode")
            asking = asyncio.ensure_future(anext(changes))

            async def waits() -> bool:
                return own.execute(f"{others} and wait_event_type = 'Lock'").fetchone() == (1,)

            await bus.until(waits)
            asking.cancel()
            await asyncio.sleep(0)  # the cancellation arrives while the database holds the answer back
        with pytest.raises(asyncio.CancelledError):
            await asking
        await source.close()

        async def all_gone() -> bool:
            return own.execute(others).fetchone() == (0,)

        await bus.until(all_gone, seconds=10)


async def test_times_as_versions(bus: Any, registry: Registry) -> None:
    """A version may be a time; SQLite's are text, and PostgreSQL's are kept with their zone."""
    kind = "text" if registry.url.startswith("sqlite") else "timestamptz"
    registry.do("drop table taxpayer")
    registry.do(
        f"create table taxpayer (code varchar(20) primary key, person varchar(20), office text, version {kind})"
    )
    began = now_ms()
    registry.do("insert into taxpayer values ('a', 'p', '01-01', '2026-03-01 08:00:10')")
    async with running(bus, registry):
        registry.do("insert into taxpayer values ('b', 'p', '01-01', '2026-03-01 08:00:07')")
        registry.do("insert into taxpayer values ('c', 'p', '01-01', '2026-03-01 08:00:11')")
        await until(bus, {"p/a": "01-01", "p/b": "01-01", "p/c": "01-01"})
    assert (await bus.standing("tax")).stream["compared_at"] >= began
