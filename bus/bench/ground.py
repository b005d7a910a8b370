"""A bus of its own for a measurement: a scratch home, a real broker at full speed, a registry, four agreements."""

import asyncio
import contextlib
import shutil
import sys
import tempfile
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path

import psutil

from bus.agreements.agencies import Agencies, load_agencies, load_legal_bases
from bus.agreements.check import load_agreements
from bus.agreements.document import AgreementDocument, revision
from bus.avro.access import TOKEN_NAME
from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.own import OwnMessages
from bus.bench import copying
from bus.bench.workload import (
    COUNTRY,
    DATASET,
    SUBJECTS,
    Change,
    Expected,
    Nation,
    Person,
    Shape,
    chunks,
    dataset,
    original,
)
from bus.consent.messages import consent_message
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import LogWriter
from bus.kafka.transactions import TransactionalWriter
from bus.model.consent import ConsentAction, ConsentEvent, GivenBy
from bus.model.record import Outgoing
from bus.platform.ending import end_by_signal
from bus.platform.hold import hold
from bus.platform.home import Home
from bus.platform.jars import kafka_jars
from bus.platform.kafka import LocalKafka
from bus.platform.processes import ProcessSpec, Supervisor
from bus.register.grounds import Grounds
from bus.settings import Settings
from bus.telemetry import configure
from bus.topics import Topics
from bus.wiring import ROUTE, SCHEMA_REGISTRY, environment, registrar_of, stage_process

Tell = Callable[[str], None]
"""Takes a line of progress."""

AGENCIES = COUNTRY / "agencies.yaml"
CHUNK = 10_000
CONSENTED_AT_MS = 1_767_225_600_000
_NONE_BUT_OURS = {"kafka": None, "schema_registry": None, "postgres": None}


@dataclass(frozen=True, slots=True)
class Ground:
    """A bus that is up, but for its router."""

    settings: Settings
    supervisor: Supervisor
    access: KafkaAccess
    topics: Topics
    client: SchemaRegistryClient
    messages: OwnMessages
    nation: Nation
    consents: LogWriter
    revisions: dict[str, str]
    shape: Shape
    tell: Tell

    async def start_router(self) -> psutil.Process:
        """Start the router as a process of its own."""
        record = await self.supervisor.start(own_servers(stage_process(ROUTE, self.settings)))
        return psutil.Process(record.pid)

    async def stop_router(self) -> None:
        """End the router in order."""
        await self.supervisor.stop(ROUTE.name)

    async def start_copying(self) -> psutil.Process:
        """Start the bare copy loop as a process of its own, with its topics."""
        specs = [self.topics.agency_spec(topic, pseudonymous=False) for topic in copying.copy_topics(self.topics)]
        await Admin(self.access).ensure_topics(specs)
        words = (sys.executable, "-m", copying.__name__)
        spec = ProcessSpec(copying.NAME, words, env=environment(self.settings))
        return psutil.Process((await self.supervisor.start(own_servers(spec))).pid)

    async def everybody_consents(self, *, at_most: int | None = None) -> int:
        """Write the consents of all people, or the first so many; returns how many."""
        given = ((person, name) for person in self.nation.people for name in sorted(person.consents))
        pairs = list(islice(given, at_most))
        for part in chunks(len(pairs), CHUNK):
            events = [self.consent(person, name, ConsentAction.GIVE) for person, name in pairs[part.start : part.stop]]
            await self.consents.append_all(events)
            self.tell(f"{part.stop:,} of {len(pairs):,} consents written")
        return len(pairs)

    def consent(self, person: Person, agreement: str, action: ConsentAction) -> Outgoing:
        """A consent event, ready to be written."""
        event = consent_event(person, agreement, self.revisions[agreement], action)
        value = self.messages.encode("consent", consent_message(event))
        return Outgoing(self.topics.consents, person.lane, event.key(), value)

    async def changes(self, count: int) -> Expected:
        """Write changes of anybody; returns what must come of them."""
        return await self._write(count, self.nation.change)

    async def everybody(self) -> Expected:
        """Write one record of each person; returns what must come of them."""
        people = self.nation.people
        return await self._write(len(people), lambda number: self.nation.change_of(people[number], number))

    async def strangers(self, count: int) -> Expected:
        """Write one record of each of so many other people, who have consented to nothing."""
        return await self._write(count, self.nation.stranger)

    async def _write(self, count: int, draw: Callable[[int], Change]) -> Expected:
        """Write changes as a connector does, in transactions."""
        expected, writer = Expected(self.topics.lanes), TransactionalWriter(self.access, "bench-connector")
        await writer.start()
        try:
            for part in chunks(count, CHUNK):
                drawn = [draw(number) for number in part]
                await writer.commit(
                    [change.outgoing(self.topics, number) for change, number in zip(drawn, part, strict=True)]
                )
                for change in drawn:
                    expected.add(change)
                for lane in {change.person.lane for change in drawn}:
                    expected.marker(lane)
                self.tell(f"{part.stop:,} of {count:,} changes written")
        finally:
            await writer.stop()
        return expected

    def agency_topics(self) -> dict[str, str]:
        """The topic of each agreement that lets something through."""
        return {name: self.topics.agency(name.removeprefix("person-to-"), name, 1) for name in self.shape.names()}


@contextlib.asynccontextmanager
async def ground(
    given: Settings, tell: Tell, *, subjects: int | None = None, shape: Shape | None = None
) -> AsyncIterator[Ground]:
    """A bus in a scratch home, which is removed at the end; kept, with its logs, when something failed.

    SIGTERM breaks it off as Ctrl-C does: everything ends in order.
    """
    shape = shape or Shape(subjects=subjects or SUBJECTS)
    kafka_jars(given.cache_path)
    configure("bench", level="error")
    scratch = Path(tempfile.mkdtemp(prefix="bus-bench-"))
    settings = given.model_copy(update={"home": scratch, "prefix": "", "lanes": shape.lanes, **_NONE_BUT_OURS})
    end_by_signal()
    try:
        async with _up(settings, shape, tell) as bus:
            yield bus
    except asyncio.CancelledError:  # broken off: there is nothing to look into
        shutil.rmtree(scratch, ignore_errors=True)
        raise
    shutil.rmtree(scratch, ignore_errors=True)


@contextlib.asynccontextmanager
async def _up(settings: Settings, shape: Shape, tell: Tell) -> AsyncIterator[Ground]:
    """The bus of a home, which is ended in order."""
    home = Home.from_settings(settings)
    supervisor = Supervisor(home)
    async with contextlib.AsyncExitStack() as closing:
        closing.enter_context(hold(home))
        closing.push_async_callback(supervisor.stop_all)
        tell("starting a broker")
        access = await LocalKafka(home, settings.cache_path, quick=False, java=settings.java).start(supervisor)
        topics = Topics(settings.prefix, settings.lanes)
        await Grounds(access, topics, home).lay()
        home.secret(TOKEN_NAME)
        await supervisor.start(own_servers(stage_process(SCHEMA_REGISTRY, settings)))
        revisions = await _enrol(settings, shape)
        client = await closing.enter_async_context(SchemaRegistryClient.from_settings(settings, home))
        messages, consents = OwnMessages(client), LogWriter(access)
        await messages.prepare()
        await consents.start()
        closing.push_async_callback(consents.stop)
        latest = await client.latest(value_subject(topics.changes(DATASET)))
        assert latest is not None, "it was enrolled above"
        tell(f"making {shape.subjects:,} people")
        nation = Nation(latest.schema_id, shape=shape)
        yield Ground(settings, supervisor, access, topics, client, messages, nation, consents, revisions, shape, tell)


def consent_event(person: Person, agreement: str, text: str, action: ConsentAction) -> ConsentEvent:
    """A person consents to a revision of an agreement, or withdraws."""
    return ConsentEvent(
        event_id=f"{action.value.lower()}-{agreement}-{person.personal_id}",
        subject=person.personal_id,
        agreement=agreement,
        revision=text,
        action=action,
        given_by=GivenBy.SELF,
        proof="bench",
        valid_from_ms=0,
        valid_until_ms=None,
        at_ms=CONSENTED_AT_MS + (action is ConsentAction.WITHDRAW),
    )


def agreements() -> list[AgreementDocument]:
    """The workload's four."""
    bases = load_legal_bases(COUNTRY / "legal_bases.yaml")
    return list(load_agreements(COUNTRY / "agreements", {DATASET: dataset()}, load_agencies(AGENCIES), bases))


async def _enrol(settings: Settings, shape: Shape) -> dict[str, str]:
    """The workload's agencies, dataset and agreements, as facts; returns each agreement's revision."""
    known, given = {DATASET: dataset()}, load_agencies(AGENCIES)
    four = {one.id: one for one in agreements()}
    documents = [_copy(four[original(name)], name) for name in shape.names()]
    documents += [_idle(four["person-to-tax"], number) for number in range(shape.idle)]
    agencies = _with(given, {document.recipient for document in documents})
    async with registrar_of(settings) as registrar:
        await registrar.enrol_agencies(agencies)
        await registrar.enrol_datasets(known.values())
        await registrar.enact(documents, known, agencies)
    return {document.id: revision(document) for document in documents}


def _copy(document: AgreementDocument, name: str) -> AgreementDocument:
    """The same agreement with another recipient."""
    return document.model_copy(update={"id": name, "recipient": name.removeprefix("person-to-")})


def _idle(document: AgreementDocument, number: int) -> AgreementDocument:
    """An agreement with the tax office that lets nothing through."""
    words = {"id": f"idle-{number}", "filter": 'province == "nowhere"', "examples": ()}
    return document.model_copy(update=words)


def _with(agencies: Agencies, recipients: set[str]) -> Agencies:
    """The agencies, and one more like the portal for each recipient that is not among them."""
    known = {agency.id for agency in agencies.agencies}
    like = next(agency for agency in agencies.agencies if agency.id == "portal")
    more = [like.model_copy(update={"id": name}) for name in sorted(recipients - known)]
    return agencies.model_copy(update={"agencies": (*agencies.agencies, *more)})


def own_servers(spec: ProcessSpec) -> ProcessSpec:
    """The process on servers of the bench's own, whatever the environment says."""
    return replace(spec, env={**spec.env, **{f"BUS_{name.upper()}": "" for name in _NONE_BUT_OURS}})
