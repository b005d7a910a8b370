"""Whose turn it is, where several partitions have more to read than one answer of the broker holds."""

import asyncio

import pytest

from bus.kafka import fetching
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import LogWriter, Place
from bus.kafka.pump import Pump
from bus.model.record import Incoming, Outgoing
from bus.topics import COMPACTED, TopicSpec

TOPICS, RECORDS, BYTES = 4, 60, 10_000


async def test_a_partition_with_much_to_read_holds_up_no_other(
    kafka: KafkaAccess, prefix: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Partitions that fill the broker's answers are read in turn with those that are asked for after them."""
    monkeypatch.setattr(fetching, "PARTITION_BYTES", 3 * BYTES)
    monkeypatch.setattr(fetching, "ANSWER_BYTES", 3 * BYTES)
    places = [Place(f"{prefix}{number}", 0) for number in range(TOPICS)]
    await Admin(kafka).ensure_topics([TopicSpec(place.topic, 1, tuple(COMPACTED)) for place in places])
    writer, pump = LogWriter(kafka), Pump(kafka, asyncio.Event(), committed=True, eager=False)
    await writer.start()
    for number in range(RECORDS):
        await writer.append_all(Outgoing(*place, str(number).encode(), b"x" * BYTES) for place in places)
    await writer.stop()
    await pump.start(dict.fromkeys(places, 0))
    read: list[Incoming] = []
    try:
        async with asyncio.timeout(30):
            while len(read) < TOPICS * RECORDS:
                await pump.news(1)
                read += pump.take(1000)
    finally:
        await pump.stop()
    assert {record.topic for record in read[:RECORDS]} == {place.topic for place in places}
    for place in places:
        assert [record.offset for record in read if record.topic == place.topic] == list(range(RECORDS))
