"""How long an event loop stood still: while it does, no lane moves and nobody is told that the process lives."""

import asyncio
from collections import deque
from typing import Self

from bus import clock

PERIOD_SECONDS = 0.02
WINDOW_SECONDS = 10.0


class LoopWatch:
    """Sleeps a moment again and again, and notes by how much it woke too late. Runs while its context is open."""

    def __init__(self) -> None:
        self._late: deque[tuple[float, float]] = deque()
        self._task: asyncio.Task[None] | None = None

    async def __aenter__(self) -> Self:
        self._task = asyncio.create_task(self._run(), name="loop-watch")
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)

    def longest_ms(self) -> float:
        """The longest standstill of the last ten seconds."""
        return self.longest_ms_at(clock.monotonic())

    def longest_ms_at(self, now: float) -> float:
        """The same, as of a moment of the monotonic clock."""
        self._forget(now)
        return round(self._late[0][1] * 1000, 1) if self._late else 0.0

    async def _run(self) -> None:
        while True:
            due = clock.monotonic() + PERIOD_SECONDS
            await asyncio.sleep(PERIOD_SECONDS)
            self.note(clock.monotonic(), clock.monotonic() - due)

    def note(self, now: float, late: float) -> None:
        """Keep what can still be the longest of the time to come: later ones hide earlier ones that are shorter."""
        while self._late and self._late[-1][1] <= late:
            self._late.pop()
        self._late.append((now, late))
        self._forget(now)

    def _forget(self, now: float) -> None:
        while self._late and self._late[0][0] < now - WINDOW_SECONDS:
            self._late.popleft()
