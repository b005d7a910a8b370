"""Reading partitions by offset and appending to them: no groups, no commits, no surprises."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Collection, Iterable, Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition
from aiokafka.consumer import fetcher
from aiokafka.errors import (
    ClusterAuthorizationFailedError,
    KafkaConnectionError,
    KafkaError,
    KafkaTimeoutError,
    TopicAuthorizationFailedError,
)

from bus.errors import RightMissing, TopicGone
from bus.kafka.access import KafkaAccess
from bus.kafka.names import AnyNames, Batches
from bus.kafka.reach import closed, parted, require_seen, started, unreachable
from bus.kafka.silence import HeldUp, Silence
from bus.model.record import Incoming, Outgoing

FETCH_WAIT_MS = 100
"""How long the broker may hold back an answer for want of records; new records end the wait at once."""


class Place(NamedTuple):
    """One partition of one topic."""

    topic: str
    partition: int


NO_OFFSETS: Mapping[Place, int] = MappingProxyType({})
"""Of no place an offset."""


def as_it_is(key: bytes | None) -> bytes | None:
    """The key; a consumer that has this as its reader of keys is one of ours."""
    return key


class _Records(fetcher.PartitionRecords):
    """Fetched records of a partition; for our own readers, each is ours as soon as it is unpacked.

    The client makes an object of its own of each record, which would be taken apart again at once: half of the time
    that reading takes. What counts as committed is decided before, by the client alone. Should it no longer ask here,
    `incoming` takes its objects as they come.
    """

    def _unpack_records(self) -> Iterator[Any]:
        try:
            yield from super()._unpack_records()  # type: ignore[no-untyped-call]  # it has no types
        except UnicodeDecodeError:
            self._records = AnyNames(self._records.packed, self.next_fetch_offset)
            yield from super()._unpack_records()  # type: ignore[no-untyped-call]  # it has no types

    def _consumer_record(self, tp: TopicPartition, record: Any) -> Any:
        if self._key_deserializer is not as_it_is:
            return super()._consumer_record(tp, record)  # type: ignore[no-untyped-call]  # it has no types
        headers = tuple(record.headers)
        return Incoming(tp.topic, tp.partition, record.offset, record.timestamp, record.key, record.value, headers)


fetcher.PartitionRecords = _Records  # type: ignore[misc]  # the one name by which the client makes them
fetcher.MemoryRecords = Batches  # type: ignore[attr-defined]  # of these alone the bytes are known


async def polled(consumer: AIOKafkaConsumer, timeout_ms: int, max_records: int | None = None) -> dict[Any, list[Any]]:
    """What has come, by partition, and the end of the task where it was to end.

    The client may swallow a cancellation as it hands records over: whoever pressed Ctrl-C would wait.
    """
    found: dict[Any, list[Any]] = await consumer.getmany(timeout_ms=timeout_ms, max_records=max_records)
    task = asyncio.current_task()
    if task is not None and task.cancelling():
        raise asyncio.CancelledError
    return found


class Reader:
    """Reads the partitions that it is told to, from the offsets that it is told; knows no consumer group.

    With `committed` it reads only what transactions have committed. An offset that the broker no longer has is an
    error, never a silent jump.
    """

    def __init__(self, access: KafkaAccess, *, committed: bool = True) -> None:
        self._consumer = AIOKafkaConsumer(
            **access.for_aiokafka(),
            isolation_level="read_committed" if committed else "read_uncommitted",
            auto_offset_reset="none",
            key_deserializer=as_it_is,
            enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_WAIT_MS,
            max_partition_fetch_bytes=4 << 20,
        )
        self._access = access
        self._seen: set[str] = set()

    async def start(self, positions: Mapping[Place, int] | None = None) -> None:
        """Connect, and assign the given places. Raises KafkaUnreachable."""
        await started(self._consumer, self._access)
        await asyncio.sleep(0)  # the client's own tasks must have begun, or a stop right after fails
        if positions:
            self.assign(positions)

    async def stop(self) -> None:
        """Close the connection."""
        await closed(self._consumer)

    def assign(self, positions: Mapping[Place, int]) -> None:
        """Read these places, each from its offset; replaces the whole assignment."""
        self._consumer.assign([TopicPartition(*place) for place in positions])
        for place, offset in positions.items():
            self._consumer.seek(TopicPartition(*place), offset)

    async def poll(self, timeout_ms: int, *, max_records: int | None = None) -> list[Incoming]:
        """Wait up to `timeout_ms` for records of any place; each partition's records are in order."""
        found = await self.poll_places(timeout_ms, max_records=max_records)
        return [record for records in found.values() for record in records]

    async def poll_places(self, timeout_ms: int, *, max_records: int | None = None) -> dict[Place, list[Incoming]]:
        """As `poll`, by place."""
        found = await polled(self._consumer, timeout_ms, max_records)
        return {Place(*place): [incoming(record) for record in records] for place, records in found.items()}

    async def follow(self, poll_ms: int = 1000, *, idle: bool = False) -> AsyncIterator[list[Incoming]]:
        """What comes from here on, batch by batch, for ever. Where the broker is gone meanwhile, the log says so.

        With `idle`, an empty batch too whenever nothing came for a while.
        """
        silence = Silence(self._consumer._client, self._access.bootstrap)  # noqa: SLF001 - it is asked who is there
        while True:
            records = await self.poll(poll_ms)
            await silence.note(something=bool(records))
            if records or idle:
                yield records

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the newest record that this reader may see, asked of the broker now.

        Raises RightMissing, TopicGone.
        """
        places = await self._required(places)
        found = await self._told(self._consumer.end_offsets([TopicPartition(*place) for place in places]), places)
        return {Place(place.topic, place.partition): offset for place, offset in found.items()}

    async def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        """The oldest offset that the broker still has. Raises RightMissing, TopicGone."""
        places = await self._required(places)
        found = await self._told(self._consumer.beginning_offsets([TopicPartition(*place) for place in places]), places)
        return {Place(place.topic, place.partition): offset for place, offset in found.items()}

    async def since(self, places: Iterable[Place], at_ms: int) -> dict[Place, int]:
        """The offset of the first record of a moment or later; the end where there is none."""
        listed = await self._required(places)
        ends = await self.ends(listed)  # first: what comes meanwhile is of that moment or later
        found = await self._consumer.offsets_for_times({TopicPartition(*place): at_ms for place in listed})
        return {place: there.offset if (there := found[TopicPartition(*place)]) else ends[place] for place in listed}

    async def _required(self, places: Iterable[Place]) -> list[Place]:
        """The places, once it is known that the user may see their topics. Raises RightMissing."""
        listed = list(places)
        await self.require_seen(place.topic for place in listed)
        return listed

    async def _told(self, asked: Awaitable[dict[Any, int]], places: Iterable[Place]) -> dict[Any, int]:
        """An answer. Where none comes for want of a topic, that is named: the client says only that it is late."""
        try:
            return await asked
        except KafkaTimeoutError as error:
            client = self._consumer._client  # noqa: SLF001 - it tells nobody otherwise
            answers = await client.force_metadata_update()
            gone = {one.topic for one in places if client.cluster.partitions_for_topic(one.topic) is None}
            if answers and gone:
                raise TopicGone(topic=", ".join(sorted(gone)), bootstrap=self._access.bootstrap) from error
            raise

    async def require_seen(self, topics: Iterable[str]) -> None:
        """Return where the user may see these topics, or they are not there. Raises RightMissing."""
        unseen = set(topics) - self._seen
        if unseen:
            await require_seen(self._consumer._client, self._access, unseen)  # noqa: SLF001 - it tells nobody otherwise
            self._seen |= unseen

    async def position(self, place: Place) -> int:
        """The offset that the next poll reads from; also passes what a reader never sees, such as markers."""
        offset: int = await self._consumer.position(TopicPartition(*place))
        return offset

    async def to_ends(
        self, ends: Mapping[Place, int], *, max_records: int | None = None
    ) -> AsyncIterator[list[Incoming]]:
        """Poll until every place has reached its end; yields what was read, batch by batch. A long wait is logged."""
        held = HeldUp()
        while True:
            reached = {place: await self.position(place) for place in ends}
            behind = [place for place, end in ends.items() if reached[place] < end]
            if not behind:
                return
            held.note(tuple(reached.values()), behind)
            records = await self.poll(FETCH_WAIT_MS, max_records=max_records)
            if records:
                yield records


async def record_at(access: KafkaAccess, place: Place, offset: int) -> Incoming | None:
    """The committed record at an offset; None where none lies, or what lies there is a transaction's marker."""
    return (await records_at(access, place, {offset})).get(offset)


async def records_at(access: KafkaAccess, place: Place, offsets: Collection[int]) -> dict[int, Incoming]:
    """The same of several, over one connection; those that lie near one another come in one answer."""
    found: dict[int, Incoming] = {}
    reader = Reader(access, committed=True)
    await reader.start()
    try:
        reached, end = (await reader.beginnings([place]))[place], (await reader.ends([place]))[place]
        for offset in sorted(offsets):
            if reached <= offset < end:
                reader.assign({place: offset})
                async for records in reader.to_ends({place: offset + 1}):
                    found |= {record.offset: record for record in records if record.offset in offsets}
                reached = await reader.position(place)
    finally:
        await reader.stop()
    return found


class LogReader:
    """One partition, read from its beginning or an offset, to its end or for ever."""

    def __init__(self, access: KafkaAccess, topic: str, partition: int = 0, *, committed: bool = True) -> None:
        self.place = Place(topic, partition)
        self._reader = Reader(access, committed=committed)
        # On the connection that fetches, a question for the end would wait behind the fetch.
        self._asker = Reader(access, committed=committed)

    async def start(self, from_offset: int | None = None) -> None:
        """Connect; without an offset, from the oldest record."""
        await asyncio.gather(self._reader.start(), self._asker.start())
        if from_offset is None:
            from_offset = (await self._asker.beginnings([self.place]))[self.place]
        self._reader.assign({self.place: from_offset})

    async def stop(self) -> None:
        """Close the connections."""
        await asyncio.gather(self._reader.stop(), self._asker.stop())

    def again(self, offset: int) -> None:
        """Read on from an offset."""
        self._reader.assign({self.place: offset})

    async def position(self) -> int:
        """The offset of the next record to be read."""
        return await self._reader.position(self.place)

    async def end(self) -> int:
        """The offset after the newest record, asked of the broker now."""
        return (await self._asker.ends([self.place]))[self.place]

    async def read_to_end(self, end: int | None = None) -> list[Incoming]:
        """Everything up to an end, from where the last call stopped; without one, up to the broker's as of now.

        A call that fails or is cancelled on its way loses nothing: the next one begins where it began.
        """
        begin = await self._reader.position(self.place)
        try:
            ends = {self.place: await self.end() if end is None else end}
            return [record async for records in self._reader.to_ends(ends) for record in records]
        except BaseException:
            self._reader.assign({self.place: begin})
            raise

    async def follow(self) -> AsyncIterator[Incoming]:
        """Every record from here on, for ever."""
        async for records in self._reader.follow():
            for record in records:
                yield record


class LogWriter:
    """Appends single records, idempotently, acknowledged by every in-sync replica; no transactions.

    `consents` and `register` are written so: an open transaction would hold up everyone who reads them.
    """

    def __init__(self, access: KafkaAccess) -> None:
        self._producer = AIOKafkaProducer(**access.for_aiokafka(), enable_idempotence=True, acks="all", linger_ms=0)
        self._access = access
        self._sending: set[asyncio.Future[Any]] = set()

    async def start(self) -> None:
        """Connect. Raises KafkaUnreachable."""
        await started(self._producer, self._access)

    async def stop(self) -> None:
        """Send what waits and close. What no broker takes within PARTING_SECONDS is given up, and its sender told."""
        await parted(self._producer)
        for one in self._sending:
            if not one.done():
                one.set_exception(KafkaConnectionError("not sent before the end"))

    async def append(self, record: Outgoing) -> int:
        """Write one record and return its offset. Raises RightMissing, KafkaUnreachable, the client's KafkaError."""
        return (await self.append_all([record]))[0]

    async def append_all(self, records: Iterable[Outgoing]) -> list[int]:
        """Write records, in order within a partition, and return their offsets. Raises as `append`."""
        listed = list(records)
        futures: list[asyncio.Future[Any]] = []
        try:
            futures = [
                await self._producer.send(
                    record.topic,
                    partition=record.partition,
                    key=record.key,
                    value=record.value,
                    headers=list(record.headers),
                )
                for record in listed
            ]
            self._sending.update(futures)
            return [done.offset for done in await asyncio.gather(*futures)]
        except (TopicAuthorizationFailedError, ClusterAuthorizationFailedError) as error:
            what = f"write {', '.join(sorted({record.topic for record in listed}))}"
            raise RightMissing(user=self._access.username, what=what, bootstrap=self._access.bootstrap) from error
        except KafkaConnectionError as error:
            raise unreachable(self._access, error) from error
        finally:
            self._sending.difference_update(futures)


def incoming(record: Any) -> Incoming:
    """A record of the client as ours."""
    if isinstance(record, Incoming):
        return record
    headers = tuple(record.headers)
    return Incoming(record.topic, record.partition, record.offset, record.timestamp, record.key, record.value, headers)


__all__ = [
    "FETCH_WAIT_MS",
    "NO_OFFSETS",
    "KafkaError",
    "LogReader",
    "LogWriter",
    "Place",
    "Reader",
    "TopicAuthorizationFailedError",
    "incoming",
    "record_at",
    "records_at",
]
