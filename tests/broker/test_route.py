"""The router on a real broker, as a process of its own."""

import asyncio
import json
import os
from collections import Counter
from pathlib import Path

import pytest
from confluent_kafka import Producer, TopicPartition
from confluent_kafka.admin import AdminClient

from bus import clock
from bus.errors import LaneKeepsFailing, TwoOfOneName
from bus.kafka.rights import router_group
from bus.model.consent import ConsentAction
from bus.model.key import lane_of
from bus.model.record import Outgoing
from bus.wiring import ROUTE, stage_process
from tests.broker.conftest import PERSON, SmallBus

pytestmark = pytest.mark.broker

BANK, TAX = "person-address-to-bank", "person-to-tax"


def people(count: int) -> list[str]:
    return [f"0010900{number:05d}" for number in range(count)]


async def assert_logged(bus: SmallBus, *agreements: str) -> None:
    """Every committed record of the agency topics has exactly one entry in a block, and the other way round."""
    written = Counter(
        (record.topic, record.partition, record.header("ce_id"), "ERASE" if record.value is None else "RELEASE")
        for agreement in agreements
        for record in bus.read(bus.agency_topic(agreement))
    )
    logged = Counter(
        (entry["topic"], entry["partition"], entry["event_id"], entry["kind"])
        for block in await bus.disclosures()
        for entry in block["entries"]
    )
    assert written == logged
    assert not written or max(written.values()) == 1


def abort_an_attempt(bus: SmallBus, lane: int) -> None:
    """What a lane leaves behind that was killed after it had sent its outputs, once its successor has fenced it."""
    producer = Producer(bus.access.for_confluent() | {"transactional.id": f"{router_group(bus.topics)}-{lane}"})
    producer.init_transactions(20)
    producer.begin_transaction()
    for topic in (bus.agency_topic(TAX), bus.topics.lane_state):
        producer.produce(topic, key=b"attempt", value=b"attempt", partition=lane)
    producer.flush(20)
    producer.abort_transaction(20)


async def test_release_withdraw_erase(small_bus: SmallBus) -> None:
    """A record flows under law and under consent, and a withdrawal takes back what consent had allowed."""
    bus = small_bus
    await bus.activate(TAX, BANK)
    await bus.route()
    await bus.publish(*[await bus.person(one) for one in people(20)])
    await bus.until(lambda: len(bus.held(TAX)) == 20, "twenty people at the tax authority")
    assert bus.held(BANK) == {}
    for one in people(10):
        await bus.consent(one, BANK, ConsentAction.GIVE, event_id=f"give-{one}")
    await bus.until(lambda: len(bus.held(BANK)) == 10, "ten people at the bank")
    lane, offset = await bus.consent(people(1)[0], BANK, ConsentAction.WITHDRAW, event_id="stop")
    await bus.until(lambda: len(bus.held(BANK)) == 9, "nine people at the bank")
    assert (await bus.positions())[lane]["consents_offset"] > offset
    (erasure,) = [record for record in bus.read(bus.agency_topic(BANK)) if record.value is None]
    assert erasure.header("ce_erasurereason") == "consent-withdrawn"
    await assert_logged(bus, TAX, BANK)
    (seen, *_) = await bus.values(bus.read(bus.agency_topic(TAX)))
    assert seen.keys() == {"personal_id", "full_name", "birth_date", "residence_province"}


async def test_killed_router(small_bus: SmallBus) -> None:
    """A router that is killed again and again loses nothing and doubles nothing."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    ids = people(1200)
    for start in range(0, len(ids), 200):
        await bus.publish(*[await bus.person(one) for one in ids[start : start + 200]])
        bus.kill()
    await bus.until(lambda: len(bus.held(TAX)) == len(ids), "everybody at the tax authority", seconds=60)
    assert Counter(record.key for record in bus.read(bus.agency_topic(TAX))).most_common(1)[0][1] == 1
    await assert_logged(bus, TAX)
    await bus.supervisor.stop("route")
    lane = lane_of(ids[0], bus.settings.lanes)
    before = [block["block"] for block in await bus.disclosures() if block["lane"] == lane]
    abort_an_attempt(bus, lane)
    await bus.route()
    await bus.publish(await bus.person(ids[0], residence_province="08"))
    await bus.until(lambda: len(bus.read(bus.agency_topic(TAX))) == len(ids) + 1, "the change after the attempt")
    (after,) = [one for one in await bus.disclosures() if one["lane"] == lane and one["block"] > max(before)]
    assert after["aborted"] == 1, "an attempt that had sent outputs and was aborted stands in the next block"
    await assert_logged(bus, TAX)


async def test_poison(small_bus: SmallBus) -> None:
    """A record that cannot be read lies in deadletters untouched, and what comes after it flows."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    poison = bus.change(PERSON, people(1)[0], b"this is no Avro")
    await bus.publish(poison, await bus.person(people(1)[0]))
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the record after the poison")
    (dead,) = bus.read(bus.topics.deadletters)
    assert (dead.key, dead.value) == (poison.key, poison.value)
    assert dead.header("dead-reason") == "RecordUnreadable"
    assert (dead.header("dead-origin") or "").startswith(bus.topics.changes(PERSON))


async def test_a_record_in_another_lane_is_set_aside(small_bus: SmallBus) -> None:
    """Who leaves the partition to a Kafka client publishes nothing: there no consent and no other version is known."""
    bus, lanes = small_bus, small_bus.settings.lanes
    await bus.activate(TAX)
    await bus.route()
    one = next(one for one in people(20) if lane_of(one, lanes) != lane_of(f"{one}/{one}", lanes))
    right = await bus.person(one)
    wrong = right._replace(partition=lane_of(f"{one}/{one}", lanes))
    await bus.publish(wrong, right)
    await bus.until(lambda: len(bus.read(bus.topics.deadletters)) == 1, "the record in another lane")
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the record in its lane")
    (dead,) = bus.read(bus.topics.deadletters)
    assert (dead.partition, dead.key, dead.value) == wrong[1:4]
    assert dead.header("dead-reason") == "lane-wrong"
    assert [found.partition for found in bus.read(bus.agency_topic(TAX))] == [right.partition]


async def test_poison_that_came_compressed_as_nobody_here_can(small_bus: SmallBus) -> None:
    """A record that no topic takes again as it was is buried with its beginning, and what comes after it flows.

    Of what is the same a hundred kilobytes further on, zstd makes one, and gzip does not.
    """
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    (one,) = people(1)
    topic, lane = bus.topics.changes(PERSON), lane_of(one, bus.settings.lanes)
    value = os.urandom(100_000) * 30
    other = Producer(bus.access.for_confluent() | {"compression.type": "zstd", "message.max.bytes": 2 * len(value)})
    other.produce(topic, value, f"{one}/{one}".encode(), lane)
    await asyncio.to_thread(other.flush, 30)
    await bus.publish(await bus.person(one))
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the record after the poison")
    (dead,) = bus.read(bus.topics.deadletters)
    assert dead.value is not None
    assert value.startswith(dead.value)
    assert (dead.header("dead-reason"), dead.header("dead-cut-from")) == ("too-large", str(len(value)))


async def test_orders_that_nobody_read(small_bus: SmallBus) -> None:
    """Orders that are gone before a lane was there to read them keep it from nothing; those that are left are read."""
    bus = small_bus
    await bus.activate(TAX)
    (one,) = people(1)
    orders = (bus.topics.commands, lane_of(one, bus.settings.lanes))
    for _ in range(3):
        await bus.writer.append(Outgoing(*orders, b"connector/none", b"order"))
    admin = AdminClient(bus.access.for_confluent())  # lives until the answer is there
    (gone,) = admin.delete_records([TopicPartition(*orders, 2)]).values()
    gone.result(20)
    await bus.route()
    await bus.publish(await bus.person(one))
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the change", seconds=15)
    assert (await bus.positions())[orders[1]]["commands_offset"] == 3


async def test_suspension(small_bus: SmallBus) -> None:
    """A suspended agreement lets nothing through once every lane has passed the fact; resumed, it catches up."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    await bus.publish(*[await bus.person(one) for one in people(5)])
    await bus.until(lambda: len(bus.held(TAX)) == 5, "five people")
    offset = await bus.registrar.step(TAX, "suspended", "a test")

    async def passed() -> bool:
        found = await bus.positions()
        return len(found) == bus.settings.lanes and all(one["register_offset"] > offset for one in found.values())

    deadline = clock.monotonic() + 60
    while not await passed():
        assert clock.monotonic() < deadline
        await asyncio.sleep(0.02)
    await bus.publish(*[await bus.person(one) for one in people(8)])
    lanes = {lane_of(one, bus.settings.lanes) for one in people(8)}
    before = {record.offset for record in bus.read(bus.agency_topic(TAX))}
    await bus.registrar.step(TAX, "resumed", "a test")
    await bus.until(lambda: len(bus.held(TAX)) == 8, "eight people")
    assert lanes
    assert len(before) <= 5
    await assert_logged(bus, TAX)


async def test_a_lane_that_keeps_failing(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """A lane that fails begins anew alone; when it has as often as it may the process ends, by a code that says why."""
    bus, (first, second) = small_bus, people(2)
    monkeypatch.setenv("BUS_ROUTE_LANE_FAILURES", "3")
    await bus.activate(TAX)
    stage = stage_process(ROUTE, bus.settings)
    with (tmp_path / "log").open("wb") as log:
        process = await asyncio.create_subprocess_exec(
            *stage.argv, env={**os.environ, **stage.env}, stdout=log, stderr=log
        )
    try:
        await bus.publish(await bus.person(first))
        await bus.until(lambda: len(bus.held(TAX)) == 1, "the first person")
        bus.set_topic(bus.topics.lane_state, {"max.message.bytes": 100})  # room for a marker, and for nothing else
        ending, version, deadline = asyncio.create_task(process.wait()), 0, clock.monotonic() + 90
        while not ending.done():  # the broker takes a moment to obey
            version += 1
            await bus.publish(await bus.person(second, residence_province=f"{version:02d}"))
            await asyncio.wait({ending}, timeout=0.5)
            assert clock.monotonic() < deadline
        assert ending.result() == LaneKeepsFailing.exit_code
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    told = [json.loads(line) for line in (tmp_path / "log").read_text("utf-8").splitlines() if line.startswith("{")]
    failed = [one["lane"] for one in told if one["event"] == "lane-failed"]
    assert failed == [lane_of(second, bus.settings.lanes)] * 3
    bus.set_topic(bus.topics.lane_state, {"max.message.bytes": 1 << 20})
    await bus.route()
    await bus.until(lambda: len(bus.held(TAX)) == 2, "the second person")
    await assert_logged(bus, TAX)


@pytest.mark.long
async def test_two_of_one_name(small_bus: SmallBus) -> None:
    """Two routers of one name do not fight for ever: one ends with the code that says so, and the other goes on."""
    bus = small_bus
    await bus.activate(TAX)
    stage = stage_process(ROUTE, bus.settings)
    both = [
        await asyncio.create_subprocess_exec(
            *stage.argv, env={**os.environ, **stage.env}, stderr=asyncio.subprocess.DEVNULL
        )
        for _ in range(2)
    ]
    ending = [asyncio.create_task(one.wait()) for one in both]
    try:
        number, deadline = 0, clock.monotonic() + 120
        while not any(one.done() for one in ending):
            await bus.publish(*[await bus.person(one) for one in people(20 * (number + 1))[20 * number :]])
            number += 1
            assert clock.monotonic() < deadline
        (ended,) = [one.result() for one in ending if one.done()]
        assert ended == TwoOfOneName.exit_code
        await bus.until(lambda: len(bus.held(TAX)) == 20 * number, "everybody", seconds=60)
    finally:
        for one in both:
            if one.returncode is None:
                one.terminate()
        await asyncio.gather(*ending)
    await assert_logged(bus, TAX)


async def test_two_routers(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Two routers share the lanes; when one is told to end the other has its lanes at once, and nothing is lost."""
    bus = small_bus
    monkeypatch.setenv("BUS_ROUTE_SESSION_TIMEOUT_MS", "300000")  # nobody waits for a session to be over
    await bus.activate(TAX)
    await bus.route()
    await bus.route("route-2")
    await bus.publish(*[await bus.person(one) for one in people(100)])
    await bus.until(lambda: len(bus.held(TAX)) == 100, "a hundred people")
    ending = bus.supervisor._children["route-2"].popen
    await bus.supervisor.stop("route-2")
    assert ending.returncode == 0, "it was killed at its deadline, and did not end in order"
    await bus.publish(*[await bus.person(one) for one in people(300)])
    await bus.until(lambda: len(bus.held(TAX)) == 300, "three hundred people", seconds=60)
    await assert_logged(bus, TAX)
