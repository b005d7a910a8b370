"""A small bus for a test: own topics on the session's broker, a schema registry, a register, a router at will."""

import os
import signal
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import Consumer, TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource, ResourceType

from bus import clock
from bus.agreements.agencies import Agencies
from bus.agreements.document import AgreementDocument, revision
from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.codec import Parsed, decode, encode, parse
from bus.avro.datasets import Dataset
from bus.avro.frame import frame, unframe
from bus.avro.own import OwnMessages
from bus.consent.messages import consent_message
from bus.kafka.access import KafkaAccess
from bus.kafka.log import LogWriter
from bus.kafka.transactions import TransactionalWriter
from bus.model.consent import ConsentAction, ConsentEvent, GivenBy
from bus.model.key import RecordKey, lane_of
from bus.model.record import Incoming, Outgoing
from bus.platform.home import Home
from bus.platform.processes import Supervisor
from bus.register.grounds import Grounds
from bus.register.registrar import Registrar
from bus.settings import Settings
from bus.topics import Topics
from bus.wiring import ROUTE, SCHEMA_REGISTRY, Stage, stage_process
from seeds.reference.read_bus import written_end
from tests import country
from tests.country import AGENCIES, AGREEMENTS, DATASETS

ROOT = country.ROOT
PERSON = "population.person"
MARKERS_SECONDS = 1.0
"""So long after a commit its markers may take to be in all partitions."""


def kafka_environment(access: KafkaAccess) -> dict[str, str]:
    """The settings by which a process finds the tests' broker, as an administrator of the user's own Kafka would."""
    given = {
        "BUS_KAFKA": access.bootstrap,
        "BUS_KAFKA_SECURITY_PROTOCOL": access.security_protocol,
        "BUS_KAFKA_SASL_MECHANISM": access.sasl_mechanism,
        "BUS_KAFKA_USERNAME": access.username,
        "BUS_KAFKA_PASSWORD": access.password,
    }
    return {name: value for name, value in given.items() if value}


@dataclass
class SmallBus:
    """What a test does to a bus, and what it reads of it."""

    access: KafkaAccess
    settings: Settings
    supervisor: Supervisor
    client: SchemaRegistryClient
    registrar: Registrar
    messages: OwnMessages
    datasets: dict[str, Dataset]
    agencies: Agencies
    documents: dict[str, AgreementDocument]
    writer: LogWriter
    schema_ids: dict[str, int] = field(default_factory=dict)
    parsed: dict[int, Parsed] = field(default_factory=dict)
    reader: "Committed | None" = None

    @property
    def topics(self) -> Topics:
        return Topics(self.settings.prefix, self.settings.lanes)

    async def activate(self, *names: str) -> None:
        """Agreements of the pretend country, or changed ones put into `documents`."""
        listed = [self.documents[name] for name in names]
        if not (await self.registrar.state()).agencies:
            await self.registrar.enrol_agencies(self.agencies)
        await self.registrar.enact(listed, self.datasets, self.agencies)

    async def route(self, instance: str = "route") -> None:
        """Start a router as its own process."""
        stage = ROUTE if instance == "route" else Stage(instance, (*ROUTE.words, "--instance", instance))
        await self.supervisor.start(stage_process(stage, self.settings))

    def kill(self, name: str = "route", number: signal.Signals = signal.SIGKILL) -> None:
        self.supervisor.kill(name, number)

    async def person(self, personal_id: str, **changes: Any) -> Outgoing:
        """A change of `population.person`, ready to be written."""
        schema = self.datasets[PERSON].schema
        if PERSON not in self.schema_ids:
            self.schema_ids[PERSON] = await self.client.register(value_subject(self.topics.changes(PERSON)), schema)
        record = dict.fromkeys(one["name"] for one in schema["fields"]) | {
            "personal_id": personal_id,
            "full_name": "Nguyễn Văn An",
            "birth_date": 7425,
            "sex": "MALE",
            "nationality": "VN",
            "birth_province": "001",
            "residence_province": "01",
            "residence_commune": "00004",
            "residence_address": "1 Phố Huế",
            "marital_status": "SINGLE",
            "status": "ALIVE",
            "eid_level": 2,
            "record_version": 1,
            "updated_at": 0,
            **changes,
        }
        value = frame(self.schema_ids[PERSON], encode(parse(schema), record))
        return self.change(PERSON, personal_id, value)

    def change(self, dataset: str, subject: str, value: bytes | None) -> Outgoing:
        key = RecordKey(subject, subject).encode()
        lane = lane_of(subject, self.settings.lanes)
        return Outgoing(self.topics.changes(dataset), lane, key, value, (("ce_type", f"{dataset}.updated".encode()),))

    async def publish(self, *records: Outgoing) -> None:
        """Write changes as a connector does: in a transaction."""
        connector = TransactionalWriter(self.access, f"{self.settings.prefix}test-connector")
        await connector.start()
        try:
            await connector.commit(records)
        finally:
            await connector.stop()

    async def consent(self, subject: str, agreement: str, action: ConsentAction, *, event_id: str) -> tuple[int, int]:
        """Write a consent event; returns its lane and offset."""
        event = ConsentEvent(
            event_id=event_id,
            subject=subject,
            agreement=agreement,
            revision=revision(self.documents[agreement]),
            action=action,
            given_by=GivenBy.SELF,
            proof="test",
            valid_from_ms=0,
            valid_until_ms=None,
            at_ms=clock.now_ms(),
        )
        lane = lane_of(subject, self.settings.lanes)
        value = self.messages.encode("consent", consent_message(event))
        return lane, await self.writer.append(Outgoing(self.topics.consents, lane, event.key(), value))

    def set_topic(self, topic: str, words: Mapping[str, int]) -> None:
        """Let a topic have other settings than the bus gave it."""
        entries = [
            ConfigEntry(name, str(value), incremental_operation=AlterConfigOpType.SET) for name, value in words.items()
        ]
        resource = ConfigResource(ResourceType.TOPIC, topic, incremental_configs=entries)
        admin = AdminClient(self.access.for_confluent() | {"log_level": 2})  # lives until the answers are there
        for future in admin.incremental_alter_configs([resource]).values():
            future.result()

    def read(self, topic: str, user: KafkaAccess | None = None) -> list[Incoming]:
        """Everything committed in a topic, by another client than the bus's own; a poll each 50 ms shares one."""
        if user is not None:
            return read_committed(user, topic)
        if self.reader is None:
            self.reader = Committed(self.access, f"{self.settings.prefix}reader")
        return self.reader.records(topic)

    def close_reader(self) -> None:
        if self.reader is not None:
            self.reader.close()

    async def values(self, records: Iterable[Incoming]) -> list[dict[str, Any]]:
        """Decoded values; a tombstone is an empty dictionary."""
        return [await self.value(record) for record in records]

    async def value(self, record: Incoming) -> dict[str, Any]:
        if record.value is None:
            return {}
        schema_id, body = unframe(record.value)
        if schema_id not in self.parsed:
            self.parsed[schema_id] = parse(await self.client.schema(schema_id))
        found: dict[str, Any] = decode(self.parsed[schema_id], body)
        return found

    async def until(self, holds: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
        """Poll until it holds, or fail with what was waited for."""
        import asyncio  # noqa: PLC0415 - only here

        deadline = clock.monotonic() + seconds
        while not holds():
            assert clock.monotonic() < deadline, f"still waiting for {what}"
            await asyncio.sleep(0.05)

    def agency_topic(self, agreement: str) -> str:
        document = self.documents[agreement]
        return self.topics.agency(document.recipient, agreement, document.major)

    def held(self, agreement: str) -> dict[bytes, bytes]:
        """What a compacted reader of an agreement's topic ends with."""
        kept: dict[bytes, bytes] = {}
        for record in self.read(self.agency_topic(agreement)):
            if record.value is None:
                kept.pop(record.key or b"", None)
            else:
                kept[record.key or b""] = record.value
        return kept

    async def positions(self) -> dict[int, dict[str, Any]]:
        """The newest committed position of each lane."""
        found = {record.partition: record for record in self.read(self.topics.lane_state) if record.key == b"position"}
        return {lane: await self.messages.decode(record.value or b"") for lane, record in found.items()}

    async def disclosures(self) -> list[dict[str, Any]]:
        """Every block, in order within a lane."""
        return [await self.messages.decode(record.value or b"") for record in self.read(self.topics.disclosures)]


def read_committed(access: KafkaAccess, topic: str) -> list[Incoming]:
    """Everything committed in a topic up to its end, in order within a partition."""
    reader = Committed(access, f"{topic}.reader")
    try:
        return reader.records(topic)
    finally:
        reader.close()


class Committed:
    """Reads topics whole as a recipient would, up to where they are written.

    A commit is answered, and seen in one topic, before its markers are in all partitions: these are waited for, so that
    topics can be compared. What is open for longer is a transaction that nobody has ended.
    """

    def __init__(self, access: KafkaAccess, group: str) -> None:
        words = access.for_confluent() | {"group.id": group, "enable.auto.commit": False, "fetch.wait.max.ms": 10}
        self._reader = Consumer(words | {"isolation.level": "read_committed", "enable.partition.eof": True})
        self._asker = Consumer(words | {"isolation.level": "read_uncommitted"})

    def records(self, topic: str) -> list[Incoming]:
        """Everything committed in a topic up to its end, in order within a partition."""
        places = [
            TopicPartition(topic, one, 0)
            for one in self._reader.list_topics(topic, timeout=10).topics[topic].partitions
        ]
        ends = {one.partition: written_end(self._asker, one) for one in places}
        self._reader.assign(places)
        found, unseen, behind, deadline = list[Incoming](), set(ends), set(ends), 0.0
        while unseen or (behind and clock.monotonic() < deadline):
            for message in self._reader.consume(10_000, 0.2):
                if message.error() is None:
                    found.append(_incoming(message))
                    continue
                unseen.discard(message.partition())
                if message.offset() >= ends.get(message.partition(), 0):
                    behind.discard(message.partition())
            if not deadline and not unseen:
                deadline = clock.monotonic() + MARKERS_SECONDS
        self._reader.unassign()
        return found

    def close(self) -> None:
        """Close the connections."""
        self._reader.close()
        self._asker.close()


def _incoming(message: Any) -> Incoming:
    return Incoming(
        message.topic(),
        message.partition(),
        message.offset(),
        message.timestamp()[1],
        message.key(),
        message.value(),
        tuple(message.headers() or ()),
    )


@pytest.fixture
async def small_bus(kafka: KafkaAccess, prefix: str, tmp_path: Path) -> AsyncIterator[SmallBus]:
    """A founded bus with the pretend country's agencies and datasets; agreements and routers come when asked for."""
    async with founded_bus(kafka, prefix, tmp_path / "home") as bus:
        yield bus


@asynccontextmanager
async def founded_bus(kafka: KafkaAccess, prefix: str, folder: Path) -> AsyncIterator[SmallBus]:
    """The small bus for as long as a test wants it; processes that are started meanwhile find the tests' broker."""
    async with AsyncExitStack() as closing:
        environment = closing.enter_context(pytest.MonkeyPatch.context())
        for name, value in kafka_environment(kafka).items():
            environment.setenv(name, value)
        environment.setenv("BUS_SCHEMA_REGISTRY_TOKEN", "a-token-of-this-test")
        settings = Settings(home=folder, prefix=prefix, kafka=kafka.bootstrap)
        home = Home.from_settings(settings)
        supervisor = Supervisor(home)
        grounds = Grounds(kafka, Topics(settings.prefix, settings.lanes), home)
        await grounds.lay()
        await supervisor.start(stage_process(SCHEMA_REGISTRY, settings))
        port = (home.endpoint(SCHEMA_REGISTRY.name) or {})["port"]
        client = SchemaRegistryClient(
            RegistryAccess(f"http://127.0.0.1:{port}", os.environ["BUS_SCHEMA_REGISTRY_TOKEN"])
        )
        closing.push_async_callback(client.close)
        writer, messages = LogWriter(kafka), OwnMessages(client)
        closing.push_async_callback(writer.stop)
        registrar = Registrar(grounds, kafka, home, client, by="a test")
        closing.push_async_callback(registrar.stop)
        closing.push_async_callback(supervisor.stop_all)
        await registrar.start()
        await messages.prepare()
        await writer.start()
        await registrar.enrol_datasets([DATASETS[PERSON]])
        documents = {one.id: one for one in AGREEMENTS}
        bus = SmallBus(
            kafka, settings, supervisor, client, registrar, messages, dict(DATASETS), AGENCIES, documents, writer
        )
        closing.callback(bus.close_reader)
        yield bus


@pytest.fixture
def bus(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> SmallBus:
    """The small bus, as the commands find it."""
    monkeypatch.setenv("BUS_HOME", str(small_bus.settings.home))
    monkeypatch.setenv("BUS_PREFIX", small_bus.settings.prefix)
    monkeypatch.setenv("BUS_LANES", str(small_bus.settings.lanes))
    monkeypatch.setenv("BUS_SCHEMA_REGISTRY", small_bus.client.access.url)
    return small_bus
