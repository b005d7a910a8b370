"""Long stretches read in bulk: where they end."""

from dataclasses import dataclass
from typing import Any

import pytest
from confluent_kafka import KafkaError

from bus.errors import KafkaUnreachable
from bus.kafka import bulk
from bus.kafka.access import KafkaAccess
from bus.kafka.bulk import BulkReader, Span
from bus.kafka.log import Place


@dataclass(frozen=True)
class Message:
    """A record of the C client, or, without a value, what it says at the end of a partition."""

    at: int
    content: bytes | None = None

    def offset(self) -> int:
        return self.at

    def key(self) -> bytes:
        return b"k"

    def value(self) -> bytes | None:
        return self.content

    def error(self) -> KafkaError | None:
        return None if self.content is not None else KafkaError(KafkaError._PARTITION_EOF)


class Told:
    """In place of the client: gives what it was told to, and then nothing more."""

    def __init__(self, *batches: list[Message]) -> None:
        self._batches = [*batches]

    def assign(self, _: Any) -> None:
        """One partition is as good as another."""

    def consume(self, _count: int, _seconds: float) -> list[Message]:
        return self._batches.pop(0) if self._batches else []


async def read(monkeypatch: pytest.MonkeyPatch, told: Told, end: int) -> list[int]:
    """The offsets of what is read of a stretch that ends there."""
    monkeypatch.setattr(bulk, "Consumer", lambda _: told)
    monkeypatch.setattr(bulk, "SILENT_SECONDS", 0.5)
    reader = BulkReader(KafkaAccess("nowhere:1"))
    return [bit.offset async for bits in reader.read(Place("topic", 0), Span(0, end)) for bit in bits]


async def test_an_end_that_comes_too_early_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader that was just elected may not know yet how far it goes: what it calls the end does not end a stretch."""
    told = Told([Message(0, b"a"), Message(1)], [], [Message(1, b"b"), Message(2, b"c")], [Message(4)])
    assert await read(monkeypatch, told, 4) == [0, 1, 2]


async def test_what_never_comes_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stretch of which a part is not there any more is an error, and not a shorter one."""
    with pytest.raises(KafkaUnreachable):
        await read(monkeypatch, Told([Message(0, b"a"), Message(1)]), 4)


async def test_markers_end_a_stretch(monkeypatch: pytest.MonkeyPatch) -> None:
    """The last offsets of a stretch may hold no record; what lies behind it is not read."""
    assert await read(monkeypatch, Told([Message(0, b"a"), Message(3)]), 3) == [0]
    assert await read(monkeypatch, Told([Message(0, b"a"), Message(4, b"b")]), 3) == [0]
