"""A small founded bus for connectors, and a population registry to publish into it."""

import asyncio
import contextlib
import json
import os
import socket
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psycopg
import pytest
import uvicorn

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.codec import decode
from bus.avro.datasets import load_datasets
from bus.avro.frame import unframe
from bus.avro.own import OwnMessages, own_names, own_schema, own_subject
from bus.avro.registry.app import application
from bus.avro.registry.kafka_log import KafkaLog
from bus.avro.registry.store import SchemaStore
from bus.clock import monotonic
from bus.connect.manifest import DatasetRule, Manifest
from bus.connect.place import Place as ConnectorPlace
from bus.connect.postgres.source import PostgresSource
from bus.connect.recall import Reach, read_standing
from bus.connect.runner import Runner
from bus.connect.source import Source
from bus.connect.standing import Standing
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import Place
from bus.kafka.whole import whole
from bus.model.record import Incoming
from bus.topics import Topics

ROOT = Path(__file__).parents[3]
LANES = 3


@dataclass
class FoundedBus:
    """Topics and a schema registry, with everything read as a `read_committed` consumer sees it."""

    access: KafkaAccess
    topics: Topics
    client: SchemaRegistryClient
    schemas: dict[int, Any] = field(default_factory=dict)

    @property
    def reach(self) -> Reach:
        """How a connector reaches it."""
        return Reach(self.access, self.client.access, self.topics)

    async def read(self, topic: str, partitions: int = LANES) -> list[Incoming]:
        """Everything committed in a topic, in order within each partition; behind what is open or has no marker yet."""
        places = [Place(topic, partition) for partition in range(partitions)]
        return [record async for records in whole(self.access, places) for record in records]

    async def changes(self, dataset: str) -> list[Incoming]:
        """Everything published of a dataset."""
        return await self.read(self.topics.changes(dataset))

    async def newest(self, dataset: str) -> dict[str, dict[str, Any]]:
        """The live records of a dataset by key, decoded."""
        live: dict[str, Any] = {}
        for record in await self.changes(dataset):
            assert record.key is not None
            if record.value is None:
                live.pop(record.key.decode(), None)
            else:
                live[record.key.decode()] = await self.decoded(record.value)
        return live

    async def decoded(self, value: bytes) -> Any:
        """A framed record."""
        schema_id, body = unframe(value)
        if schema_id not in self.schemas:
            self.schemas[schema_id] = await self.client.parsed(schema_id)
        return decode(self.schemas[schema_id], body)

    async def standing(self, connector: str) -> Standing | None:
        """The committed standing of a connector."""
        return await read_standing(self.reach, OwnMessages(self.client), connector)

    async def published(self, connector: str) -> int:
        """How many changes a connector has published."""
        at = await self.standing(connector)
        return at.published if at else 0

    async def until_published(self, connector: str, goal: int) -> None:
        """Wait until a connector has published so many changes."""

        async def reached() -> bool:
            return await self.published(connector) >= goal

        await self.until(reached)

    async def caught_up(self, source: Source, connector: str) -> None:
        """Wait until everything that a source holds now is published."""
        head = await source.head()

        async def reached() -> bool:
            at = await self.standing(connector)
            return bool(at and at.stream and at.snapshot is None and source.passed(at.stream, head))

        await self.until(reached)

    async def assert_unique(self, dataset: str) -> None:
        """Assert that no change was published twice."""
        seen = Counter(record.header("ce_id") for record in await self.changes(dataset))
        assert [one for one, count in seen.items() if count > 1] == []

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float = 60) -> None:
        """Poll a condition, with a deadline, until it holds."""
        deadline = monotonic() + seconds
        while not await holds():
            assert monotonic() < deadline, "it did not come to hold in time"
            await asyncio.sleep(0.05)

    @asynccontextmanager
    async def running(self, source: Source) -> AsyncIterator[Runner]:
        """A connector in this process, until the block ends."""
        runner = Runner(source, type(source).manifest, self.reach)  # type: ignore[attr-defined] # every source has one
        task = asyncio.create_task(runner.run())
        ready = asyncio.create_task(runner.ready.wait())
        await asyncio.wait({task, ready}, return_when=asyncio.FIRST_COMPLETED)
        try:
            if not task.done():
                yield runner
        finally:
            ready.cancel()
            runner.stop()
            await asyncio.wait({task})
        task.result()


@pytest.fixture
async def bus(kafka: KafkaAccess, prefix: str) -> AsyncIterator[FoundedBus]:
    """A bus with every dataset of the country, founded under a fresh prefix."""
    topics = Topics(prefix, LANES)
    datasets = load_datasets(ROOT / "schemas" / "changes")
    specs = [*topics.founding(), *(topics.changes_spec(name) for name in datasets)]
    registries = {name.partition(".")[0] for name in datasets}
    specs += [spec for name in registries for spec in topics.connector_specs(name)]
    await Admin(kafka).ensure_topics(specs)
    log = KafkaLog(kafka, topics.schemas)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        config = uvicorn.Config(application(SchemaStore(log)), log_config=None, lifespan="off")
        server = uvicorn.Server(config)
        server.capture_signals = contextlib.nullcontext  # type: ignore[method-assign,assignment] # pytest keeps its own
        serving = asyncio.create_task(server.serve([listener]))
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
        try:
            async with SchemaRegistryClient(RegistryAccess(url)) as client:
                subjects = [(value_subject(topics.changes(name)), one.schema) for name, one in datasets.items()]
                subjects += [(own_subject(name), own_schema(name)) for name in own_names()]
                async with asyncio.TaskGroup() as registering:
                    for subject, schema in subjects:
                        registering.create_task(client.register(subject, schema))
                yield FoundedBus(kafka, topics, client)
        finally:  # also where the founding failed: what stays open would be laid at the door of the next test
            server.should_exit = True
            await serving
            await log.stop()


@dataclass
class Population:
    """The population registry's own database."""

    dsn: str
    sql: psycopg.Connection[Any]

    def grow(self, first: int, end: int) -> None:
        """Insert citizens with the numbers from `first` to before `end`."""
        self.sql.execute(
            """insert into citizen (so_dinh_danh, ho_ten, ngay_sinh, gioi_tinh, quoc_tich, dan_toc, noi_dang_ky_ks,
                 thuong_tru_tinh, hon_nhan, tinh_trang, muc_dinh_danh)
               select lpad(n::text, 12, '0'), 'Nguyễn Văn ' || n, date '1990-01-01' + n, 1 + n %% 2, 'VN', '01', '001',
                 '01', 0, 1, 2 from generate_series(%s::int, %s::int - 1) n""",
            (first, end),
        )

    def names(self) -> dict[str, str]:
        """Key → name, as the table says."""
        rows = self.sql.execute("select so_dinh_danh, ho_ten from citizen").fetchall()
        return {f"{one}/{one}": name for one, name in rows}


@pytest.fixture
def population(database: str) -> Iterator[Population]:
    """The population registry, without a citizen."""
    with psycopg.connect(database, autocommit=True) as connection:
        connection.execute((ROOT / "seeds" / "systems" / "population.sql").read_bytes())
        yield Population(database, connection)


class Thing(PostgresSource):
    """One table of many types, `thing`, which a test makes with its fixture `things`."""

    manifest = Manifest(
        name="things", registry="test", kind="postgres", datasets={"test.thing": DatasetRule(origin="thing", fields={})}
    )


@pytest.fixture
async def source(database: str, things: Any) -> AsyncIterator[Thing]:
    """The table of the test's `things` as a source; its slot is dropped after the test."""
    del things  # made, and not asked for anything
    made = Thing(ConnectorPlace("things", f"t{database[-8:]}.", {"dsn": database}))
    yield made
    await made.forget()
    await made.close()


@dataclass
class Started:
    """Connector processes of one test."""

    env: dict[str, str]
    home: Path
    processes: list[subprocess.Popen[bytes]] = field(default_factory=list)

    def start(self, name: str, **settings: str) -> subprocess.Popen[bytes]:
        """Run a connector as its own process, with these settings of its source."""
        folder = self.home / "connectors"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(settings))
        code = f"from bus.connect.process import run; from bus.settings import Settings; run({name!r}, Settings())"
        log = (self.home / f"{name}.log").open("ab")
        process = subprocess.Popen([sys.executable, "-c", code], env=self.env, cwd=ROOT, stderr=log, stdout=log)
        log.close()
        self.processes.append(process)
        return process


@pytest.fixture
def connectors(bus: FoundedBus, tmp_path: Path) -> Iterator[Started]:
    """Starts connectors as processes; all are dead after the test."""
    access = bus.access
    env = os.environ | {
        "BUS_HOME": str(tmp_path),
        "BUS_KAFKA": access.bootstrap,
        "BUS_KAFKA_SECURITY_PROTOCOL": access.security_protocol,
        "BUS_KAFKA_SASL_MECHANISM": access.sasl_mechanism or "PLAIN",
        "BUS_KAFKA_USERNAME": access.username or "",
        "BUS_KAFKA_PASSWORD": access.password or "",
        "BUS_KAFKA_RIGHTS": "false",
        "BUS_SCHEMA_REGISTRY": bus.client.access.url,
        "BUS_PREFIX": bus.topics.prefix,
        "BUS_LANES": str(LANES),
    }
    started = Started(env, tmp_path)
    yield started
    for process in started.processes:
        process.kill()
        process.wait()


def under(found: Any, drift: Any, *left_out: str) -> Any:
    """The same source with another manifest: `drift` for each dataset, some datasets left out."""
    datasets = {
        name: rule.model_dump(exclude_unset=True) | {"drift": drift}
        for name, rule in found.manifest.datasets.items()
        if name not in left_out
    }
    words = found.manifest.model_dump(exclude_unset=True) | {"datasets": datasets}
    return type("Source", (found,), {"manifest": Manifest.model_validate(words)})
