"""Topics that are deleted and made anew below lanes that have read them: offsets begin at 0 again, and mean others."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from bus.errors import LaneKeepsFailing, TopicDrifted, TopicReplaced
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.transactions import TransactionalWriter
from bus.model.consent import ConsentAction
from bus.model.record import Outgoing
from bus.topics import COMPACTED, TopicSpec
from bus.wiring import ROUTE, stage_process
from tests.broker.conftest import PERSON, SmallBus

BANK, TAX = "person-address-to-bank", "person-to-tax"
OLD, NEW = [f"0010900{number:05d}" for number in range(20)], [f"0020900{number:05d}" for number in range(60)]


async def made_anew(bus: SmallBus, spec: TopicSpec) -> None:
    admin = Admin(bus.access)
    await admin.delete_topics([spec.name])
    async with asyncio.timeout(30):
        while spec.name in await admin.topics():  # noqa: ASYNC110 - nothing to await: the broker forgets
            await asyncio.sleep(0.05)
    await admin.ensure_topics([spec])


@asynccontextmanager
async def ending_router(bus: SmallBus, folder: Path) -> AsyncIterator[Callable[[], Awaitable[list[str]]]]:
    """A router that is to end by itself; gives what waits for that and returns what its lanes failed of."""
    stage, path = stage_process(ROUTE, bus.settings), folder / "ending.jsonl"
    environment = {**os.environ, **stage.env, "BUS_ROUTE_LANE_FAILURES": "2"}
    with path.open("wb") as log:
        process = await asyncio.create_subprocess_exec(*stage.argv, env=environment, stdout=log, stderr=log)

    async def failures() -> list[str]:
        assert await asyncio.wait_for(process.wait(), 60) in {TopicReplaced.exit_code, LaneKeepsFailing.exit_code}
        lines = path.read_text("utf-8").splitlines()
        failed = [one for line in lines if line.startswith("{") and (one := json.loads(line))["event"] == "lane-failed"]
        return [*(one["error"] for one in failed), *(line for line in lines if line.startswith("error: "))]

    try:
        yield failures
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


def spec_of(bus: SmallBus, what: str) -> TopicSpec:
    if what == "changes":
        return bus.topics.changes_spec(PERSON)
    return next(spec for spec in bus.topics.founding() if spec.name == f"{bus.topics.prefix}{what}")


@pytest.mark.parametrize("what", ["changes", "consents"])
async def test_what_was_read_of_a_topic_does_not_count_for_another_of_its_name(
    what: str, small_bus: SmallBus, tmp_path: Path
) -> None:
    """A lane that had read a topic which was made anew meanwhile must say so, and not pass over what lies in it now."""
    bus, spec = small_bus, spec_of(small_bus, what)
    await bus.activate(TAX, BANK)
    for one in OLD:
        await bus.consent(one, BANK, ConsentAction.GIVE, event_id=f"give-{one}")
    await bus.route()
    await bus.publish(*[await bus.person(one) for one in OLD])
    await bus.until(lambda: len(bus.held(TAX)) == len(bus.held(BANK)) == len(OLD), "everybody")
    await bus.supervisor.stop("route")
    await made_anew(bus, spec)
    await bus.publish(*[await bus.person(one) for one in NEW])
    for one in NEW:
        await bus.consent(one, BANK, ConsentAction.GIVE, event_id=f"give-{one}")
    async with ending_router(bus, tmp_path) as failures:
        told = await failures()
    assert told
    assert all(f"topic {spec.name} " in error and "made anew" in error for error in told)


@pytest.mark.parametrize("what", ["changes", "register"])
async def test_a_topic_that_goes_under_a_running_router(what: str, small_bus: SmallBus, tmp_path: Path) -> None:
    """A router whose topic is deleted and made anew must end and say so, whatever comes into the new one."""
    bus = small_bus
    await bus.activate(TAX)
    async with ending_router(bus, tmp_path) as failures:
        await bus.publish(await bus.person(OLD[0]))
        await bus.until(lambda: len(bus.held(TAX)) == 1, "the first person")
        await made_anew(bus, spec_of(bus, what))
        await bus.publish(*[await bus.person(one) for one in NEW])
        assert f"topic {spec_of(bus, what).name} " in (await failures())[-1]


async def test_a_topic_that_ends_before_what_was_read_of_it(small_bus: SmallBus, tmp_path: Path) -> None:
    """A lane whose position lies beyond the end of a topic, as where its newest records were lost, must name it."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.publish(await bus.person(OLD[0]))
    position = {"lane_time": 1, "block": 1, "consents_offset": 0, "register_offset": 1, "inputs": {PERSON: 1000}}
    position |= {"commands_offset": 0, "due_until": 0, "topics": {}}
    writer = TransactionalWriter(bus.access, f"{bus.settings.prefix}router-3")
    await writer.start()
    value = bus.messages.encode("lane_position", position)
    await writer.commit([Outgoing(bus.topics.lane_state, 3, b"position", value)])
    await writer.stop()
    async with ending_router(bus, tmp_path) as failures:
        for error in await failures():
            assert f"topic {bus.topics.changes(PERSON)} has no offset 1000 in partition 3" in error


async def test_a_kafka_of_the_bus_is_set_back(kafka: KafkaAccess, prefix: str) -> None:
    """On the local Kafka, which a failed start ends, nobody could follow the remedy: the start sets it back."""
    wanted = TopicSpec(f"{prefix}topic", 1, COMPACTED)
    otherwise = dict(COMPACTED) | {"segment.ms": "12345678", "cleanup.policy": "delete"}
    await Admin(kafka).ensure_topics([replace(wanted, config=tuple(otherwise.items()))])
    admin = Admin(kafka, sets_back=True)
    await admin.ensure_topics([wanted])
    await Admin(kafka).ensure_topics([wanted])
    with pytest.raises(TopicDrifted, match="partitions=1"):
        await admin.ensure_topics([replace(wanted, partitions=2)])
