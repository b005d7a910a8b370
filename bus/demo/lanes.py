"""Follows the committed positions of all lanes: what has taken effect, when, and what is still to be done."""

import asyncio
import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass

from bus.avro.own import Message, OwnMessages
from bus.clock import monotonic
from bus.errors import NotQuiet
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, Reader
from bus.model.record import Incoming
from bus.topics import Topics

POLL_MS = 500


@dataclass(frozen=True, slots=True)
class Goals:
    """Up to where every lane must have come."""

    consents: Mapping[int, int]
    """Lane → offset after its last event."""

    register: int
    """Offset after the last fact."""

    changes: Mapping[tuple[str, int], int]
    """Dataset and lane → offset of the last change there; transaction markers take offsets too, and do not count."""

    standings: Mapping[str, str]
    """Agreement → how its cursors must begin."""


class LaneWatch:
    """The newest position and cursors of every lane, as a `read_committed` reader of `lane-state` sees them."""

    def __init__(self, access: KafkaAccess, topics: Topics, messages: OwnMessages) -> None:
        self._reader = Reader(access, committed=True)
        self._topics = topics
        self._messages = messages
        self._positions: dict[int, Message] = {}
        self._cursors: dict[tuple[int, str], Message] = {}
        self._moved = asyncio.Condition()
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Read from the beginning, and go on in the background."""
        places = [Place(self._topics.lane_state, lane) for lane in range(self._topics.lanes)]
        await self._reader.start()
        self._reader.assign(await self._reader.beginnings(places))
        self._task = asyncio.create_task(self._follow(), name="lane-watch")

    async def stop(self) -> None:
        """End and close the connection."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
        await self._reader.stop()

    async def until_effective(self, lane: int, offset: int, timeout_seconds: float) -> float:
        """Wait until the consent event at an offset has taken effect; returns when that was, by `monotonic`.

        Raises NotQuiet at the deadline.
        """
        await self.until(lambda: self._late(lane, offset), timeout_seconds)
        return monotonic()

    async def until(self, missing: Callable[[], list[str]], timeout_seconds: float) -> None:
        """Wait until nothing is missing; `missing` is asked after each step of a lane. Raises NotQuiet."""
        try:
            async with asyncio.timeout(timeout_seconds), self._moved:
                while missing():
                    self._raise_if_ended()
                    await self._moved.wait()
        except TimeoutError:
            raise NotQuiet(seconds=timeout_seconds, waited_for="; ".join(missing()[:5])) from None

    def behind(self, goals: Goals) -> list[str]:
        """What the lanes have still to do to reach the goals, in words."""
        return [f"lane {lane}: {words}" for lane in range(self._topics.lanes) for words in self._behind(lane, goals)]

    def _behind(self, lane: int, goals: Goals) -> Iterator[str]:
        position = self._positions.get(lane)
        if position is None:
            yield "has not begun"
            return
        if position["consents_offset"] < goals.consents.get(lane, 0):
            yield "consents to be read"
        if position["register_offset"] < goals.register:
            yield "facts to be read"
        for (dataset, of_lane), last in goals.changes.items():
            if of_lane == lane and position["inputs"].get(dataset, 0) <= last:
                yield f"changes of {dataset} to be judged"
        for agreement, standing in goals.standings.items():
            cursor = self._cursors.get((lane, agreement))
            if cursor is None or not cursor["done"] or not cursor["standing"].startswith(standing):
                yield f"records to be judged anew under {agreement}"

    def _late(self, lane: int, offset: int) -> list[str]:
        position = self._positions.get(lane)
        reached = position is not None and position["consents_offset"] > offset
        return [] if reached else [f"lane {lane} to pass consent event {offset}"]

    def _raise_if_ended(self) -> None:
        if self._task is not None and self._task.done():
            self._task.result()

    async def _follow(self) -> None:
        while True:
            records = await self._reader.poll(POLL_MS)
            for record in records:
                await self._take(record)
            async with self._moved:
                self._moved.notify_all()

    async def _take(self, record: Incoming) -> None:
        key = record.key or b""
        if record.value is None:
            return
        if key == b"position":
            self._positions[record.partition] = await self._messages.decode(record.value)
        elif key.startswith(b"cursor/"):
            agreement = key.removeprefix(b"cursor/").decode()
            self._cursors[record.partition, agreement] = await self._messages.decode(record.value)
