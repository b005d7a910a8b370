"""A source that is quicker than Kafka waits; what it told before it failed comes first."""

import asyncio
from collections.abc import AsyncIterator, Sequence

import pytest

from bus.connect.ahead import WAITING_BATCHES, events_of, read_ahead
from bus.connect.source import Seen, SourceEvent
from bus.errors import SourceUnreachable

TURNS = 100
"""Of the event loop: enough for whoever could go on."""


async def turn() -> None:
    for _ in range(TURNS):
        await asyncio.sleep(0)


async def test_a_quick_source_waits_for_kafka() -> None:
    """No more than a few batches are held, however many the source has; each that is taken lets one more be read."""
    told = 0

    async def changes() -> AsyncIterator[Sequence[SourceEvent]]:
        nonlocal told
        while True:
            told += 1
            yield [Seen({"lsn": told})]

    async with read_ahead(changes()) as queue:
        await turn()
        assert told == WAITING_BATCHES + 1
        for number in range(1, 8):
            (event,) = events_of(await queue.get())
            assert event.position == {"lsn": number}
            await turn()
            assert told == WAITING_BATCHES + 1 + number


async def test_what_was_told_before_a_failure_comes_first() -> None:
    """The failure of a source takes its place behind the batches that were read before it."""

    async def changes() -> AsyncIterator[Sequence[SourceEvent]]:
        yield [Seen({"lsn": 1})]
        raise SourceUnreachable(connector="x", reason="a test")

    async with read_ahead(changes()) as queue:
        assert len(events_of(await queue.get())) == 1
        with pytest.raises(SourceUnreachable):
            events_of(await queue.get())
