"""Reading topics as one member of a consumer group, committed records only, acknowledged by the reader itself.

With every acknowledged offset goes, as its metadata, since when the reader can have missed no tombstone: the time at
which it last stood at the end of the partition, or began at its beginning; and the offset after the last record that it
was done with. A reader's own store that stands before that one is older than the group.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, NamedTuple

from aiokafka import AIOKafkaConsumer, ConsumerRebalanceListener, TopicPartition
from aiokafka.admin import AIOKafkaAdminClient
from aiokafka.errors import CommitFailedError, IllegalStateError, KafkaError
from aiokafka.structs import OffsetAndMetadata

from bus.clock import monotonic, now_ms
from bus.errors import AwayTooLong, CopyTooOld
from bus.kafka.access import KafkaAccess
from bus.kafka.log import FETCH_WAIT_MS, Place, incoming, polled
from bus.kafka.reach import closed, side_by_side, started, unreachable
from bus.kafka.silence import Silence
from bus.model.record import Incoming
from bus.topics import DAY_MS, LONGEST_ABSENCE_MS

COMMIT_SECONDS = 1.0
STILL_HERE_SECONDS = 60.0
"""How often a reader that has nothing to read writes down that it stands at the end."""

Begin = Callable[[Iterable[Place]], Awaitable[Mapping[Place, int]]]
"""Where the reader's own store has come to in these places; what it leaves out begins where the group stands."""


class Stood(NamedTuple):
    """Where a group stands. `since_ms` None: another tool has set it. `done` None: that is not known."""

    offset: int
    since_ms: int | None
    done: int | None


NOWHERE = Stood(0, None, None)


class GroupReader:
    """One member of `group`. What `poll` gave counts as read when `done` was called, and comes again otherwise."""

    def __init__(self, access: KafkaAccess, group: str, topics: Iterable[str], begin: Begin | None = None) -> None:
        self._access = access
        self._group = group
        self._topics = list(topics)
        self._begin = begin
        self._since: dict[Place, int] = {}
        self._last: dict[Place, int] = {}
        self._given: dict[Place, int] = {}
        self._done: dict[Place, int] = {}
        self._committed_at = monotonic()
        self._settled = False
        self._failure: BaseException | None = None
        self._consumer = AIOKafkaConsumer(
            **access.for_aiokafka(),
            group_id=group,
            isolation_level="read_committed",
            auto_offset_reset="earliest",
            enable_auto_commit=False,
            fetch_max_wait_ms=FETCH_WAIT_MS,
        )
        self._silence = Silence(self._consumer._client, access.bootstrap)  # noqa: SLF001 - it is asked who is there

    async def start(self) -> None:
        """Join the group. Raises KafkaUnreachable."""
        await started(self._consumer, self._access)
        self._consumer.subscribe(self._topics, listener=_Listener(self))

    async def stop(self) -> None:
        """Write down what is done, and leave the group."""
        try:
            await self._commit(self._done)
        finally:
            await closed(self._consumer)

    async def poll(self, timeout_ms: int, max_records: int) -> list[Incoming]:
        """Records of the places that this member has now, in order within each; none when the time is over.

        Raises AwayTooLong when tombstones may be gone that were written since the group last read a place, CopyTooOld
        when its store stands where they may be.
        """
        found = await polled(self._consumer, timeout_ms, max_records)
        await self._silence.note(something=bool(found))
        if self._failure is not None:
            raise self._failure
        if not self._settled:  # the client reads before it tells what it was given; `taken` seeks all of it
            return []
        records = [incoming(record) for listed in found.values() for record in listed]
        self._given = {Place(one.topic, one.partition): one.offset + 1 for one in records}
        return records

    async def visible(self) -> set[str]:
        """Every topic that this user may see. Raises KafkaUnreachable."""
        try:
            found: set[str] = await self._consumer.topics()
        except KafkaError as error:
            raise unreachable(self._access, error) from error
        return found

    async def read_too(self, topics: Iterable[str]) -> None:
        """Read all these topics from now on: the group deals its places out anew."""
        await self.left()
        self._consumer.subscribe(sorted(topics), listener=_Listener(self))

    async def done(self) -> None:
        """What the last poll gave has been dealt with."""
        mine = self._consumer.assignment()
        done = {place: offset for place, offset in self._given.items() if TopicPartition(*place) in mine}
        self._done, self._last, self._given = self._done | done, self._last | done, {}
        for place in [Place(one.topic, one.partition) for one in mine]:
            if await self._at_end(place):
                self._since[place] = now_ms()
        elapsed = monotonic() - self._committed_at
        if elapsed >= STILL_HERE_SECONDS:
            await self._commit({place: self._done.get(place, -1) for place in self._since})
        elif self._done and elapsed >= COMMIT_SECONDS:
            await self._commit(self._done)

    async def _at_end(self, place: Place) -> bool:
        """As far as the broker has said; everything given is done when this is asked."""
        partition = TopicPartition(*place)
        try:
            end = self._consumer.last_stable_offset(partition)
            return end is not None and end >= 0 and await self._consumer.position(partition) >= end
        except IllegalStateError:  # taken away meanwhile
            return False

    async def _commit(self, offsets: Mapping[Place, int]) -> None:
        """Write offsets (-1: the one where the place stands) with the times of their places."""
        listed: dict[TopicPartition, OffsetAndMetadata] = {}
        for place, offset in offsets.items():
            partition = TopicPartition(*place)
            if partition in self._consumer.assignment():
                where = offset if offset >= 0 else await self._consumer.position(partition)
                listed[partition] = OffsetAndMetadata(where, self._metadata(place))
        self._done, self._committed_at = {}, monotonic()
        if listed:
            try:
                await self._consumer.commit(listed)
            except (CommitFailedError, IllegalStateError):
                return  # the places went to another member, who reads them again from where they stand

    async def taken(self, places: list[Place]) -> None:
        """These places are this member's now: check how long nobody read them, and begin where the store stands."""
        try:
            stood = await self._stood() if places else {}
            begins = await self._begin(places) if self._begin and places else {}
            now, offsets = now_ms(), dict[Place, int]()
            for place in places:
                group = stood.get(place, NOWHERE)
                offset = offsets[place] = begins.get(place, group.offset)
                since = now if group.since_ms is None or not offset else group.since_ms
                self._since[place] = self._within_reach(place, since, now)
                if group.done is not None:
                    self._last[place] = group.done
                if begins.get(place) and (group.since_ms is None or offset < (group.done or 0)):
                    await self._require_young(place, offset, group.done, now)
            for place, offset in offsets.items():  # without a pause: what is polled between them is thrown away
                self._consumer.seek(TopicPartition(*place), offset)
            self._settled = True
        except Exception as error:  # noqa: BLE001 - raised by the next poll: the client would only log it here
            self._failure = error

    def _within_reach(self, place: Place, since: int, now: int) -> int:
        if now - since > LONGEST_ABSENCE_MS:
            raise AwayTooLong(group=self._group, topic=place.topic, days=(now - since) // DAY_MS)
        return since

    async def _require_young(self, place: Place, offset: int, done: int | None, now: int) -> None:
        """Return where all that a store lacks is young enough, as far as its group knows or tells. Raises CopyTooOld.

        After the last record that a store has read comes the marker of its transaction, and may be all that is old.
        """
        partition, oldest = TopicPartition(*place), now - LONGEST_ABSENCE_MS
        ends = await self._consumer.end_offsets([partition])
        found = (await self._consumer.offsets_for_times({partition: oldest}))[partition]
        young = ends[partition] if found is None else found.offset
        if young > offset + 1 or (done is not None and young >= done):
            raise CopyTooOld(group=self._group, topic=place.topic, days=LONGEST_ABSENCE_MS // DAY_MS)

    def _metadata(self, place: Place) -> str:
        since, last = self._since.get(place, now_ms()), self._last.get(place)
        return f"{since}" if last is None else f"{since} {last}"

    async def left(self) -> None:
        """The places are about to be dealt out anew."""
        self._settled = False
        await self._commit(self._done)
        self._since, self._last, self._given = {}, {}, {}

    async def _stood(self) -> dict[Place, Stood]:
        admin = AIOKafkaAdminClient(**self._access.for_aiokafka())
        side_by_side(admin._client)  # noqa: SLF001 - before it starts
        await admin.start()
        try:
            found = await admin.list_consumer_group_offsets(self._group)
        finally:
            await admin.close()
        return {
            Place(partition.topic, partition.partition): Stood(stood.offset, *_numbers(stood.metadata))
            for partition, stood in found.items()
            if stood.offset >= 0
        }


def _numbers(metadata: str) -> tuple[int | None, int | None]:
    """The one or two numbers that a reader of ours wrote; none where somebody else did."""
    told = metadata.split(" ")
    if not (metadata.isascii() and all(one.isdigit() for one in told) and len(told) <= 2):
        return None, None
    return int(told[0]), int(told[1]) if len(told) > 1 else None


class _Listener(ConsumerRebalanceListener):
    def __init__(self, reader: GroupReader) -> None:
        self._reader = reader

    async def on_partitions_revoked(self, revoked: Any) -> None:
        if revoked:
            await self._reader.left()

    async def on_partitions_assigned(self, assigned: Any) -> None:
        await asyncio.shield(self._reader.taken([Place(one.topic, one.partition) for one in sorted(assigned)]))
