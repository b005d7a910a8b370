"""`bus bench withdraw`: how long from the append of a withdrawal to the committed position that has passed it."""

import asyncio
from typing import Any

from bus import clock
from bus.bench.ground import Ground, Tell, ground
from bus.bench.latency import until_consents_count, write_steadily
from bus.bench.measure import milliseconds
from bus.bench.workload import Person
from bus.errors import BenchFailed
from bus.kafka.log import Place, Reader
from bus.model.consent import ConsentAction
from bus.route.load import position_of
from bus.settings import Settings

LONGEST_SECONDS = 30.0


async def bench_withdraw(
    settings: Settings, tell: Tell, *, withdrawals: int, rate: int, subjects: int
) -> dict[str, Any]:
    """Withdrawals one after another while changes come at a rate; returns the figures. Raises BenchFailed."""
    async with ground(settings, tell, subjects=subjects) as bus:
        await bus.everybody_consents()
        await bus.start_router()
        await until_consents_count(bus)
        load = asyncio.create_task(_load(bus, rate))
        watch = _Watch(bus)
        await watch.start()
        try:
            durations = [await watch.withdraw(*one) for one in _chosen(bus, withdrawals)]
        finally:
            load.cancel()
            await asyncio.gather(load, return_exceptions=True)
            await watch.stop()
        return {
            "bench": "withdraw",
            "withdrawals": withdrawals,
            "rate": rate,
            "append_to_effective_ms": milliseconds(durations),
        }


async def _load(bus: Ground, rate: int) -> None:
    if rate:
        await write_steadily(bus, rate=rate, seconds=24 * 3600)


def _chosen(bus: Ground, count: int) -> list[tuple[Person, str]]:
    pairs = [(person, name) for person in bus.nation.people for name in sorted(person.consents)]
    return pairs[:: max(1, len(pairs) // count)][:count]


class _Watch:
    """Follows the lanes' committed positions."""

    def __init__(self, bus: Ground) -> None:
        self._bus = bus
        self._reader = Reader(bus.access, committed=True)
        self._reached: dict[int, int] = {}
        self._moved = asyncio.Event()

    async def start(self) -> None:
        """Read `lane-state` on from its end."""
        await self._reader.start()
        places = [Place(self._bus.topics.lane_state, lane) for lane in range(self._bus.topics.lanes)]
        self._reader.assign(await self._reader.ends(places))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    async def withdraw(self, person: Person, agreement: str) -> float:
        """Seconds from the append of one withdrawal until it holds."""
        event = self._bus.consent(person, agreement, ConsentAction.WITHDRAW)
        begun = clock.monotonic()
        offset = await self._bus.consents.append(event)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                while self._reached.get(person.lane, 0) <= offset:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise BenchFailed(what=f"a withdrawal in lane {person.lane} took no effect") from None
        return clock.monotonic() - begun

    async def _run(self) -> None:
        while True:
            for record in await self._reader.poll(1000):
                if record.key == b"position" and record.value is not None:
                    position = position_of(await self._bus.messages.decode(record.value))
                    self._reached[record.partition] = position.consents_offset
                    self._moved.set()
