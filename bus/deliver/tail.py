"""What an agency sees: its own topics under its own user, `read_committed`, decoded; tombstones told in words.

No consumer group: to look leaves no trace, and the agency's own readers lose nothing.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import decode
from bus.avro.frame import unframe
from bus.deliver.arrival import words_of
from bus.deliver.recipients import Flow
from bus.errors import TopicForbidden
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import Place, Reader, TopicAuthorizationFailedError
from bus.model.record import Incoming


@dataclass(frozen=True, slots=True)
class Seen:
    """One record as the agency gets it. `fields` None means erased: `reason` and `words` say why.

    `time` is that of the decision, in RFC 3339; coarse in a pseudonymous flow. Dates, times and decimals among `fields`
    are Python's.
    """

    agreement: str
    topic: str
    partition: int
    offset: int
    time: str | None
    key: str
    fields: dict[str, Any] | None
    reason: str | None
    words: str | None
    headers: dict[str, str]

    @property
    def what(self) -> str:
        """In a word."""
        return "erased" if self.fields is None else "released"

    def as_json(self) -> dict[str, Any]:
        """For machines; values that JSON lacks stay as they are."""
        return {
            "time": self.time,
            "agreement": self.agreement,
            "what": self.what,
            "key": self.key,
            "fields": self.fields,
            "reason": self.reason,
            "topic": self.topic,
            "partition": self.partition,
            "offset": self.offset,
            "headers": self.headers,
        }


async def tail(
    access: KafkaAccess,
    client: SchemaRegistryClient,
    flows: Sequence[Flow],
    *,
    from_beginning: bool,
    follow: bool = True,
) -> AsyncGenerator[Seen, None]:
    """Every record of these flows, from now or from the beginning; without `follow` up to what is there now.

    Raises TopicForbidden when the user has no right to a topic, KafkaUnreachable when no broker answers.
    """
    if not flows:
        return
    agreements = {flow.topic: flow.agreement for flow in flows}
    places = await _places(access, list(agreements))
    reader = Reader(access)
    try:
        await reader.start()
        ends = await reader.ends(places)
        reader.assign(await reader.beginnings(places) if from_beginning else ends)
        async for record in _records(reader, None if follow else ends):
            yield await _seen(record, agreements[record.topic], client)
    except TopicAuthorizationFailedError as error:
        raise TopicForbidden(user=access.username, topics=", ".join(agreements)) from error
    finally:
        await reader.stop()


async def _places(access: KafkaAccess, topics: Sequence[str]) -> list[Place]:
    """Every partition of the topics. Asked first, for a reader would wait long for a topic that it is refused."""
    visible = await Admin(access).topics()
    refused = [topic for topic in topics if topic not in visible]
    if refused:
        raise TopicForbidden(user=access.username, topics=", ".join(refused))
    return [Place(topic, partition) for topic in topics for partition in range(visible[topic])]


async def _records(reader: Reader, ends: dict[Place, int] | None) -> AsyncIterator[Incoming]:
    async for records in reader.follow() if ends is None else reader.to_ends(ends):
        for record in records:
            yield record


async def _seen(record: Incoming, agreement: str, client: SchemaRegistryClient) -> Seen:
    fields, reason = None, None
    if record.value is None:
        reason = record.header("ce_erasurereason")
    else:
        schema_id, body = unframe(record.value)
        fields = decode(await client.parsed(schema_id, logical=True), body)
    return Seen(
        agreement=agreement,
        topic=record.topic,
        partition=record.partition,
        offset=record.offset,
        time=record.header("ce_time"),
        key=(record.key or b"").decode("utf-8", "replace"),
        fields=fields,
        reason=reason,
        words=words_of(reason) if fields is None else None,
        headers={name: value.decode("utf-8", "replace") for name, value in record.headers},
    )
