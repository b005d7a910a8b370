"""A registry of its own for a measurement: a PostgreSQL server, one wide table, and its connector as a process."""

import asyncio
from collections.abc import Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import psycopg

from bus import clock
from bus.avro.codec import decode
from bus.avro.frame import BODY_START, schema_id_of
from bus.bench.ground import Ground, own_servers
from bus.bench.measure import Moment, moment
from bus.bench.workload import DATASET
from bus.connect.folder import remember
from bus.connect.process import reach_of
from bus.connect.recall import read_standing
from bus.connect.standing import Standing
from bus.errors import BenchFailed
from bus.kafka.log import Place
from bus.kafka.rights import OPERATOR
from bus.kafka.whole import whole
from bus.platform.home import Home
from bus.platform.postgres import LocalPostgres
from bus.register.registrar import ConnectorEntry
from bus.wiring import connector_stage, registrar_of, stage_process

CONNECTOR = "bench"
FOLDER = Path(__file__).parent / "registry_connector"
LOOK_SECONDS = 0.1
STALLED_SECONDS = 60.0

_TABLE = """
create table person (
  person_id text primary key, full_name text not null, birth_date date not null, sex text not null,
  nationality text not null, ethnicity text not null, religion text, marital text not null, province text not null,
  commune text not null, address text not null, father_id text, mother_id text, spouse_id text, phone text, email text,
  blood text, status text not null, updated_at timestamptz not null, version bigint not null);
alter table person replica identity full
"""

INSERT = """
insert into person
select lpad(n::text, 12, '0'), 'Carver Élise ' || n, date '1970-01-01' + n % 20000, 'F', 'XX', 'Lake',
  case n % 2 when 0 then 'First' end, 'MARRIED', lpad((1 + n % 34)::text, 2, '0'), lpad((n % 32000)::text, 5, '0'),
  1 + n % 300 || ' Harbour Lane', lpad((n + 1)::text, 12, '0'), case n % 3 when 0 then lpad((n + 2)::text, 12, '0') end,
  null, case n % 2 when 1 then '+99' || lpad(n::text, 9, '0') end, null, case n % 4 when 0 then 'AB' end, 'ALIVE',
  clock_timestamp(), 0
from generate_series({first}, {end} - 1) n
"""
_SOME = "where person_id >= '{first:012}' and person_id < '{end:012}'"
UPDATE = f"update person set status = 'DEAD', version = version + 1 {_SOME}"  # noqa: S608 - bounds that are numbers
DELETE = f"delete from person {_SOME}"  # noqa: S608 - bounds that are numbers


@dataclass
class Registry:
    """The database, and the connector that follows it. `peak_bytes`: the most memory that it was seen with."""

    ground: Ground
    sql: psycopg.AsyncConnection[Any]
    peak_bytes: int = 0
    _process: psutil.Process | None = field(default=None, repr=False)

    @classmethod
    @asynccontextmanager
    async def opened(cls, ground: Ground) -> Any:
        """Start the database with an empty table, and enrol the connector; it does not run yet."""
        home = Home.from_settings(ground.settings)
        ground.tell("starting a database")
        dsn = await LocalPostgres(home).start(ground.supervisor)
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True) as sql:
            await sql.execute(_TABLE)
            async with registrar_of(ground.settings) as registrar:
                await registrar.enrol_connectors([ConnectorEntry(CONNECTOR, DATASET.partition(".")[0], {"dsn": dsn})])
            remember(home.path, CONNECTOR, FOLDER)
            yield cls(ground, sql)

    async def start_connector(self) -> None:
        """Start the connector as a process of its own."""
        spec = own_servers(stage_process(connector_stage(CONNECTOR), self.ground.settings))
        self._process = psutil.Process((await self.ground.supervisor.start(spec)).pid)

    async def write(self, statement: str, rows: int, *, at_once: int) -> None:
        """Run a statement over rows 0 to `rows`, in transactions of `at_once` rows."""
        for first in range(0, rows, at_once):
            await self.sql.execute(statement.format(first=first, end=min(first + at_once, rows)))
            self.ground.tell(f"{min(first + at_once, rows):,} of {rows:,} rows written")

    def moment(self, published: int) -> Moment:
        """What the connector has used up to now."""
        assert self._process is not None, "start_connector comes first"
        self.peak_bytes = max(self.peak_bytes, self._process.memory_info().rss)
        return moment(self._process, published, 0)

    async def standing(self) -> Standing | None:
        """Where the connector stands."""
        reach = reach_of(OPERATOR, self.ground.settings)
        return await read_standing(reach, self.ground.messages, CONNECTOR)

    async def until_read(self) -> None:
        """Wait until the table has been read whole. Raises BenchFailed."""
        deadline = clock.monotonic() + STALLED_SECONDS
        while (at := await self.standing()) is None or at.epoch == 0 or at.snapshot is not None:
            if clock.monotonic() > deadline:
                raise BenchFailed(what="the connector has not read an empty table")
            await asyncio.sleep(LOOK_SECONDS)

    async def until_published(self, goal: int) -> list[Moment]:
        """Every moment up to the one at which so many changes are published. Raises BenchFailed when nothing moves."""
        found: list[Moment] = []
        moved = clock.monotonic()
        while not found or found[-1].records < goal:
            at = await self.standing()
            published = at.published if at else 0
            self.ground.tell(f"{published:,} of {goal:,} changes published")
            now = self.moment(published)
            if not found or published > found[-1].records:
                found.append(now)
                moved = clock.monotonic()
            if clock.monotonic() - moved > STALLED_SECONDS:
                raise BenchFailed(what=f"the connector stands still after {published} of {goal} changes")
            await asyncio.sleep(LOOK_SECONDS)
        return found

    async def verify(self) -> int:
        """Compare what is live in the topic with the table, row by row; returns how many. Raises BenchFailed."""
        told = await self.sql.execute("select person_id, version from person")
        expected = {f"{one}/{one}".encode(): version for one, version in await told.fetchall()}
        if await self._live() != expected:
            raise BenchFailed(what="the topic does not hold what the table holds")
        return len(expected)

    async def _live(self) -> Mapping[bytes, int]:
        newest: dict[bytes, bytes] = {}
        topics = self.ground.topics
        async for records in whole(
            self.ground.access, [Place(topics.changes(DATASET), lane) for lane in range(topics.lanes)]
        ):
            for record in records:
                assert record.key is not None, "every change has a key"
                if record.value is None:
                    newest.pop(record.key, None)
                else:
                    newest[record.key] = record.value
            self.ground.tell(f"{len(newest):,} records compared")
        parsed = {one: await self.ground.client.parsed(one) for one in {schema_id_of(one) for one in newest.values()}}
        return {
            key: decode(parsed[schema_id_of(value)], value[BODY_START:])["version"] for key, value in newest.items()
        }
