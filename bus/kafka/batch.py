"""A batch of records in Kafka's own format (magic 2), put together in one go.

The client's own builder takes a list of headers for each record and writes them one by one. Here headers that many
records share are written once, see `encoded_headers`, and a record is one join. The client sends such a batch as if it
were its own: it asks for what `BatchBuilder` of aiokafka 0.14 answers, and our dependency is pinned to that.
"""

import gzip
import struct
from collections.abc import Iterable, Iterator, Sequence

from aiokafka.record.util import calc_crc32c

from bus import clock
from bus.model.record import Outgoing
from bus.model.varint import varint

BATCH_BYTES = 900_000
"""A batch stays below `max.message.bytes` of every topic (1 MiB), with room for its frame."""

FULL_BYTES = BATCH_BYTES - 32
"""Nothing is added beyond it: what stands before a record's key takes up to 32 bytes."""

_FRAME = struct.Struct(">qiibI")
"""Base offset, length of what follows it, leader's epoch, magic, checksum of all that comes after."""

_HEAD = struct.Struct(">hiqqqhii")
"""Attributes, last offset, first and last time, producer's id, epoch and sequence, count."""

EMPTY_BYTES = _FRAME.size + _HEAD.size

_LENGTH_FROM = 12

_MAGIC, _TRANSACTIONAL, _GZIP = 2, 0x10, 0x01


def encoded_headers(headers: Iterable[tuple[str, bytes | None]]) -> bytes:
    """Headers as they stand in a record, without their count: what many records share is encoded once."""
    parts: list[bytes] = []
    for name, value in headers:
        parts += encoded_name(name), _sized(value)
    return b"".join(parts)


def encoded_name(name: str) -> bytes:
    """The name of a header as it stands before the length of its value, and the value."""
    return _sized(name.encode())


def _sized(value: bytes | None) -> bytes:
    """Bytes after their length; -1 stands for none."""
    return b"\1" if value is None else varint(len(value)) + value


class Batch:
    """Records of one partition, in order. Its methods are those that the client's sender asks for."""

    __slots__ = ("_built", "_count", "_first_ms", "_last_ms", "_parts", "_producer", "_size")

    def __init__(self, parts: list[bytes], count: int, size: int, first_ms: int, last_ms: int) -> None:
        self._parts = parts
        self._count = count
        self._size = size
        self._first_ms, self._last_ms = first_ms, last_ms
        self._producer = (-1, -1, -1)
        self._built: bytearray | None = None

    def record_count(self) -> int:
        """How many records it holds."""
        return self._count

    def size(self) -> int:
        """Its bytes, before a large one is compressed."""
        return self._size

    def closed(self) -> bool:
        """Nobody adds to it any more."""
        return True

    def close(self) -> None:
        """It is closed as soon as the client has it."""

    def _set_producer_state(self, producer_id: int, epoch: int, sequence: int) -> None:
        self._producer = (producer_id, epoch, sequence)

    def _build(self) -> bytearray:
        """The batch as it goes over the wire; the same when it has to be sent again.

        A record that is too large goes compressed: so it came, or no topic would have had it.
        """
        if self._built is None:
            codec, parts = _TRANSACTIONAL, self._parts
            if self._size > BATCH_BYTES:
                codec, parts = _TRANSACTIONAL | _GZIP, [gzip.compress(b"".join(parts), mtime=0)]
            head = (codec, self._count - 1, self._first_ms, self._last_ms, *self._producer, self._count)
            body = b"".join((_HEAD.pack(*head), *parts))
            length = _FRAME.size + len(body) - _LENGTH_FROM
            frame = _FRAME.pack(0, length, -1, _MAGIC, calc_crc32c(body))
            self._built, self._parts = bytearray().join((frame, body)), []
        return self._built


def batches(records: Iterable[Outgoing]) -> dict[tuple[str, int], list[Batch]]:
    """Records of a transaction by (topic, partition), in order within each; a new batch where one is full."""
    now_ms = clock.now_ms()
    of_place: dict[tuple[str, int], list[Outgoing]] = {}
    topic, partition, listed = "", -1, list[Outgoing]()
    for record in records:
        if record[0] is not topic or record[1] != partition:  # most come after others of their partition
            topic, partition = record[:2]
            listed = of_place.setdefault((topic, partition), [])
        listed.append(record)
    return {place: list(_filled(listed, now_ms)) for place, listed in of_place.items()}


def _filled(records: Sequence[Outgoing], now_ms: int) -> Iterator[Batch]:
    """Batches of one partition's records. An empty batch takes any record, and the broker judges its size."""
    parts: list[bytes] = []
    count, size, first_ms, last_ms = 0, EMPTY_BYTES, 0, 0
    for _, _, key, value, headers, told_ms, stamp in records:
        time_ms = now_ms if told_ms is None else told_ms
        told = varint(len(headers)) + encoded_headers(headers) if stamp is None else stamp
        if key is None or value is None:
            body = _sized(key) + _sized(value) + told
        else:
            body = b"".join((varint(len(key)), key, varint(len(value)), value, told))
        if count and size + len(body) > FULL_BYTES:
            yield Batch(parts, count, size, first_ms, last_ms)
            parts, count, size = [], 0, EMPTY_BYTES
        if not count:
            first_ms = last_ms = time_ms
        begin = (b"\0\0" if time_ms == first_ms else b"\0" + varint(time_ms - first_ms)) + varint(count)
        length = varint(len(begin) + len(body))
        parts += (length, begin, body)
        count, size = count + 1, size + len(length) + len(begin) + len(body)
        last_ms = max(last_ms, time_ms)
    yield Batch(parts, count, size, first_ms, last_ms)
