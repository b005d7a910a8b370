"""Avro's primitives as bytes, for the few messages that are written so often that they are put together by hand."""

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
