"""`bus bench startup`: how long a router takes to serve: with what it kept, after a kill, and from nothing."""

import asyncio
import shutil
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import psutil

from bus import clock
from bus.bench.catchup import until_routed
from bus.bench.ground import Ground, Tell, ground
from bus.bench.measure import MEGABYTE, memory
from bus.bench.workload import Shape
from bus.errors import BenchFailed
from bus.platform.home import Home
from bus.settings import Settings
from bus.wiring import ROUTE

LOOK_SECONDS = 0.05
PATIENCE_SECONDS = 600.0


async def bench_startup(settings: Settings, tell: Tell, *, records: int, consents: int) -> dict[str, Any]:
    """One record a person, and so many consents; returns the figures. Raises BenchFailed when nothing moves."""
    async with ground(settings, tell, shape=Shape(subjects=records)) as bus:
        given = await bus.everybody_consents(at_most=consents)
        written = await bus.everybody()
        await bus.start_router()
        await until_routed(bus, written)
        await bus.stop_router()
        with_store = await _started(bus, bus.start_router)
        killed = await _started(bus, lambda: _killed_and_back(bus))
        await bus.stop_router()
        store = _store(bus)
        size = sum(file.stat().st_size for file in store.rglob("data.mdb"))
        shutil.rmtree(store)
        return {
            "bench": "startup",
            "records": records,
            "consents": given,
            "store_mb": size // MEGABYTE,
            "resumed": with_store,
            "killed": killed,
            "from_nothing": await _started(bus, bus.start_router),
        }


async def _started(bus: Ground, start: Callable[[], Awaitable[psutil.Process]]) -> dict[str, float]:
    """Seconds until every lane serves, and what the process used by then; memory without the pages of the store."""
    bus.tell("waiting until the lanes serve")
    begun = clock.monotonic()
    process = await start()
    seconds, times = clock.monotonic() - begun, process.cpu_times()
    own, mapped = memory(process)
    return {
        "seconds": round(seconds, 2),
        "cpu_seconds": round(times.user + times.system, 2),
        "memory_mb": own // MEGABYTE,
        "mapped_mb": mapped // MEGABYTE,
    }


async def _killed_and_back(bus: Ground) -> psutil.Process:
    """SIGKILL; the parent starts it again, and it says so when its lanes serve."""
    before, home = bus.supervisor.record(ROUTE.name).pid, Home.from_settings(bus.settings)
    bus.supervisor.kill(ROUTE.name)
    deadline = clock.monotonic() + PATIENCE_SECONDS
    while (said := home.endpoint(ROUTE.name)) is None or said["pid"] == before:
        if clock.monotonic() > deadline:
            raise BenchFailed(what="the killed router does not come back")
        await asyncio.sleep(LOOK_SECONDS)
    return psutil.Process(said["pid"])


def _store(bus: Ground) -> Path:
    """Where the lanes keep what they know."""
    return Home.from_settings(bus.settings).data / "route"
