"""`bus bench catchup`: what exists already is delivered under an agreement, beside changes that come steadily."""

import asyncio
from dataclasses import dataclass
from typing import Any

import psutil

from bus import clock
from bus.bench.ground import Ground, Tell, ground
from bus.bench.latency import WARM_SECONDS, Arrivals, until_consents_count, write_steadily
from bus.bench.measure import Moment, between, milliseconds, moment
from bus.bench.positions import Positions
from bus.bench.reports import Reports
from bus.bench.workload import DATASET, Expected
from bus.errors import BenchFailed
from bus.kafka.log import Place, Reader
from bus.kafka.whole import whole
from bus.settings import Settings
from bus.wiring import registrar_of

AGREEMENT = "person-to-tax"
"""By law and for the living: held up while the records are written, it owes every one of them when it goes on."""

LOOK_SECONDS = 0.5
STALLED_SECONDS = 120.0


@dataclass(frozen=True, slots=True)
class Backlog:
    """So many records wait, while changes of so many other people come at a rate a second."""

    records: int
    rate: int
    subjects: int
    idle_seconds: float = 15.0
    """How long the changes are measured before the catch-up begins."""


async def bench_catchup(settings: Settings, tell: Tell, backlog: Backlog) -> dict[str, Any]:
    """Returns the figures. Raises BenchFailed when nothing moves, or not every record was delivered."""
    async with ground(settings, tell, subjects=backlog.subjects) as bus:
        await bus.everybody_consents()
        router = await bus.start_router()
        await until_consents_count(bus)
        await hold_up(bus, "paused")
        await until_routed(bus, await bus.strangers(backlog.records))
        return {"bench": "catchup", "records": backlog.records, "rate": backlog.rate} | await _measured(
            bus, router, backlog
        )


async def _measured(bus: Ground, router: psutil.Process, backlog: Backlog) -> dict[str, Any]:
    live = [topic for name, topic in bus.agency_topics().items() if name != AGREEMENT]
    arrivals, cursors, reports = Arrivals(bus, live), Cursors(bus), Reports(bus)
    await asyncio.gather(arrivals.start(), cursors.start(), reports.start())
    load = asyncio.create_task(write_steadily(bus, rate=backlog.rate, seconds=24 * 3600))
    try:
        await asyncio.sleep(WARM_SECONDS + backlog.idle_seconds)
        idle = len(arrivals.seconds)
        begun = moment(router, 0, 0)
        await hold_up(bus, "resumed")
        await cursors.until_done()
        ended = moment(router, backlog.records, backlog.records)
        during = arrivals.seconds[idle:]
    finally:
        load.cancel()
        await asyncio.gather(load, return_exceptions=True)
        await asyncio.gather(arrivals.stop(), cursors.stop(), reports.stop())
    await _check(bus, backlog.records)
    return _figures(arrivals.seconds[:idle], during, begun, ended) | {"loop_max_ms": reports.loop_max_ms}


def _figures(idle: list[float], during: list[float], begun: Moment, ended: Moment) -> dict[str, Any]:
    before, meanwhile, stretch = milliseconds(idle), milliseconds(during), between(begun, ended)
    return {
        "seconds": round(stretch.seconds, 2),
        "records_per_second": round(stretch.records / stretch.seconds),
        "router_cpu_seconds": round(stretch.cpu_seconds, 2),
        "live_idle_ms": before,
        "live_meanwhile_ms": meanwhile,
        "times_idle": {name: round(meanwhile[name] / before[name], 2) for name in ("p50", "p99") if before.get(name)},
    }


async def hold_up(bus: Ground, action: str) -> int:
    """Pause the agreement's route, let it go on, or have it judged again; returns the offset of the fact."""
    async with registrar_of(bus.settings) as registrar:
        return await registrar.step_route(AGREEMENT, action, "a measurement")


async def until_routed(bus: Ground, expected: Expected) -> None:
    """Wait until every change has been judged. Raises BenchFailed when nothing moves."""
    positions = Positions(bus.access, bus.topics, bus.messages)
    await positions.start()
    try:
        total, _ = expected.upto(expected.ends())
        done, moved = -1, clock.monotonic()
        while done < total:
            await positions.now()
            now, _ = expected.upto(positions.offsets(DATASET))
            if now > done:
                done, moved = now, clock.monotonic()
            bus.tell(f"{done:,} of {total:,} records judged")
            if clock.monotonic() - moved > STALLED_SECONDS:
                raise BenchFailed(what=f"the router stands still after {done} of {total} records")
            await asyncio.sleep(LOOK_SECONDS)
    finally:
        await positions.stop()


async def _check(bus: Ground, records: int) -> None:
    """Every record that waited was delivered once, beside what the live changes brought."""
    old, places = 0, [Place(bus.agency_topics()[AGREEMENT], lane) for lane in range(bus.topics.lanes)]
    async for found in whole(bus.access, places):
        old += sum((record.key or b"").startswith(b"1") and record.value is not None for record in found)
        bus.tell(f"{old:,} deliveries counted")
    if old != records:
        raise BenchFailed(what=f"{old} of {records} records were delivered")


class Cursors:
    """Follows how far the lanes' catch-up has come, from its start on."""

    def __init__(self, bus: Ground) -> None:
        self._bus = bus
        self._reader = Reader(bus.access, committed=True)
        self._done: set[int] = set()
        self._moved = asyncio.Event()

    async def start(self) -> None:
        """Read `lane-state` on from its end."""
        await self._reader.start()
        places = [Place(self._bus.topics.lane_state, lane) for lane in range(self._bus.topics.lanes)]
        self._reader.assign(await self._reader.ends(places))
        self._task = asyncio.create_task(self._run(), name="cursors")

    async def stop(self) -> None:
        """Read no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    async def until_done(self) -> None:
        """Wait until every lane has caught up. Raises BenchFailed when nothing moves."""
        try:
            while len(self._done) < self._bus.topics.lanes:
                self._moved.clear()
                async with asyncio.timeout(STALLED_SECONDS):
                    await self._moved.wait()
        except TimeoutError:
            raise BenchFailed(what=f"the catch-up stands still; done in lanes {sorted(self._done)}") from None

    async def _run(self) -> None:
        while True:
            for record in await self._reader.poll(1000):
                if record.key == f"cursor/{AGREEMENT}".encode() and record.value is not None:
                    cursor = await self._bus.messages.decode(record.value)
                    self._moved.set()
                    if cursor["done"]:
                        self._done.add(record.partition)
                        self._bus.tell(f"{len(self._done)} of {self._bus.topics.lanes} lanes have caught up")
