"""A lane's start: its committed state read back from `lane-state`, and the newest records from the changes topics."""

import asyncio
from collections.abc import Mapping
from typing import Any, Protocol

from bus.avro.own import Message, OwnMessages
from bus.consent.messages import standing
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.kafka.access import KafkaAccess
from bus.kafka.log import LogReader, Place, Reader
from bus.model.change import Change
from bus.model.key import subject_of
from bus.model.record import Incoming
from bus.route.lane import Unreadable
from bus.route.memory import MemoryState
from bus.route.state import Cursor, DeadVersion, Holding, Position
from bus.topics import Topics


class Decoder(Protocol):
    """Schemas by id, as far as a start needs them."""

    async def know(self, value: bytes) -> None:
        """Fetch the schema of a framed value. Raises RecordUnreadable, SchemaUnknown, SchemaRegistryUnreachable."""
        ...

    def decode(self, value: bytes) -> Mapping[str, Any]:
        """The record in a framed value whose schema is known. Raises RecordUnreadable, SchemaUnknown."""
        ...


LOADED_AT_ONCE = 100
"""Records decoded without a pause: while a lane loads, the process must go on telling its group that it lives."""


class Loader:
    """Reads back what a lane was. Use it only after fencing: then nobody else can still add to it."""

    def __init__(self, access: KafkaAccess, topics: Topics, lane: int) -> None:
        self._access = access
        self._topics = topics
        self._lane = lane
        self.loaded = 0
        self.left_open = False
        """Whether something was sent after the last committed position, and aborted: by the fence, or before it."""

    async def state(self, messages: OwnMessages) -> MemoryState:
        """The lane's position, consents, holdings and cursors, as last committed."""
        reader = LogReader(self._access, self._topics.lane_state, self._lane, committed=True)
        await reader.start()
        try:
            newest = {record.key: record for record in await reader.read_to_end()}
            end = await reader.position()
        finally:
            await reader.stop()
        self.loaded += len(newest)
        state = MemoryState()
        position = newest.pop(b"position", None)
        # A transaction's last record is the position, and its marker follows; an aborted one leaves a marker at least.
        self.left_open = end > (0 if position is None else position.offset + 2)
        if position is not None and position.value is not None:
            state.position = position_of(await messages.decode(position.value))
        for key, record in newest.items():
            if key is not None and record.value is not None:
                _put(state, key, await messages.decode(record.value))
        return state

    async def records(self, state: MemoryState, has_subject: Mapping[str, bool], decoder: Decoder) -> None:
        """The newest version of every record below the lane's position, into `state`.

        Poison was put into `deadletters` when it was met, and is passed over here.
        """
        ends = {
            Place(self._topics.changes(dataset), self._lane): offset
            for dataset, offset in state.position.inputs.items()
            if dataset in has_subject
        }
        if not ends:
            return
        reader = Reader(self._access, committed=True)
        await reader.start()
        try:
            reader.assign(await reader.beginnings(ends))
            async for records in reader.to_ends(ends):
                self.loaded += len(records)
                for number, record in enumerate(records):
                    if number % LOADED_AT_ONCE == 0:
                        await asyncio.sleep(0)
                    if record.offset < ends[Place(record.topic, record.partition)]:
                        await self._record(state, change_of(record, self._topics, has_subject), decoder)
        finally:
            await reader.stop()

    async def _record(self, state: MemoryState, change: Change | Unreadable, decoder: Decoder) -> None:
        if isinstance(change, Unreadable):
            return
        key = change.key
        dead = state.dead_version(change.dataset, key)
        if dead is not None and not await _was_taken(change, dead, decoder):
            return
        if change.value is not None and dead is None:
            await decoder.know(change.value)  # it was read when it was taken
        state.put_record(change.dataset, key, change.value)


async def _was_taken(change: Change, dead: DeadVersion, decoder: Decoder) -> bool:
    """Whether this is a version that was taken, of a record whose newest is a dead letter.

    Older dead letters of the record are not remembered: they are known by being unreadable. The newest may be readable
    by now, and yet nobody has released it.
    """
    if change.origin.offset == dead.offset:
        return False
    if change.value is None:
        return True
    try:
        await decoder.know(change.value)
        decoder.decode(change.value)
    except (RecordUnreadable, SchemaUnknown):
        return False
    return True


def change_of(record: Incoming, topics: Topics, has_subject: Mapping[str, bool]) -> Change | Unreadable:
    """The change in a record of a changes topic; Unreadable for one without a proper key."""
    dataset, key = record.topic.removeprefix(topics.changes_prefix), record.key or b""
    try:
        subject = subject_of(key, has_subject=has_subject[dataset])
    except ValueError:
        return Unreadable(record, "key-unreadable")
    return Change(dataset, key, subject, record.value, record)


def position_of(message: Message) -> Position:
    """A position from its message."""
    return Position(
        message["lane_time"],
        message["block"],
        message["consents_offset"],
        message["register_offset"],
        message["inputs"],
        message.get("commands_offset", 0),  # positions of an earlier release lack it
        message["due_until"] if "due_until" in message else message["lane_time"],
    )


def _put(state: MemoryState, key: bytes, message: Message) -> None:
    kind, _, rest = key.partition(b"/")
    if kind == b"consent":
        subject, _, agreement = rest.decode().partition("/")
        state.put_consent(subject, agreement, standing(message))
    elif kind == b"holding":
        dataset, _, record_key = rest.partition(b"/")
        holdings = {one["agreement"]: _holding(one, record_key) for one in message["held"]}
        state.put_holdings(dataset.decode(), record_key, holdings)
    elif kind == b"cursor":
        state.put_cursor(rest.decode(), Cursor(message["standing"], message["after"], message["done"]))
    elif kind == b"dead":
        dataset, _, record_key = rest.partition(b"/")
        state.put_dead(dataset.decode(), record_key, DeadVersion(message["offset"], message["discarded"]))


def _holding(message: Message, record_key: bytes) -> Holding:
    return Holding(
        revision=message["revision"],
        topic=message["topic"],
        partition=message["partition"],
        key=record_key if message["key"] is None else message["key"],
        consent=message["consent"],
        view_hash=message["view_hash"],
        released_at_ms=message["released_at"],
        due_ms=message["due"],
        epoch=message["epoch"],
    )
