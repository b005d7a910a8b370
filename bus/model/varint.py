"""Whole numbers as Avro and Kafka write them: zigzag, seven bits a byte, the lowest first."""

_BITS = 14
_MASK = (1 << _BITS) - 1
"""Two bytes at a time are looked up, for long numbers come often: every time of a record is one."""

_LAST = tuple(bytes((rest,) if rest < 128 else (rest & 127 | 128, rest >> 7)) for rest in range(1 << _BITS))
_MORE = tuple(bytes((rest & 127 | 128, rest >> 7 | 128)) for rest in range(1 << _BITS))

SHORT = _LAST[::2]
"""The numbers from 0 on that take two bytes at the most: lengths, counts, places in a batch."""

_SHORT = len(SHORT)


def varint(value: int) -> bytes:
    """A number of at most 64 bits. Raises OverflowError for another."""
    if 0 <= value < _SHORT:
        return SHORT[value]
    if not -(1 << 63) <= value < 1 << 63:
        raise OverflowError("a long has 64 bits")
    rest, written = (value << 1) ^ (value >> 63), b""
    while rest > _MASK:
        written += _MORE[rest & _MASK]
        rest >>= _BITS
    return written + _LAST[rest]
