"""Readers, writers and transactions against a real broker."""

import asyncio
import contextlib
import socket
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest
from aiokafka import AIOKafkaConsumer, TopicPartition
from confluent_kafka import Producer

from bus.errors import Fenced, KafkaTooOld, KafkaUnreachable, RecordRefused, TopicDrifted
from bus.kafka import producer
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.batch import encoded_headers
from bus.kafka.fetching import Fetching
from bus.kafka.group import GroupReader
from bus.kafka.log import LogReader, LogWriter, Place, Reader
from bus.kafka.pump import Pump
from bus.kafka.transactions import TransactionalWriter
from bus.kafka.version import require_kafka_4
from bus.model.record import Outgoing
from bus.model.varint import varint
from bus.topics import COMPACTED, TopicSpec

pytestmark = pytest.mark.broker


async def topic_of(kafka: KafkaAccess, prefix: str, **settings: str) -> str:
    config = dict(COMPACTED) | settings
    spec = TopicSpec(f"{prefix}topic", 1, tuple(sorted(config.items())))
    await Admin(kafka).ensure_topics([spec])
    return spec.name


@pytest.fixture(params=["first", "second"])
def protocol(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """Kafka's two transaction protocols: our broker speaks both."""
    if request.param == "first":
        monkeypatch.setattr(producer, "speaks_second", lambda _answer: False)
    return str(request.param)


async def started(kafka: KafkaAccess, transactional_id: str) -> TransactionalWriter:
    writer = TransactionalWriter(kafka, transactional_id)
    await writer.start()
    return writer


async def values(kafka: KafkaAccess, topic: str, *, committed: bool = True) -> list[bytes | None]:
    reader = LogReader(kafka, topic, committed=committed)
    await reader.start()
    try:
        return [record.value for record in await reader.read_to_end()]
    finally:
        await reader.stop()


async def test_new_enough(kafka: KafkaAccess) -> None:
    """The broker of the tests is Kafka 4."""
    try:
        await require_kafka_4(kafka)
    except KafkaTooOld as error:
        pytest.fail(str(error))


async def test_a_silent_address_beside_a_good_one_costs_no_time(kafka: KafkaAccess, prefix: str) -> None:
    """Whatever kind of client starts, it must not wait for an address that takes connections and says nothing."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        given = replace(kafka, bootstrap=f"127.0.0.1:{silent.getsockname()[1]},{kafka.bootstrap}")
        async with asyncio.timeout(4), contextlib.AsyncExitStack() as stack:
            await require_kafka_4(given)
            writer = TransactionalWriter(given, f"{prefix}w")
            for client in (Reader(given), LogWriter(given), writer, Fetching(given, committed=True)):
                stack.push_async_callback(client.stop)
                await client.start()
            assert await Admin(given).topics() is not None


@pytest.mark.parametrize(
    "ask",
    [
        lambda access, _: Reader(access).start(),
        lambda access, _: LogWriter(access).start(),
        lambda access, prefix: GroupReader(access, f"{prefix}group", [f"{prefix}topic"]).start(),
        lambda access, prefix: TransactionalWriter(access, f"{prefix}w").start(),
        lambda access, _: Admin(access).topics(),
        lambda access, _: require_kafka_4(access),
    ],
    ids=["reader", "writer", "group", "transactions", "administrator", "version"],
)
async def test_a_wrong_password_is_told_at_once(
    identities: KafkaAccess, prefix: str, ask: Callable[[KafkaAccess, str], Awaitable[object]]
) -> None:
    """Nobody waits without a word: a client that a broker turns away says so within seconds, with place and reason."""
    async with asyncio.timeout(8):
        with pytest.raises(KafkaUnreachable) as raised:
            await ask(identities.as_user("agency-of-nobody", "guessed"), prefix)
    told = f"no Kafka broker answers at {identities.bootstrap} (it refuses the user or the password: agency-of-nobody)"
    assert str(raised.value) == told


async def test_another_protocol_is_told_of(identities: KafkaAccess) -> None:
    """A broker that wants names, asked without one, closes the connection: the setting that is wrong is named."""
    with pytest.raises(KafkaUnreachable, match="BUS_KAFKA_SECURITY_PROTOCOL"):
        await Reader(KafkaAccess(identities.bootstrap)).start()


@pytest.mark.usefixtures("protocol")
async def test_whole_or_not_at_all(kafka: KafkaAccess, prefix: str) -> None:
    """A transaction in which the broker refuses one record leaves nothing behind, and the next writer goes on."""
    topic = await topic_of(kafka, prefix, **{"max.message.bytes": "2000"})
    writer = await started(kafka, f"{prefix}w")
    with pytest.raises(RecordRefused):
        await writer.commit([Outgoing(topic, 0, b"a", b"small"), Outgoing(topic, 0, b"b", b"x" * 5000)])
    await writer.stop()
    assert await values(kafka, topic) == []
    again = await started(kafka, f"{prefix}w")
    await again.commit([Outgoing(topic, 0, b"a", b"small")])
    await again.stop()
    assert await values(kafka, topic) == [b"small"]


@pytest.mark.usefixtures("protocol")
async def test_fence(kafka: KafkaAccess, prefix: str) -> None:
    """A second writer under one id fences the first, whose records never show."""
    topic = await topic_of(kafka, prefix)
    first = await started(kafka, f"{prefix}w")
    await first.commit([Outgoing(topic, 0, b"a", b"first")])
    second = await started(kafka, f"{prefix}w")
    with pytest.raises(Fenced):
        await first.commit([Outgoing(topic, 0, b"a", b"zombie")])
    await second.commit([Outgoing(topic, 0, b"a", b"second")])
    await asyncio.gather(first.stop(), second.stop())
    assert await values(kafka, topic) == [b"first", b"second"]


@pytest.mark.usefixtures("protocol")
async def test_order_over_many_batches(kafka: KafkaAccess, prefix: str) -> None:
    """A transaction larger than one batch keeps the order within a partition."""
    topic = await topic_of(kafka, prefix)
    writer = await started(kafka, f"{prefix}w")
    sent = [f"{number:06d}".encode() + b"." * 2000 for number in range(2000)]
    await writer.commit([Outgoing(topic, 0, b"k", value) for value in sent])
    await writer.stop()
    assert await values(kafka, topic) == sent


async def test_reading_goes_on_where_it_broke_off(kafka: KafkaAccess, prefix: str) -> None:
    """A reading that is cancelled on its way loses nothing: the next one begins where it began."""
    topic = await topic_of(kafka, prefix)
    writer = LogWriter(kafka)
    await writer.start()
    await writer.append_all([Outgoing(topic, 0, b"k", str(number).encode()) for number in range(500)])
    await writer.stop()
    reader = LogReader(kafka, topic)
    await reader.start()
    try:
        for delay in (0.0, 0.001, 0.005, 0.02):
            reading = asyncio.create_task(reader.read_to_end())
            await asyncio.wait([reading], timeout=delay)
            if not reading.cancel():
                assert len(reading.result()) == 500
                return
            await asyncio.gather(reading, return_exceptions=True)
        assert len(await reader.read_to_end()) == 500
    finally:
        await reader.stop()


async def test_a_reader_that_was_just_set_back_can_be_stopped(kafka: KafkaAccess, prefix: str) -> None:
    """Who fails on what it read sets its reader back and stops it: that ends, whatever the client is about to do."""
    topic = await topic_of(kafka, prefix)
    for turns in range(6):
        reader = LogReader(kafka, topic)
        await reader.start(0)
        await reader.read_to_end()
        reader.again(0)
        for _ in range(turns):
            await asyncio.sleep(0)
        async with asyncio.timeout(5):
            await reader.stop()


async def test_pump(kafka: KafkaAccess, prefix: str) -> None:
    """A pump wakes who waits, keeps order, lets taken records be put back, and passes a transaction's marker."""
    topic = await topic_of(kafka, prefix)
    place, wake = Place(topic, 0), asyncio.Event()
    pump = Pump(kafka, wake, committed=True, limit=50)
    await pump.start({place: 0})
    try:
        writer = await started(kafka, f"{prefix}w")
        sent = [str(number).encode() for number in range(300)]
        await writer.commit([Outgoing(topic, 0, b"k", value) for value in sent])
        await writer.stop()
        await asyncio.wait_for(wake.wait(), 60)
        found: list[bytes | None] = []
        deadline = asyncio.get_running_loop().time() + 60
        while len(found) < 300:
            taken = pump.take(70)
            pump.put_back(taken)
            found += [record.value for record in pump.take(70)]
            assert asyncio.get_running_loop().time() < deadline
            await asyncio.sleep(0)
        assert found == sent
        await asyncio.wait_for(pump.until(place, 301), 60)
    finally:
        await pump.stop()


async def test_pump_that_is_asked(kafka: KafkaAccess, prefix: str) -> None:
    """One that is not eager leaves what came later at the broker until it is asked, and an answer ends the wait."""
    topic = await topic_of(kafka, prefix)
    place, wake = Place(topic, 0), asyncio.Event()
    pump, writer = Pump(kafka, wake, committed=True, eager=False), LogWriter(kafka)
    await pump.start({place: 0})
    await writer.start()
    try:
        await writer.append(Outgoing(topic, 0, b"k", b"first"))
        await asyncio.wait_for(pump.until(place, 1), 60)
        await writer.append(Outgoing(topic, 0, b"k", b"second"))
        await asyncio.sleep(0.3)  # an eager one would have it long since
        assert [record.value for record in pump.take(10)] == [b"first"]
        await asyncio.wait_for(pump.news(10), 60)
        assert [record.value for record in pump.take(10)] == [b"second"]
        nothing = asyncio.create_task(pump.news(10))
        await asyncio.sleep(0.05)
        assert not nothing.done()
        pump.content()
        await asyncio.wait_for(nothing, 0.3)
        await writer.append(Outgoing(topic, 0, b"k", b"third"))
        await asyncio.wait_for(pump.until(place, 3), 60)
        await asyncio.wait_for(pump.news(1), 0.1)  # enough waits already
    finally:
        await writer.stop()
        await pump.stop()


async def test_pump_that_watches(kafka: KafkaAccess, prefix: str) -> None:
    """It tells with what comes where another partition ends, once, and wakes nobody because of that one."""
    topic, other = await topic_of(kafka, prefix), await topic_of(kafka, f"{prefix}other")
    place, watched, wake = Place(topic, 0), Place(other, 0), asyncio.Event()
    pump, writer = Pump(kafka, wake, committed=True, eager=False), LogWriter(kafka)
    pump.watch({watched: 0})
    await pump.start({place: 0})
    await writer.start()
    try:
        assert pump.told() == {}
        for number, count in enumerate((2, 5), 1):
            wake.clear()
            end = 1 + (await writer.append_all([Outgoing(other, 0, b"k", b"v") for _ in range(count)]))[-1]
            await asyncio.sleep(0.1)
            assert not wake.is_set()
            await writer.append(Outgoing(topic, 0, b"k", b"v"))
            await asyncio.wait_for(pump.until(place, number), 60)
            assert len(pump.take(10)) == 1
            await writer.append(Outgoing(other, 0, b"k", b"after"))
            assert (pump.told(), pump.told()) == ({watched: end}, {})
            pump.more()
        await writer.append(Outgoing(topic, 0, b"k", b"v"))
        await asyncio.wait_for(pump.until(place, 3), 60)
        pump.put_back(pump.take(10))
        assert pump.told() == {}
    finally:
        await writer.stop()
        await pump.stop()


async def test_an_end_of_another_epoch(kafka: KafkaAccess, prefix: str) -> None:
    """A leader refuses a fetch for the end that names an epoch which is not its own; asked anew, it tells its end."""
    topic, other = await topic_of(kafka, prefix), await topic_of(kafka, f"{prefix}other")
    place, watched, fetching, writer = (
        Place(topic, 0),
        Place(other, 0),
        Fetching(kafka, committed=True),
        LogWriter(kafka),
    )
    await fetching.start()
    await writer.start()
    try:
        await writer.append(Outgoing(other, 0, b"k", b"v"))
        await writer.append(Outgoing(topic, 0, b"k", b"v"))
        assert (await fetching.fetch({place: 0}, {watched: 0})).ends == {watched: 1}
        fetching._epochs[watched] += 1  # as if another leader had answered last
        assert (await fetching.fetch({place: 0}, {watched: 0})).ends == {}
        assert (await fetching.fetch({place: 0}, {watched: 0})).ends == {watched: 1}
    finally:
        await writer.stop()
        await fetching.stop()


async def test_names_that_are_no_text(kafka: KafkaAccess, prefix: str) -> None:
    """A broker takes a header whose name is no UTF-8; it keeps nobody from reading, nor what comes after it waiting."""
    topic = await topic_of(kafka, prefix)
    writer = await started(kafka, f"{prefix}w")
    stamp = varint(1) + varint(1) + b"\xe1" + varint(1) + b"v"
    sent = [Outgoing(topic, 0, b"k", b"odd", (), None, stamp), Outgoing(topic, 0, b"k", b"even")]
    await writer.commit(sent)
    await writer.stop()
    assert await values(kafka, topic) == [b"odd", b"even"]


@pytest.mark.parametrize("codec", ["gzip", "snappy", "lz4", "zstd"])
async def test_compressed_by_others(codec: str, kafka: KafkaAccess, prefix: str) -> None:
    """What another client compressed is read, whatever it was compressed with."""
    topic, place = await topic_of(kafka, prefix), Place(f"{prefix}topic", 0)
    other = Producer(kafka.for_confluent() | {"compression.type": codec, "linger.ms": 50})
    sent = [f"{number:04d}".encode() * 50 for number in range(200)]
    for value in sent:
        other.produce(topic, value, b"k", 0)
    await asyncio.to_thread(other.flush, 30)
    pump = Pump(kafka, asyncio.Event(), committed=True)
    await pump.start({place: 150})
    try:
        await asyncio.wait_for(pump.until(place, 200), 60)
        assert [record.value for record in pump.take(200)] == sent[150:]
    finally:
        await pump.stop()


async def test_what_came_compressed_can_be_written_again(kafka: KafkaAccess, prefix: str) -> None:
    """A record that fits its topic only as another client compressed it can be released, and be a dead letter."""
    topic, value = await topic_of(kafka, prefix), b"0123456789" * 300_000
    other = Producer(kafka.for_confluent() | {"compression.type": "zstd", "message.max.bytes": 2 * len(value)})
    other.produce(topic, value, b"k", 0)
    await asyncio.to_thread(other.flush, 30)
    again = await started(kafka, f"{prefix}w")
    await again.commit([Outgoing(topic, 0, b"k", one) for one in (b"before", value, b"after")])
    await again.stop()
    assert await values(kafka, topic) == [value, b"before", value, b"after"]


async def test_drift_is_refused(kafka: KafkaAccess, prefix: str) -> None:
    """A topic whose settings are not what the bus needs is named, with the setting."""
    topic = await topic_of(kafka, prefix, **{"segment.ms": "12345678"})
    assert await Admin(kafka).partitions([topic, f"{topic}-nowhere"]) == {topic: 1}
    with pytest.raises(TopicDrifted, match=r"segment\.ms=12345678"):
        await Admin(kafka).ensure_topics([TopicSpec(topic, 1, COMPACTED)])


@pytest.mark.usefixtures("protocol")
async def test_what_we_write_and_read_is_what_others_see(kafka: KafkaAccess, prefix: str) -> None:
    """A plain client reads our batches as they were meant, and our reader reads what it reads, but for what aborted."""
    topic = await topic_of(kafka, prefix)
    small = TopicSpec(f"{prefix}small", 1, (("max.message.bytes", "2000"),))
    await Admin(kafka).ensure_topics([small])
    stamp = varint(1) + encoded_headers([("stamped", b"once")])
    written = [
        Outgoing(topic, 0, b"k", b"v", (("a", b"1"), ("b", b"")), 1_767_225_600_123),
        Outgoing(topic, 0, b"l", "ấ".encode() * 3000, (), 1_767_225_600_001),
        Outgoing(topic, 0, b"k", None, (), 1_767_225_600_456, stamp),
    ]
    writer = await started(kafka, f"{prefix}w")
    await writer.commit(written)
    with pytest.raises(RecordRefused):
        await writer.commit([Outgoing(topic, 0, b"k", b"aborted"), Outgoing(small.name, 0, b"k", bytes(3000))])
    await writer.stop()
    writer = await started(kafka, f"{prefix}w")
    await writer.commit([Outgoing(topic, 0, b"k", b"last", (), 1_767_225_600_789)])
    await writer.stop()
    plain = await _as_a_plain_client_reads(kafka, topic)
    assert [one[2:6] for one in plain] == [
        (1_767_225_600_123, b"k", b"v", (("a", b"1"), ("b", b""))),
        (1_767_225_600_001, b"l", "ấ".encode() * 3000, ()),
        (1_767_225_600_456, b"k", None, (("stamped", b"once"),)),
        (1_767_225_600_789, b"k", b"last", ()),
    ]
    reader = LogReader(kafka, topic)
    await reader.start()
    try:
        ours = await reader.read_to_end()
    finally:
        await reader.stop()
    assert [tuple(one[1:]) for one in ours] == plain


async def _as_a_plain_client_reads(kafka: KafkaAccess, topic: str) -> list[tuple[Any, ...]]:
    consumer = AIOKafkaConsumer(**kafka.for_aiokafka(), isolation_level="read_committed", auto_offset_reset="earliest")
    await consumer.start()
    place = TopicPartition(topic, 0)
    found: list[tuple[Any, ...]] = []
    consumer.assign([place])
    await consumer.seek_to_beginning(place)
    try:
        while not found or found[-1][4] != b"last":
            found += [
                (0, one.offset, one.timestamp, one.key, one.value, tuple(one.headers))
                for one in (await consumer.getmany(timeout_ms=1000)).get(place, [])
            ]
    finally:
        await consumer.stop()
    return found
