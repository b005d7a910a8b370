"""Whole numbers as Avro and Kafka write them: zigzag, seven bits a byte, the lowest first."""

from functools import lru_cache

_SHORT = 8192
"""So many numbers from 0 on, which take two bytes at the most, are kept ready: lengths, counts, places in a batch."""


def _written(value: int) -> bytes:
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("a long has 64 bits")
    rest, out = (value << 1) ^ (value >> 63), bytearray()
    while rest > 127:
        out.append(rest & 127 | 128)
        rest >>= 7
    out.append(rest)
    return bytes(out)


SHORT = tuple(_written(value) for value in range(_SHORT))
_long = lru_cache(maxsize=4096)(_written)


def varint(value: int) -> bytes:
    """A number of at most 64 bits. Raises OverflowError for another."""
    return SHORT[value] if 0 <= value < _SHORT else _long(value)
