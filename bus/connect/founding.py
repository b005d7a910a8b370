"""Is the bus that a connector found the one that it was set up for? Its topics tell: it may not read the register.

A key's lane follows from the number of lanes: a connector with another number would publish a person's records where
nobody who holds that person's consents looks for them.
"""

from collections.abc import Iterable

from bus.connect.findings import Finding, error, good
from bus.connect.recall import Reach
from bus.errors import BusError, BusMismatch, BusNotFounded, ConnectorUnregistered, DatasetUnregistered, TopicDrifted
from bus.kafka.admin import Admin


async def require_same_bus(reach: Reach, connector: str, datasets: Iterable[str]) -> None:
    """Return where the topics of the bus have as many partitions as they must.

    Raises BusNotFounded under another prefix, BusMismatch with other lanes, TopicDrifted where one topic alone has
    others, ConnectorUnregistered for a connector without topics of its own, DatasetUnregistered for a dataset without
    one, KafkaUnreachable.
    """
    listed, topics = list(datasets), reach.topics
    there = await _topics(reach, connector, listed)
    if any(spec.name not in there for spec in topics.connector_specs(connector)):
        raise ConnectorUnregistered(connector=connector)
    if missing := [name for name in listed if topics.changes(name) not in there]:
        raise DatasetUnregistered(dataset=missing[0], subject=topics.changes(missing[0]))


async def _topics(reach: Reach, connector: str, datasets: Iterable[str]) -> Iterable[str]:
    """The topics that are there. Raises BusNotFounded, BusMismatch, TopicDrifted, KafkaUnreachable."""
    topics = reach.topics
    there = await Admin(reach.access).topics()
    if topics.commands not in there:
        raise BusNotFounded(bootstrap=reach.access.bootstrap, prefix=topics.prefix)
    by_lane = (topics.commands, topics.deadletters_of(connector), *(topics.changes(name) for name in datasets))
    lanes = {topic: there[topic] for topic in by_lane if topic in there}
    others = {topic: found for topic, found in lanes.items() if found != topics.lanes}
    for topic, found in others.items():
        if others.keys() == lanes.keys():
            raise BusMismatch(setting="lanes", founded=found, given=topics.lanes)
        raise TopicDrifted(topic=topic, setting="partitions", found=found, needed=topics.lanes)
    return there.keys()


async def check_bus(reach: Reach, connector: str, datasets: Iterable[str], *, registered: bool = True) -> list[Finding]:
    """The same as findings; a bus that cannot be reached is an error with its remedy.

    Where it is not known whether the connector is `registered`, its own topic tells.
    """
    listed = list(datasets)
    try:
        if not registered and reach.topics.positions(connector) not in await _topics(reach, connector, listed):
            return [good(f"the bus has {reach.topics.lanes} lanes, and no topic of this connector yet")]
        await require_same_bus(reach, connector, listed)
    except BusError as wrong:
        return [error(str(wrong), wrong.how_to_mend)]
    return [good(f"the bus is the one of the settings, with {reach.topics.lanes} lanes")]
