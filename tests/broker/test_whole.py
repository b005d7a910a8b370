"""Who looks once, up to now, sees what was committed by then: also where the markers of that are not written yet.

A commit is answered before its markers are in all partitions. Until one is there, a committed transaction is to a
reader what one is that was not ended: so an open one stands for it here.
"""

import asyncio
from collections.abc import Callable, Coroutine, Sequence
from typing import Any, TypeVar

import pytest

from bus import clock
from bus.avro.access import RegistryAccess
from bus.bench.route import counted
from bus.connect import tail as published
from bus.connect.recall import Reach
from bus.deliver import tail as delivered
from bus.deliver.recipients import Flow
from bus.demo.quiet import last_records
from bus.kafka import silence
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import LogWriter, Place, Reader
from bus.kafka.transactions import TransactionalWriter
from bus.model.record import Outgoing
from bus.topics import COMPACTED, Topics, TopicSpec

pytestmark = pytest.mark.broker

Found = TypeVar("Found")


async def seen_of(
    kafka: KafkaAccess, prefix: str, records: Sequence[Outgoing], look: Callable[[], Coroutine[Any, Any, Found]]
) -> Found:
    """What a look comes to that begins when these records are written, and are not seen to be committed yet."""
    await Admin(kafka).ensure_topics([TopicSpec(topic, 2, COMPACTED) for topic in {one.topic for one in records}])
    writer = TransactionalWriter(kafka, f"{prefix}w")
    try:
        await writer.start()
        await writer._producer.begin_transaction()  # type: ignore[no-untyped-call] # the client's own
        await writer._send(records)
        looking = asyncio.ensure_future(look())
        await asyncio.wait({looking}, timeout=1)
        await writer._producer.commit_transaction()
        return await looking
    finally:
        await writer.stop()


async def test_an_agency_sees_what_was_committed(kafka: KafkaAccess, prefix: str) -> None:
    """An erasure that has taken effect is among what an agency's topics hold now."""
    flow = Flow("to-bank", "active", {}, "population.person", f"{prefix}agency.bank.to-bank.v1")
    nobody: Any = None

    async def look() -> list[str]:
        seen = delivered.tail(kafka, nobody, [flow], from_beginning=True, follow=False)
        return [one.what async for one in seen]

    assert await seen_of(kafka, prefix, [Outgoing(flow.topic, 0, b"1/1", None)], look) == ["erased"]


async def test_an_integrator_sees_what_was_committed(kafka: KafkaAccess, prefix: str) -> None:
    """A deletion that a connector has published is among what its topics hold now."""
    topics, dataset = Topics(prefix, 2), "population.person"
    reach = Reach(kafka, RegistryAccess("http://127.0.0.1:1", None), topics)

    async def look() -> list[str]:
        return [one.key async for one in published.tail(reach, (dataset,), from_beginning=True, follow=False)]

    assert await seen_of(kafka, prefix, [Outgoing(topics.changes(dataset), 0, b"1/1", None)], look) == ["1/1"]


async def test_a_bus_is_not_quiet_before_the_last_change(kafka: KafkaAccess, prefix: str) -> None:
    """What lanes must have judged before a day is checked is all that the connectors have committed."""
    topic = f"{prefix}changes"
    places = [Place(topic, 0), Place(topic, 1)]
    records = [Outgoing(topic, 0, b"1/1", b"row"), Outgoing(topic, 0, b"1/2", b"row")]
    assert await seen_of(kafka, prefix, records, lambda: last_records(kafka, places)) == {places[0]: 1}


async def test_a_bench_counts_what_was_committed(kafka: KafkaAccess, prefix: str) -> None:
    """A delivery of the last transaction is counted: without it the outcome of a run that was right is called wrong."""
    topic = f"{prefix}agency"
    records = [Outgoing(topic, 0, b"1", b"view"), Outgoing(topic, 1, b"2", None)]
    places = [Place(topic, 0), Place(topic, 1)]
    assert await seen_of(kafka, prefix, records, lambda: counted(kafka, places)) == (1, 1)


async def test_a_wait_for_the_end_of_a_transaction_is_told(
    kafka: KafkaAccess, prefix: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Who waits long behind a transaction that nobody ends is told where: a start seemed to hang, without a word."""
    monkeypatch.setattr(silence, "HELD_SECONDS", 0.3)
    topic = f"{prefix}topic"
    records = [Outgoing(topic, 1, b"1", b"view")]
    assert await seen_of(kafka, prefix, records, lambda: counted(kafka, [Place(topic, 0), Place(topic, 1)])) == (1, 0)
    (told,) = [one.getMessage() for one in caplog.records if one.name == "bus.kafka"]
    assert f"{topic}/1:" in told
    assert "neither committed nor aborted" in told


async def test_what_comes_while_a_moment_is_looked_up(kafka: KafkaAccess, prefix: str) -> None:
    """A record that is written between the question for a moment and that for the end is not passed over."""
    place = Place(f"{prefix}topic", 0)
    await Admin(kafka).ensure_topics([TopicSpec(place.topic, 1, COMPACTED)])
    reader, writer = Reader(kafka), LogWriter(kafka)
    await asyncio.gather(reader.start(), writer.start())
    client: Any = reader._consumer
    ask = client.offsets_for_times

    async def ask_as_something_comes(moments: Any) -> Any:
        found = await ask(moments)
        await writer.append(Outgoing(*place, b"k", b"new"))
        return found

    try:
        await writer.append(Outgoing(*place, b"k", b"old"))
        client.offsets_for_times = ask_as_something_comes
        assert await reader.since([place], clock.now_ms() + 60_000) == {place: 1}
    finally:
        await asyncio.gather(reader.stop(), writer.stop())
