"""The benches of a registry's connector measure what they say, on servers of their own."""

import pytest

from bus.bench.connect import bench_connect
from bus.bench.snapshot import bench_snapshot
from bus.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.postgres, pytest.mark.long]


async def test_connect() -> None:
    """Every row change is published, topic and table agree, and a large transaction takes no more memory than small."""
    result = await bench_connect(Settings(), print, rows=100_000)
    assert result["verified"] == 200_000
    assert result["inserts"]["cpu_microseconds_a_row"] > 0
    whole = result["one transaction of updates"]["peak_memory_mb"]
    assert whole < 1.5 * result["updates"]["peak_memory_mb"]


async def test_snapshot() -> None:
    """A table is read whole while it changes, and every change meanwhile arrives, after a time above zero."""
    result = await bench_snapshot(Settings(), print, rows=10_000, rate=100)
    assert result["verified"] == 10_000
    assert result["changes_meanwhile"] > 0
    assert result["write_to_arrival_ms"]["p50"] > 0
