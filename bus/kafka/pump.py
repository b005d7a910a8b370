"""A reader that runs ahead a little: fetched records wait in order, and their arrival wakes who waits for them."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence

from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, Reader
from bus.model.record import Incoming

POLL_MS = 1000


class Pump:
    """Fetches in the background; `wake` is set whenever something has come.

    At most `limit` records wait, and those that were put back; then fetching pauses until some are taken. A failure of
    fetching is raised by the next `take` or `until`.
    """

    def __init__(self, access: KafkaAccess, wake: asyncio.Event, *, committed: bool, limit: int = 5000) -> None:
        self._reader = Reader(access, committed=committed)
        self._wake = wake
        self._limit = limit
        self._waiting: deque[Incoming] = deque()
        self._reached: dict[Place, int] = {}
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, positions: Mapping[Place, int]) -> None:
        """Connect and begin to fetch."""
        await self._reader.start()
        self.assign(positions)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop fetching and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    def assign(self, positions: Mapping[Place, int]) -> None:
        """Fetch these places too, or anew: places known already go on where they are."""
        self._reached = {place: self._reached.get(place, offset) for place, offset in positions.items()}
        if self._reached:
            self._reader.assign(self._reached)

    @property
    def places(self) -> frozenset[Place]:
        """What is being fetched."""
        return frozenset(self._reached)

    def reached(self, place: Place) -> int:
        """The offset up to which everything has been fetched."""
        return self._reached[place]

    def __len__(self) -> int:
        return len(self._waiting)

    def take(self, limit: int) -> list[Incoming]:
        """The next records that wait, at most `limit`, each partition's in order."""
        self._raise_failure()
        take = self._waiting.popleft
        taken = [take() for _ in range(min(limit, len(self._waiting)))]
        self._moved.set()
        return taken

    def put_back(self, records: Sequence[Incoming]) -> None:
        """Let taken records wait again, in front."""
        self._waiting.extendleft(reversed(records))

    def waiting(self) -> Iterator[Incoming]:
        """What waits, untaken."""
        return iter(self._waiting)

    async def until(self, place: Place, offset: int) -> None:
        """Wait until everything below `offset` has been fetched, or until as much waits as may."""
        while self._reached[place] < offset and len(self._waiting) < self._limit:
            self._raise_failure()
            self._moved.clear()
            await self._moved.wait()

    def _raise_failure(self) -> None:
        if self._task is not None and self._task.done() and not self._task.cancelled():
            self._task.result()

    async def _run(self) -> None:
        try:
            while True:
                if len(self._waiting) >= self._limit or not self._reached:
                    self._moved.clear()
                    await self._moved.wait()
                    continue
                room = self._limit - len(self._waiting)
                self._take_in(await self._reader.poll_places(POLL_MS, max_records=room))
                await self._pass_markers()
        finally:
            self._moved.set()
            self._wake.set()

    def _take_in(self, found: Mapping[Place, list[Incoming]]) -> None:
        for place, records in found.items():
            reached = self._reached.get(place)
            if reached is None or not records:
                continue  # no longer asked for
            news = records if records[0].offset >= reached else [one for one in records if one.offset >= reached]
            if news:
                self._reached[place] = news[-1].offset + 1
                self._waiting.extend(news)
        if found:
            self._moved.set()
            self._wake.set()

    async def _pass_markers(self) -> None:
        """Offsets that hold no record, a transaction's marker for instance, are reached once nothing waits."""
        for place in [] if self._waiting else list(self._reached):
            position = await self._reader.position(place)
            if position > self._reached.get(place, position):
                self._reached[place] = position
                self._moved.set()
