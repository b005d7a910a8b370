"""Several routers: stopped and continued, two of one name, coming and going."""

import asyncio
import contextlib
import signal

import pytest

from tests.chaos.bus import LANES, Chaos
from tests.chaos.load import Load
from tests.chaos.notes import Phase
from tests.chaos.routers import until
from tests.chaos.table import FaultLog

ROUNDS = 20

pytestmark = pytest.mark.timeout(400)

ZOMBIES = [
    pytest.param(phases, marks=pytest.mark.long)
    for phases in ((Phase.COMMIT,), (Phase.SEND, Phase.COMMIT, Phase.BEGIN) * 3)
]


@pytest.mark.parametrize("stopped_in", ZOMBIES, ids=len)
async def test_a_zombie_publishes_nothing(
    chaos: Chaos, stopped_in: tuple[Phase, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A router stopped in mid-transaction, replaced, and continued adds nothing to what its successor wrote."""
    monkeypatch.setenv("BUS_ROUTE_LANE_FENCES", "100")  # it is fenced once a round, and is not to give up for that
    log, zombie, successor = FaultLog(), chaos.router("zombie"), chaos.router("successor")
    await zombie.start()
    await zombie.serving(LANES)
    async with Load(chaos.bus) as load:
        for phase in stopped_in:
            zombie.notes.set_trap(signal.SIGSTOP, phase)
            await until(lambda: zombie.notes.caught is not None, "the router to be caught")
            since, caught = load.now(), zombie.notes.caught
            assert caught is not None
            await successor.start()
            seconds = await chaos.flows_on(since)
            await successor.serving(LANES)
            zombie.signal(signal.SIGCONT)
            await load.passed(200)
            log.note("SIGSTOP, SIGCONT", [caught.phase], seconds)
            await successor.stop()
            await zombie.serving(LANES)
    evidence, verdict = await chaos.verdict()
    log.show(evidence, verdict)
    assert verdict.clean, verdict
    assert log.hit() >= set(stopped_in)


@pytest.mark.long
async def test_two_of_one_name(chaos: Chaos) -> None:
    """Two routers started with one identity fence each other and do no harm, and when one ends the other goes on."""
    log, first, second = FaultLog(), chaos.router("first", instance="twin"), chaos.router("second", instance="twin")
    await first.start()
    await first.serving(LANES)
    async with Load(chaos.bus) as load:
        await load.passed()
        phases, since = first.notes.phases(), load.now()
        await second.start()
        await second.serving(LANES)
        await load.passed(200)
        log.note("two of one name", phases, await chaos.flows_on(since))
        phases, since = first.notes.phases(), load.now()
        await first.stop()
        log.note("one of them ended", phases, await chaos.flows_on(since))
    evidence, verdict = await chaos.verdict()
    log.show(evidence, verdict)
    assert verdict.clean, verdict


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_members_come_and_go(chaos: Chaos) -> None:
    """While members join and leave, and lanes move in mid-load, everything stays whole."""
    log, stays, guest = FaultLog(), chaos.router("stays"), chaos.router("guest")
    await stays.start()
    await stays.serving(LANES)
    async with Load(chaos.bus) as load:
        for number in range(ROUNDS):
            await guest.start()
            await guest.serving()
            since, phases = load.now(), stays.notes.phases()
            await (guest.kill() if number % 2 else guest.stop())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(load.passed(100), 2)
            log.note("joined and left", phases, await chaos.flows_on(since))
    evidence, verdict = await chaos.verdict()
    log.show(evidence, verdict)
    assert verdict.clean, verdict
