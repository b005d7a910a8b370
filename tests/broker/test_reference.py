"""What the checker reads of real topics, and how the end of a partition's records is found."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from typing import Any

import pytest
from aiokafka import AIOKafkaProducer

from bus.avro.codec import encode, parse
from bus.avro.frame import frame
from bus.avro.own import own_schema
from bus.demo.quiet import last_records
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import LogWriter, Place, Reader
from bus.kafka.transactions import TransactionalWriter
from bus.model.record import Outgoing
from bus.topics import Topics
from seeds.reference.read_bus import SchemaOf, read_bus

pytestmark = pytest.mark.broker

VIEW = {"type": "record", "name": "View", "fields": [{"name": "born", "type": {"type": "int", "logicalType": "date"}}]}
SCHEMAS: dict[int, Any] = {
    1: VIEW,
    **{number: own_schema(name) for number, name in enumerate(("disclosure_block", "consent", "fact"), start=2)},
}
KEY = b"001090000017/001090000017"


def schema_of(number: int) -> Any:
    """The test's own registry."""
    return SCHEMAS[number]


def framed(number: int, message: dict[str, Any]) -> bytes:
    """A message under one of the test's schema ids."""
    return frame(number, encode(parse(SCHEMAS[number]), message))


@pytest.fixture
async def topics(kafka: KafkaAccess, prefix: str) -> Topics:
    """A bus of two lanes with one agency topic."""
    made = Topics(prefix, 2)
    specs = [*made.founding(), made.agency_spec(made.agency("bank", "address", 1), pseudonymous=False)]
    await Admin(kafka).ensure_topics([*specs, made.changes_spec("population.person")])
    return made


@pytest.fixture
async def writer(kafka: KafkaAccess) -> AsyncIterator[LogWriter]:
    log = LogWriter(kafka)
    await log.start()
    yield log
    await log.stop()


def consent(topics: Topics, action: str, *, number: int = 3, key: bytes = b"001090000017/address") -> Outgoing:
    """A consent event in lane 1."""
    message = {
        "event_id": f"event-{action}",
        "subject": "001090000017",
        "agreement": "address",
        "revision": "r1",
        "action": action,
        "given_by": "SELF",
        "proof": "p",
        "valid_from": 0,
        "valid_until": None,
        "at": 1_780_000_000_000,
    }
    return Outgoing(topics.consents, 1, key, framed(number, message))


async def read(kafka: KafkaAccess, topics: Topics, schemas: SchemaOf = schema_of) -> Any:
    """What the checker reads."""
    return await asyncio.to_thread(read_bus, kafka.for_confluent(), topics.prefix, schemas)


async def test_only_what_was_committed_is_read(kafka: KafkaAccess, topics: Topics) -> None:
    """Records of a committed transaction are read in order with their values; those of an aborted one never."""
    topic = topics.agency("bank", "address", 1)
    value = framed(1, {"born": 0})
    aborting = AIOKafkaProducer(**kafka.for_aiokafka(), transactional_id=f"{topics.prefix}aborting")
    await aborting.start()
    await aborting.begin_transaction()
    await aborting.send_and_wait(topic, value=value, key=b"never", partition=0)
    await aborting.abort_transaction()
    await aborting.stop()
    committing = TransactionalWriter(kafka, f"{topics.prefix}committing")
    await committing.start()
    await committing.commit([Outgoing(topic, 0, KEY, value, (("ce_id", b"a"),)), Outgoing(topic, 0, KEY, None)])
    await committing.stop()
    records = (await read(kafka, topics)).records
    assert [(record.key, record.kind, record.event_id) for record in records] == [
        (KEY.decode(), "RELEASE", "a"),
        (KEY.decode(), "ERASE", ""),
    ]
    assert records[0].view == {"born": datetime(1970, 1, 1, tzinfo=UTC).date()}


async def test_what_has_no_marker_yet_is_read(kafka: KafkaAccess, topics: Topics) -> None:
    """A commit is answered before its markers are in all partitions: without what lacks one yet a right bus is blamed.

    To a reader such a transaction is as one that is not ended.
    """
    writer = TransactionalWriter(kafka, f"{topics.prefix}committing")
    try:
        await writer.start()
        await writer._producer.begin_transaction()  # type: ignore[no-untyped-call] # the client's own
        await writer._send([Outgoing(topics.agency("bank", "address", 1), 0, KEY, None)])
        reading = asyncio.ensure_future(read(kafka, topics))
        await asyncio.wait({reading}, timeout=2)
        await writer._producer.commit_transaction()
        records = (await reading).records
    finally:
        await writer.stop()
    assert [record.kind for record in records] == ["ERASE"]


@pytest.mark.parametrize(
    "value",
    [b"\x07no frame", b"", frame(9, b""), frame(1, b""), frame(1, b"\x02\x00")],
    ids=["no frame", "nothing", "an unknown schema", "too short", "too long"],
)
async def test_bytes_that_no_schema_explains_are_told_as_such(
    kafka: KafkaAccess, topics: Topics, writer: LogWriter, value: bytes
) -> None:
    """They are neither a view nor an erasure, and do not end the reading."""
    await writer.append(Outgoing(topics.agency("bank", "address", 1), 1, KEY, value))
    (record,) = (await read(kafka, topics)).records
    assert (record.unreadable, record.view, record.kind) == (True, None, "RELEASE")


async def test_consents_are_read_with_lane_and_offset(kafka: KafkaAccess, topics: Topics, writer: LogWriter) -> None:
    """An event that cannot be read, or speaks of another pair than its key, counts as a withdrawal of its key."""
    broken = Outgoing(topics.consents, 1, b"001090000017/address", b"\x07")
    await writer.append_all(
        [
            consent(topics, "GIVE"),
            consent(topics, "WITHDRAW"),
            broken,
            consent(topics, "GIVE", key=b"001190000029/address"),
            consent(topics, "GIVE", key=b"no pair"),
        ]
    )
    events = (await read(kafka, topics)).consents
    assert [(event.lane, event.offset, event.subject[:6], event.give) for event in events] == [
        (1, 0, "001090", True),
        (1, 1, "001090", False),
        (1, 2, "001090", False),
        (1, 3, "001190", False),
    ]


async def test_revisions_are_those_of_the_newest_activation(
    kafka: KafkaAccess, topics: Topics, writer: LogWriter
) -> None:
    """What was ended lets nothing through; a later revision may accept consents given to an earlier one."""

    def fact(name: str, action: str, **body: Any) -> Outgoing:
        message = {"kind": "agreement", "id": name, "action": action, "body": json.dumps(body), "by": "b"}
        return Outgoing(
            topics.register,
            0,
            None,
            framed(4, {**message, "reason": "r", "at": 0, "signature": None, "signing_key": None}),
        )

    await writer.append_all(
        [
            fact("address", "activated", revision="r1", accepted_revisions=["r1"]),
            fact("address", "activated", revision="r2", accepted_revisions=["r1", "r2"]),
            fact("phone", "activated", revision="r1", accepted_revisions=["r1"]),
            fact("phone", "ended"),
        ]
    )
    assert (await read(kafka, topics)).revisions == {"address": {"r1", "r2"}}


async def test_the_last_record_is_found_behind_any_number_of_markers(kafka: KafkaAccess, topics: Topics) -> None:
    """Markers of later transactions take offsets after the last record; a place without records is left out."""
    topic = topics.changes("population.person")
    transactions = TransactionalWriter(kafka, f"{topics.prefix}changes")
    await transactions.start()
    await transactions.commit([Outgoing(topic, 0, KEY, b"1"), Outgoing(topic, 0, KEY, b"2")])
    await transactions.stop()
    aborting = AIOKafkaProducer(**kafka.for_aiokafka(), transactional_id=f"{topics.prefix}aborting")
    await aborting.start()
    for _ in range(40):
        await aborting.begin_transaction()
        await aborting.send_and_wait(topic, value=b"never", key=b"never", partition=0)
        await aborting.abort_transaction()
    await aborting.stop()
    reader = Reader(kafka, committed=True)
    await reader.start()
    try:
        places = [Place(topic, 0), Place(topic, 1)]
        assert (await reader.ends(places))[places[0]] == 2 + 1 + 40 * 2
        assert await last_records(kafka, places) == {places[0]: 1}
    finally:
        await reader.stop()
