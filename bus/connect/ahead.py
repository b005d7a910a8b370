"""Reading a source a little ahead of Kafka."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Sequence

from bus.connect.source import SourceEvent
from bus.errors import BusError

WAITING_BATCHES = 4
"""Batches read ahead of Kafka; then the source waits."""

Read = Sequence[SourceEvent] | BaseException


@contextlib.asynccontextmanager
async def read_ahead(changes: AsyncIterator[Sequence[SourceEvent]]) -> AsyncIterator["asyncio.Queue[Read]"]:
    """Read the stream in a task of its own, a few batches ahead; its failure comes last in the queue."""
    queue: asyncio.Queue[Read] = asyncio.Queue(WAITING_BATCHES)

    async def pump() -> None:
        try:
            async for events in changes:
                await queue.put(events)
        except BusError as error:
            await queue.put(error)
        except Exception as error:  # noqa: BLE001 - handed to the one who waits for the queue, who raises it
            await queue.put(error)

    task = asyncio.create_task(pump())
    try:
        yield queue
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await changes.aclose()  # type: ignore[attr-defined] # the sources are async generators


def events_of(read: Read) -> Sequence[SourceEvent]:
    """What was read. Raises what reading failed with."""
    if isinstance(read, BaseException):
        raise read
    return read
