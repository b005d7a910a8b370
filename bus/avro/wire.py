"""Avro's primitives as bytes, for the few messages that are written so often that they are put together by hand."""

from collections.abc import Sequence
from functools import lru_cache

_SMALL = 64
"""So many numbers from 0 on take a single byte."""


def _number(value: int) -> bytes:
    """An int or a long. Raises OverflowError for what takes more than 64 bits."""
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("a long has 64 bits")
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)


_BYTES = tuple(_number(value) for value in range(_SMALL))

number = lru_cache(maxsize=4096)(_number)
"""As `_number`: the same few lengths, partitions and moments come again and again."""


def data(value: bytes) -> bytes:
    """Bytes with their length."""
    length = len(value)
    return (_BYTES[length] if length < _SMALL else number(length)) + value


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
