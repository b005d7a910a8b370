"""`bus bench route`: as many changes as given, through a router process, every guarantee on."""

import asyncio
from typing import Any

import psutil

from bus import clock
from bus.bench.ground import Ground, Tell, ground
from bus.bench.measure import MEGABYTE, Moment, between, compiled, memory, moment
from bus.bench.positions import Positions
from bus.bench.workload import DATASET, Expected, Shape
from bus.errors import BenchFailed
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place
from bus.kafka.whole import whole
from bus.settings import Settings

LOOK_SECONDS = 0.25
STALLED_SECONDS = 60.0


async def bench_route(settings: Settings, tell: Tell, *, records: int, shape: Shape) -> dict[str, Any]:
    """Run it and return the figures. Raises BenchFailed when what came out is not what must have."""
    async with ground(settings, tell, shape=shape) as bus:
        consents = await bus.everybody_consents()
        expected = await bus.changes(records)
        run = Run(bus, expected)
        await run.start()
        try:
            moments = await run.until_done()
        finally:
            await run.stop()
        erasures = await _check(bus, expected)
        return {
            "bench": "route",
            "records": records,
            "subjects": shape.subjects,
            "consents": consents,
            "erasures": erasures,
            "whole": between(moments[0], moments[-1]).as_json(),
            "warm": between(_half(moments), moments[-1]).as_json(),
            "peak_memory_mb": run.peak_bytes // MEGABYTE,
            "compiled": compiled(),
        }


class Run:
    """The router at work, watched from outside. `peak_bytes` are its own, beside the pages of its store."""

    def __init__(self, bus: Ground, expected: Expected, patience_seconds: float = STALLED_SECONDS) -> None:
        self._patience_seconds = patience_seconds
        self.peak_bytes = 0
        self._bus = bus
        self._expected = expected
        self._positions = Positions(bus.access, bus.topics, bus.messages)

    async def start(self) -> None:
        """Start the router."""
        await self._positions.start()
        self._router = await self._bus.start_router()

    async def stop(self) -> None:
        """Close the watcher's connections; the router ends with its bus."""
        await self._positions.stop()

    async def until_done(self) -> list[Moment]:
        """Every moment from the first change to the last. Raises BenchFailed when nothing moves any more."""
        moments: list[Moment] = []
        moved, ends = clock.monotonic(), self._expected.ends()
        total, _ = self._expected.upto(ends)
        while not moments or moments[-1].records < total:
            await self._positions.now()
            done, deliveries = self._expected.upto(self._positions.offsets(DATASET))
            self._bus.tell(f"{done:,} of {total:,} changes routed, {deliveries:,} deliveries")
            self._see(self._router)
            if done and (not moments or done > moments[-1].records):
                moments.append(moment(self._router, done, deliveries))
                moved = clock.monotonic()
            if clock.monotonic() - moved > self._patience_seconds:
                raise BenchFailed(what=f"the router stands still after {done} of {total} changes")
            await asyncio.sleep(LOOK_SECONDS)
        return moments

    def _see(self, process: psutil.Process) -> None:
        self.peak_bytes = max(self.peak_bytes, memory(process)[0])


def _half(moments: list[Moment]) -> Moment:
    """The first moment when half was done: from then on everything is warm."""
    return next(one for one in moments if one.records * 2 >= moments[-1].records)


async def _check(bus: Ground, expected: Expected) -> int:
    """What the agencies' topics hold, counted by another reader, must be what the workload says.

    Returns the erasures, which come on top: a person who dies leaves the tax office's filter.
    """
    erasures = 0
    for agreement, topic in bus.agency_topics().items():
        released, erased = await counted(bus.access, [Place(topic, lane) for lane in range(bus.topics.lanes)])
        bus.tell(f"{released:,} deliveries under {agreement} counted")
        erasures += erased
        if released != expected.by_agreement[agreement]:
            due = expected.by_agreement[agreement]
            raise BenchFailed(what=f"{agreement} got {released} deliveries, and should have got {due}")
    return erasures


async def counted(access: KafkaAccess, places: list[Place]) -> tuple[int, int]:
    """How many releases and how many erasures were committed in these places."""
    released = erased = 0
    async for records in whole(access, places):
        empty = sum(record.value is None for record in records)
        released, erased = released + len(records) - empty, erased + empty
    return released, erased
