"""A small country's day on real parts, and then faults planted into its topics: the checker must find each of them."""

import asyncio
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from io import StringIO
from pathlib import Path
from typing import Any

import pytest
from confluent_kafka import TopicPartition
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource
from rich.console import Console

from bus.avro.access import TOKEN_NAME
from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import decode, encode, parse
from bus.avro.frame import frame, unframe
from bus.avro.own import OwnMessages
from bus.demo.checker import request_of
from bus.demo.parts import Parts, open_parts
from bus.demo.report import print_report
from bus.demo.result import ZERO, Result
from bus.demo.scenario import run
from bus.demo.show import Display
from bus.kafka.log import LogWriter, Place, Reader
from bus.model.keyring import KeyRing, RootKey
from bus.model.record import Incoming, Outgoing
from bus.platform.home import Home
from bus.platform.processes import Supervisor
from bus.settings import Settings
from seeds.reference import check
from seeds.reference.read_bus import read_bus, schemas_at
from seeds.reference.readings import Block, BusReading

pytestmark = [pytest.mark.broker, pytest.mark.postgres, pytest.mark.timeout(400)]

PEOPLE, SEED = 200, 7
TAX, BANK = "person-to-tax", "person-address-to-bank"
RECIPIENT = {TAX: "tax-authority", BANK: "commercial-bank"}


@dataclass
class Planter:
    """Writes what a router would, and what it must not, into the topics of a bus that has become quiet."""

    parts: Parts
    messages: OwnMessages
    client: SchemaRegistryClient
    keyring: KeyRing
    blocks: dict[int, Block] = field(default_factory=dict)
    planted: int = 0

    def topic(self, agreement: str) -> str:
        """Where the recipient reads."""
        return self.parts.topics.agency(RECIPIENT[agreement], agreement, 1)

    async def records(self, agreement: str) -> list[Incoming]:
        """Everything in an agreement's topic, in order within its partitions."""
        reader = Reader(self.parts.access)
        await reader.start()
        places = [Place(self.topic(agreement), lane) for lane in range(self.parts.topics.lanes)]
        try:
            reader.assign(await reader.beginnings(places))
            return [record async for some in reader.to_ends(await reader.ends(places)) for record in some]
        finally:
            await reader.stop()

    async def held(self, agreement: str) -> list[Incoming]:
        """What the recipient holds."""
        newest = {record.key: record for record in await self.records(agreement)}
        return [record for record in newest.values() if record.value is not None]

    async def erased(self, agreement: str) -> Incoming:
        """A record that was released once and is erased now, as it was released."""
        records = await self.records(agreement)
        gone = {record.key: record.value is None for record in records}
        return next(record for record in records if gone[record.key] and record.value is not None)

    def again(self, record: Incoming, value: bytes | None) -> Outgoing:
        """A record for the key of another one, under an event id of its own."""
        self.planted += 1
        headers = (("ce_id", f"planted-{self.planted}".encode()), ("ce_specversion", b"1.0"))
        return Outgoing(record.topic, record.partition, record.key, value, headers)

    async def write(self, records: Sequence[Outgoing], disclosed: Sequence[Outgoing]) -> None:
        """Records, and one block a lane that tells of those that are to be disclosed."""
        writer = LogWriter(self.parts.access)
        await writer.start()
        try:
            await writer.append_all(records)
            for lane in sorted({record.partition for record in disclosed}):
                told = [record for record in disclosed if record.partition == lane]
                await writer.append(Outgoing(self.parts.topics.disclosures, lane, None, self._block(lane, told)))
        finally:
            await writer.stop()

    def _block(self, lane: int, records: Sequence[Outgoing]) -> bytes:
        last = self.blocks[lane]
        self.blocks[lane] = replace(last, block=last.block + 1)
        block = {
            "lane": lane,
            "block": last.block + 1,
            "part": 0,
            "at": 0,
            "consents_offset": last.consents_offset + 1_000_000,
            "register_offset": last.register_offset,
            "inputs": dict(last.inputs),
            "entries": [self._entry(record) for record in records],
            "withheld": [],
            "traces": {},
            "aborted": 0,
        }
        return self.messages.encode("disclosure_block", block)

    def _entry(self, record: Outgoing) -> dict[str, Any]:
        agreement = next(name for name in RECIPIENT if f".{name}." in record.topic)
        subject = (record.key or b"").decode().partition("/")[0]
        return {
            "kind": "ERASE" if record.value is None else "RELEASE",
            "agreement": agreement,
            "number": 1,
            "revision": "r",
            "recipient": RECIPIENT[agreement],
            "basis": "b",
            "consent": None,
            "subject": self.keyring.subject_hash(subject),
            "topic": record.topic,
            "partition": record.partition,
            "event_id": (dict(record.headers)["ce_id"] or b"").decode(),
            "reason": None,
        }


async def drop_a_record(planter: Planter) -> None:
    """The first record of a partition is cut off, one that nothing came after for its key."""
    records = await planter.records(TAX)
    keys = [record.key for record in records]
    firsts = {record.partition: record for record in reversed(records)}
    first = next(record for record in firsts.values() if keys.count(record.key) == 1)
    admin = AdminClient(planter.parts.access.for_confluent() | {"log_level": 2})
    may_cut = ConfigEntry("cleanup.policy", "compact,delete", incremental_operation=AlterConfigOpType.SET)
    topic = ConfigResource(ConfigResource.Type.TOPIC, first.topic, incremental_configs=[may_cut])
    (changed,) = admin.incremental_alter_configs([topic]).values()
    changed.result()
    (done,) = admin.delete_records([TopicPartition(first.topic, first.partition, first.offset + 1)]).values()
    done.result()


async def add_a_field(planter: Planter) -> None:
    """A record as its recipient holds it, with one more field, disclosed in order."""
    record = (await planter.held(TAX))[0]
    schema_id, body = unframe(record.value or b"")
    schema = await planter.client.schema(schema_id)
    wider = {**schema, "fields": [*schema["fields"], {"name": "phone", "type": "string"}]}
    wider_id = await planter.client.register("planted-value", wider)
    view = decode(parse(schema), body)
    assert isinstance(view, dict)
    planted = planter.again(record, frame(wider_id, encode(parse(wider), {**view, "phone": "0912345678"})))
    await planter.write([planted], [planted])


async def release_after_withdrawal(planter: Planter) -> None:
    """A withdrawn person's record is released and erased again, both disclosed."""
    record = await planter.erased(BANK)
    planted = [planter.again(record, record.value), planter.again(record, None)]
    await planter.write(planted, planted)


async def release_without_disclosure(planter: Planter) -> None:
    """A record is erased as it should be, and released again without a word."""
    record = (await planter.held(TAX))[1]
    erased, released = planter.again(record, None), planter.again(record, record.value)
    await planter.write([erased, released], [erased])


async def disclosure_without_release(planter: Planter) -> None:
    """A block tells of a release that never was."""
    record = (await planter.held(TAX))[2]
    await planter.write([], [planter.again(record, record.value)])


async def release_twice(planter: Planter) -> None:
    """The same value again, disclosed in order."""
    record = (await planter.held(TAX))[3]
    planted = planter.again(record, record.value)
    await planter.write([planted], [planted])


PLANTS = {
    add_a_field: {"surplus": 1},
    release_after_withdrawal: {"after_withdrawal": 1},
    release_without_disclosure: {"unlogged": 1},
    disclosure_without_release: {"unlogged": 1},
    release_twice: {"duplicated": 1},
    drop_a_record: {"lost": 1, "unlogged": 1},  # its disclosure is still there
}


@pytest.fixture
async def day(tmp_path: Path) -> AsyncIterator[tuple[Result, Parts, str]]:
    """The day of a small country, its bus still running, and what was told while it went."""
    settings = Settings(home=tmp_path / "home")
    if settings.kafka is not None:
        settings = settings.model_copy(update={"prefix": f"t{tmp_path.name.replace('_', '-')}."})
    supervisor = Supervisor(Home.from_settings(settings))
    told = StringIO()
    try:
        result = await run(settings, supervisor, Display(Console(file=told)), people=PEOPLE, seed=SEED)
        async with open_parts(settings, supervisor) as parts:
            yield result, parts, told.getvalue()
    finally:
        await supervisor.stop_all()


async def test_a_day_passes_its_check_and_every_planted_fault_fails_it(day: tuple[Result, Parts, str]) -> None:
    """After the day nothing is lost, doubled or unlogged; each fault planted into its topics makes its count rise."""
    result, parts, told = day
    assert result.as_json()["findings"] == []
    assert result.passed, result.as_json()
    assert "The router is killed" in told
    assert result.people == PEOPLE
    assert result.changes > PEOPLE
    assert set(result.agencies()) >= {*RECIPIENT.values(), "statistics-office"}
    _looks_right(result)
    _tells_nobody(told + json.dumps(result.as_json()), parts)
    token = parts.home.secret(TOKEN_NAME)
    async with _planter(parts, token) as planter:
        before = dict.fromkeys(ZERO, 0)
        for plant, rise in PLANTS.items():
            await plant(planter)
            verdict = await asyncio.to_thread(check, request_of(parts))
            found = {name: verdict[name] for name in ZERO}
            risen = {name: found[name] - before[name] for name in ZERO if found[name] != before[name]}
            assert risen == rise, (plant.__name__, verdict["findings"])
            before = found


@asynccontextmanager
async def _planter(parts: Parts, token: str) -> AsyncIterator[Planter]:
    async with SchemaRegistryClient(replace(parts.registry, token=token)) as client:
        messages = OwnMessages(client)
        await messages.prepare()
        blocks = {block.lane: block for block in _reading(parts).blocks}
        yield Planter(parts, messages, client, KeyRing(RootKey(parts.home.root_key())), blocks)


def _looks_right(result: Result) -> None:
    shown = StringIO()
    print_report(result, Console(file=shown, width=140))
    assert "tax-authority" in shown.getvalue()
    assert "lost 0, doubled 0, too much 0, disclosed without a log entry 0" in shown.getvalue()


def _tells_nobody(text: str, parts: Parts) -> None:
    """Neither what is shown nor what is printed names a person."""
    people = {event.subject for event in _reading(parts).consents}
    assert people
    assert not [person for person in people if person in text]
    assert request_of(parts)["root_key"] not in text


def _reading(parts: Parts) -> BusReading:
    with schemas_at(parts.registry.url, parts.registry.headers) as schema_of:
        return read_bus(parts.access.for_confluent(), parts.topics.prefix, schema_of)
