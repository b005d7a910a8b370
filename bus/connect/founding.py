"""Is the bus that a connector found the one that it was set up for? Its topics tell: it may not read the register.

A key's lane follows from the number of lanes: a connector with another number would publish a person's records where
nobody who holds that person's consents looks for them.
"""

from collections.abc import Iterable

from bus.connect.findings import Finding, error, good
from bus.connect.recall import Reach
from bus.errors import BusError, BusMismatch, BusNotFounded, DatasetUnregistered
from bus.kafka.admin import Admin


async def require_same_bus(reach: Reach, datasets: Iterable[str]) -> None:
    """Return where the topics of the bus have as many partitions as they must.

    Raises BusNotFounded under another prefix, BusMismatch with other lanes, DatasetUnregistered for a dataset without a
    topic, KafkaUnreachable.
    """
    topics = reach.topics
    there = await Admin(reach.access).topics()
    if topics.positions not in there:
        raise BusNotFounded(bootstrap=reach.access.bootstrap, prefix=topics.prefix)
    listed = {name: topics.changes(name) for name in datasets}
    for topic in (topics.commands, topics.deadletters, *listed.values()):
        if there.get(topic, topics.lanes) != topics.lanes:
            raise BusMismatch(setting="lanes", founded=there[topic], given=topics.lanes)
    for name, topic in listed.items():
        if topic not in there:
            raise DatasetUnregistered(dataset=name, subject=topic)


async def check_bus(reach: Reach, datasets: Iterable[str]) -> list[Finding]:
    """The same as findings; a bus that cannot be reached is an error with its remedy."""
    try:
        await require_same_bus(reach, datasets)
    except BusError as wrong:
        return [error(str(wrong), wrong.how_to_mend)]
    return [good(f"the bus is the one of the settings, with {reach.topics.lanes} lanes")]
