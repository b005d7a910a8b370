"""What exists is delivered under a new agreement while the router is killed again and again in the midst of it."""

import random
from collections import defaultdict
from collections.abc import Sequence
from functools import partial
from itertools import pairwise

import pytest

from bus.model.key import RecordKey
from tests.chaos.bus import LANES, Chaos, Tail
from tests.chaos.evidence import Change, Copy, Evidence, number_of
from tests.chaos.load import Load
from tests.chaos.notes import Phase
from tests.chaos.routers import until
from tests.chaos.table import FaultLog

pytestmark = pytest.mark.timeout(400)

LATE = "person-to-insurance"
"""By law and for everybody who has not emigrated: it owes every record that exists when it comes."""

BATCH = 20
"""Records of one transaction at the most: so the catch-up takes hundreds of them."""

AIMED = (Phase.COMMIT, Phase.SEND, Phase.REST, Phase.BEGIN)

RUNS = [(2000, 4), pytest.param(20_000, 40, marks=[pytest.mark.long, pytest.mark.timeout(1800)])]
"""How many records wait, and how many kills come while they are delivered."""


@pytest.mark.parametrize(("records", "kills"), RUNS)
async def test_a_catch_up_goes_on_where_it_stood(
    chaos: Chaos, records: int, kills: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Killed in the midst of a catch-up, a router delivers each record once, and no old version after a live change."""
    monkeypatch.setenv("BUS_ROUTE_BATCH_RECORDS", str(BATCH))
    log, router, chance = FaultLog(), chaos.router(), random.Random(3)  # noqa: S311 - from a seed, to be repeated
    old = [f"0010902{number:05d}" for number in range(records)]
    load = Load(chaos.bus)
    await load.add_people(old)
    await router.start()
    await router.serving(LANES)
    async with load:
        await until(lambda: _count(chaos.tail, old) == records, "what exists to be routed", seconds=120)
        await chaos.bus.activate(LATE)
        late = Tail(chaos.bus.access, chaos.bus.agency_topic(LATE), LANES)
        late.start()
        try:
            for number in range(kills):
                due = records * (number + 1) // (kills + 2)
                await until(partial(_come, late, old, due), f"{due} of {records} records", seconds=120)
                await load.add_people(chance.sample(old, 20))
                hit = [(await router.killed_in(AIMED[number % len(AIMED)])).phase]
                assert _count(late, old) < records, "the catch-up was over before the kill"
                since = load.now()
                await router.start()
                log.note("SIGKILL in a catch-up", hit, await chaos.flows_on(since, seconds=120))
            await until(lambda: _count(late, old) == records, "everything that exists", seconds=120)
        finally:
            late.stop()
    evidence, verdict = await chaos.verdict()
    log.show(evidence, verdict)
    assert verdict.clean, verdict
    assert not (found := late_flow(evidence, chaos.bus.agency_topic(LATE), old)), found
    assert log.hit() >= set(AIMED)


def _come(tail: Tail, subjects: Sequence[str], due: int) -> bool:
    return _count(tail, subjects) >= due


def _count(tail: Tail, subjects: Sequence[str]) -> int:
    return len({RecordKey(one, one).encode() for one in subjects} & tail.keys)


def late_flow(evidence: Evidence, topic: str, old: Sequence[str]) -> list[str]:
    """What is wrong under the agreement that came late, of which the checker does not know when it came."""
    steps: dict[str, list[int | None]] = defaultdict(list)
    for copy in evidence.copies:
        if copy.topic == topic:
            steps[copy.key].append(copy.number)
    versions: dict[str, list[int | None]] = defaultdict(list)
    for change in evidence.changes:
        versions[change.key].append(number_of(change.record))
    wrong = []
    for key, written in versions.items():
        held: list[int | None] = [None, *steps[key]]
        numbers = [one for one in held if one is not None]
        if any(later <= earlier for earlier, later in pairwise(numbers)):
            wrong.append(f"{key}: an old version after a newer one, or one twice: {steps[key]}")
        if any(later == earlier for earlier, later in pairwise(held)):
            wrong.append(f"{key}: told twice: {steps[key]}")
        if held[-1] != written[-1]:
            wrong.append(f"{key}: due {written[-1]}, held {held[-1]}")
    delivered = {f"{one}/{one}" for one in old if steps[f"{one}/{one}"]}
    if len(delivered) != len(old):
        wrong.append(f"{len(delivered)} of {len(old)} records were delivered")
    return wrong


TOPIC = "agency.a.late.v1"
WHOLE: dict[str, list[int | None]] = {"p1/p1": [1], "p2/p2": [2, 5], "p3/p3": [4, None]}
"""Numbers that a recipient is told, by key: what existed, one with a live change after it, one deleted after it."""


@pytest.mark.parametrize(
    ("key", "told", "word"),
    [
        ("p1/p1", [], "held None"),
        ("p1/p1", [1, 1], "twice"),
        ("p2/p2", [5, 2], "an old version"),
        ("p2/p2", [2], "due 5"),
        ("p3/p3", [4], "due None"),
        ("p3/p3", [4, None, None], "twice"),
        (None, None, None),
    ],
)
def test_the_judge_of_a_late_flow_can_fail(key: str | None, told: list[int | None] | None, word: str | None) -> None:
    """A record that is lost, doubled, overtaken or kept is told, and a whole flow is not."""
    evidence = Evidence()
    for one, numbers in WHOLE.items():
        evidence.changes += [Change(0, 0, one, _record(number), 0) for number in numbers]
        steps = told if one == key and told is not None else numbers
        evidence.copies += [Copy(TOPIC, 0, 0, one, "", frozenset(), _record(number)) for number in steps]
    found = late_flow(evidence, TOPIC, ["p1", "p2", "p3"])
    assert any(word in one for one in found) if word else not found


def _record(number: int | None) -> dict[str, str] | None:
    return None if number is None else {"full_name": f"Người #{number}#"}
