"""The day, step by step: what is started, what happens, what goes wrong on purpose, and what is checked at the end."""

import asyncio
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import islice

from bus.clock import monotonic
from bus.connect.process import source_class
from bus.connect.recall import Reach, read_standings
from bus.demo.checker import check
from bus.demo.parts import Parts, open_parts
from bus.demo.quiet import until_quiet
from bus.demo.result import Result, Timings
from bus.demo.show import Display
from bus.demo.withdrawals import Given, spread, standing_consents, withdraw
from bus.errors import NotQuiet
from bus.kafka.log import LogWriter
from bus.model.key import RecordKey, lane_of
from bus.model.record import Outgoing
from bus.platform.processes import Supervisor
from bus.settings import Settings
from bus.wiring import ROUTE, Wanted, bring_up

MEASURED = 64
"""Citizens whose withdrawal is measured one by one: some while the router is down, then some after each step."""

MEASURED_IN_RESTART, MEASURED_A_STEP = 8, 5
TROUBLE_AFTER = 4
"""The step of the day, best one with much to do, at whose end the router is killed while it still works on it."""

BACK_SECONDS = 300.0
QUIET_SECONDS = 120.0
SECONDS_A_PERSON = 0.02
"""By how much a larger country may take longer to become quiet."""

NOT_AVRO = b"\x07this is no record"


@dataclass(slots=True)
class _Measured:
    """What was measured on the way."""

    usual: list[float] = field(default_factory=list)
    through_restart: list[float] = field(default_factory=list)


async def run(settings: Settings, supervisor: Supervisor, display: Display, *, people: int, seed: int) -> Result:
    """The whole day on a bus that is started under `supervisor`, and left running.

    Raises what went wrong; a day that went through and was found faulty is a Result that has not passed.
    """
    began = monotonic()
    with display.phase(f"Starting Kafka, PostgreSQL, every stage, and a country of {people:,} people"):
        await bring_up(settings, supervisor, Wanted(people, seed))
    async with open_parts(settings, supervisor) as parts:
        patience = QUIET_SECONDS + people * SECONDS_A_PERSON
        with display.phase("The registries flow onto the bus while citizens give their consents"):
            async for step in parts.country.consents(parts.place, seed=seed):
                display.say(step.title_en)
            await until_quiet(parts, timeout_seconds=patience)
        with display.phase("A day goes by"):
            measured = await _day(parts, display, seed)
        with display.phase("Waiting until everything that happened has arrived"):
            await until_quiet(parts, timeout_seconds=patience)
        with display.phase("Checking what every agency holds against the registries"):
            verdict = await check(parts)
        timings = Timings(measured.usual, measured.through_restart)
        changes = await _published(parts)
    return Result(people, seed, changes, timings, monotonic() - began, verdict)


async def _day(parts: Parts, display: Display, seed: int) -> _Measured:
    measured = _Measured()
    givers: Iterator[Given] = iter(())
    number = 0
    async for step in parts.country.day(parts.place, seed=seed):
        number += 1
        display.say(f"{step.title_en} ({_counted(step.counts.values())})")
        if number == TROUBLE_AFTER:
            waited = await _kill_router(parts, display, list(islice(givers, MEASURED_IN_RESTART)))
            measured.through_restart += waited
        elif number == TROUBLE_AFTER - 1:
            await _put_unreadable(parts)
            display.say("A record that nobody can read is put among the changes")
            givers = iter(spread(await standing_consents(parts), MEASURED))
        for given in islice(givers, MEASURED_A_STEP if number > TROUBLE_AFTER else 0):
            measured.usual.append(await withdraw(parts, given))
    return measured


def _counted(counts: Iterable[int]) -> str:
    total = sum(counts)
    return f"{total:,} record{'' if total == 1 else 's'}"


async def _kill_router(parts: Parts, display: Display, givers: list[Given]) -> list[float]:
    """Kill the router at its work; citizens go on withdrawing. Returns how long each had to wait, in milliseconds."""
    began = monotonic()
    parts.supervisor.kill(ROUTE.name)
    display.say("The router is killed at its work (SIGKILL); citizens go on withdrawing")
    restart = asyncio.create_task(_until_back(parts.supervisor, began))
    try:
        waited = await asyncio.gather(*(withdraw(parts, given) for given in givers))
        display.say(f"The router serves again, {await restart:.1f} s after it was killed")
    finally:
        restart.cancel()
        await asyncio.gather(restart, return_exceptions=True)
    return list(waited)


async def _until_back(supervisor: Supervisor, since: float) -> float:
    """Wait for the new router; returns how long it took. Raises NotQuiet."""
    while not (supervisor.record(ROUTE.name).restarts and supervisor.home.endpoint(ROUTE.name)):
        if monotonic() - since > BACK_SECONDS:
            raise NotQuiet(seconds=BACK_SECONDS, waited_for="the router to be started again")
        await asyncio.sleep(0.05)
    return monotonic() - since


async def _put_unreadable(parts: Parts) -> None:
    """Bytes that are no record, under a key as it must be, in a topic that a connector never reads back."""
    state = await parts.register.newest()
    dataset = next(
        entry.dataset
        for entry in state.datasets.values()
        if entry.schema["subject"] is not None and source_class(entry.registry).old_rows
    )
    key = RecordKey("nobody", "unreadable")
    lane = lane_of(key.lane_text, parts.topics.lanes)
    writer = LogWriter(parts.access)
    await writer.start()
    try:
        await writer.append(Outgoing(parts.topics.changes(dataset), lane, key.encode(), NOT_AVRO))
    finally:
        await writer.stop()


async def _published(parts: Parts) -> int:
    """Changes that the connectors have published in all."""
    reach = Reach(parts.access, parts.registry, parts.topics)
    standings = await read_standings(reach, parts.messages)
    return sum(standing.published for standing, _ in standings.values())
