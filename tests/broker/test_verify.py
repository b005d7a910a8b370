"""What `bus route verify` makes of topics in which somebody has left a transaction open."""

import asyncio

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from bus.kafka.transactions import TransactionalWriter
from bus.model.record import Outgoing
from bus.watch.reach import looking
from bus.watch.verify import Verified, verify
from tests.broker.conftest import SmallBus

pytestmark = pytest.mark.broker

TAX, AN = "person-to-tax", "001090099999"


async def verified(bus: SmallBus) -> Verified:
    """The command's answer about one agreement."""
    async with looking(bus.settings, "admin") as look:
        return await verify(look, [look.register.state.agreements[TAX]], print)


async def test_what_is_committed_behind_an_open_transaction_is_not_missing(small_bus: SmallBus) -> None:
    """A router that was killed leaves a transaction open: what others commit behind it is seen once that has ended."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    await bus.publish(await bus.person(AN))
    await bus.until(lambda: len(bus.held(TAX)) == 1, "a record at the tax authority")
    (held,) = bus.read(bus.agency_topic(TAX))
    killed = TransactionalWriter(bus.access, f"{bus.settings.prefix}killed", timeout_ms=60_000)
    try:
        await killed.start()
        await killed._producer.begin_transaction()  # type: ignore[no-untyped-call] # the client's own
        await killed._send([Outgoing(held.topic, held.partition, b"never", b"never")])
        await bus.publish(await bus.person(AN, residence_province="08"))
        await bus.until(lambda: len(bus.read(bus.topics.disclosures)) == 2, "a release behind it")
        verifying = asyncio.ensure_future(verified(bus))
        await asyncio.wait({verifying}, timeout=4)
        await killed._abort()
        found = await verifying
    finally:
        await killed.stop()
    assert (found.findings, found.records) == ({}, 2)


def add_partitions(bus: SmallBus, topic: str) -> None:
    """As somebody does by hand."""
    more = NewPartitions(topic, 2 * bus.settings.lanes)
    admin = AdminClient(bus.access.for_confluent())  # lives until the answers are there
    for done in admin.create_partitions([more]).values():
        done.result(10)


async def test_a_flow_whose_topic_was_deleted(small_bus: SmallBus) -> None:
    """That it is gone must be told, and not be taken for a right that is missing; `bus up` makes it anew."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.registrar._grounds.admin.delete_topics([bus.agency_topic(TAX)])
    assert (await verified(bus)).findings["topic-gone"] == {bus.agency_topic(TAX)}
    await bus.registrar.lay_again()
    add_partitions(bus, bus.agency_topic(TAX))
    await bus.registrar.lay_again()
    assert (await verified(bus)).agree
