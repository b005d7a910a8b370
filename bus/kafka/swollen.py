"""Batches that a few kilobytes unpack to gigabytes: a broker looks at the size that came, and whoever reads would die.

Such a batch is read as one record, at the first of its offsets: under the key of its first record, with as much of its
bytes as shows that no topic takes it. Where it must not be lost it becomes a dead letter like any that is too large.
"""

import gzip
import io

import cramjam  # the client's own, which comes with it
from aiokafka.record.util import calc_crc32c, decode_varint

from bus.model.varint import varint
from bus.topics import MAX_RECORD_BYTES

MOST_BYTES = 32 << 20
"""Of a batch, unpacked: more than thirty times what Kafka takes of one that is not packed."""

KEPT_BYTES = 2 * MAX_RECORD_BYTES
"""Of what it holds."""

_BASE, _LENGTH, _CRC, _ATTRIBUTES, _DELTA, _COUNT, _HEAD = 8, 12, 17, 21, 23, 57, 61
"""Where in a batch these end or begin: its base offset, its length, its checksum, and so on; then its records."""

_GZIP, _LIBRARIES = 1, {3: cramjam.lz4, 4: cramjam.zstd}
"""What batches are packed with, but for snappy, by which nothing grows to more than some twenty times its size."""


def bearable(packed: bytes) -> bytes:
    """Fetched batches, those that would not be bearable replaced; the same bytes where there are none."""
    parts, at, kept = list[bytes](), 0, 0
    while at + _LENGTH <= len(packed):
        end = at + _LENGTH + int.from_bytes(packed[at + _BASE : at + _LENGTH])
        if end > len(packed):
            break  # the broker sends what fits
        codec = packed[at + _DELTA - 1] & 7
        if codec and (begin := _beginning(codec, packed[at + _HEAD : end])) is not None:
            parts += packed[kept:at], _alone(packed[at:end], begin)
            kept = end
        at = end
    return b"".join((*parts, packed[kept:])) if parts else packed


def _beginning(codec: int, records: bytes) -> bytes | None:
    """What packed records begin with where they are too much, or are not what they say; None where all is well."""
    if codec == _GZIP:
        try:
            with gzip.GzipFile(fileobj=io.BytesIO(records)) as file:
                found = file.read(MOST_BYTES + 1)
        except (OSError, EOFError):
            return b""
        return found[:KEPT_BYTES] if len(found) > MOST_BYTES else None
    if codec not in _LIBRARIES:
        return None
    room = bytearray(MOST_BYTES)
    try:
        _LIBRARIES[codec].decompress_into(records, room)
    except cramjam.DecompressionError:
        return bytes(room[:KEPT_BYTES])
    return None


def _alone(batch: bytes, begin: bytes) -> bytes:
    """A batch of one record in the place of another one."""
    key = _first_key(begin)
    told = b"\1" if key is None else varint(len(key)) + key
    body = b"".join((b"\0\0\0", told, varint(len(begin)), begin, b"\0"))
    attributes = bytes((batch[_ATTRIBUTES], batch[_ATTRIBUTES + 1] & ~7))
    told = b"".join((attributes, batch[_DELTA:_COUNT], (1).to_bytes(4), varint(len(body)), body))
    length = len(batch[_LENGTH:_CRC]) + 4 + len(told)
    return b"".join((batch[:_BASE], length.to_bytes(4), batch[_LENGTH:_CRC], calc_crc32c(told).to_bytes(4), told))


def _first_key(records: bytes) -> bytes | None:
    """The key of the first record, behind its length, its attributes, its time and its offset."""
    try:
        _, at = decode_varint(bytearray(records[:100]), 0)
        head = bytearray(records[at + 1 : at + 100])
        _, place = decode_varint(head, 0)
        _, place = decode_varint(head, place)
        length, place = decode_varint(head, place)
    except (IndexError, ValueError):
        return None
    at += 1 + place
    return records[at : at + length] if 0 <= length <= len(records) - at else None
