"""`bus bench connect`: a database's stream of changes through a connector's process, every guarantee on."""

from typing import Any

from bus.bench.ground import Tell, ground
from bus.bench.measure import MEGABYTE, Moment
from bus.bench.registry import DELETE, INSERT, UPDATE, Registry
from bus.settings import Settings

ROWS_A_TRANSACTION = 1000
SUBJECTS = 100
"""The ground makes people for the router's benches; here nobody asks for them."""


async def bench_connect(settings: Settings, tell: Tell, *, rows: int) -> dict[str, Any]:
    """Inserts, updates, one update of every row in a single transaction, deletions; returns the figures of each.

    Raises BenchFailed when what lies in the topic is not what the table holds.
    """
    figures: dict[str, Any] = {"bench": "connect", "rows": rows}
    async with ground(settings, tell, subjects=SUBJECTS) as bus, Registry.opened(bus) as registry:
        await registry.start_connector()
        await registry.until_read()
        published = 0
        for name, statement, at_once in (
            ("inserts", INSERT, ROWS_A_TRANSACTION),
            ("updates", UPDATE, ROWS_A_TRANSACTION),
            ("one transaction of updates", UPDATE, rows),
            ("deletions", DELETE, ROWS_A_TRANSACTION),
        ):
            registry.peak_bytes = 0
            before = registry.moment(published)
            await registry.write(statement, rows, at_once=at_once)
            published += rows
            moments = await registry.until_published(published)
            figures[name] = _figures(before, moments[-1], rows) | {"peak_memory_mb": registry.peak_bytes // MEGABYTE}
            if statement is not INSERT:
                figures["verified"] = figures.get("verified", 0) + await registry.verify()
    return figures


def _figures(first: Moment, last: Moment, rows: int) -> dict[str, float]:
    cpu = last.cpu_seconds - first.cpu_seconds
    return {
        "cpu_seconds": round(cpu, 2),
        "cpu_microseconds_a_row": round(cpu / rows * 1e6, 1),
        "rows_per_cpu_second": round(rows / max(1e-9, cpu)),
        "rows_per_second": round(rows / max(1e-9, last.seconds - first.seconds)),
    }
