"""A connector that was set up for another bus is refused before it writes anything."""

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from confluent_kafka.admin import AdminClient, NewPartitions

from bus.connect.findings import Weight
from bus.connect.founding import check_bus
from bus.connect.place import Place
from bus.connect.runner import Runner
from bus.errors import BusMismatch, BusNotFounded, TransactionTooLong
from bus.kafka.access import KafkaAccess
from connectors.population.source import Source

pytestmark = [pytest.mark.broker, pytest.mark.postgres]


@pytest.mark.parametrize(
    ("change", "refusal", "words"),
    [({"lanes": 5}, BusMismatch, "lanes=3"), ({"prefix": "nowhere."}, BusNotFounded, "nowhere")],
)
async def test_another_bus_is_refused(
    bus: Any, population: Any, change: dict[str, Any], refusal: type[Exception], words: str
) -> None:
    """With other lanes or another prefix a connector ends with what differs, `check` says it, nothing is written."""
    other = replace(bus.reach, topics=replace(bus.topics, **change))
    source = Source(Place("population", other.topics.prefix, {"dsn": population.dsn}))
    with pytest.raises(refusal, match=words):
        await Runner(source, Source.manifest, other).run()
    (finding,) = await check_bus(other, "population", Source.manifest.datasets)
    assert finding.weight is Weight.ERROR
    assert words in finding.what
    assert finding.remedy
    assert await bus.changes("population.person") == []


async def test_the_same_bus_is_good(bus: Any) -> None:
    """Against the bus of its settings, `check` has nothing to say but how many lanes it has."""
    (finding,) = await check_bus(bus.reach, "population", Source.manifest.datasets)
    assert (finding.weight, "3 lanes" in finding.what) == (Weight.GOOD, True)


async def test_a_topic_with_more_partitions_is_named(bus: Any, kafka: KafkaAccess) -> None:
    """Where one topic was given more by hand, the bus is the right one: its settings are not what is to be changed."""
    topic = bus.topics.changes("population.person")
    admin = AdminClient(kafka.for_confluent())
    (made,) = admin.create_partitions([NewPartitions(topic, 4)]).values()
    await asyncio.to_thread(made.result)
    (finding,) = await check_bus(bus.reach, "population", Source.manifest.datasets)
    assert finding.what == f"topic {topic} has partitions=4, and the bus needs 3"


async def test_a_connectors_transactions_are_as_long_as_it_is_told(bus: Any, population: Any) -> None:
    """A broker that allows less than the setting asks for refuses the connector, and the remedy names the setting."""
    reach = replace(bus.reach, transaction_timeout_ms=2_000_000_000)
    source = Source(Place("population", bus.topics.prefix, {"dsn": population.dsn}))
    with pytest.raises(TransactionTooLong, match="2000000000 ms") as raised:
        await Runner(source, Source.manifest, reach).run()
    assert "BUS_CONNECT_TRANSACTION_TIMEOUT_MS" in raised.value.how_to_mend
