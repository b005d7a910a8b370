"""Batches of records whose headers have names that are no UTF-8: brokers take them, and the client stumbles over them.

What such a name says matters to nobody here; without this, no reader would ever get past its record.
"""

from typing import Any, SupportsIndex, overload

from aiokafka.record.default_records import _DefaultRecordBatchPy
from aiokafka.record.memory_records import MemoryRecords

from bus.kafka.swollen import bearable

_LENGTH_FROM, _FRAME = 8, 12
"""Where the length of a batch stands, and where what it counts begins."""


class _Bytes(bytearray):
    """Bytes of which every text can be read."""

    @overload
    def __getitem__(self, at: SupportsIndex, /) -> int: ...
    @overload
    def __getitem__(self, at: slice, /) -> "_Bytes": ...
    def __getitem__(self, at: Any, /) -> Any:
        found = super().__getitem__(at)
        return _Bytes(found) if isinstance(at, slice) else found

    def decode(self, encoding: str = "utf-8", errors: str = "backslashreplace") -> str:
        return super().decode(encoding, errors)


class _Batch(_DefaultRecordBatchPy):  # type: ignore[misc]  # final to whoever checks types, and the one that can be mended
    def _maybe_uncompress(self) -> None:
        super()._maybe_uncompress()
        if not isinstance(self._buffer, _Bytes):
            self._buffer = _Bytes(self._buffer)


class Batches:
    """The client's own batches of a fetched partition, with the bytes that they are made of."""

    def __init__(self, packed: bytes) -> None:
        self.packed = bearable(packed)
        found = MemoryRecords(self.packed)
        self.has_next, self.next_batch, self.size_in_bytes = found.has_next, found.next_batch, found.size_in_bytes


class AnyNames:
    """The batches of a fetched partition from the one on that holds an offset; as the client's own to whoever reads."""

    def __init__(self, packed: bytes, offset: int) -> None:
        self._listed = [one for one in _batches(packed) if one.next_offset > offset][::-1]

    def has_next(self) -> bool:
        """Whether one is left."""
        return bool(self._listed)

    def next_batch(self) -> Any:
        """The next one."""
        return self._listed.pop()


def _batches(packed: bytes) -> list[_Batch]:
    found, at = list[_Batch](), 0
    while at + _FRAME <= len(packed):
        end = at + _FRAME + int.from_bytes(packed[at + _LENGTH_FROM : at + _FRAME])
        if end > len(packed):
            break  # the broker sends what fits
        found.append(_Batch(packed[at:end]))
        at = end
    return found
