"""`bus bench latency`: how long from the append of a change to its arrival at a reader of committed records."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from bus import clock
from bus.avro.codec import Parsed, decode
from bus.avro.frame import BODY_START, schema_id_of
from bus.bench.copying import copy_topics
from bus.bench.ground import Ground, Tell, ground
from bus.bench.measure import milliseconds, moment
from bus.bench.positions import Positions
from bus.bench.reports import Reports
from bus.bench.workload import DATASET
from bus.kafka.log import LogWriter, Place, Reader
from bus.settings import Settings
from bus.telemetry.loop import LoopWatch

TICK_SECONDS = 0.01
QUIET_SECONDS = 1.0
WARM_SECONDS = 3.0
"""Not counted: connections, caches and the first transactions."""


@dataclass(frozen=True, slots=True)
class Stream:
    """Changes of so many people, at a rate a second, for so many seconds, and before them some that do not count.

    A broker that has just started compiles itself while it works: on two cores that takes a quarter of the machine in
    its first minute, and every figure doubles.
    """

    rate: int
    seconds: float
    subjects: int
    warm_seconds: float = 60.0


async def bench_latency(settings: Settings, tell: Tell, stream: Stream, *, bare: bool) -> dict[str, Any]:
    """A steady stream of changes, each stamped when it is written, through the router; returns the figures.

    With `bare` the same stream goes through the bare copy loop on the same broker afterwards.
    """
    async with ground(settings, tell, subjects=stream.subjects) as bus:
        await bus.everybody_consents()
        router = await bus.start_router()
        await until_consents_count(bus)
        await write_steadily(bus, rate=stream.rate, seconds=stream.warm_seconds)
        figures = await _measured(bus, router, list(bus.agency_topics().values()), stream)
        result = {
            "bench": "latency",
            "rate": stream.rate,
            "seconds": stream.seconds,
            "warm_seconds": stream.warm_seconds,
            **figures,
        }
        if bare:
            await bus.stop_router()
            copying = await bus.start_copying()
            result["bare"] = await _measured(bus, copying, copy_topics(bus.topics), stream)
            result["times_bare"] = _ratio(figures, result["bare"])
        return result


async def _measured(bus: Ground, process: psutil.Process, topics: Sequence[str], stream: Stream) -> dict[str, Any]:
    """The figures of one stream through one process into these topics."""
    arrivals, watch, reports = Arrivals(bus, topics), LoopWatch(), Reports(bus)
    await asyncio.gather(arrivals.start(), reports.start())
    try:
        begun = moment(process, 0, 0)
        async with watch:
            sent = await write_steadily(bus, rate=stream.rate, seconds=stream.seconds + WARM_SECONDS)
            await arrivals.until_quiet()
        ended = moment(process, sent, len(arrivals.seconds))
    finally:
        await asyncio.gather(arrivals.stop(), reports.stop())
    return {
        "deliveries": len(arrivals.seconds),
        "append_to_arrival_ms": milliseconds(arrivals.seconds),
        "cpu_share": round((ended.cpu_seconds - begun.cpu_seconds) / (ended.seconds - begun.seconds), 2),
        "bench_loop_max_ms": watch.longest_ms(),
        **({"loop_max_ms": reports.loop_max_ms} if reports.heard else {}),
        **({} if (rate := reports.transactions_a_second()) is None else {"transactions_a_second": rate}),
    }


def _ratio(figures: Mapping[str, Any], bare: Mapping[str, Any]) -> dict[str, float]:
    ours, theirs = figures["append_to_arrival_ms"], bare["append_to_arrival_ms"]
    return {name: round(ours[name] / theirs[name], 2) for name in ("p50", "p99") if theirs.get(name)}


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


class Arrivals:
    """Reads what arrives in some topics, as recipients would, and notes how old each record is when it comes."""

    def __init__(self, bus: Ground, topics: Sequence[str]) -> None:
        self.seconds: list[float] = []
        self._bus = bus
        self._topics = topics
        self._reader = Reader(bus.access, committed=True)
        self._views: dict[int, Parsed] = {}
        self._begun = clock.monotonic()
        self._came = asyncio.Event()

    async def start(self) -> None:
        """Read on from the end."""
        await self._reader.start()
        places = [Place(topic, lane) for topic in self._topics for lane in range(self._bus.topics.lanes)]
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
