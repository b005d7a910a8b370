"""What runs together: the one place that knows every stage, and in which order they come up."""

import asyncio
import json
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path

from bus.agreements.agencies import load_agencies
from bus.agreements.check import load_agreements
from bus.avro.client import SchemaRegistryClient
from bus.avro.datasets import load_datasets
from bus.avro.registry.server import TOKEN_NAME
from bus.errors import WrongUse
from bus.kafka.access import KafkaAccess
from bus.kafka.rights import connector_user
from bus.kafka.version import require_kafka_4
from bus.model.country import ConnectorPlace, Country, OtherCountryThere, Place
from bus.platform.home import Home, write_whole
from bus.platform.kafka import LocalKafka
from bus.platform.postgres import LocalPostgres
from bus.platform.processes import ProcessSpec, Supervisor
from bus.platform.reach import kafka_access, schema_registry_url
from bus.register.registrar import ConnectorEntry, Grounds, Registrar
from bus.settings import KafkaSettings, Settings
from bus.topics import Topics

DEFAULT_SEED = 2026
ADMIN = "admin"


@dataclass(frozen=True, slots=True)
class Stage:
    """A process of the bus: its name, which is also its Kafka user, and the words after `bus`."""

    name: str
    words: tuple[str, ...]


SCHEMA_REGISTRY = Stage("schema-registry", ("serve", "schema-registry"))
CITIZEN = Stage("citizen", ("serve", "citizen"))
ROUTE = Stage("route", ("serve", "route"))


def connector_stage(name: str) -> Stage:
    """The stage of one connector."""
    return Stage(connector_user(name), ("serve", "connector", name))


def stage_process(stage: Stage, settings: Settings) -> ProcessSpec:
    """How a stage is started on this machine."""
    return ProcessSpec(stage.name, (sys.executable, "-m", "bus", *stage.words), env=environment(settings))


def environment(settings: Settings) -> dict[str, str]:
    """The settings that a child must share with its parent; the rest it inherits."""
    return {
        "BUS_HOME": str(settings.home_path),
        "BUS_CACHE": str(settings.cache_path),
        "BUS_PREFIX": settings.prefix,
        "BUS_LANES": str(settings.lanes),
    }


def country_plugin() -> Country:
    """The country that is installed beside the bus. Raises WrongUse when there is none, or more than one."""
    found = list(entry_points(group="bus.country"))
    if len(found) != 1:
        raise WrongUse(
            what=f"{len(found)} countries are installed, and one is needed",
            instead="Install the package whose entry point `bus.country` names it, or use `bus up --empty`.",
        )
    country: Country = found[0].load()
    return country


def remembered_people(home: Home) -> int | None:
    """How many people the country in this home has; None when there is none."""
    file = _memory(home)
    return int(json.loads(file.read_text())["people"]) if file.exists() else None


def place_of(settings: Settings, home: Home, postgres: str) -> Place:
    """Where the country lives, as far as it is known now."""
    citizen = home.endpoint(CITIZEN.name)
    return Place(
        home=home.path,
        postgres=postgres,
        prefix=settings.prefix,
        citizen_api=f"http://127.0.0.1:{citizen['port']}" if citizen else None,
        citizen_token=home.secret("citizen-token"),
    )


async def bring_up(
    settings: Settings, supervisor: Supervisor, *, people: int | None, seed: int = DEFAULT_SEED, stages: bool = True
) -> None:
    """Start everything, in the order of need and side by side where nothing needs the other.

    `people` None leaves the country out. `stages` False founds the bus and enrols everybody, and leaves the stages
    to be started elsewhere. What exists already in the home stays and goes on.
    """
    home = supervisor.home
    access, postgres = await asyncio.gather(_kafka(settings, supervisor), _postgres(settings, supervisor, people))
    grounds = Grounds(access, Topics(settings.prefix, settings.lanes), home)
    country = None if people is None else country_plugin()
    made = asyncio.create_task(_make(country, settings, supervisor, postgres, people, seed))
    try:
        await grounds.lay()
        if settings.schema_registry is None:
            home.secret(TOKEN_NAME)  # made before the registry starts, which then asks for it
            await supervisor.start(stage_process(SCHEMA_REGISTRY, settings))
        await _enrol(settings, supervisor, grounds, access, country, made, stages=stages)
    finally:
        made.cancel()
        await asyncio.gather(made, return_exceptions=True)


async def _kafka(settings: Settings, supervisor: Supervisor) -> KafkaAccess:
    if settings.kafka is None:
        return await LocalKafka.from_settings(settings, supervisor.home).start(supervisor)
    access = kafka_access(settings, KafkaSettings(), supervisor.home, ADMIN)
    await require_kafka_4(access)
    return access


async def _postgres(settings: Settings, supervisor: Supervisor, people: int | None) -> str:
    if settings.postgres is not None:
        return settings.postgres
    if people is None:
        return ""  # without the pretend country nobody here needs a database
    return await LocalPostgres.from_settings(settings, supervisor.home).start(supervisor)


async def _make(  # noqa: PLR0913, PLR0917 - handed through from `bring_up`
    country: Country | None,
    settings: Settings,
    supervisor: Supervisor,
    postgres: str,
    people: int | None,
    seed: int,
) -> Place | None:
    """The country's own systems, filled; None without a country."""
    if country is None or people is None:
        return None
    place = place_of(settings, supervisor.home, postgres)
    await supervisor.start_all(
        [ProcessSpec(process.name, process.argv, env=process.env) for process in country.processes(place)]
    )
    try:
        await country.make(place, people=people, seed=seed)
    except OtherCountryThere as error:
        raise WrongUse(what=str(error), instead="Leave --people out to go on with the one that is there.") from error
    write_whole(_memory(supervisor.home), json.dumps({"people": people, "seed": seed}))
    return place


async def _enrol(  # noqa: PLR0913, PLR0917 - handed through from `bring_up`
    settings: Settings,
    supervisor: Supervisor,
    grounds: Grounds,
    access: KafkaAccess,
    country: Country | None,
    made: asyncio.Task[Place | None],
    *,
    stages: bool,
) -> None:
    home = supervisor.home
    async with SchemaRegistryClient(schema_registry_url(settings, home), token=home.secret(TOKEN_NAME)) as client:
        registrar = Registrar(grounds, access, home, client, by="operator")
        try:
            await registrar.start()
            here = [stage_process(CITIZEN, settings), stage_process(ROUTE, settings)] if stages else []
            starting = asyncio.create_task(supervisor.start_all(here))
            try:
                if country is not None:
                    await enrol_country(registrar, country)
                place = await made
                await starting
            finally:
                starting.cancel()
                await asyncio.gather(starting, return_exceptions=True)
            if country is not None and place is not None:
                entries = _entries(country.connectors(place))
                await registrar.enrol_connectors(entries)
                connectors = [stage_process(connector_stage(entry.name), settings) for entry in entries]
                await supervisor.start_all(connectors if stages else [])
        finally:
            await registrar.stop()


async def enrol_country(registrar: Registrar, country: Country) -> None:
    """The country's agencies, datasets and agreements, as facts."""
    datasets = load_datasets(country.schemas_dir)
    agencies = load_agencies(country.agencies_file)
    await registrar.enrol_agencies(agencies)
    await registrar.enrol_datasets(datasets.values())
    documents = load_agreements(country.agreements_dir, datasets, agencies)
    await registrar.activate(documents, datasets, agencies.consent_basis)


def _entries(places: Iterable[ConnectorPlace]) -> list[ConnectorEntry]:
    return [ConnectorEntry(place.name, place.name, place.settings) for place in places]


def _memory(home: Home) -> Path:
    return home.data / "country.json"
