"""A connector under test, and what a test of it comes to."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Any

from bus.avro.datasets import Dataset
from bus.connect.mapping import Mapper
from bus.connect.place import Place
from bus.connect.publish import Contract
from bus.connect.source import Position, Row, Seen, Source, SourceChange, SourceEvent, Unreadable

ROWS_AT_ONCE = 200


class Verdict(StrEnum):
    """What a test comes to. NOT_SHOWN: the source holds nothing by which it could be shown."""

    PASSED = "passed"
    FAILED = "failed"
    NOT_SHOWN = "not shown"


@dataclass(frozen=True, slots=True)
class Result:
    """A test's verdict; `detail` counts and names columns, and never holds a value."""

    verdict: Verdict
    detail: str


@dataclass(frozen=True, slots=True)
class Case:
    """A connector, its settings, its datasets, and how many rows of each are looked at.

    It works under a name of its own, so that the slot of the connector that runs is left alone.
    """

    found: Any
    place: Place
    datasets: Mapping[str, Dataset]
    rows: int

    @asynccontextmanager
    async def source(self) -> AsyncIterator[Source]:
        """The source, closed afterwards."""
        made: Source = self.found(self.trial)
        try:
            yield made
        finally:
            await made.close()

    @property
    def trial(self) -> Place:
        """The place under the name of the trial."""
        return replace(self.place, connector=f"trial-{self.place.connector}")

    def contract(self, source: Source, dataset: str) -> Contract:
        """How a dataset would be published."""
        rule = self.found.manifest.datasets[dataset]
        mapper = Mapper(self.datasets[dataset], rule, self.found.manifest.written_in, partial(source.derive, dataset))
        return Contract.of(mapper, 1)

    async def read(self, source: Source, dataset: str) -> list[Row]:
        """The first rows of a dataset, from chunks, or from the history where there are none. `open` comes first."""
        if source.snapshots:
            return [row async for row in chunks(source, dataset, ROWS_AT_ONCE, self.rows)]
        events = await self.history(source, await source.open(None))
        found = [one.new for one in events if isinstance(one, SourceChange) and one.dataset == dataset and one.new]
        return found[: self.rows]

    async def unreadable(self, source: Source) -> list[Unreadable]:
        """What the history tells of without being able to read it; of a table's rows, nothing. `open` comes first."""
        events = [] if source.snapshots else await self.history(source, await source.open(None))
        return [one for one in events if isinstance(one, Unreadable)]

    async def history(self, source: Source, after: Position) -> list[SourceEvent]:
        """What the source tells after a position, up to where it stands now, or to the number of rows."""
        goal, found = await source.head(), list[SourceEvent]()
        changes = source.changes(after)
        try:
            async for events in changes:
                found += events
                reached = events and isinstance(events[-1], Seen) and source.passed(events[-1].position, goal)
                if reached or len(found) >= self.rows:
                    break
        finally:
            await changes.aclose()  # type: ignore[attr-defined] # the sources are async generators
        return found


Test = Callable[[Case], Awaitable[Result]]


def passed(detail: str) -> Result:
    """As it must be."""
    return Result(Verdict.PASSED, detail)


def failed(detail: str) -> Result:
    """It does not hold."""
    return Result(Verdict.FAILED, detail)


def not_shown(detail: str) -> Result:
    """Nothing here could show it."""
    return Result(Verdict.NOT_SHOWN, detail)


async def chunks(source: Source, dataset: str, limit: int, most: int, after: Any = None) -> AsyncIterator[Row]:
    """Rows in chunks, from a key on."""
    count = 0
    while count < most:
        chunk = await source.chunk(dataset, after, min(limit, most - count))
        for row in chunk.rows:
            count += 1
            yield row
        after = chunk.last_key
        if after is None:
            return
