"""A lane's start: its committed state read back from `lane-state`, and the newest records from the changes topics.

Where a store holds some of it, only the difference is read. Use it only after fencing: then nobody else can still add.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from typing import Any, NamedTuple, Protocol

from bus.avro.frame import BODY_START
from bus.avro.own import OwnMessages
from bus.errors import OffsetsGone, RecordUnreadable, SchemaUnknown
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, Reader
from bus.model.change import Change, new_change
from bus.model.key import lane_of_bytes, subject_of
from bus.model.record import Incoming
from bus.route.batch import Unreadable
from bus.route.identity import Identities
from bus.route.state import DeadVersion, Entry, Position
from bus.route.store.bodies import NAMES, position_of
from bus.route.store.thread import in_thread
from bus.topics import MAX_RECORD_BYTES, Topics

LARGEST_CHANGE = MAX_RECORD_BYTES - 2048
"""Key and value of a change in bytes. What is larger came compressed, and as it is no recipient's topic takes it. Were
it taken, its lane would stand when a consent or an agreement lets it out: nothing new would be to blame then."""

READ_AT_ONCE = 2000
"""Records taken without a pause: while a lane loads, the process must go on telling its group that it lives."""

LATELY = 16
"""A position is the last record of its transaction. Aborted transactions may lie behind it; then more is looked at."""


class Decoder(Protocol):
    """Schemas by id, as far as a start needs them."""

    async def know(self, value: bytes) -> None:
        """Fetch the schema of a framed value. Raises RecordUnreadable, SchemaUnknown, SchemaRegistryUnreachable."""
        ...

    def decode(self, value: bytes) -> Mapping[str, Any]:
        """The record in a framed value whose schema is known. Raises RecordUnreadable, SchemaUnknown."""
        ...


class Filled(Protocol):
    """A state that can be filled from topics."""

    position: Position
    stood_at: int | None
    schemas: set[bytes]

    def dead_version(self, dataset: str, key: bytes) -> DeadVersion | None:
        """See `LaneState`."""
        ...

    def put_record(self, dataset: str, key: bytes, value: bytes | None) -> None:
        """The newest version of a record; None for a deleted one."""
        ...

    def put_entry(self, key: bytes, body: bytes | None) -> None:
        """An entry of `lane-state` without its frame; None for one that is removed."""
        ...

    def land(self, puts: Callable[[], None]) -> None:
        """Do these puts as one."""
        ...

    def stand(self, position: Position, stood_at: int | None) -> None:
        """Note the position at which everything stands that was put so far."""
        ...


class Stood(NamedTuple):
    """A committed position, and the offset of its record in `lane-state`."""

    position: Position
    offset: int


class Loader:
    """Reads back what a lane was."""

    def __init__(
        self, access: KafkaAccess, topics: Topics, lane: int, messages: OwnMessages, identities: Identities
    ) -> None:
        self._access = access
        self._identities = identities
        self._topics = topics
        self._messages = messages
        self._lane = lane
        self._place = Place(topics.lane_state, lane)
        self.loaded = 0
        self.end = 0
        """Where `lane-state` ended when it was read: nobody else can have added to it since."""

        self.first_order = 0
        """The oldest order that `commands` still has, or is to have: it keeps them for a week, read or not."""

        self.left_open = False
        """Whether something was sent after the last committed position, and aborted: by the fence, or before it."""

    async def stood(self) -> Stood | None:
        """Where the lane stands by its last committed transaction; None before its first."""
        place, orders, back = self._place, Place(self._topics.commands, self._lane), LATELY
        reader = await self._reader()
        try:
            oldest = await reader.beginnings([place, orders])
            first, end = oldest[place], (await reader.ends([place]))[place]
            self.end, self.first_order = end, oldest[orders]
            self.left_open = end > 0
            while end > first:
                start, found = max(first, end - back), None
                async for records in _read(reader, {place: start}, {place: end}):
                    found = next((one for one in reversed(records) if one.key == b"position"), found)
                if found is not None and found.value is not None:
                    # A transaction's last record is the position, and its marker follows; so does an aborted one's.
                    self.left_open = end > found.offset + 2
                    return Stood(position_of(await self._messages.decode(found.value)), found.offset)
                if start == first:
                    break
                back *= 16
        finally:
            await reader.stop()
        return None

    async def fill(self, state: Filled, stood: Stood, has_subject: Mapping[str, bool], decoder: Decoder) -> None:
        """Everything that was committed after what `state` says it stands at, up to `stood`.

        Raises TopicReplaced, and OffsetsGone where a topic ends before what was read of it.
        """
        await self._identities.require(stood.position.topics)
        begins = {} if state.stood_at is None else dict(state.position.inputs)
        entries_from = 0 if state.stood_at is None else state.stood_at + 1
        state.position = stood.position
        reader = await self._reader()
        try:
            await self._entries(reader, state, entries_from, stood.offset + 1, begins)
            poison = await self._records(reader, state, begins, has_subject, decoder)
        finally:
            await reader.stop()
        state.schemas -= poison.past()
        for schema in state.schemas:
            await decoder.know(schema)  # it was readable when it was taken, and may have to be read at any moment
        state.stand(stood.position, stood.offset)

    async def _entries(self, reader: Reader, state: Filled, begin: int, end: int, begins: dict[str, int]) -> None:
        """Where a dead letter is none any more, `begins` is set back to it: released, it is a version of its record."""
        begin = max(begin, (await reader.beginnings([self._place]))[self._place])
        async for records in _read(reader, {self._place: begin}, {self._place: end}):
            self.loaded += len(records)
            entries = [await self._entry(record) for record in records]
            for dataset, offset in _closed_letters(state, entries):
                begins[dataset] = min(offset, begins.get(dataset, 0))
            await _landed(state, state.put_entry, entries)

    async def _entry(self, record: Incoming) -> Entry:
        """Key and bare body; None for what is removed, or of no kind that a state holds."""
        key = record.key or b""
        name = NAMES.get(key.partition(b"/")[0])
        if record.value is None or name is None:
            return key, None
        return key, self._messages.body(name, record.value) or await self._messages.renewed(name, record.value)

    async def _records(
        self,
        reader: Reader,
        state: Filled,
        begins: Mapping[str, int],
        has_subject: Mapping[str, bool],
        decoder: Decoder,
    ) -> "Poison":
        """Records below the lane's position; poison went into `deadletters` when it was met, and is passed over."""
        poison = Poison(decoder)
        ends = {
            Place(self._topics.changes(dataset), self._lane): (begins.get(dataset, 0), end)
            for dataset, end in state.position.inputs.items()
            if dataset in has_subject and begins.get(dataset, 0) < end
        }
        if not ends:
            return poison
        newest = await reader.ends(ends)
        for place, (_, end) in ends.items():
            if newest[place] < end:
                raise OffsetsGone(topic=place.topic, partition=place.partition, offset=end)
        oldest = await reader.beginnings(ends)
        starts = {place: max(oldest[place], begin) for place, (begin, _) in ends.items()}
        async for records in _read(reader, starts, {place: end for place, (_, end) in ends.items()}):
            changes = [change_of(record, self._topics, has_subject) for record in records]
            taken = [
                (one.dataset, one.key, one.value)
                for one in changes
                if isinstance(one, Change) and await _was_taken(one, state, decoder)
            ]
            self.loaded += len(records)
            await poison.look_at(taken)
            await _landed(state, state.put_record, taken)
        return poison

    async def _reader(self) -> Reader:
        reader = Reader(self._access, committed=True)
        await reader.start()
        return reader


class Poison:
    """What nobody can have a schema for among the records that are read back, and whether a newer version followed it.

    Older dead letters of a record are not remembered where its newest version is none.
    """

    def __init__(self, decoder: Decoder) -> None:
        self._decoder = decoder
        self._known: set[bytes] = set()
        self._unknown: set[bytes] = set()
        self._newest: dict[tuple[str, bytes], bytes] = {}

    async def look_at(self, records: Sequence[tuple[str, bytes, bytes | None]]) -> None:
        """The next records, in order."""
        heads = {value[:BODY_START] for _, _, value in records if value is not None}
        for head in heads - self._known - self._unknown:
            try:
                await self._decoder.know(head)
            except (RecordUnreadable, SchemaUnknown):
                self._unknown.add(head)
            else:
                self._known.add(head)
        for dataset, key, value in records if self._unknown else ():
            if value is not None and value[:BODY_START] in self._unknown:
                self._newest[dataset, key] = value[:BODY_START]
            else:
                self._newest.pop((dataset, key), None)

    def past(self) -> set[bytes]:
        """How those of it begin that nobody will have to read: no record is left whose newest version is one."""
        return self._unknown - set(self._newest.values())


async def _read(
    reader: Reader, starts: Mapping[Place, int], ends: Mapping[Place, int]
) -> AsyncIterator[list[Incoming]]:
    """Everything from these offsets on and below those."""
    reader.assign(starts)
    async for records in reader.to_ends(ends, max_records=READ_AT_ONCE):
        yield [record for record in records if record.offset < ends[Place(record.topic, record.partition)]]


def _closed_letters(state: Filled, entries: Sequence[Entry]) -> Iterator[tuple[str, int]]:
    """Dataset and offset of the dead letters that the state knows, and that these entries remove."""
    for key, body in entries:
        kind, _, place = key.partition(b"/")
        if kind == b"dead" and body is None:
            name, _, record_key = place.partition(b"/")
            known = state.dead_version(name.decode(), record_key)
            if known is not None:
                yield name.decode(), known.offset


async def _landed(state: Filled, put: Callable[..., None], words: Sequence[tuple[Any, ...]]) -> None:
    """Put all of it as one, in a thread: it may take longer than the process may be silent."""

    def puts() -> None:
        for one in words:
            put(*one)

    await in_thread(state.land, puts)


async def _was_taken(change: Change, state: Filled, decoder: Decoder) -> bool:
    """False for a dead letter: of a record whose newest version is one.

    Older dead letters of that record are not remembered: they are known by being unreadable. The newest may be readable
    by now, and yet nobody has released it.
    """
    dead = state.dead_version(change.dataset, change.key)
    if dead is None or change.value is None:
        return dead is None or change.origin.offset != dead.offset
    if change.origin.offset == dead.offset:
        return False
    try:
        await decoder.know(change.value)
        decoder.decode(change.value)
    except (RecordUnreadable, SchemaUnknown):
        return False
    return True


def change_of(record: Incoming, topics: Topics, has_subject: Mapping[str, bool]) -> Change | Unreadable:
    """The change in a record of a changes topic.

    Unreadable for one without a proper key, for one that is too large, and for one in another lane. There its consents
    and its other versions are not known: a program that leaves the partition to its Kafka client has it made of the
    whole key.
    """
    dataset, key = record.topic.removeprefix(topics.changes_prefix), record.key or b""
    try:
        subject = subject_of(key, has_subject=has_subject[dataset])
    except ValueError:
        return Unreadable(record, "key-unreadable")
    if lane_of_bytes(key if subject is None else subject.encode(), topics.lanes) != record.partition:
        return Unreadable(record, "lane-wrong")
    if len(key) + len(record.value or b"") > LARGEST_CHANGE:
        return Unreadable(record, "too-large", (dataset, key))
    return new_change((dataset, key, subject, record.value, record))
