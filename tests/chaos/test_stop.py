"""A router that is told to end while everything flows."""

from functools import partial

import pytest

from bus.clock import monotonic
from tests.chaos.bus import LANES, Chaos
from tests.chaos.load import Load
from tests.chaos.routers import until
from tests.chaos.table import FaultLog

pytestmark = pytest.mark.timeout(400)

STOPS = 3
STOP_SECONDS = 2.0
LEAVER = "leaver"


async def test_a_stop_in_order(chaos: Chaos, monkeypatch: pytest.MonkeyPatch) -> None:
    """Told to end under load, a router does so with code 0 within 2 s, and another serves its lanes at once."""
    monkeypatch.setenv("BUS_ROUTE_SESSION_TIMEOUT_MS", "300000")  # nobody waits for a session to be over
    log, stays, took = FaultLog(), chaos.router("stays"), []
    await stays.start()
    await stays.serving(LANES)
    async with Load(chaos.bus, rate=400) as load:
        for number in range(STOPS):
            await chaos.bus.route(LEAVER)
            await until(partial(_has_started, chaos, number + 1), "the router to have lanes")
            await load.passed(200)
            leaver = chaos.bus.supervisor._children[LEAVER].popen
            phases, since, begun = stays.notes.phases(), load.now(), monotonic()
            await chaos.bus.supervisor.stop(LEAVER)
            took.append(monotonic() - begun)
            assert leaver.returncode == 0
            blocks = {lane: found["block"] for lane, found in (await chaos.bus.positions()).items()}
            log.note("SIGTERM", phases, await chaos.flows_on(since))
            await _all_go_on(chaos, load, blocks)
    evidence, verdict = await chaos.verdict()
    log.show(evidence, verdict)
    print(f"seconds to the end: {[round(one, 2) for one in took]}")  # noqa: T201 - a result of the run
    assert verdict.clean, verdict
    assert max(took) < STOP_SECONDS


def _has_started(chaos: Chaos, times: int) -> bool:
    """Whether the router that comes and goes has begun to serve a lane so often."""
    log = chaos.bus.settings.home_path / "logs" / f"{LEAVER}.log"
    return log.exists() and log.read_text("utf-8").count("lane-started") >= times


async def _all_go_on(chaos: Chaos, load: Load, blocks: dict[int, int]) -> None:
    """Every lane commits again, long before a session could be over."""
    deadline = monotonic() + 20
    while True:
        await load.passed()
        now = {lane: found["block"] for lane, found in (await chaos.bus.positions()).items()}
        if all(now[lane] > block for lane, block in blocks.items()) and len(now) == LANES:
            return
        assert monotonic() < deadline, f"lanes stand still: {blocks}, {now}"
