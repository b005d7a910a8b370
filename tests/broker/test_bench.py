"""The bench measures what it says, on a broker of its own."""

import contextlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import psutil
import pytest

from bus.bench.catchup import Backlog, bench_catchup
from bus.bench.latency import Stream, bench_latency
from bus.bench.preview import bench_preview
from bus.bench.route import bench_route
from bus.bench.startup import bench_startup
from bus.bench.withdraw import Trial, bench_withdraw
from bus.bench.workload import Shape
from bus.settings import Settings

pytestmark = pytest.mark.broker


async def test_route() -> None:
    """Every change is routed, what came out is counted and right, and the router's CPU time is told."""
    result = await bench_route(Settings(), print, records=8_000, shape=Shape(subjects=200))
    assert result["whole"]["records"] > 0
    assert result["whole"]["cpu_seconds_per_million_deliveries"] > 0
    assert result["warm"]["records"] <= result["whole"]["records"]
    assert result["erasures"] > 0


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_broken_off(tmp_path: Path, number: signal.Signals) -> None:
    """A measurement that is told to end, by `timeout` or twice by Ctrl-C, leaves no broker, nor what that wrote."""
    words = ("-m", "bus", "bench", "route", "--records", "1000", "--subjects", "100")
    process = subprocess.Popen((sys.executable, *words), env={**os.environ, "TMPDIR": str(tmp_path)})
    while not (started := [*tmp_path.glob("bus-bench-*/run/kafka.json")]):
        with contextlib.suppress(subprocess.TimeoutExpired):
            assert process.wait(0.05) is None
    broker = psutil.Process(json.loads(started[0].read_text())["pid"])
    process.send_signal(number)
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(0.2)
    process.send_signal(number)  # who has to wait presses the keys again
    assert process.wait(60) in {128 + number, -number}  # the latter where the second came when all had ended
    assert not broker.is_running()
    assert [*tmp_path.iterdir()] == []


@pytest.mark.long
async def test_latency_and_withdrawal() -> None:
    """Deliveries arrive and withdrawals take effect, each after a time above zero."""
    latency = await bench_latency(Settings(), print, Stream(100, 2, 100, warm_seconds=1), bare=True)
    assert latency["deliveries"] > 0
    assert 0 < latency["append_to_arrival_ms"]["p50"] <= latency["append_to_arrival_ms"]["max"]
    withdrawal = await bench_withdraw(Settings(), print, Trial(5, 50, 100, catchup=500, kills=1))
    assert 0 < withdrawal["append_to_effective_ms"]["p50"] <= withdrawal["append_to_effective_ms"]["max"]
    assert withdrawal["append_to_effective_after_kill_ms"]["max"] > 0


@pytest.mark.long
async def test_catch_up() -> None:
    """Every record that waited is delivered while changes flow, and both are measured."""
    result = await bench_catchup(Settings(), print, Backlog(2000, 50, 100, idle_seconds=3))
    assert result["records_per_second"] > 0
    assert result["live_idle_ms"]["p50"] > 0
    assert result["live_meanwhile_ms"]["p50"] > 0


@pytest.mark.long
async def test_preview() -> None:
    """Every record is judged, each copy of the narrowed view is told as changed, and the time is told."""
    result = await bench_preview(Settings(), print, records=2_000)
    assert result["one_field_fewer"]["judged"] == result["one_field_fewer"]["known"] == 2_000
    assert result["narrower_filter"]["erased"] > 0
    assert result["one_field_fewer"]["cpu_seconds"] > 0


@pytest.mark.long
async def test_startup() -> None:
    """A router starts with its store, after a kill and from nothing, and what it used each time is told."""
    result = await bench_startup(Settings(), print, records=2_000, consents=1_000)
    assert result["consents"] == 1_000
    for start in ("resumed", "killed", "from_nothing"):
        assert result[start]["seconds"] > 0
        assert result[start]["memory_mb"] > 0
