"""Readers and writers of single partitions: how their clients are set up, and that nothing is lost or told twice."""

import asyncio
from collections.abc import Mapping
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import ClusterAuthorizationFailedError, KafkaConnectionError, TopicAuthorizationFailedError

from bus.errors import BusError, KafkaUnreachable, RightMissing
from bus.kafka import bulk, log
from bus.kafka.access import KafkaAccess
from bus.kafka.bulk import BulkReader
from bus.kafka.log import LogReader, LogWriter, Place, Reader, polled, record_at
from bus.model.record import Incoming, Outgoing

ACCESS, PLACE = KafkaAccess("nowhere:1"), Place("t", 3)
OLDEST, END, MARKERS = 2, 9, {4, 8}
"""What the partition holds: a record at each offset from the oldest on, but for markers."""


class Consumer:
    """In place of the client's: hands out two records at a time, and fails where it is told to."""

    made: list["Consumer"]
    _client = None

    def __init__(self, **words: Any) -> None:
        self.words, self.at, self.fails_at, self.running = words, -1, -1, False
        self.made.append(self)

    async def start(self) -> None:
        self.running = True

    def assign(self, places: list[TopicPartition]) -> None:
        assert places == [TopicPartition(*PLACE)]

    def seek(self, place: TopicPartition, offset: int) -> None:
        assert place == TopicPartition(*PLACE)
        self.at = offset

    async def position(self, _: TopicPartition) -> int:
        return self.at

    async def beginning_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, OLDEST)

    async def end_offsets(self, places: list[TopicPartition]) -> dict[TopicPartition, int]:
        return dict.fromkeys(places, END)

    async def getmany(self, *, timeout_ms: int, max_records: int | None) -> dict[TopicPartition, list[Incoming]]:
        del timeout_ms
        if self.at == self.fails_at:
            raise KafkaConnectionError
        offsets = range(self.at, min(END, self.at + min(2, max_records or 2)))
        self.at = max(self.at, offsets.stop)
        found = [Incoming(*PLACE, offset, 0, b"k", b"v") for offset in offsets if offset not in MARKERS]
        return {TopicPartition(*PLACE): found} if found else {}


@pytest.fixture
def consumers(monkeypatch: pytest.MonkeyPatch) -> list[Consumer]:
    """All that were made."""
    monkeypatch.setattr(Consumer, "made", list[Consumer](), raising=False)

    async def start(client: Consumer, _: KafkaAccess) -> None:
        await client.start()

    async def close(client: Consumer) -> None:
        client.running = False

    async def seen(*_: Any) -> None:
        """Every topic may be seen."""

    for name, one in {"AIOKafkaConsumer": Consumer, "started": start, "closed": close, "require_seen": seen}.items():
        monkeypatch.setattr(log, name, one)
    return Consumer.made


@pytest.mark.parametrize("committed", [True, False])
async def test_how_a_reader_is_set_up(consumers: list[Consumer], *, committed: bool) -> None:
    """A reader sees what is committed, or all; it commits no offsets, and what is gone is an error and no jump."""
    Reader(ACCESS, committed=committed)
    LogReader(ACCESS, "t", committed=committed)
    level = "read_committed" if committed else "read_uncommitted"
    wanted = {"isolation_level": level, "auto_offset_reset": "none", "enable_auto_commit": False}
    assert len(consumers) == 3
    assert all(one.words.items() >= wanted.items() for one in consumers)


async def test_how_writers_and_bulk_readers_are_set_up(monkeypatch: pytest.MonkeyPatch) -> None:
    """A single record is written once and by every replica; in bulk too only what is committed is read."""
    told: list[Mapping[str, Any]] = []
    monkeypatch.setattr(log, "AIOKafkaProducer", lambda **words: told.append(words))
    monkeypatch.setattr(bulk, "Consumer", told.append)
    LogWriter(ACCESS)
    BulkReader(ACCESS)
    writes = {"enable_idempotence": True, "acks": "all"}
    reads = {"isolation.level": "read_committed", "auto.offset.reset": "error", "enable.auto.commit": False}
    assert told[0].items() >= writes.items()
    assert told[1].items() >= {**reads, "enable.partition.eof": True, "enable.auto.offset.store": False}.items()


async def test_a_reading_that_fails_on_its_way(consumers: list[Consumer]) -> None:
    """What a reading had read before it failed comes again with the next one, which goes on where the last ended."""
    reader = LogReader(ACCESS, *PLACE)
    await reader.start()
    assert [one.offset for one in await reader.read_to_end(4)] == [2, 3]
    consumers[0].fails_at = 8
    with pytest.raises(KafkaConnectionError):
        await reader.read_to_end()
    consumers[0].fails_at = -1
    assert await reader.position() == 4
    assert [one.offset for one in await reader.read_to_end()] == [5, 6, 7]
    assert (await reader.read_to_end(), await reader.end()) == ([], END)
    reader.again(6)
    assert [one.offset for one in await reader.read_to_end()] == [6, 7]
    await reader.stop()
    assert not any(one.running for one in consumers)


@pytest.mark.parametrize("offset", [OLDEST - 1, OLDEST, 3, 4, 7, 8, END])
async def test_one_record(offset: int, consumers: list[Consumer]) -> None:
    """A record is found at its offset and at no other; a marker, what is gone and what is not yet there are none."""
    found = await record_at(ACCESS, PLACE, offset)
    assert (None if found is None else found.offset) == (offset if offset in {2, 3, 7} else None)
    assert not any(one.running for one in consumers)


async def test_a_cancelled_task_is_handed_nothing() -> None:
    """The client may swallow a cancellation as it hands records over: who was cancelled ends all the same."""

    async def swallow(**_: Any) -> dict[Any, list[Any]]:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            return {}
        raise AssertionError

    task = asyncio.create_task(polled(SimpleNamespace(getmany=swallow), 100))  # type: ignore[arg-type]  # it is polled, and nothing else
    await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task


@pytest.fixture
def writer(monkeypatch: pytest.MonkeyPatch) -> LogWriter:
    """One whose client is not there."""
    monkeypatch.setattr(log, "AIOKafkaProducer", lambda **_: SimpleNamespace())
    return LogWriter(ACCESS)


async def test_what_is_appended(writer: LogWriter, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each record is written whole, where it belongs and in order; its offset is that which the broker tells."""
    sent: list[tuple[Any, ...]] = []

    async def send(topic: str, **words: Any) -> Any:
        sent.append((topic, *(words[name] for name in ("partition", "key", "value", "headers"))))
        return asyncio.sleep(0, SimpleNamespace(offset=40 + len(sent)))

    monkeypatch.setattr(writer, "_producer", SimpleNamespace(send=send))
    records = [Outgoing("t", 3, b"k", b"v", (("h", b"1"),)), Outgoing("u", 0, b"l", None)]
    assert await writer.append_all(iter(records)) == [41, 42]
    assert sent == [("t", 3, b"k", b"v", [("h", b"1")]), ("u", 0, b"l", None, [])]
    assert await writer.append(records[0]) == 43


@pytest.mark.parametrize(
    ("error", "taken_for", "told"),
    [
        (TopicAuthorizationFailedError("t"), RightMissing, "may not write t, u"),
        (ClusterAuthorizationFailedError(), RightMissing, "may not write t, u"),
        (KafkaConnectionError("gone"), KafkaUnreachable, "nowhere:1"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
async def test_what_is_not_appended(
    error: Exception, taken_for: type[BusError], told: str, writer: LogWriter, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A right that is missing is told with the topics, and a broker that is gone with its address."""

    async def send(*_: Any, **__: Any) -> Any:
        raise error

    monkeypatch.setattr(writer, "_producer", SimpleNamespace(send=send))
    with pytest.raises(taken_for, match=told):
        await writer.append_all([Outgoing("u", 0, b"k", b"v"), Outgoing("t", 3, b"k", b"v")])
