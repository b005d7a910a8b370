"""`bus bench snapshot`: a whole table is read while it goes on changing; how fast, and how late the stream is."""

import asyncio
from typing import Any

from bus import clock
from bus.bench.connect import SUBJECTS
from bus.bench.ground import Tell, ground
from bus.bench.measure import MEGABYTE, milliseconds
from bus.bench.registry import INSERT, LOOK_SECONDS, Registry
from bus.bench.workload import DATASET
from bus.errors import BenchFailed
from bus.kafka.log import Place, Reader
from bus.model.record import Incoming
from bus.settings import Settings

FILL_ROWS = 50_000
TICK_SECONDS = 0.02
PATIENCE_SECONDS = 1800.0
_CHANGE = "update person set version = version + 1 where person_id = any(%s)"


async def bench_snapshot(settings: Settings, tell: Tell, *, rows: int, rate: int) -> dict[str, Any]:
    """Fill a table, start its connector, and change `rate` rows a second until the snapshot is over.

    Raises BenchFailed when what lies in the topic is not what the table holds.
    """
    async with ground(settings, tell, subjects=SUBJECTS) as bus, Registry.opened(bus) as registry:
        await registry.write(INSERT, rows, at_once=FILL_ROWS)
        await registry.start_connector()
        watch = _Watch(registry)
        await watch.start()
        begun = registry.moment(0)
        try:
            changed = await _change_until_read(registry, watch, rows, rate)
            ended = registry.moment(rows)
            await watch.until_seen(changed)
        finally:
            await watch.stop()
        verified = await registry.verify()
        seconds, cpu = ended.seconds - begun.seconds, ended.cpu_seconds - begun.cpu_seconds
        return {
            "bench": "snapshot",
            "rows": rows,
            "rate": rate,
            "seconds": round(seconds, 1),
            "rows_per_second": round(rows / seconds),
            "cpu_microseconds_a_record": round(cpu / (rows + changed) * 1e6, 1),
            "changes_meanwhile": changed,
            "write_to_arrival_ms": milliseconds(watch.seconds),
            "peak_memory_mb": registry.peak_bytes // MEGABYTE,
            "verified": verified,
        }


async def _change_until_read(registry: Registry, watch: "_Watch", rows: int, rate: int) -> int:
    """Change rows all over the table at a rate until the snapshot is over; returns how many changes."""
    begun, sent, looked, over = clock.monotonic(), 0, 0.0, False
    while not over:
        now = clock.monotonic()
        if now - begun > PATIENCE_SECONDS:
            raise BenchFailed(what="the snapshot has not ended in time")
        if (due := int((now - begun) * rate) - sent) > 0:
            ids = [f"{(sent + n) * 7919 % rows:012}" for n in range(due)]
            watch.writes(ids)
            await registry.sql.execute(_CHANGE, (ids,))
            sent += due
        if now - looked > 10 * LOOK_SECONDS:
            looked, at = now, await registry.standing()
            over = at is not None and at.epoch > 0 and at.snapshot is None
            published = at.published if at else 0
            registry.moment(published)
            registry.ground.tell(f"{published:,} of {rows:,} rows read, {sent:,} changes meanwhile")
        await asyncio.sleep(TICK_SECONDS)
    return sent


class _Watch:
    """Reads the topic as a consumer would, and notes how long after its writing each change is there."""

    def __init__(self, registry: Registry) -> None:
        self.seconds: list[float] = []
        self._topics = registry.ground.topics
        self._reader = Reader(registry.ground.access)
        self._waiting: dict[bytes, list[float]] = {}
        self._seen = 0

    async def start(self) -> None:
        """Read from the beginning."""
        await self._reader.start()
        changes = self._topics.changes(DATASET)
        self._reader.assign({Place(changes, lane): 0 for lane in range(self._topics.lanes)})
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    def writes(self, ids: list[str]) -> None:
        """These are about to be committed: before that, for they may arrive before the database has answered."""
        now = clock.monotonic()
        for one in ids:
            self._waiting.setdefault(f"{one}/{one}".encode(), []).append(now)

    async def until_seen(self, changes: int) -> None:
        """Wait until every change has arrived. Raises BenchFailed."""
        deadline = clock.monotonic() + PATIENCE_SECONDS / 10
        while self._seen < changes:
            if clock.monotonic() > deadline:
                raise BenchFailed(what=f"{changes - self._seen} changes have not arrived")
            await asyncio.sleep(LOOK_SECONDS)

    async def _run(self) -> None:
        while True:
            records = await self._reader.poll(1000)
            now = clock.monotonic()
            for record in records:
                if _is_change(record):
                    self._seen += 1
                    self.seconds.append(max(0.0, now - self._waiting[record.key or b""].pop(0)))


def _is_change(record: Incoming) -> bool:
    """Whether it came by the stream, and not by the snapshot."""
    return ("ce_type", b"people.person.updated") in record.headers
