"""Avro's primitives as bytes and back, for the few messages that come so often that they are put together by hand."""

from collections.abc import Sequence
from functools import lru_cache

from bus.model.varint import varint

number = varint
"""An int or a long. Raises OverflowError for what takes more than 64 bits."""


def data(value: bytes) -> bytes:
    """Bytes with their length."""
    return varint(len(value)) + value


def text(value: str) -> bytes:
    """A string with the length of its UTF-8."""
    return data(value.encode())


known_text = lru_cache(maxsize=4096)(text)
"""As `text`, for names that come again and again; never for a value out of a record."""


def maybe_text(value: str | None) -> bytes:
    """A `["null", "string"]`."""
    return b"\0" if value is None else b"\2" + text(value)


def maybe_data(value: bytes | None) -> bytes:
    """A `["null", "bytes"]`."""
    return b"\0" if value is None else b"\2" + data(value)


def items(listed: Sequence[bytes]) -> bytes:
    """An array or a map: one block of items, where there are any, and the end."""
    return b"".join((number(len(listed)), *listed, b"\0")) if listed else b"\0"


def maybe_number(value: int | None) -> bytes:
    """A `["null", "long"]`."""
    return b"\0" if value is None else b"\2" + number(value)


def number_at(body: bytes, at: int) -> tuple[int, int]:
    """An int or a long, and where the next field begins."""
    byte = body[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, shift = byte & 127, 7
    while byte > 127:
        at += 1
        byte = body[at]
        value |= (byte & 127) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at + 1


def data_at(body: bytes, at: int) -> tuple[bytes, int]:
    """Bytes or a string, and where the next field begins."""
    byte = body[at]
    if byte < 128:
        start, end = at + 1, at + 1 + (byte >> 1)
    else:
        length, start = number_at(body, at)
        end = start + length
    return body[start:end], end


def maybe_number_at(body: bytes, at: int) -> tuple[int | None, int]:
    """A `["null", "long"]`, and where the next field begins."""
    return number_at(body, at + 1) if body[at] else (None, at + 1)
