"""What runs together: the one place that knows every stage, and in which order they come up."""

import asyncio
import contextlib
import json
import sys
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass, replace
from importlib.metadata import entry_points
from pathlib import Path

from bus import clock
from bus.agreements.document import AgreementDocument
from bus.avro.access import TOKEN_NAME
from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.datasets import Dataset
from bus.avro.own import OwnMessages
from bus.connect.folder import forget as forget_folder
from bus.connect.folder import remember as remember_folder
from bus.connect.process import Gone, last_source, leave, reach_of
from bus.errors import NotFound, SchemaRefused, WrongUse
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.rights import PREVIEWER, connector_transactional_id, connector_user
from bus.kafka.transactions import TransactionalWriter
from bus.kafka.version import require_kafka_4
from bus.model.country import Country, OtherCountryThere, Place
from bus.model.record import Outgoing
from bus.platform.home import ROOT_KEY, Home, write_whole
from bus.platform.kafka import NAME as KAFKA
from bus.platform.kafka import LocalKafka
from bus.platform.ports import address
from bus.platform.postgres import NAME as POSTGRES
from bus.platform.postgres import LocalPostgres
from bus.platform.processes import ProcessSpec, Supervisor
from bus.platform.reach import kafka_access
from bus.platform.salts import Salts
from bus.register.country import enrol_country, enrol_folders
from bus.register.grounds import Grounds
from bus.register.impact import Impact, impact, refuse_broken
from bus.register.log import Register
from bus.register.readers import why_not_next
from bus.register.registrar import ConnectorEntry, Registrar
from bus.route.foresight import Foresight, Sources, Tell, asked, foresee
from bus.settings import ConnectSettings, KafkaSettings, Settings
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
    """How a stage is started on this machine: after what it needs, and ended before it."""
    local = {KAFKA: settings.kafka is None, SCHEMA_REGISTRY.name: settings.schema_registry is None}
    if stage.words[:2] == ("serve", "connector"):
        local[POSTGRES] = settings.postgres is None
    needs = tuple(name for name, here in local.items() if here and name != stage.name)
    return ProcessSpec(stage.name, (sys.executable, "-m", "bus", *stage.words), env=environment(settings), needs=needs)


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
    return _remembered(home).get("people")


def remembered_seed(home: Home) -> int | None:
    """The number that the country in this home was made from; None when there is none."""
    return _remembered(home).get("seed")


def place_of(settings: Settings, home: Home, postgres: str) -> Place:
    """Where the country lives, as far as it is known now."""
    citizen = home.endpoint(CITIZEN.name)
    return Place(
        home=home.path,
        postgres=postgres,
        prefix=settings.prefix,
        citizen_api=f"http://{address(citizen)}" if citizen else None,
        citizen_token=home.secret("citizen-token"),
        wide=bool(_remembered(home).get("wide")),
        host=settings.country_host,
    )


async def bring_up(
    settings: Settings,
    supervisor: Supervisor,
    wanted: "Wanted",
) -> None:
    """Start everything, in the order of need and side by side where nothing needs the other.

    What exists already in the home stays and goes on.
    """
    start = _Start(settings, supervisor, wanted)
    access, postgres = await asyncio.gather(start.kafka(), start.postgres())
    made = asyncio.create_task(start.make(postgres))
    try:
        grounds = Grounds(access, Topics(settings.prefix, settings.lanes), supervisor.home)
        await grounds.lay()
        await start.schema_registry()
        async with _registrar(settings, supervisor.home, grounds, access) as registrar:
            await registrar.lay_again()
            await start.enrol(registrar, made)
    finally:
        made.cancel()
        await asyncio.gather(made, return_exceptions=True)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What is to come up.

    `people` None leaves the country out; `seed` None means that of the country that is there. `stages` False founds
    the bus and enrols everybody, and leaves the stages to be started elsewhere. `wide` brings the registries that
    joined later.
    """

    people: int | None
    seed: int | None = None
    stages: bool = True
    wide: bool = False


class _Start:
    """The steps of `bring_up`."""

    def __init__(self, settings: Settings, supervisor: Supervisor, wanted: Wanted) -> None:
        self._settings = settings
        self._supervisor = supervisor
        self._wanted = wanted
        self._country = None if wanted.people is None else country_plugin()

    async def kafka(self) -> KafkaAccess:
        """The administrator's access, to the user's own Kafka or to one started here."""
        home = self._supervisor.home
        if self._settings.kafka is None:
            return await LocalKafka.from_settings(self._settings, home).start(self._supervisor)
        access = kafka_access(self._settings, KafkaSettings(), home, ADMIN)
        await require_kafka_4(access)
        return access

    async def postgres(self) -> str:
        """The address of PostgreSQL; empty without a country, for then nobody here needs one."""
        if self._settings.postgres is not None or self._country is None:
            return self._settings.postgres or ""
        return await LocalPostgres.from_settings(self._settings, self._supervisor.home).start(self._supervisor)

    async def schema_registry(self) -> None:
        """Start the bus's own, unless the user has one."""
        if self._settings.schema_registry is None:
            self._supervisor.home.secret(TOKEN_NAME)  # made before the registry starts, which then asks for it
            await self._supervisor.start(stage_process(SCHEMA_REGISTRY, self._settings))

    async def make(self, postgres: str) -> Place | None:
        """The country's own systems, started and filled; None without a country."""
        if self._country is None:
            return None
        home = self._supervisor.home
        place = place_of(self._settings, home, postgres)
        place = replace(place, wide=place.wide or self._wanted.wide)
        people, seeds = self._wanted.people or 0, (self._wanted.seed, remembered_seed(home), DEFAULT_SEED)
        seed = next(known for known in seeds if known is not None)
        processes = self._country.processes(place)
        await self._supervisor.start_all([ProcessSpec(one.name, one.argv, env=one.env) for one in processes])
        try:
            await self._country.make(place, people=people, seed=seed)
        except OtherCountryThere as error:
            instead = "Leave --people out to go on with the one that is there."
            raise WrongUse(what=str(error), instead=instead) from error
        write_whole(_memory(home), json.dumps({"people": people, "seed": seed, "wide": place.wide}))
        return place

    async def enrol(self, registrar: Registrar, made: asyncio.Task[Place | None]) -> None:
        """Everybody into the register while the stages start; the connectors when their sources are filled."""
        starting = asyncio.create_task(self._start([CITIZEN, ROUTE]))
        try:
            if self._country is not None:
                await enrol_country(registrar, self._country)
            place = await made
            await starting
        finally:
            starting.cancel()
            await asyncio.gather(starting, return_exceptions=True)
        if self._country is not None and place is not None:
            places = self._country.connectors(place)
            for one in places:
                if one.folder is not None:
                    remember_folder(self._supervisor.home.path, one.name, one.folder)
            await enrol_folders(registrar, self._country, [one.folder for one in places if one.folder is not None])
            entries = [ConnectorEntry(one.name, one.name, one.settings) for one in places]
            await registrar.enrol_connectors(entries)
            await self._start([connector_stage(entry.name) for entry in entries])

    async def _start(self, stages: list[Stage]) -> None:
        if self._wanted.stages:
            await self._supervisor.start_all([stage_process(stage, self._settings) for stage in stages])


@contextlib.asynccontextmanager
async def _registrar(settings: Settings, home: Home, grounds: Grounds, access: KafkaAccess) -> AsyncIterator[Registrar]:
    async with SchemaRegistryClient.from_settings(settings, home, registers=True) as client:
        registrar = Registrar(grounds, access, home, client, by="operator")
        try:
            await registrar.start()
            yield registrar
        finally:
            await registrar.stop()


@contextlib.asynccontextmanager
async def registrar_of(settings: Settings) -> AsyncIterator[Registrar]:
    """The keeper of the register of a bus that runs, as its administrator."""
    home = Home.from_settings(settings)
    access = kafka_access(settings, KafkaSettings(), home, ADMIN)
    grounds = Grounds(access, Topics(settings.prefix, settings.lanes), home)
    async with _registrar(settings, home, grounds, access) as registrar:
        yield registrar


async def load_country(settings: Settings) -> list[str]:
    """Bring the installed country's files into the register; returns what was done, in words."""
    async with registrar_of(settings) as registrar:
        before = (await registrar.state()).offset
        await enrol_country(registrar, country_plugin())
        return [f"{(await registrar.state()).offset - before} new facts"]


async def step_agreement(settings: Settings, agreement: str, action: str, reason: str) -> int:
    """Suspend, resume or end an agreement; returns the offset of the fact. Raises NotFound."""
    async with registrar_of(settings) as registrar:
        known = (await registrar.state()).agreements
        if agreement not in known:
            raise NotFound(kind="agreement", name=agreement, known=", ".join(sorted(known)) or "none")
        return await registrar.step(agreement, action, reason)


async def resume_everything(settings: Settings, reason: str) -> int:
    """Lift what a fact that could not be read suspended; returns the offset of the fact that says so."""
    async with registrar_of(settings) as registrar:
        return await registrar.resume(reason)


@dataclass(frozen=True, slots=True)
class Joining:
    """A connector that is to be registered: its name and registry, its settings, its datasets as they are to be."""

    entry: ConnectorEntry
    datasets: tuple[Dataset, ...]


@contextlib.asynccontextmanager
async def joining(settings: Settings, datasets: Iterable[Dataset]) -> AsyncIterator[tuple[Registrar, list[Impact]]]:
    """The keeper of the register, and what these datasets would change in it; nothing is written yet."""
    home = Home.from_settings(settings)
    async with registrar_of(settings) as registrar, SchemaRegistryClient.from_settings(settings, home) as client:
        state, found = await registrar.state(), []
        for dataset in datasets:
            one = impact(dataset, state.datasets.get(dataset.name), state.agreements.values())
            refused = await why_not_next(client, value_subject(registrar.topics.changes(dataset.name)), dataset.schema)
            further = [text for text in refused if not text.startswith(one.incompatible)]  # the same, with the version
            found.append(replace(one, incompatible=(*one.incompatible, *further)))
        yield registrar, found


async def join(registrar: Registrar, joined: Joining, impacts: Iterable[Impact]) -> None:
    """Write datasets, topics, the connector, its user, rights and settings.

    Raises SchemaBreaksAgreements and SchemaRefused, both before anything is written.
    """
    for one in impacts:
        refuse_broken(one)
        if one.incompatible:
            subject = value_subject(registrar.topics.changes(one.dataset.name))
            raise SchemaRefused(subject=subject, reason="; ".join(one.incompatible))
    await registrar.enrol_datasets(joined.datasets)
    await registrar.enrol_connectors([joined.entry])


async def preview_agreement(
    settings: Settings, document: AgreementDocument, consent_basis: str, found: Foresight, tell: Tell
) -> tuple[AgreementDocument, ...]:
    """Add to `found` what a text would release and erase if it came into force; returns the texts of the register.

    Writes nothing, as a user of Kafka that may write nothing. When the calling task is cancelled, `found` holds what
    was counted until then: see `complete`.
    """
    home, topics = Home.from_settings(settings), Topics(settings.prefix, settings.lanes)
    access = kafka_access(settings, KafkaSettings(), home, PREVIEWER)
    async with SchemaRegistryClient.from_settings(settings, home) as client:
        messages = OwnMessages(client)
        await messages.learn()  # to prepare them would register what is new
        register = Register(access, topics, messages)
        try:
            state = await register.start()
            ring = Salts(home).keyring(state.root_check, sketching=True)
            found.keyless = not home.has_secret(ROOT_KEY)
            sources = Sources(access, topics, messages, client, ring)
            question = await asked(state, document, consent_basis, sources)
        finally:
            await register.stop()
        with contextlib.suppress(asyncio.CancelledError):
            await foresee(question, sources, found, clock.now_ms(), tell)
        return tuple(AgreementDocument.model_validate(one.document) for one in state.agreements.values())


async def remove_connector(settings: Settings, name: str, reason: str, *, force: bool = False) -> str:
    """Take a connector down for good: end whoever runs it, leave its source clean, forget where it stood.

    What it published stays on the bus, under its agreements. Raises SourceUnreachable or SourceUnfit while the source
    cannot be left clean: then nothing but the running process has ended, and it may be tried again. With `force`, it
    goes anyway, by its name alone where folder or settings are gone; returns what it leaves at the source and why.
    """
    home, topics = Home.from_settings(settings), Topics(settings.prefix, settings.lanes)
    source = last_source(name, settings, force=force)
    async with registrar_of(settings) as registrar:
        if isinstance(source, Gone):
            source.require((await registrar.state()).connectors)
        access = kafka_access(settings, KafkaSettings(), home, ADMIN)
        own_id, timeout_ms = connector_transactional_id(topics, name), ConnectSettings().transaction_timeout_ms
        writer = TransactionalWriter(access, own_id, timeout_ms=timeout_ms)
        await writer.start()  # fences the process that runs it
        try:
            left = await leave(name, settings, source, reach_of(ADMIN, settings), force=force)
            there = await Admin(access).topics()
            stood = [one for one in (topics.positions(name), topics.shared_positions) if one in there]
            await writer.commit([Outgoing(one, 0, name.encode(), None) for one in stood])
        finally:
            await source.close()
            await writer.stop()
        await registrar.remove_connector(name, reason)
    forget_folder(settings.home_path, name)
    return left


async def step_route(settings: Settings, name: str, action: str, reason: str) -> int:
    """Pause, resume or backfill an agreement, or every agreement of a dataset; returns the offset of the newest fact.

    Raises NotFound.
    """
    async with registrar_of(settings) as registrar:
        state = await registrar.state()
        if name not in state.agreements and name not in state.datasets:
            known = ", ".join(sorted([*state.agreements, *state.datasets])) or "none"
            raise NotFound(kind="agreement or dataset", name=name, known=known)
        of_dataset = [one.agreement for one in state.agreements.values() if one.document["dataset"] == name]
        names = of_dataset if action == "backfill-asked" and name in state.datasets else [name]
        if not names:
            raise NotFound(kind="agreement of dataset", name=name, known=", ".join(sorted(state.agreements)) or "none")
        return [await registrar.step_route(one, action, reason) for one in names][-1]


def _memory(home: Home) -> Path:
    return home.data / "country.json"


def _remembered(home: Home) -> dict[str, int]:
    file = _memory(home)
    found: dict[str, int] = json.loads(file.read_text()) if file.exists() else {}
    return found
