"""The fold kept up to date with its topic, and changes to it that hold against every other writer."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from bus.avro.registry.entries import Entry, VersionAdded, to_bytes
from bus.avro.registry.fold import SchemaLog
from bus.model.record import Incoming
from bus.telemetry import Event, emit

Answer = TypeVar("Answer")


class EntryLog(Protocol):
    """Where entries lie in one order for all who read them."""

    async def append(self, key: bytes, value: bytes) -> int:
        """Write one entry; its offset."""

    async def read_from(self, offset: int) -> Sequence[Incoming]:
        """Every entry from the offset on that was written before the call."""


class SchemaStore:
    """Answers are as new as the topic. Any number of stores on the same topic agree."""

    def __init__(self, log: EntryLog) -> None:
        self._log = log
        self._fold = SchemaLog()
        self._reading = asyncio.Lock()
        self._writing = asyncio.Lock()

    async def current(self) -> SchemaLog:
        """The fold of everything that was written before this call; whatever fails on the way is raised."""
        async with self._reading:
            unreadable = self._fold.unreadable
            for record in await self._log.read_from(self._fold.next_offset):
                self._fold.apply(record.offset, record.value)
            if self._fold.unreadable > unreadable:
                emit(Event.SCHEMA_ENTRY_UNREADABLE, count=self._fold.unreadable, up_to=self._fold.next_offset)
        return self._fold

    async def text(self, schema_id: int) -> str | None:
        """A schema by id; an id never changes its schema, so only an unknown one is looked for in the topic."""
        return self._fold.text(schema_id) or (await self.current()).text(schema_id)

    async def change(self, decide: Callable[[SchemaLog], tuple[Entry | None, Answer]]) -> Answer:
        """Write what `decide` says of the newest fold, and return the rest of what it says.

        When another writer was first, it is asked again. Raises what `decide` raises; then nothing was written.
        """
        async with self._writing:  # one at a time here, so that a process does not race itself
            while True:
                entry, answer = decide(await self.current())
                if entry is None:
                    return answer
                offset = await self._log.append((entry.subject or "").encode(), to_bytes(entry))
                if (await self.current()).counted(offset):
                    if isinstance(entry, VersionAdded):
                        emit(Event.SCHEMA_REGISTERED, subject=entry.subject, offset=offset)
                    return answer
