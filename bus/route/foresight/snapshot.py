"""A lane as it stood at one moment, as far as one agreement is concerned: read in bulk, and nothing written.

The moment is an offset of `lane-state`, which ends a transaction. The position that stands before it names the offset
of the changes up to which records are taken: so records, consents and copies held fit together, however busy the lane.
"""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bus.avro.own import OwnMessages
from bus.consent.covers import cover_of
from bus.consent.messages import standing
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.kafka.bulk import Bit, BulkReader, Span
from bus.kafka.log import Place
from bus.model.consent import Cover
from bus.route.held import held_in, holding_of
from bus.route.schemas import Schemas
from bus.route.state import Position
from bus.route.store.bodies import cover_in, position_of
from bus.topics import Topics

Step = Callable[[int], None]
"""Called with the log's offsets read since."""

DECODED_AT_ONCE = 2_000
"""Messages decoded before others of this process get their turn: a Ctrl-C must find its moment."""


class Held(NamedTuple):
    """A copy that the recipient holds: under which key, what tells its bytes from others, and since when as what."""

    topic: str
    key: bytes
    view_hash: bytes
    revision: str
    released_at_ms: int
    epoch: int
    due_ms: int | None


@dataclass(slots=True)
class Snapshot:
    """What a lane knew that matters here. `records` are framed, by key."""

    lane: int
    position: Position = field(default_factory=Position)
    records: dict[bytes, bytes] = field(default_factory=dict)
    consents: dict[str, Cover] = field(default_factory=dict)
    held: dict[bytes, Held] = field(default_factory=dict)
    dead: set[bytes] = field(default_factory=set)
    """Keys of records whose newest version is a dead letter."""


class SnapshotReader:
    """Reads snapshots of one agreement."""

    def __init__(  # noqa: PLR0913 - what it reads from, and what for
        self,
        reader: BulkReader,
        topics: Topics,
        messages: OwnMessages,
        schemas: Schemas,
        *,
        agreement: str,
        dataset: str,
    ) -> None:
        self._reader = reader
        self._topics = topics
        self._messages = messages
        self._schemas = schemas
        self._changes = topics.changes(dataset)
        self._holding = f"holding/{dataset}/".encode()
        self._agreement = agreement
        self._consent = f"/{agreement}".encode()
        self._dead = f"dead/{dataset}/".encode()
        self._dataset = dataset

    async def spans(self) -> Mapping[Place, Span]:
        """What there is to read, in all lanes, as of now."""
        lanes = range(self._topics.lanes)
        places = [Place(topic, lane) for topic in (self._topics.lane_state, self._changes) for lane in lanes]
        return await self._reader.spans(places)

    async def read(self, lane: int, spans: Mapping[Place, Span], step: Step) -> Snapshot:
        """One lane as of the end of its `lane-state` in `spans`."""
        found, dead = Snapshot(lane), dict[bytes, int]()
        kept: dict[bytes, bytes | None] = {}
        place = Place(self._topics.lane_state, lane)
        async for bits in self._reader.read(place, spans[place]):
            kept.update((bit.key, bit.value) for bit in bits if bit.key is not None and self._matters(bit.key))
            step(len(bits))
        for number, (key, value) in enumerate(kept.items()):
            if number % DECODED_AT_ONCE == 0:
                await asyncio.sleep(0)
            if value is not None:
                await self._take(found, dead, key, value)
        place = Place(self._changes, lane)
        span = Span(spans[place].begin, min(spans[place].end, found.position.inputs.get(self._dataset, 0)))
        async for bits in self._reader.read(place, span):
            await self._records(found.records, dead, bits)
            step(len(bits))
        found.dead = set(dead)
        return found

    def _matters(self, key: bytes) -> bool:
        if key.startswith(b"consent/"):
            return key.endswith(self._consent)
        return key == b"position" or key.startswith((self._holding, self._dead))

    async def _take(self, found: Snapshot, dead: dict[bytes, int], key: bytes, value: bytes) -> None:
        if key.startswith(b"holding/"):
            await self._take_holdings(found, key.removeprefix(self._holding), value)
        elif key.startswith(b"consent/"):
            subject = key[len(b"consent/") : -len(self._consent)].decode()
            body = self._messages.body("lane_consent", value)
            if body is None:
                found.consents[subject] = cover_of(standing(await self._messages.decode(value)))
            else:
                found.consents[subject] = cover_in(body)
        elif key == b"position":
            found.position = position_of(await self._messages.decode(value))
        else:
            dead[key.removeprefix(self._dead)] = (await self._messages.decode(value))["offset"]

    async def _take_holdings(self, found: Snapshot, record_key: bytes, value: bytes) -> None:
        body = self._messages.body("lane_holdings", value)
        if body is None:
            body = await self._messages.renewed("lane_holdings", value)
        copy = held_in(body).get(self._agreement)
        if copy is not None:
            one = holding_of(copy, record_key)
            found.held[record_key] = Held(
                one.topic, one.key, one.view_hash, one.revision, one.released_at_ms, one.epoch, one.due_ms
            )

    async def _records(self, records: dict[bytes, bytes], dead: Mapping[bytes, int], bits: list[Bit]) -> None:
        """The newest version of each record; one that lies in `deadletters` leaves the version before it in its place.

        Raises SchemaRegistryUnreachable.
        """
        await self._schemas.know_all(bit.value for bit in bits if bit.value)
        for offset, key, value in bits:
            if key is None or (key in dead and not self._was_taken(offset, value, dead[key])):
                continue
            if value is None:
                records.pop(key, None)
            else:
                records[key] = value

    def _was_taken(self, offset: int, value: bytes | None, dead: int) -> bool:
        """Of a record whose newest version is the dead letter at `dead`; older ones are known by being unreadable."""
        if offset == dead:
            return False
        try:
            return value is None or bool(self._schemas.decode(value))
        except (RecordUnreadable, SchemaUnknown):
            return False
