"""`bus bench latency`: how long from the append of a change to its arrival at a reader of committed records."""

import asyncio
import contextlib
from collections.abc import Mapping
from typing import Any

from bus import clock
from bus.avro.codec import Parsed, decode
from bus.avro.frame import BODY_START, schema_id_of
from bus.bench.ground import Ground, Tell, ground
from bus.bench.measure import milliseconds, moment
from bus.bench.positions import Positions
from bus.bench.workload import DATASET
from bus.kafka.log import LogWriter, Place, Reader
from bus.settings import Settings

TICK_SECONDS = 0.01
QUIET_SECONDS = 1.0
WARM_SECONDS = 3.0
"""Not counted: connections, caches and the first transactions."""


async def bench_latency(settings: Settings, tell: Tell, *, rate: int, seconds: int, subjects: int) -> dict[str, Any]:
    """A steady stream of changes, each stamped when it is written; returns the figures."""
    async with ground(settings, tell, subjects=subjects) as bus:
        await bus.everybody_consents()
        router = await bus.start_router()
        await until_consents_count(bus)
        arrivals = _Arrivals(bus)
        await arrivals.start()
        try:
            begun = moment(router, 0, 0)
            sent = await write_steadily(bus, rate=rate, seconds=seconds + WARM_SECONDS)
            await arrivals.until_quiet()
            ended = moment(router, sent, len(arrivals.seconds))
        finally:
            await arrivals.stop()
        return {
            "bench": "latency",
            "rate": rate,
            "seconds": seconds,
            "deliveries": len(arrivals.seconds),
            "append_to_arrival_ms": milliseconds(arrivals.seconds),
            "router_cpu_share": round((ended.cpu_seconds - begun.cpu_seconds) / (ended.seconds - begun.seconds), 2),
        }


async def until_consents_count(bus: Ground) -> None:
    """Wait until the router has taken over every consent that was written."""
    positions, reader = Positions(bus.access, bus.topics, bus.messages), Reader(bus.access, committed=True)
    places = [Place(bus.topics.consents, lane) for lane in range(bus.topics.lanes)]
    await positions.start()
    await reader.start()
    try:
        ends = await reader.ends(places)
        reached: Mapping[int, int] = {}
        while any(reached.get(place.partition, 0) < end for place, end in ends.items()):
            known = await positions.now()
            reached = {lane: position.consents_offset for lane, position in known.items()}
            bus.tell(f"{sum(reached.values()):,} of {sum(ends.values()):,} consents in force")
            await asyncio.sleep(0.1)
    finally:
        await reader.stop()
        await positions.stop()


async def write_steadily(bus: Ground, *, rate: int, seconds: float) -> int:
    """Append changes at a rate, each with the microsecond of its writing as its version; returns how many."""
    writer = LogWriter(bus.access)
    await writer.start()
    begun, sent, writing = clock.monotonic(), 0, set[asyncio.Task[list[int]]]()
    try:
        while (now := clock.monotonic()) < begun + seconds:
            due = int((now - begun) * rate) - sent
            if due > 0:
                drawn = [bus.nation.change(microseconds()) for _ in range(due)]
                records = [change.outgoing(bus.topics, sent + index) for index, change in enumerate(drawn)]
                task = asyncio.create_task(writer.append_all(records))
                writing.add(task)
                task.add_done_callback(writing.discard)
                sent += due
            bus.tell(f"{sent:,} changes of {DATASET} written")
            await asyncio.sleep(TICK_SECONDS)
        await asyncio.gather(*writing)
    finally:
        await writer.stop()
    return sent


def microseconds() -> int:
    """A stamp; writer and reader are one process."""
    return int(clock.monotonic() * 1e6)


class _Arrivals:
    """Reads what the agencies get, as they would, and notes how old each record is when it comes."""

    def __init__(self, bus: Ground) -> None:
        self.seconds: list[float] = []
        self._bus = bus
        self._reader = Reader(bus.access, committed=True)
        self._views: dict[int, Parsed] = {}
        self._begun = clock.monotonic()
        self._came = asyncio.Event()

    async def start(self) -> None:
        """Read on from the end."""
        await self._reader.start()
        topics = self._bus.agency_topics().values()
        places = [Place(topic, lane) for topic in topics for lane in range(self._bus.topics.lanes)]
        self._reader.assign(await self._reader.ends(places))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    async def until_quiet(self) -> None:
        """Wait until nothing has come for a while."""
        with contextlib.suppress(TimeoutError):
            while True:
                self._came.clear()
                await asyncio.wait_for(self._came.wait(), QUIET_SECONDS)

    async def _run(self) -> None:
        while True:
            records = await self._reader.poll(1000)
            now, warm = microseconds(), clock.monotonic() - self._begun > WARM_SECONDS
            if records:
                self._came.set()
            for record in records:
                if record.value is not None and warm:
                    self.seconds.append((now - await self._version(record.value)) / 1e6)

    async def _version(self, value: bytes) -> int:
        schema_id = schema_id_of(value)
        if schema_id not in self._views:
            self._views[schema_id] = await self._bus.client.parsed(schema_id)
        version: int = decode(self._views[schema_id], value[BODY_START:])["version"]
        return version
