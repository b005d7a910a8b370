"""Follows the lanes of `consents` and `lane-state` while the process lives, through every failure that passes."""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping

from bus.avro.own import OwnMessages
from bus.clock import monotonic
from bus.errors import BusError, RecordUnreadable, SchemaUnknown, TopicReplaced
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import KafkaError, Place, Reader
from bus.model.record import Incoming
from bus.telemetry import Event, emit, told_of
from bus.topics import Topics

POLL_MS = 1000
TAIL = 1000
"""So far before the end of a lane's state its newest position is looked for first; then from the beginning."""

POSITION_KEY = b"position"

FIRST_PAUSE_SECONDS, LONGEST_PAUSE_SECONDS = 0.2, 5.0

Apply = Callable[[Incoming], Awaitable[None]]


class Effects:
    """How far each lane has come: the offset in `consents` below which every event has taken effect."""

    def __init__(self, messages: OwnMessages, consents: str) -> None:
        self._messages = messages
        self._reached: dict[int, int] = {}
        self._consents = consents
        self._consents_id: str | None = None

    def belong_to(self, consents_id: str | None) -> None:
        """Let count only positions in the topic of this id. Raises TopicReplaced where they were of another one."""
        if self._consents_id not in {None, consents_id}:
            raise TopicReplaced(topic=self._consents)
        self._consents_id = consents_id

    def is_effective(self, lane: int, offset: int) -> bool:
        """Whether the lane has committed a position beyond the event at `offset`."""
        return self._reached.get(lane, 0) > offset

    def knows(self, lane: int) -> bool:
        """Whether a position of the lane has been read."""
        return lane in self._reached

    async def apply(self, record: Incoming) -> None:
        """Take in one record of `lane-state`; all but positions are passed over."""
        if record.key != POSITION_KEY or record.value is None:
            return
        try:
            position = await self._messages.decode(record.value)
            if position.get("topics", {}).get(self._consents, self._consents_id) == self._consents_id:
                self._reached[record.partition] = int(position["consents_offset"])
        except (RecordUnreadable, SchemaUnknown, KeyError):
            emit(Event.POSITION_UNREADABLE, lane=record.partition, offset=record.offset)


class Follower:
    """Hands every record to `apply`, once and in order within its place; what waits for progress is woken."""

    def __init__(self, access: KafkaAccess, topics: Topics, consents: Apply, effects: Effects) -> None:
        self._access = access
        self._effects = effects
        self._apply: dict[str, Apply] = {topics.consents: consents, topics.lane_state: effects.apply}
        self._consents = [Place(topics.consents, lane) for lane in range(topics.lanes)]
        self._states = [Place(topics.lane_state, lane) for lane in range(topics.lanes)]
        self._reached: dict[Place, int] = {}
        self._reader: Reader | None = None
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read everything that is there, then go on in the background. Raises KafkaUnreachable."""
        self._reader = reader = await self._connect()
        places = [*self._consents, *self._states]
        oldest, ends = await reader.beginnings(places), await reader.ends(places)
        near = {place: max(oldest[place], ends[place] - TAIL) for place in self._states}
        await self._read(reader, {place: oldest[place] for place in self._consents} | near, ends)
        sought = [place for place in self._states if not self._effects.knows(place.partition)]
        again = {place: oldest[place] for place in sought if near[place] > oldest[place]}
        if again:
            await self._read(reader, self._reached | again, ends)
        self._task = asyncio.create_task(self._run(), name="follow")

    async def stop(self) -> None:
        """End, and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._reader is not None:
            await self._reader.stop()

    @property
    def is_well(self) -> bool:
        """Whether records are being read now; False while the broker does not answer."""
        return self._reader is not None

    async def until_read(self, place: Place, timeout_seconds: float) -> bool:
        """Wait until everything that lies in a place now has been taken in; False at the deadline."""
        if self._reader is None:
            return False
        try:
            async with asyncio.timeout(timeout_seconds):
                end = (await self._reader.ends([place]))[place]
                await self.until(lambda: self._reached[place] >= end, timeout_seconds)
        except (TimeoutError, KafkaError):
            return False
        return self._reached[place] >= end

    async def until(self, holds: Callable[[], bool], timeout_seconds: float) -> bool:
        """Wait until something holds that follows from what was read; False at the deadline."""
        try:
            async with asyncio.timeout(timeout_seconds), self._moved:
                await self._moved.wait_for(holds)
        except TimeoutError:
            return False
        return True

    async def _connect(self) -> Reader:
        """Where nobody has made `consents` anew meanwhile. Raises KafkaUnreachable, TopicReplaced."""
        topic, reader = self._consents[0].topic, Reader(self._access)
        await reader.start()
        try:
            self._effects.belong_to((await Admin(self._access).topic_ids([topic])).get(topic))
        except BusError:
            await reader.stop()
            raise
        return reader

    async def _read(self, reader: Reader, positions: Mapping[Place, int], ends: Mapping[Place, int]) -> None:
        self._reached = dict(positions)
        reader.assign(positions)
        async for records in reader.to_ends(ends):
            await self._take(records)
        await self._pass_markers(reader)

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            began = monotonic()
            try:
                await self._follow()
            except Exception as error:  # noqa: BLE001 - who ends here unseen would call itself ready, and tell old standings
                emit(Event.FOLLOWING_FAILED, error=told_of(error), again_in_seconds=pause)
            if monotonic() - began > LONGEST_PAUSE_SECONDS:
                pause = FIRST_PAUSE_SECONDS
            await self._disconnect()
            await asyncio.sleep(pause)
            pause = min(LONGEST_PAUSE_SECONDS, pause * 2)

    async def _follow(self) -> None:
        if self._reader is None:
            reader = await self._connect()
            reader.assign(self._reached)
            self._reader = reader
        while True:
            await self._take(await self._reader.poll(POLL_MS))
            await self._pass_markers(self._reader)

    async def _disconnect(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            with contextlib.suppress(KafkaError, OSError):
                await reader.stop()

    async def _take(self, records: Iterable[Incoming]) -> None:
        for record in records:
            await self._apply[record.topic](record)
            self._reached[Place(record.topic, record.partition)] = record.offset + 1

    async def _pass_markers(self, reader: Reader) -> None:
        """Offsets that hold no record, a transaction's end for instance, count as read too."""
        for place in self._reached:
            self._reached[place] = await reader.position(place)
        async with self._moved:
            self._moved.notify_all()
