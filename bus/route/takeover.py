"""Tells the register that the first day of a scheduled text has come, so that every lane changes over at one offset."""

import asyncio
import contextlib

from bus import clock
from bus.errors import BusError
from bus.kafka.log import KafkaError
from bus.register.days import facts_of_the_day, scheduled
from bus.register.log import Register, RegisterWriter
from bus.telemetry import Event, emit, told_of

LONGEST_WAIT_SECONDS = 60.0
"""Clocks are set and machines sleep: the day is looked at again after this long, whatever was reckoned."""

PAUSE_SECONDS = 1.0
"""Before a day is told again that the broker's clock, being behind, did not take yet; doubled each time."""


class TakeOver:
    """Each router tells of the day; the fold takes the first one, so they need not agree on who does."""

    def __init__(self, register: Register, writer: RegisterWriter, *, by: str) -> None:
        self._register = register
        self._writer = writer
        self._by = by
        self._news = asyncio.Event()

    def wake(self) -> None:
        """The register has grown: there may be a new day to wait for."""
        self._news.set()

    async def run(self) -> None:
        """Wait for days and tell of them, for ever."""
        pause = PAUSE_SECONDS
        while True:
            self._news.clear()
            try:
                told = await self.tell()
            except (KafkaError, BusError) as error:
                emit(Event.DAY_NOT_TOLD, reason=told_of(error))
                told = True
            if told:  # what was told wakes this too, so only the pause keeps from telling it in a circle
                await asyncio.sleep(pause)
                pause = min(pause * 2, LONGEST_WAIT_SECONDS)
                continue
            pause = PAUSE_SECONDS
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), self._seconds_to_next())

    async def tell(self) -> bool:
        """Tell of each day that has come, by the clock of this machine; whether there was one that had not counted."""
        facts = facts_of_the_day(await self._register.newest(), clock.now_ms(), self._by)
        if facts:
            await self._writer.append(*facts)
        return bool(facts)

    def _seconds_to_next(self) -> float:
        next_ms = min(scheduled(self._register.state).values(), default=None)
        if next_ms is None:
            return LONGEST_WAIT_SECONDS
        return min(LONGEST_WAIT_SECONDS, max(0.0, (next_ms - clock.now_ms()) / 1000))
