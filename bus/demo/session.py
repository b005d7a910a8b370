"""Around the day: a scratch BUS_HOME, an orderly end however it comes, and, if asked for, a bus that stays."""

import asyncio
import logging
import os
import secrets
import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from bus.avro.client import SchemaRegistryClient
from bus.connect import PostgresSource
from bus.connect.process import make_source, settings_file
from bus.demo.result import Result
from bus.demo.scenario import run
from bus.demo.show import Display
from bus.platform.ending import end_by_signal
from bus.platform.hold import hold
from bus.platform.home import Home
from bus.platform.jars import kafka_jars
from bus.platform.processes import Supervisor
from bus.platform.reach import kafka_access
from bus.platform.session import detach
from bus.register.grounds import Grounds
from bus.settings import KafkaSettings, Settings
from bus.telemetry import configure
from bus.topics import Topics
from bus.wiring import ADMIN, country_plugin, environment, place_of, remembered_people


@dataclass(frozen=True, slots=True)
class Session:
    """A day that was held, and where."""

    settings: Settings
    result: Result


async def hold_demo(settings: Settings, console: Console, *, people: int, seed: int, keep: bool) -> Session:
    """Hold the day in a scratch home. It is removed if the day passed, and kept with its logs if it did not.

    SIGTERM ends it in order, like Ctrl-C.
    """
    if settings.kafka is None:
        kafka_jars(settings.cache_path)  # before the display starts, for the download has one of its own
    configure("demo", level="error")
    logging.getLogger("aiokafka").setLevel(logging.CRITICAL)  # it is killed brokers' business here, and told anyway
    scratch = Path(tempfile.mkdtemp(prefix="bus-demo-"))
    own = settings.model_copy(update={"home": scratch, "prefix": _prefix(settings)})
    home = Home.from_settings(own)
    display = Display(console)
    end_by_signal()
    passed = False
    try:
        with display.shown(), hold(home):
            result = await _held(own, Supervisor(home), display, people=people, seed=seed, keep=keep)
            passed = result.passed
        if keep:
            with display.shown(), display.phase("Starting it once more, to stay"):
                await asyncio.to_thread(_detached, own)
        return Session(own, result)
    finally:
        if passed and not keep:
            shutil.rmtree(scratch, ignore_errors=True)
        elif not passed:
            console.print(f"The logs are kept in {scratch / 'logs'}.", style="yellow", highlight=False)


async def _held(  # noqa: PLR0913 - what the caller was told, handed on
    settings: Settings, supervisor: Supervisor, display: Display, *, people: int, seed: int, keep: bool
) -> Result:
    try:
        return await run(settings, supervisor, display, people=people, seed=seed)
    finally:
        with display.phase("Ending every process in order"):
            try:
                if not keep:
                    await _clear(settings, supervisor.home)
            finally:
                await supervisor.stop_all()
            if settings.postgres is not None and not keep:
                await _remove_databases(settings, supervisor.home, settings.postgres)


async def _clear(settings: Settings, home: Home) -> None:
    """What the day made on a Kafka and in a schema registry of the user's own."""
    if settings.kafka is not None:
        access = kafka_access(settings, KafkaSettings(), home, ADMIN)
        await Grounds(access, Topics(settings.prefix, settings.lanes), home).clear()
    if settings.schema_registry is not None:
        async with SchemaRegistryClient.from_settings(settings, home, registers=True) as client:
            for subject in await client.subjects(settings.prefix):
                await client.delete(subject)


async def _remove_databases(settings: Settings, home: Home, postgres: str) -> None:
    """What the day left on a PostgreSQL of the user's own; a replication slot left behind would fill its disk."""
    country = country_plugin()
    place = place_of(settings, home, postgres)
    for connector in country.connectors(place):
        if settings_file(connector.name, settings).exists():
            source, _ = make_source(connector.name, settings)
            if isinstance(source, PostgresSource):
                await source.forget()
            await source.close()
    await country.unmake(place)


def _detached(settings: Settings) -> None:
    home = Home.from_settings(settings)
    os.environ.update(environment(settings))
    detach(home, ["up", "--people", str(remembered_people(home))])


def _prefix(settings: Settings) -> str:
    """On servers of the user's own the day keeps to names of its own."""
    theirs = settings.kafka or settings.schema_registry
    return f"demo-{secrets.token_hex(3)}." if theirs else settings.prefix
