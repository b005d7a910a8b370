"""Several routers: stopped and continued, two of one name, coming and going."""

import asyncio
import contextlib
import signal

import pytest

from tests.chaos.bus import LANES, Chaos
from tests.chaos.load import Load
from tests.chaos.notes import SERVING, Phase
from tests.chaos.routers import until
from tests.chaos.table import FaultLog

pytestmark = pytest.mark.timeout(400)

STOPPED_IN = (Phase.COMMIT, Phase.SEND)


def serving(chaos: Chaos, *names: str) -> int:
    """How many lanes these routers serve together."""
    return sum(phase in SERVING for name in names for phase in chaos.router(name).notes.phases())


async def test_a_zombie_publishes_nothing(chaos: Chaos) -> None:
    """A router stopped in mid-transaction, replaced, and continued adds nothing to what its successor wrote."""
    log, zombie, successor = FaultLog(), chaos.router("zombie"), chaos.router("successor")
    await zombie.start()
    await zombie.serving(LANES)
    async with Load(chaos.bus) as load:
        for phase in STOPPED_IN:
            zombie.notes.set_trap(signal.SIGSTOP, phase)
            await until(lambda: zombie.notes.caught is not None, "the router to be caught")
            newest = load.number
            await successor.start()
            seconds = await chaos.flows_on(newest)
            await successor.serving(LANES)
            zombie.signal(signal.SIGCONT)
            await load.passed(200)
            log.note("SIGSTOP, SIGCONT", zombie.notes.phases(), seconds)
            await successor.stop()
            await chaos.flows_on(load.number)
    evidence, verdict = await chaos.verdict()
    print(log.table(evidence, verdict))  # noqa: T201 - the table is the result
    assert verdict.clean, verdict
    assert log.hit() >= set(STOPPED_IN)


async def test_two_of_one_name(chaos: Chaos) -> None:
    """Two routers started with one identity fence each other and do no harm, and when one ends the other goes on."""
    log, first, second = FaultLog(), chaos.router("first", instance="twin"), chaos.router("second", instance="twin")
    await first.start()
    await first.serving(LANES)
    async with Load(chaos.bus) as load:
        await load.passed()
        phases, newest = first.notes.phases(), load.number
        await second.start()
        await second.serving(LANES)
        await load.passed(200)
        log.note("two of one name", phases, await chaos.flows_on(newest))
        phases, newest = first.notes.phases(), load.number
        await first.stop()
        log.note("one of them ended", phases, await chaos.flows_on(newest))
    evidence, verdict = await chaos.verdict()
    print(log.table(evidence, verdict))  # noqa: T201 - the table is the result
    assert verdict.clean, verdict


@pytest.mark.parametrize("rounds", [3, pytest.param(40, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
async def test_members_come_and_go(chaos: Chaos, rounds: int) -> None:
    """While members join and leave, and lanes move in mid-load, everything stays whole."""
    log, stays, guest = FaultLog(), chaos.router("stays"), chaos.router("guest")
    await stays.start()
    await stays.serving(LANES)
    async with Load(chaos.bus) as load:
        for number in range(rounds):
            await guest.start()
            await guest.serving()
            newest, phases = load.number, stays.notes.phases()
            await (guest.kill() if number % 2 else guest.stop())
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(load.passed(100), 2)
            log.note("joined and left", phases, await chaos.flows_on(newest))
    evidence, verdict = await chaos.verdict()
    print(log.table(evidence, verdict))  # noqa: T201 - the table is the result
    assert verdict.clean, verdict
