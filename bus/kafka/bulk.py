"""Reading long stretches of partitions as fast as a machine can: the C client, in a thread, keys and values only."""

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import NamedTuple

from confluent_kafka import Consumer, KafkaError, TopicPartition

from bus.errors import KafkaUnreachable
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, Reader

AT_ONCE = 10_000
WAIT_SECONDS = 0.1
"""The client answers when a batch is full or this time is over, so the end of a stretch costs it once."""
SILENT_SECONDS = 30.0


class Bit(NamedTuple):
    """What of a record is read in bulk."""

    offset: int
    key: bytes | None
    value: bytes | None


@dataclass(frozen=True, slots=True)
class Span:
    """What a partition holds: its oldest offset, and the one after its newest committed record."""

    begin: int
    end: int

    @property
    def length(self) -> int:
        """How many offsets lie between; some hold no record."""
        return max(0, self.end - self.begin)


class BulkReader:
    """Reads committed records only, of one stretch after another; knows no group and writes nothing."""

    def __init__(self, access: KafkaAccess) -> None:
        self._access = access
        self._consumer = Consumer(
            access.for_confluent()
            | {
                "group.id": "none",  # the client wants a name; no group is joined, nothing is stored under it
                "isolation.level": "read_committed",
                "enable.auto.commit": False,
                "enable.auto.offset.store": False,
                "auto.offset.reset": "error",
                "enable.partition.eof": True,
                "queued.max.messages.kbytes": 65_536,
                "fetch.message.max.bytes": 4 << 20,
                "fetch.wait.max.ms": 10,  # a fetch that waits at the end of one place would hold up the next one
                "fetch.queue.backoff.ms": 10,
                "log_level": 2,
            }
        )

    async def spans(self, places: list[Place]) -> dict[Place, Span]:
        """How far each place reaches, asked of the broker now. Raises KafkaUnreachable."""
        reader = Reader(self._access, committed=True)
        await reader.start()
        try:
            begins, ends = await reader.beginnings(places), await reader.ends(places)
        finally:
            await reader.stop()
        return {place: Span(begins[place], ends[place]) for place in places}

    async def read(self, place: Place, span: Span) -> AsyncIterator[list[Bit]]:
        """The committed records of a stretch, in order, batch by batch; nothing from beyond its end.

        Raises KafkaUnreachable when nothing comes for long, or the broker refuses.
        """
        if not span.length:
            return
        self._consumer.assign([TopicPartition(place.topic, place.partition, span.begin)])
        silent = 0.0
        while True:
            bits, reached, why = await asyncio.to_thread(self._some, span.end)
            if bits:
                yield bits
            if reached:
                return
            silent = 0.0 if bits else silent + WAIT_SECONDS
            if silent >= SILENT_SECONDS or (why is not None and not why.retriable() and why.code() > 0):
                raise KafkaUnreachable(bootstrap=self._access.bootstrap, reason=why or "no record comes")

    def close(self) -> None:
        """Let go of the connection."""
        self._consumer.close()

    def _some(self, end: int) -> tuple[list[Bit], bool, KafkaError | None]:
        """A batch, whether the end is reached, and what the client complains of."""
        bits, reached, why = [], False, None
        for message in self._consumer.consume(AT_ONCE, WAIT_SECONDS):
            offset, error = message.offset(), message.error()
            if error is None and offset is not None and offset < end:
                bits.append(Bit(offset, message.key(), message.value()))
            elif error is None:
                reached = True
            elif error.code() == KafkaError._PARTITION_EOF:  # noqa: SLF001 - its public name
                # Markers may take the last offsets. An end before them is told by a leader that does not know more yet.
                reached = offset is not None and offset >= end
            elif error.code() != KafkaError.GROUP_AUTHORIZATION_FAILED:  # it looks for its group, which is none
                why = error
        return bits, reached, why
