"""A reader that runs ahead a little: fetched records wait in order, and their arrival wakes who waits for them."""

import asyncio
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice

from bus.kafka.access import KafkaAccess
from bus.kafka.fetching import Fetching, Part
from bus.kafka.log import Place
from bus.kafka.unended import Unended
from bus.model.record import Incoming


class Pump:
    """Fetches in the background; `wake` is set whenever something has come.

    At most `limit` records wait, and those that were put back; then fetching pauses until some are taken. One that is
    not `eager` pauses as soon as anything waits, until it is asked for `more` or for `news`: who is busy and takes all
    at once has no use for many small answers, and each costs the broker and us the same. A failure of fetching is
    raised by the next `take`, `until` or `news`.
    """

    def __init__(
        self, access: KafkaAccess, wake: asyncio.Event, *, committed: bool, limit: int = 5000, eager: bool = True
    ) -> None:
        self._fetching = Fetching(access, committed=committed)
        self._wake = wake
        self._limit = limit
        self._eager, self._wanted = eager, True
        self._answers, self._patient = 0, False
        self._waiting: deque[Incoming] = deque()
        self._reached: dict[Place, int] = {}
        self._watched: dict[Place, int] = {}
        self._told: Mapping[Place, int] = {}
        self._moved = asyncio.Event()
        self._task: asyncio.Task[None] | None = None

    async def start(self, positions: Mapping[Place, int]) -> None:
        """Connect and begin to fetch."""
        await self._fetching.start()
        self.assign(positions)
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop fetching and close the connection."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        await self._fetching.stop()

    def assign(self, positions: Mapping[Place, int]) -> None:
        """Fetch these places too, or anew: places known already go on where they are."""
        self._reached = {place: self._reached.get(place, offset) for place, offset in positions.items()}
        self._moved.set()

    @property
    def places(self) -> frozenset[Place]:
        """What is being fetched."""
        return frozenset(self._reached)

    def unended(self) -> dict[Place, Unended]:
        """Where somebody's transaction stands before what is fetched."""
        return {place: one for place, one in self._fetching.unended.items() if place in self._reached}

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

    def more(self) -> None:
        """Fetch what has come since, though something waits already."""
        self._wanted = True
        self._moved.set()

    async def news(self, enough: int) -> None:
        """Wait for what has come by now to be here; no longer than until so many wait, or somebody is `content`."""
        self.more()
        self._told = {}
        answers, self._patient = self._answers, True
        while self._patient and self._answers == answers and len(self._waiting) < min(enough, self._limit):
            self._raise_failure()
            self._moved.clear()
            await self._moved.wait()

    def content(self) -> None:
        """Let who waits for news go on with what is here."""
        self._patient = False
        self._moved.set()

    def put_back(self, records: Sequence[Incoming]) -> None:
        """Let taken records wait again, in front."""
        self._waiting.extendleft(reversed(records))
        self._told = {}

    def watch(self, ends: Mapping[Place, int]) -> None:
        """Have the ends of these places told with what is fetched; here they are as of now."""
        self._watched.update(ends)

    def told(self) -> Mapping[Place, int]:
        """The ends of the places watched, as they were after the newest record here was there; told once.

        Empty when nothing has come since they were last told, or since news were asked for, or was put back since; and
        where no answer can tell them, see `Fetching.fetch`. Then they must be asked for.
        """
        told, self._told = self._told, {}
        return told

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
                if not self._wanted or len(self._waiting) >= self._limit or not self._reached:
                    self._moved.clear()
                    await self._moved.wait()
                    continue
                self._wanted = self._eager
                answer = await self._fetching.fetch(self._reached, self._watched)
                self._told = answer.ends if answer.parts else {}
                self._watched.update(answer.ends)
                for part in answer.parts:
                    await self._take_in(part)
                self._wanted = self._wanted or not self._waiting  # nothing of it is for us to see
                self._answers += 1
                self._moved.set()
        finally:
            self._moved.set()
            self._wake.set()

    async def _take_in(self, part: Part) -> None:
        """Unpack no more at once than may wait: a step of the event loop must not be long."""
        records = iter(part)
        if part.place in self._reached:  # asked for last from now on: a broker fills its answer in the order asked
            self._reached[part.place] = self._reached.pop(part.place)
        while part.place in self._reached:
            if len(self._waiting) >= self._limit:
                self._moved.clear()
                await self._moved.wait()
                continue
            room = self._limit - len(self._waiting)
            found = list(islice(records, room))
            reached = self._reached.get(part.place)
            if reached is None:
                return  # no longer asked for
            self._waiting.extend(
                found if found and found[0].offset >= reached else (one for one in found if one.offset >= reached)
            )
            self._reached[part.place] = max(reached, part.reached)
            self._moved.set()
            if found:
                self._wake.set()
            if len(found) < room:
                return
            await asyncio.sleep(0)
