"""A recipient's client against a real router: kills, erasures, long absences, rights."""

import asyncio
import os
import sys
from asyncio.subprocess import Process
from collections.abc import AsyncIterator, Iterable
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from typing import Any

import psycopg
import pytest

from bus import clock
from bus.deliver.arrival import Arrival, Erasure, Release
from bus.deliver.subscribe import Subscription, subscription
from bus.errors import AwayTooLong, CopyTooOld, NoSuchFlow
from bus.kafka.group import GroupReader
from bus.kafka.log import Place
from bus.kafka.rights import agency_user
from bus.model.consent import ConsentAction
from bus.model.reasons import Reason
from bus.model.record import Incoming
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings
from bus.topics import DAY_MS
from tests.broker.conftest import SmallBus

pytestmark = pytest.mark.broker

BANK, AGENCY = "person-address-to-bank", "commercial-bank"
PEOPLE = [f"0011900{n:05}" for n in range(40)]


@pytest.fixture
async def bank(small_bus: SmallBus) -> SmallBus:
    """Forty people released to the bank."""
    await small_bus.registrar.enrol_agencies(small_bus.agencies)
    await small_bus.activate(BANK)
    await small_bus.route()
    for person in PEOPLE:
        await small_bus.consent(person, BANK, ConsentAction.GIVE, event_id=f"give-{person}")
    await small_bus.publish(*[await small_bus.person(person) for person in PEOPLE])
    await small_bus.until(lambda: len(small_bus.held(BANK)) == len(PEOPLE), "everybody at the bank")
    return small_bus


def as_bank(bus: SmallBus, *agreements: str, group: str = "copy") -> AbstractAsyncContextManager[Subscription]:
    access = kafka_access(bus.settings, KafkaSettings(), Home.from_settings(bus.settings), agency_user(AGENCY))
    return subscription(access, bus.client, bus.topics, AGENCY, agreements, group=group)


async def first(bus: SmallBus, count: int, group: str = "copy") -> list[Arrival]:
    """The first arrivals, in whole batches; all of them are done."""
    found: list[Arrival] = []
    async with asyncio.timeout(60), as_bank(bus, BANK, group=group) as arrivals:
        async for batch in arrivals.batches():
            if len(found) >= count:
                break
            found += batch
            if len(found) >= count:
                await arrivals._reader.done()
                break
    return found


async def withdraw(bus: SmallBus, *people: str) -> None:
    for person in people:
        await bus.consent(person, BANK, ConsentAction.WITHDRAW, event_id=f"stop-{person}")


async def test_releases_then_erasures(bank: SmallBus) -> None:
    """Each release comes decoded; a withdrawal comes as an erasure with its reason, to the group that goes on."""
    released = await first(bank, len(PEOPLE))
    assert all(isinstance(one, Release) for one in released)
    assert {one.fields["personal_id"] for one in released if isinstance(one, Release)} == set(PEOPLE)
    await withdraw(bank, PEOPLE[0])
    (erased,) = await first(bank, 1)
    assert isinstance(erased, Erasure)
    assert (erased.agreement, erased.reason) == (BANK, Reason.CONSENT_WITHDRAWN.value)
    assert erased.key in {one.key for one in released}


async def test_what_was_not_done_comes_again(bank: SmallBus) -> None:
    """Arrivals that were given and never done, because the program failed on them, are given again."""
    seen: list[str] = []

    async def fails_on_the_first() -> None:
        async with asyncio.timeout(60), as_bank(bank, BANK) as arrivals:
            async for one in arrivals:
                seen.append(one.key)
                raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fails_on_the_first()
    again = await first(bank, len(PEOPLE))
    assert seen[0] in {one.key for one in again}
    assert len(again) == len(PEOPLE)


async def test_away_for_too_long(bank: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A group that stood at its end longer ago than tombstones are kept is stopped before it reads on."""
    with monkeypatch.context() as earlier:
        earlier.setattr("bus.kafka.group.now_ms", lambda: clock.now_ms() - 31 * DAY_MS)
        await first(bank, len(PEOPLE))
    await withdraw(bank, PEOPLE[0])
    with pytest.raises(AwayTooLong, match="31 days"):
        await first(bank, 1)


@pytest.mark.parametrize("copy", ["old", "newest", "empty", "old, and its group forgotten"])
async def test_an_old_copy(bank: SmallBus, monkeypatch: pytest.MonkeyPatch, copy: str) -> None:
    """A copy from a backup that is older than tombstones are kept is refused, however lately its group has read.

    So is one whose group a broker has forgotten, as brokers do that are set up by others: after a week.
    """
    monkeypatch.setattr("bus.kafka.group.now_ms", lambda: clock.now_ms() + 31 * DAY_MS)
    arrivals = await first(bank, len(PEOPLE))
    ends = {Place(one.topic, one.partition): one.offset + 1 for one in arrivals}
    before = {"old": -1, "newest": 0, "old, and its group forgotten": -1}

    async def begin(places: Iterable[Place]) -> dict[Place, int]:
        return {one: ends[one] + before[copy] if copy in before and one in ends else 0 for one in places}

    await withdraw(bank, PEOPLE[0])
    access, group = bank.access, f"{bank.topics.agency_prefix(AGENCY)}{'new' if 'forgotten' in copy else 'copy'}"
    reader, found = GroupReader(access, group, [bank.agency_topic(BANK)], begin), list[Incoming]()
    await reader.start()

    async def until_erased() -> None:
        while not any(one.value is None for one in found):
            found.extend(await reader.poll(100, 500))

    try:
        async with asyncio.timeout(60):
            if copy.startswith("old"):
                with pytest.raises(CopyTooOld, match=bank.agency_topic(BANK)):
                    await until_erased()
            else:
                await until_erased()
    finally:
        await reader.stop()
    assert len(found) == {"newest": 1, "empty": len(PEOPLE) + 1}.get(copy, 0)


async def test_at_the_end_is_written_down(bank: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that has nothing to read keeps writing down that it stood at the end, in every partition."""
    monkeypatch.setattr("bus.kafka.group.STILL_HERE_SECONDS", 0.1)
    began = clock.now_ms()
    topic, group = bank.agency_topic(BANK), f"{bank.topics.agency_prefix(AGENCY)}copy"
    reader = GroupReader(bank.access, group, [topic])
    await reader.start()
    try:
        async with asyncio.timeout(60):
            marks: dict[Any, int | None] = {}
            while len(marks) < bank.settings.lanes or min(since or 0 for since in marks.values()) < began + 500:
                await reader.poll(100, 500)
                await reader.done()
                marks = {place: stood.since_ms for place, stood in (await reader._stood()).items()}
    finally:
        await reader.stop()


async def test_a_new_major_version_is_taken_up(bank: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """A reader that runs gets erasures in the old topic and releases in the new one, and misses none of either."""
    monkeypatch.setattr("bus.deliver.subscribe.LOOK_SECONDS", 0.5)
    text, held = bank.documents[BANK], set[str]()
    seen: dict[str, list[Arrival]] = {bank.agency_topic(BANK): []}
    async with asyncio.timeout(120), as_bank(bank, BANK) as arrivals:
        async for batch in arrivals.batches():
            for one in batch:
                seen.setdefault(one.topic, []).append(one)
            (old, *new) = seen.values()
            if len(held) < len(PEOPLE):
                held |= {one.key for one in old}
                if len(held) == len(PEOPLE):
                    bank.documents[BANK] = text.model_copy(update={"fields": text.fields[:-1], "major": 2})
                    await bank.activate(BANK)
            elif new and held == {one.key for one in new[0]} == {one.key for one in old if isinstance(one, Erasure)}:
                break
    assert list(seen)[1] == bank.agency_topic(BANK)
    assert all(isinstance(one, Release) for one in new[0])


async def test_no_such_flow(bank: SmallBus) -> None:
    """An agreement of which the agency has no topic is named, rather than waited for."""
    with pytest.raises(NoSuchFlow, match="person-to-tax"):
        async with as_bank(bank, BANK, "person-to-tax"):
            pass


@pytest.fixture
async def example(bank: SmallBus, database: str) -> AsyncIterator[list[Process]]:
    """Programs of the example that a test started; none outlives it."""
    started: list[Process] = []
    yield started
    for one in started:
        if one.returncode is None:
            one.kill()
        await one.wait()


async def test_example_through_kills(bank: SmallBus, database: str, example: list[Process], tmp_path: Path) -> None:
    """The example's table is what was released and not erased, through kills -9 while releases and erasures come."""
    env = os.environ | {"BUS_HOME": str(bank.settings.home_path), "BUS_PREFIX": bank.settings.prefix}
    env["BUS_SCHEMA_REGISTRY"] = bank.client.access.url

    async def start() -> None:
        words = (sys.executable, "-m", "bus.deliver.example_table", database)
        with (tmp_path / "example.log").open("ab") as log:
            example.append(await asyncio.create_subprocess_exec(*words, env=env, stdout=log, stderr=log))

    def rows() -> set[str]:
        with psycopg.connect(database) as connection:
            if connection.execute("SELECT to_regclass('client_address')").fetchone() == (None,):
                return set()
            return {row[0] for row in connection.execute("SELECT personal_id FROM client_address")}

    await start()
    await bank.until(lambda: len(rows()) > 0, "the first rows", seconds=60)
    for number, person in enumerate(PEOPLE[:3]):
        await withdraw(bank, person)
        await bank.publish(*[await bank.person(one, residence_address=f"{number} Phố Huế") for one in PEOPLE[10:]])
        example[-1].kill()
        await example[-1].wait()
        await start()
    await bank.until(lambda: rows() == set(PEOPLE[3:]), "the rows as they must be", seconds=90)
    with psycopg.connect(database) as connection:
        addresses = connection.execute(
            "SELECT count(*) FROM client_address WHERE residence_address = '2 Phố Huế'"
        ).fetchone()
    assert addresses == (30,)
