"""Routers killed, stopped and doubled under load, in every phase of a transaction."""

import random
import shutil
from pathlib import Path

import pytest

from tests.chaos.bus import Chaos
from tests.chaos.load import Load
from tests.chaos.notes import SERVING, Phase
from tests.chaos.table import FaultLog

pytestmark = pytest.mark.timeout(400)

SHORT, LONG, LONG_RUNS = 10, 50, 4
AIMED = (Phase.COMMIT, Phase.SEND, Phase.BEGIN, Phase.REST)


STORE_FAULTS = {3: "its store deleted", 5: "an old copy of its store", 7: "its store torn"}
"""What becomes of the store while the router is dead, by the number of the kill modulo 10."""

RUNS = [
    (SHORT, 7),
    *(
        pytest.param(LONG, seed, marks=[pytest.mark.long, pytest.mark.timeout(1800)], id=f"{LONG}-seed{seed}")
        for seed in range(LONG_RUNS)
    ),
]
"""How many kills, and the seed of their moments. The long ones are 200 in all, each run with a bus of its own."""


@pytest.mark.parametrize(("kills", "seed"), RUNS)
async def test_killed_at_any_moment(chaos: Chaos, kills: int, seed: int) -> None:
    """A router killed in every phase of its transactions loses, doubles, tears and disorders nothing."""
    log, router, moments = FaultLog(), chaos.router(), random.Random(seed)  # noqa: S311 - from a seed, to be repeated
    await router.start()
    await router.serving(lanes=3)
    async with Load(chaos.bus) as load:
        for number in range(kills):
            await load.passed(moments.randint(1, 30))
            if number % 2:
                phase = AIMED[number // 2 % len(AIMED)]
                hit = [(await router.killed_in(phase)).phase]
            else:
                hit = await router.kill()
            assert load.flowing
            since = load.now()
            fault = STORE_FAULTS.get(number % 10)
            meddle(chaos.scratch / "home" / "data" / "route", chaos.scratch / "old", fault)
            if number % 5 == 4:
                log.note("SIGKILL in a start", [(await router.killed_at_start()).phase])
            await router.start()
            kind = "SIGKILL" if fault is None else f"SIGKILL, {fault}"
            log.note(kind, hit, await chaos.flows_on(since, seconds=120))
    evidence, verdict = await chaos.verdict()
    log.show(evidence, verdict)
    assert verdict.clean, verdict
    assert log.hit() >= {Phase.START, *SERVING}


def meddle(store: Path, old: Path, fault: str | None) -> None:
    """Do to the store of a dead router what the fault says; without one, keep a copy of it for later."""
    if fault is None and not old.exists():
        shutil.copytree(store, old)
    elif fault == "its store deleted":
        shutil.rmtree(store)
    elif fault == "an old copy of its store":
        shutil.rmtree(store)
        shutil.copytree(old, store)
    elif fault == "its store torn":
        for file in store.rglob("data.mdb"):
            file.write_bytes(file.read_bytes()[: file.stat().st_size // 2])
