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
    if missing := await _missing(reach, datasets):
        raise DatasetUnregistered(dataset=missing[0], subject=reach.topics.changes(missing[0]))


async def _missing(reach: Reach, datasets: Iterable[str]) -> list[str]:
    """The datasets that have no topic. Raises BusNotFounded, BusMismatch, KafkaUnreachable."""
    topics = reach.topics
    there = await Admin(reach.access).topics()
    if topics.positions not in there:
        raise BusNotFounded(bootstrap=reach.access.bootstrap, prefix=topics.prefix)
    listed = {name: topics.changes(name) for name in datasets}
    for topic in (topics.commands, topics.deadletters, *listed.values()):
        if there.get(topic, topics.lanes) != topics.lanes:
            raise BusMismatch(setting="lanes", founded=there[topic], given=topics.lanes)
    return [name for name, topic in listed.items() if topic not in there]


async def check_bus(reach: Reach, datasets: Iterable[str], *, registered: bool = True) -> list[Finding]:
    """The same as findings; a bus that cannot be reached is an error with its remedy.

    Where it is not known whether the connector is `registered`, one that has no topic yet need not have any.
    """
    listed = list(datasets)
    try:
        if not registered and await _missing(reach, listed) == listed:
            return [good(f"the bus has {reach.topics.lanes} lanes, and no topic of this connector yet")]
        await require_same_bus(reach, listed)
    except BusError as wrong:
        return [error(str(wrong), wrong.how_to_mend)]
    return [good(f"the bus is the one of the settings, with {reach.topics.lanes} lanes")]
