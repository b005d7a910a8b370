"""`bus bench withdraw`: how long from the append of a withdrawal to the committed position that has passed it."""

import asyncio
from dataclasses import asdict, dataclass
from typing import Any

from bus import clock
from bus.bench.catchup import AGREEMENT, until_routed
from bus.bench.ground import Ground, Tell, ground
from bus.bench.latency import until_consents_count, write_steadily
from bus.bench.measure import milliseconds
from bus.bench.workload import Person
from bus.errors import BenchFailed
from bus.kafka.log import Place, Reader
from bus.model.consent import ConsentAction
from bus.route.store.bodies import position_of
from bus.settings import Settings
from bus.wiring import ROUTE, registrar_of

LONGEST_SECONDS = 30.0
APART_SECONDS = 31.0
"""Between two kills: a router that has lived for so long is started again at once, one that dies often is not."""

BACKFILL_SECONDS = 2.0
"""A backfill that has not come to its end by then begins anew."""


@dataclass(frozen=True, slots=True)
class Trial:
    """How withdrawals are tried.

    So many, one after another, by some of `subjects` people, while changes come at `rate` a second and `catchup`
    records are judged again and again; after the last of them the router is killed at `kills` more.
    """

    withdrawals: int
    rate: int
    subjects: int
    catchup: int = 0
    kills: int = 0


async def bench_withdraw(settings: Settings, tell: Tell, trial: Trial) -> dict[str, Any]:
    """Returns the figures. Raises BenchFailed."""
    async with ground(settings, tell, subjects=trial.subjects) as bus:
        await bus.everybody_consents()
        await bus.start_router()
        await until_consents_count(bus)
        if trial.catchup:
            await until_routed(bus, await bus.strangers(trial.catchup))
        others = [asyncio.create_task(_load(bus, trial.rate)), asyncio.create_task(_catch_up(bus, trial.catchup))]
        watch = _Watch(bus)
        await watch.start()
        try:
            chosen = _chosen(bus, trial.withdrawals + trial.kills)
            durations = [await watch.withdraw(*one) for one in chosen[: trial.withdrawals]]
            after_kill = [await _after_kill(watch, *one) for one in chosen[trial.withdrawals :]]
        finally:
            for task in others:
                task.cancel()
            await asyncio.gather(*others, return_exceptions=True)
            await watch.stop()
        return {
            "bench": "withdraw",
            **asdict(trial),
            "append_to_effective_ms": milliseconds(durations),
            "append_to_effective_after_kill_ms": milliseconds(after_kill),
        }


async def _after_kill(watch: "_Watch", person: Person, agreement: str) -> float:
    """One withdrawal at whose moment the router is killed."""
    await asyncio.sleep(APART_SECONDS)
    return await watch.withdraw(person, agreement, kill=True)


async def _catch_up(bus: Ground, records: int) -> None:
    """Let every record be judged again, time after time, over one connection: to make one holds the loop up."""
    if not records:
        return
    async with registrar_of(bus.settings) as registrar:
        while True:
            await registrar.step_route(AGREEMENT, "backfill-asked", "a measurement")
            await asyncio.sleep(BACKFILL_SECONDS)


async def _load(bus: Ground, rate: int) -> None:
    if rate:
        await write_steadily(bus, rate=rate, seconds=24 * 3600)


def _chosen(bus: Ground, count: int) -> list[tuple[Person, str]]:
    pairs = [(person, name) for person in bus.nation.people for name in sorted(person.consents)]
    return pairs[:: max(1, len(pairs) // count)][:count]


class _Watch:
    """Follows the lanes' committed positions."""

    def __init__(self, bus: Ground) -> None:
        self._bus = bus
        self._reader = Reader(bus.access, committed=True)
        self._reached: dict[int, int] = {}
        self._moved = asyncio.Event()

    async def start(self) -> None:
        """Read `lane-state` on from its end."""
        await self._reader.start()
        places = [Place(self._bus.topics.lane_state, lane) for lane in range(self._bus.topics.lanes)]
        self._reader.assign(await self._reader.ends(places))
        self._task = asyncio.create_task(self._run())

    async def stop(self) -> None:
        """Stop reading."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    async def withdraw(self, person: Person, agreement: str, *, kill: bool = False) -> float:
        """Seconds from the append of one withdrawal until it holds; with `kill` the router dies at that moment."""
        event = self._bus.consent(person, agreement, ConsentAction.WITHDRAW)
        begun = clock.monotonic()
        if kill:
            self._bus.supervisor.kill(ROUTE.name)
        offset = await self._bus.consents.append(event)
        try:
            async with asyncio.timeout(LONGEST_SECONDS):
                while self._reached.get(person.lane, 0) <= offset:
                    self._moved.clear()
                    await self._moved.wait()
        except TimeoutError:
            raise BenchFailed(what=f"a withdrawal in lane {person.lane} took no effect") from None
        return clock.monotonic() - begun

    async def _run(self) -> None:
        while True:
            for record in await self._reader.poll(1000):
                if record.key == b"position" and record.value is not None:
                    position = position_of(await self._bus.messages.decode(record.value))
                    self._reached[record.partition] = position.consents_offset
                    self._moved.set()
