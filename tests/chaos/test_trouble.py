"""Everything else that goes wrong around a router: commits without an answer, refusals, clocks, poison, bursts."""

import asyncio
import os
import subprocess
import sys
from dataclasses import replace
from typing import cast

import pytest

from bus.kafka.log import LogWriter
from bus.model.consent import ConsentAction
from bus.model.record import Outgoing
from bus.wiring import environment
from tests.chaos.bus import LANES, Chaos, set_topic
from tests.chaos.load import BANK, TAX, Load
from tests.chaos.notes import CommitFault
from tests.chaos.routers import ROOT, until
from tests.chaos.table import FaultLog

pytestmark = pytest.mark.timeout(400)

HOUR_MS = 3_600_000
SMALLEST_REFUSED = 20_000
BURST = 100


async def test_trouble_of_every_kind(chaos: Chaos) -> None:
    """Under lost answers, lost commits, refused records, wrong clocks, poison and a burst, everything stays whole."""
    log, router = FaultLog(), chaos.router()
    set_topic(chaos, chaos.bus.agency_topic(TAX), {"max.message.bytes": SMALLEST_REFUSED})
    await router.start()
    await router.serving(LANES)
    async with Load(chaos.bus) as load:
        for fault in (CommitFault.ANSWER_LOST, CommitFault.NEVER_SENT) * 2:
            since = load.now()
            router.notes.spoil_commits(fault, times=1)
            await until(lambda: not router.notes.commit_faults_left, "a commit to be spoilt")
            log.note(f"commit: {fault.name}", router.notes.phases(), await chaos.flows_on(since))
        for error_ms in (HOUR_MS, -HOUR_MS, 0):
            router.notes.clock_error_ms = error_ms
            phases, since = router.notes.phases(), load.now()
            log.note("clock jumps", phases, await chaos.flows_on(since))
        await load.poison()
        phases = router.notes.phases()
        log.note("poison", phases, await chaos.flows_on(load.now()))
        await load.add(1, full_name="x" * SMALLEST_REFUSED)
        phases = router.notes.phases()
        log.note("MESSAGE_TOO_LARGE", phases, await chaos.flows_on(load.now()))
        await kill_a_writer_of_consents(chaos, load)
        log.note("killed writer of consents", router.notes.phases(), await chaos.flows_on(load.now()))
        await load.add(BURST * 6)
        phases = router.notes.phases()
        await load.passed()
        log.note(f"burst of {BURST} times", phases, await chaos.flows_on(load.now()))
    evidence, verdict = await chaos.verdict(largest=SMALLEST_REFUSED)
    log.show(evidence, verdict)
    assert verdict.clean, verdict
    assert len(evidence.dead) == 3


async def kill_a_writer_of_consents(chaos: Chaos, load: Load) -> None:
    """SIGKILL a process in the midst of writing consents; what arrived counts, and nobody waits for the rest."""
    subjects = [f"0010901{number:05d}" for number in range(60)]
    await load.add_people(subjects)
    kept = Kept()
    bus = replace(chaos.bus, writer=cast("LogWriter", kept))
    for subject in subjects:
        await bus.consent(subject, BANK, ConsentAction.GIVE, event_id=f"from-the-killed-{subject}")
    lines = "".join(f"{one.partition} {(one.key or b'').hex()} {(one.value or b'').hex()}\n" for one in kept.records)
    writer = subprocess.Popen(  # noqa: ASYNC220 - it answers at once
        [sys.executable, "-m", "tests.chaos.consent_writer", chaos.bus.topics.consents],
        cwd=ROOT,
        env={**os.environ, **environment(chaos.bus.settings)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert writer.stdin
    assert writer.stdout
    writer.stdin.write(lines)
    writer.stdin.flush()
    for _ in range(len(subjects) // 2):
        await asyncio.to_thread(writer.stdout.readline)
    writer.kill()
    writer.communicate()


class Kept:
    """In place of a writer: keeps what it is given."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []

    async def append(self, record: Outgoing) -> int:
        """Keep it."""
        self.records.append(record)
        return 0
