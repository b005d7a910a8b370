"""The ends of partitions, asked for many lanes at once, on a connection that does not fetch."""

import asyncio
from collections.abc import Iterable
from typing import Protocol

from bus.kafka.log import Place


class Asked(Protocol):
    """Who knows the ends: a `Fetching` that fetches nothing."""

    async def start(self) -> None:
        """Connect."""
        ...

    async def stop(self) -> None:
        """Close the connection."""
        ...

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """Ask the broker now."""
        ...


class Ends:
    """Asks for ends. Questions that come while one is under way go to the broker together, as the next one.

    An answer is never older than its question: nobody is given one that was on its way before they asked. A broker
    answers the questions of one connection in order, so that eight lanes with a question each would wait for seven
    others; asked together they wait for two at the most.
    """

    def __init__(self, reader: Asked) -> None:
        self._reader = reader
        self._wanted: set[Place] = set()
        self._answer: asyncio.Future[dict[Place, int]] | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        """Connect. Raises KafkaUnreachable."""
        await self._reader.start()

    async def stop(self) -> None:
        """Close the connection; who still waits is cancelled."""
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        if self._answer is not None:
            self._answer.cancel()
        await self._reader.stop()

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the newest record of each place, as of a moment after this call. Raises KafkaError."""
        listed = list(places)
        if self._answer is None:
            self._answer = asyncio.get_running_loop().create_future()
        answer = self._answer
        self._wanted.update(listed)
        if self._task is None or self._task.done():
            self._task = asyncio.create_task(self._ask(), name="ends")
        found = await asyncio.shield(answer)  # others wait for it too
        return {place: found[place] for place in listed}

    async def _ask(self) -> None:
        while self._answer is not None:
            wanted, self._wanted = self._wanted, set()
            answer, self._answer = self._answer, None
            try:
                found = await self._reader.ends(wanted)
            except asyncio.CancelledError:
                answer.cancel()
                raise
            except Exception as error:  # noqa: BLE001 - it belongs to those who asked
                answer.set_exception(error)
                answer.exception()  # whoever asked may have gone: then nobody misses it
            else:
                answer.set_result(found)
