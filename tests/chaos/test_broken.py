"""The router broken on purpose: the checker must see each way, or its zeros would say nothing."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import pytest

from tests.chaos.broken import LOST, WAYS
from tests.chaos.bus import LANES, Chaos, set_topic
from tests.chaos.load import TAX, Load
from tests.chaos.notes import CommitFault, Phase
from tests.chaos.routers import until
from tests.chaos.test_trouble import SMALLEST_REFUSED

pytestmark = pytest.mark.timeout(400)

Fault = Callable[[Chaos, Load, str], Awaitable[None]]


async def killed_after_a_commit(chaos: Chaos, _load: Load, _way: str) -> None:
    """The moment between two transactions."""
    router = chaos.router()
    await router.killed_in(Phase.REST)
    await router.start()


async def killed_midway(chaos: Chaos, load: Load, _way: str) -> None:
    """The moment between the two halves of what should be one step, about a person who never changes again."""
    router = chaos.router()
    killed = asyncio.create_task(router.killed_in(Phase.MIDWAY))
    await load.add_people(["001090199999"], full_name=LOST.decode())
    await killed
    await router.start()


async def record_refused(chaos: Chaos, load: Load, _way: str) -> None:
    """One change whose view the broker refuses."""
    set_topic(chaos, chaos.bus.agency_topic(TAX), {"max.message.bytes": SMALLEST_REFUSED})
    await load.add(1, full_name="x" * SMALLEST_REFUSED)


async def commit_that_never_was(chaos: Chaos, _load: Load, _way: str) -> None:
    """A commit that fails by time-out and has not taken effect."""
    notes = chaos.router().notes
    notes.spoil_commits(CommitFault.NEVER_SENT, times=1)
    await until(lambda: not notes.commit_faults_left, "a commit to be spoilt")


async def second_owner(chaos: Chaos, _load: Load, way: str) -> None:
    """Another router that believes that all lanes are its own."""
    second = chaos.router("second", broken=way)
    await second.start()
    await second.serving()


async def only_load(_chaos: Chaos, _load: Load, _way: str) -> None:
    """Nothing but time."""


@dataclass(frozen=True, slots=True)
class Case:
    """How a break is brought to light, and as what the checker must see it."""

    fault: Fault
    seen_as: frozenset[str]
    """One of these at least; which one depends on what was under way. Empty: nothing may be seen."""


CASES = {
    "position-first": Case(killed_midway, frozenset({"lost"})),
    "future-not-awaited": Case(record_refused, frozenset({"torn"})),
    "consents-late": Case(only_load, frozenset({"after-withdrawal"})),
    "holding-unwritten": Case(killed_after_a_commit, frozenset({"kept"})),
    "fence-skipped": Case(second_owner, frozenset({"torn", "duplicated", "out-of-order"})),
    "outcome-guessed": Case(commit_that_never_was, frozenset({"lost", "torn"})),
    "store-trusted": Case(killed_midway, frozenset({"lost"})),
    "two-owners": Case(second_owner, frozenset()),
    "old-state-read": Case(commit_that_never_was, frozenset()),
}
QUICK = {"consents-late", "position-first", "outcome-guessed", "store-trusted"}


@pytest.mark.parametrize("way", [one if one in QUICK else pytest.param(one, marks=pytest.mark.long) for one in CASES])
async def test_the_checker_sees_it(chaos: Chaos, way: str) -> None:
    """A router with one guarantee taken out must be found out; two owners alone, with the fence, do no harm."""
    case, router = CASES[way], chaos.router(broken=way)
    await router.start()
    await router.serving(LANES)
    async with Load(chaos.bus, people=20, rate=200) as load:
        await load.passed(200)
        await case.fault(chaos, load, way)
        await load.passed(600)
    _, verdict = await chaos.verdict(largest=SMALLEST_REFUSED)
    print(f"{way}: {verdict}")  # noqa: T201 - what was found is the result
    assert case.seen_as & verdict.counts.keys() if case.seen_as else verdict.clean, verdict


def test_every_way_is_tried() -> None:
    """No way of breaking the router may be left without a case."""
    assert CASES.keys() == WAYS.keys()
