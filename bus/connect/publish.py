"""How a change, and a row that cannot be one, lie in Kafka: key, lane, frame, CloudEvents headers."""

import re
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, NamedTuple, Self

from bus.avro.codec import Parsed, encode, parse
from bus.avro.encoder import QuickEncoder, field_encoders, quick_encoder
from bus.avro.fit import misfits
from bus.avro.frame import BODY_START, frame
from bus.clock import iso
from bus.connect.cells import Layout, WireRow
from bus.connect.mapping import Mapper, RowUnfit
from bus.connect.source import Row
from bus.connect.transcribe import Transcriber, transcriber
from bus.errors import ValueMisfit
from bus.kafka.batch import encoded_headers, encoded_name
from bus.model.change import Operation
from bus.model.key import RecordKey, lane_of, lane_of_bytes
from bus.model.record import Headers, Outgoing
from bus.model.varint import varint
from bus.topics import MAX_RECORD_BYTES, Topics

ROOM_BYTES = 4096
"""Kept free in a record of `MAX_RECORD_BYTES` for key, headers and Kafka's own framing."""

BODY_BYTES = MAX_RECORD_BYTES - ROOM_BYTES - BODY_START

ID = encoded_name("ce_id")
_EPOCH = re.compile(r"[^.]*\.([0-9]{1,9})\.")
"""What an id begins with; an epoch is a small number, and others may write ids too."""

REASON_LETTERS = 300
"""So much of a reason stands in a dead letter's header: of a row with a thousand fields each may have one."""

DEAD_LETTER_BYTES = 2 * MAX_RECORD_BYTES - ROOM_BYTES


Straight = tuple[bytes, bytes, bytes | None, int]
"""Whose text decides the lane, the key, the framed record (None: a tombstone), and which of its columns are null."""


@dataclass(frozen=True, slots=True)
class Contract:
    """A dataset as this connector publishes it: how rows become records, and the schema they are written with."""

    mapper: Mapper
    parsed: Parsed
    schema_id: int
    quick: QuickEncoder = field(compare=False, repr=False)
    head: bytes
    _short: dict[Layout, Transcriber | None] = field(default_factory=dict, compare=False, repr=False)

    @classmethod
    def of(cls, mapper: Mapper, schema_id: int) -> Self:
        """The contract of a mapper's dataset under its id in the schema registry."""
        schema = mapper.dataset.schema
        return cls(mapper, parse(schema, schema_id=schema_id), schema_id, quick_encoder(schema), frame(schema_id, b""))

    def straight(self, old: Row | None, new: Row | None) -> Straight | None:
        """What a change of a log's row comes to, if no value of it has to be made for that; its key must not move."""
        row = old if new is None else new
        if type(row) is not WireRow or (short := self._transcriber(row.layout)) is None:
            return None
        before = short.key(old.data, old.at) if type(old) is WireRow else None
        if new is None:
            if before is None:
                return None
            value, nulls, (subject, record_id) = None, 0, before
        else:
            if (found := short.whole(row.data, row.at)) is None:
                return None
            body, subject, record_id, nulls = found
            value = self.framed(body)
            if value is None or (old is not None and before != (subject, record_id)):
                return None
        if subject is None:
            return record_id, record_id, value, nulls
        return subject, subject + b"/" + record_id, value, nulls

    def _transcriber(self, layout: Layout) -> Transcriber | None:
        try:
            return self._short[layout]
        except KeyError:
            encoders = field_encoders(self.mapper.dataset.schema)
            return self._short.setdefault(layout, transcriber(self.mapper, encoders, layout))

    def framed(self, body: bytes) -> bytes | None:
        """The framed record of a body; None for one that Kafka does not take."""
        return self.head + body if len(body) <= BODY_BYTES else None

    def value(self, row: Row) -> bytes:
        """The framed record. Raises RowUnfit."""
        record = self.mapper.record(row)
        body = self.quick(record)
        if body is None:
            body = self._slowly(record)
        framed = self.framed(body)
        if framed is None:
            raise RowUnfit(f"the record has {len(self.head) + len(body)} bytes, which is more than Kafka takes")
        return framed

    def _slowly(self, record: Any) -> bytes:
        """What the quick encoder is not sure of. Raises RowUnfit with the reasons."""
        if found := misfits(self.parsed.schema, record):
            raise RowUnfit("; ".join(self._by_column(text) for text in found))
        try:
            return encode(self.parsed, record)
        except ValueMisfit as error:
            raise RowUnfit(str(error)) from None

    def _by_column(self, text: str) -> str:
        name = text.partition(":")[0].partition(".")[0].partition("[")[0]
        column = self.mapper.column(name)
        return f"field {text}" if column == name else f"field {text} (column {column})"


class Stamp(NamedTuple):
    """Which change of which dataset, and when it was published. `dataset` None: of no dataset that is known."""

    dataset: str | None
    change_id: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Envelope:
    """Makes the Kafka records of one connector. `epoch` is part of every id: positions may come again after a reset."""

    topics: Topics
    connector: str
    registry: str
    epoch: int
    _kinds: dict[tuple[str | None, Operation], tuple[str, bytes, bytes]] = field(
        default_factory=dict, init=False, compare=False, repr=False
    )

    def change(self, stamp: Stamp, key: RecordKey, operation: Operation, value: bytes | None) -> Outgoing:
        """A change in its lane; `value` None is a tombstone."""
        return self.encoded(stamp, key.lane_text.encode(), key.encode(), operation, value)

    def encoded(self, stamp: Stamp, whose: bytes, key: bytes, operation: Operation, value: bytes | None) -> Outgoing:
        """The same of a key in bytes; `whose` decides its lane."""
        dataset, change_id, at_ms = stamp
        kind = (dataset, operation)
        if (found := self._kinds.get(kind)) is None:
            named = dataset or self.registry
            headers = _change_headers(self.registry, named, operation)
            found = self.topics.changes(named), headers, f"{self.connector}.{self.epoch}.".encode()
            self._kinds[kind] = found
        topic, begin, id_begin = found
        event_id = id_begin + change_id.encode()
        headers = b"".join((begin, _encoded_time(at_ms), ID, varint(len(event_id)), event_id))
        lane = lane_of_bytes(whose, self.topics.lanes)
        return Outgoing(topic, lane, key, value, (), None, headers)

    def dead(self, stamp: Stamp, key: RecordKey | None, original: bytes, reason: str) -> Outgoing:
        """A dead letter: the original untouched, reason and origin in the headers, in the lane of its key if known.

        Only what Kafka could not take at all is cut; the header `dead-cut-from` then tells its size in bytes.
        """
        cut = (("dead-cut-from", str(len(original)).encode()),) if len(original) > DEAD_LETTER_BYTES else ()
        lane = 0 if key is None else lane_of(key.lane_text, self.topics.lanes)
        headers = (
            ("content-type", b"application/json"),
            ("dead-reason", reason[:REASON_LETTERS].encode()),
            ("dead-origin", f"connector/{self.connector}".encode()),
            ("dead-dataset", (stamp.dataset or "").encode()),
            *cut,
            *self._event(stamp, "unreadable"),
        )
        whole = None if key is None else key.encode()
        return Outgoing(self.topics.deadletters_of(self.connector), lane, whole, original[:DEAD_LETTER_BYTES], headers)

    def _event(self, stamp: Stamp, what: str) -> Headers:
        return (
            ("ce_specversion", b"1.0"),
            ("ce_id", self._id(stamp)),
            _source(self.registry),
            _type(stamp.dataset or self.registry, what),
            _time(stamp.at_ms),
        )

    def _id(self, stamp: Stamp) -> bytes:
        return f"{self.connector}.{self.epoch}.{stamp.change_id}".encode()


def epoch_of(ce_id: str | None) -> int:
    """The epoch in the id of a change; 0 for an id that is none of ours."""
    found = _EPOCH.match(ce_id or "")
    return int(found[1]) if found else 0


# The same in every record of a batch, and made once.


def _change_headers(registry: str, dataset: str, operation: Operation) -> bytes:
    """The count of a change's headers, and those that every change of its kind has."""
    what = (("content-type", b"application/avro"), ("ce_specversion", b"1.0"), _source(registry))
    of_each = 2
    headers = (*what, _type(dataset, operation.value))
    return varint(len(headers) + of_each) + encoded_headers(headers)


@lru_cache(64)
def _encoded_time(at_ms: int) -> bytes:
    return encoded_headers((_time(at_ms),))


@lru_cache(64)
def _source(registry: str) -> tuple[str, bytes]:
    return "ce_source", f"/registries/{registry}".encode()


@lru_cache(256)
def _type(dataset: str, what: str) -> tuple[str, bytes]:
    return "ce_type", f"{dataset}.{what}".encode()


@lru_cache(64)
def _time(at_ms: int) -> tuple[str, bytes]:
    return "ce_time", iso(at_ms).encode()
