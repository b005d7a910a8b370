"""What an agency sees: its own topics under its own user, `read_committed`, decoded; tombstones told in words.

No consumer group: to look leaves no trace, and the agency's own readers lose nothing.
"""

import contextlib
from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any

from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import decode
from bus.avro.frame import unframe
from bus.clock import monotonic
from bus.deliver.arrival import words_of
from bus.deliver.recipients import Flow
from bus.deliver.subscribe import LOOK_SECONDS, Wanted
from bus.errors import KafkaUnreachable, TopicForbidden
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.log import Place, Reader, TopicAuthorizationFailedError
from bus.kafka.whole import written_ends
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
    headers: dict[str, str | None]

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


async def tail(  # noqa: PLR0913 - each says one thing of its own
    access: KafkaAccess,
    client: SchemaRegistryClient,
    flows: Sequence[Flow],
    *,
    from_beginning: bool,
    follow: bool = True,
    wanted: Wanted | None = None,
) -> AsyncGenerator[Seen, None]:
    """Every record of these flows, from now or from the beginning; without `follow` up to what is there now.

    Flows among what is `wanted` that begin later are followed too, a new major version of an agreement above all.
    Without `follow` what is on its way is waited for: a committed erasure may not be seen to be committed yet.

    Raises TopicForbidden when the user has no right to a topic, KafkaUnreachable when no broker answers.
    """
    if not flows:
        return
    agreements = {flow.topic: flow.agreement for flow in flows}
    places = await _places(access, list(agreements))
    reader = Reader(access)
    try:
        await reader.start()
        ends = await (reader.ends(places) if follow else written_ends(access, places))
        reader.assign(await reader.beginnings(places) if from_beginning else ends)
        newer = None if wanted is None or not follow else _Newer(reader, Admin(access), wanted, agreements, places)
        async for record in _records(reader, None if follow else ends, newer):
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


class _Newer:
    """Looks now and then for flows that have begun, and has them read too."""

    def __init__(
        self, reader: Reader, admin: Admin, wanted: Wanted, agreements: dict[str, str], places: list[Place]
    ) -> None:
        self._reader, self._admin, self._wanted = reader, admin, wanted
        self._agreements, self._places = agreements, places
        self._looked_at = monotonic()

    async def look(self) -> None:
        """Take up what there is by now, from its beginning. Only while nothing is being polled."""
        if monotonic() - self._looked_at < LOOK_SECONDS:
            return
        self._looked_at = monotonic()
        with contextlib.suppress(KafkaUnreachable):  # the reader tells by itself when that lasts
            visible = await self._admin.topics()
            seen = self._wanted.among(visible)
            new = [Place(topic, number) for topic in seen.keys() - self._agreements for number in range(visible[topic])]
            if new:
                known = {place: await self._reader.position(place) for place in self._places}
                self._reader.assign({**known, **await self._reader.beginnings(new)})
                self._agreements |= seen
                self._places += new


async def _records(reader: Reader, ends: dict[Place, int] | None, newer: _Newer | None) -> AsyncIterator[Incoming]:
    async for records in reader.follow(idle=True) if ends is None else reader.to_ends(ends):
        for record in records:
            yield record
        if newer is not None:
            await newer.look()


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
        headers=record.header_texts(),
    )
