"""The watch over an event loop."""

import asyncio
import time

from bus.telemetry.loop import WINDOW_SECONDS, LoopWatch


def test_the_longest_of_the_last_minute() -> None:
    """The longest standstill is told until the window has gone by, and then the longest that came after it."""
    watch = LoopWatch()
    for now, late in ((0.0, 0.01), (1.0, 0.3), (2.0, 0.05), (3.0, 0.2), (4.0, 0.02)):
        watch.note(now, late)
    assert watch.longest_ms_at(4.0) == 300
    assert watch.longest_ms_at(1.5 + WINDOW_SECONDS) == 200
    assert watch.longest_ms_at(3.5 + WINDOW_SECONDS) == 20
    assert watch.longest_ms_at(5.0 + WINDOW_SECONDS) == 0


async def test_a_step_that_blocks_is_seen() -> None:
    """A step that holds the loop for 80 ms is told as at least so long, less the time the watch was to sleep anyway."""
    async with LoopWatch() as watch:
        await asyncio.sleep(0)
        begun = time.monotonic()
        while time.monotonic() < begun + 0.08:  # a computation, as the loop sees it
            pass
        async with asyncio.timeout(5):
            while watch.longest_ms() < 40:  # noqa: ASYNC110 - nothing to await: the watch wakes by itself
                await asyncio.sleep(0)
