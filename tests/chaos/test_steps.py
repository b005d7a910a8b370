"""No step of a router holds its event loop up: while one does, no lane moves and the group hears nothing."""

import shutil
from dataclasses import replace
from typing import cast

import pytest

from bus.kafka.log import LogWriter
from bus.model.consent import ConsentAction
from tests.chaos.bus import LANES, Chaos, Tail
from tests.chaos.load import BANK, Load
from tests.chaos.routers import until
from tests.chaos.test_trouble import Kept

pytestmark = pytest.mark.timeout(400)

LONGEST_MS = 100.0
CONSENTS, RECORDS = 16_000, 3_000
"""So that more consents wait in a lane than one transaction ever took, and a catch-up has some thousand records."""

LATE = "person-to-insurance"
"""By law and for everybody who has not emigrated."""


async def test_no_step_is_long(chaos: Chaos) -> None:
    """Many consents, a catch-up, live changes, a resumed and a rebuilt store: at most 100 ms of work at a time."""
    found: dict[str, float] = {}
    router, load = chaos.router(), Load(chaos.bus)
    people = [f"0010902{number:05d}" for number in range(CONSENTS)]
    await load.add_people(people[:RECORDS])
    kept = Kept()
    bus = replace(chaos.bus, writer=cast("LogWriter", kept))
    for one in people:
        await bus.consent(one, BANK, ConsentAction.GIVE, event_id=f"given-{one}")
    await chaos.bus.writer.append_all(kept.records)
    await router.start()
    await router.serving(LANES)
    async with load:
        await until(lambda: len(chaos.tail.keys) >= RECORDS, "what exists to be routed", seconds=120)
        found["consents and changes"] = router.notes.longest_step_ms
        router.notes.longest_step_ms = 0.0
        await chaos.bus.activate(LATE)
        late = Tail(chaos.bus.access, chaos.bus.agency_topic(LATE), LANES)
        late.start()
        try:
            await until(lambda: len(late.keys) >= RECORDS, "the catch-up", seconds=120)
        finally:
            late.stop()
        found["catch-up"] = router.notes.longest_step_ms
        for start, harm in (("resumed", False), ("rebuilt", True)):
            await router.kill()
            if harm:
                shutil.rmtree(chaos.scratch / "home" / "data" / "route")
            router.notes.longest_step_ms = 0.0
            since = load.now()
            await router.start()
            await chaos.flows_on(since, seconds=120)
            await load.passed()
            found[start] = router.notes.longest_step_ms
    print({name: f"{longest:.0f} ms" for name, longest in found.items()})  # noqa: T201 - a result of the run
    assert all(0 < longest < LONGEST_MS for longest in found.values()), found
