"""The classic Confluent frame: a zero byte, the schema's id as four bytes big-endian, then the Avro body."""

import struct

from bus.errors import RecordUnreadable

MAGIC = 0
BODY_START = 5
"""Where the Avro body begins in a framed value."""

_HEAD = struct.Struct(">bI")


def frame(schema_id: int, body: bytes) -> bytes:
    """The framed value. Raises ValueError for an id that does not fit into four unsigned bytes."""
    if not 0 <= schema_id <= 0xFFFFFFFF:
        raise ValueError(f"a schema id does not fit into the frame: {schema_id}")
    return _HEAD.pack(MAGIC, schema_id) + body


def unframe(value: bytes) -> tuple[int, bytes]:
    """The schema's id and the Avro body. Raises RecordUnreadable for bytes without the frame."""
    return schema_id_of(value), value[BODY_START:]


def schema_id_of(value: bytes) -> int:
    """The id alone, without copying the body. Raises RecordUnreadable for bytes without the frame."""
    if len(value) < BODY_START:
        raise RecordUnreadable(schema_id="unknown", reason=f"{len(value)} bytes are too few for a frame")
    magic, schema_id = _HEAD.unpack_from(value)
    if magic != MAGIC:
        raise RecordUnreadable(schema_id="unknown", reason=f"the first byte is {magic & 0xFF}, and must be 0")
    return int(schema_id)
