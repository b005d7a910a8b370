"""What a connector publishes, as it lies in its topics: read under its own user, decoded, and without a group."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any

from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import decode
from bus.avro.frame import unframe
from bus.connect.recall import Reach
from bus.kafka.log import Place, Reader
from bus.kafka.whole import written_ends
from bus.model.record import Incoming


@dataclass(frozen=True, slots=True)
class Published:
    """One change. `fields` None is a tombstone: the record is gone from under this key. `what` is the operation."""

    dataset: str
    lane: int
    offset: int
    time: str | None
    what: str
    key: str
    fields: Mapping[str, Any] | None


async def tail(
    reach: Reach, datasets: tuple[str, ...], *, from_beginning: bool, follow: bool = True
) -> AsyncGenerator[Published, None]:
    """Every committed change of these datasets, from now or from the beginning; without `follow` up to what is there.

    What is on its way then is waited for: it may be committed, and not seen to be so yet. Changes of one lane come in
    their order, those of different lanes as they are met. Raises KafkaUnreachable.
    """
    by_topic = {reach.topics.changes(name): name for name in datasets}
    places = [Place(topic, lane) for topic in by_topic for lane in range(reach.topics.lanes)]
    reader = Reader(reach.access)
    async with SchemaRegistryClient(reach.registry) as client:
        try:
            await reader.start()
            ends = await (reader.ends(places) if follow else written_ends(reach.access, places))
            reader.assign(await reader.beginnings(places) if from_beginning else ends)
            async for records in reader.follow() if follow else reader.to_ends(ends):
                for record in records:
                    yield await _published(record, by_topic[record.topic], client)
        finally:
            await reader.stop()


async def _published(record: Incoming, dataset: str, client: SchemaRegistryClient) -> Published:
    fields = None
    if record.value is not None:
        schema_id, body = unframe(record.value)
        fields = decode(await client.parsed(schema_id, logical=True), body)
    what = (record.header("ce_type") or "").removeprefix(f"{dataset}.") or "-"
    key = (record.key or b"").decode("utf-8", "replace")
    return Published(dataset, record.partition, record.offset, record.header("ce_time"), what, key, fields)
