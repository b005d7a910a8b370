"""When is a bus quiet? When everything that happened in the registries has become everything that follows from it."""

import asyncio
from collections.abc import Iterable, Mapping

from bus.clock import monotonic
from bus.connect.status import until_caught_up
from bus.demo.lanes import Goals
from bus.demo.parts import Parts
from bus.errors import NotQuiet
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, Reader
from bus.kafka.whole import written_ends
from bus.register.state import Standing

POLL_SECONDS = 0.2
FIRST_WINDOW = 64
"""How far before its end a partition is first searched for its last record."""


async def until_quiet(parts: Parts, *, timeout_seconds: float) -> None:
    """Wait for the country's systems, then the connectors, then the lanes: each hands over to the next.

    Raises NotQuiet or NotCaughtUp, which say what was waited for.
    """
    deadline = monotonic() + timeout_seconds
    while not await parts.country.settled(parts.place):
        if monotonic() > deadline:
            raise NotQuiet(seconds=timeout_seconds, waited_for="the country's systems to hand out what happened")
        await asyncio.sleep(POLL_SECONDS)
    connectors = [connector.name for connector in parts.country.connectors(parts.place)]
    await until_caught_up(parts.settings, connectors, timeout_seconds=deadline - monotonic())
    goals = await goals_of(parts)
    await parts.watch.until(lambda: parts.watch.behind(goals), deadline - monotonic())


async def goals_of(parts: Parts) -> Goals:
    """Where the inputs of the lanes end now."""
    state = await parts.register.newest()
    topics, lanes = parts.topics, range(parts.topics.lanes)
    consents = [Place(topics.consents, lane) for lane in lanes]
    facts = Place(topics.register, 0)
    names = {topics.changes(dataset): dataset for dataset in state.datasets}
    reader = Reader(parts.access, committed=True)
    await reader.start()
    try:
        ends = await reader.ends([*consents, facts])
    finally:
        await reader.stop()
    found = await last_records(parts.access, [Place(topic, lane) for topic in names for lane in lanes])
    return Goals(
        consents={place.partition: ends[place] for place in consents},
        register=ends[facts],
        changes={(names[place.topic], place.partition): offset for place, offset in found.items()},
        standings={
            entry.agreement: f"{entry.number}.{entry.revision}.{entry.standing}."
            for entry in state.agreements.values()
            if entry.standing is Standing.ACTIVE
        },
    )


async def last_records(access: KafkaAccess, places: Iterable[Place]) -> dict[Place, int]:
    """The offset of the last committed record of each place; a place without any is left out.

    The end of a partition does not tell: the markers of transactions stand after the records, and take offsets.
    """
    listed, reader = list(places), Reader(access)
    await reader.start()
    try:
        return await _last_records(reader, await reader.beginnings(listed), await written_ends(access, listed))
    finally:
        await reader.stop()


async def _last_records(reader: Reader, oldest: Mapping[Place, int], ends: Mapping[Place, int]) -> dict[Place, int]:
    waiting = {place for place, end in ends.items() if end > oldest[place]}
    found: dict[Place, int] = {}
    window = FIRST_WINDOW
    while waiting:
        starts = {place: max(oldest[place], ends[place] - window) for place in waiting}
        reader.assign(starts)
        async for records in reader.to_ends({place: ends[place] for place in waiting}):
            for record in records:
                found[Place(record.topic, record.partition)] = record.offset
        waiting = {place for place in waiting if place not in found and starts[place] > oldest[place]}
        window *= 8
    return found
