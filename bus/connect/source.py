"""What a source of changes must do, so that the kit can publish it without loss, repetition or reordering.

A source speaks of rows in the registry's own shape; the kit maps, keys, encodes, publishes and remembers.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, NamedTuple, Protocol

from bus.model.change import Operation

Row = Mapping[str, Any]
"""One row of the registry's own table, file or feed: column → value (text, int, float, bool, Decimal, date, …)."""

Position = Mapping[str, Any]
"""A place in a source's history: plain JSON that only its source understands. Positions of one source are totally
ordered by commit, never by a clock, and may point between two rows of one large transaction."""


class SourceChange(NamedTuple):
    """One row was created, updated, deleted, or stands in an export (READ).

    `old` is the row before, where the source knows it; `new` the row after, None when deleted. A source that knows no
    old rows gives `record_id` for a deletion. `change_id` is unique within the source, and the same again when the
    same change is read again. `position` is the place just after this change: reading on from it gives what follows.
    """

    dataset: str
    operation: Operation
    old: Row | None
    new: Row | None
    change_id: str
    position: Position
    record_id: str | None = None


@dataclass(frozen=True, slots=True)
class Seen:
    """The source has been read up to here and has nothing more at hand; also a mark in its log was met."""

    position: Position


@dataclass(frozen=True, slots=True)
class Unreadable:
    """Something that is no row: a broken line, an entry without its fields. It becomes a dead letter."""

    dataset: str | None
    original: bytes
    reason: str
    change_id: str
    position: Position


@dataclass(frozen=True, slots=True)
class ExportBegan:
    """Every record of a dataset follows, as READ changes."""

    dataset: str
    position: Position


@dataclass(frozen=True, slots=True)
class ExportEnded:
    """The full export of a dataset has ended: what is published and was not met in it is gone at the source.

    `may_lose` is the share of the published records whose absence is believed; 1 when a person has confirmed it.
    """

    dataset: str
    position: Position
    may_lose: float = 0.2


@dataclass(frozen=True, slots=True)
class Restarted:
    """The source can no longer tell what changed in these datasets (truncated, reset): they must be read anew."""

    datasets: tuple[str, ...]
    reason: str
    position: Position


SourceEvent = SourceChange | Seen | Unreadable | ExportBegan | ExportEnded | Restarted


@dataclass(frozen=True, slots=True)
class Chunk:
    """Rows of one dataset as they stood at one moment, in the order of their keys.

    `last_key` is where the next chunk goes on, None after the last row of all. `high` is a position by which the stream
    has passed everything that the chunk saw.
    """

    dataset: str
    rows: tuple[Row, ...]
    last_key: Any
    high: Position


def as_it_came(_: object, dataset: str, row: Row) -> Row:  # noqa: ARG001 - for subclasses to override
    """The `derive` of a source that makes no columns: the row as it came."""
    return row


class Source(Protocol):
    """A registry as the kit reads it.

    Errors: SourceUnreachable (tried again with growing pauses), PositionLost (a full snapshot follows), any other
    BusError ends the connector. A row that cannot be understood is never an error: it is yielded as Unreadable.
    """

    snapshots: ClassVar[bool]
    """Whether `chunk` works. Without it, the history itself begins with everything (a folder of exports)."""

    old_rows: ClassVar[bool]
    """Whether updates and deletions carry the row before. Without it, the kit remembers whose each record is."""

    def derive(self, dataset: str, row: Row) -> Row:
        """The row that the manifest's rules read, made from the row as it came; pure. The row itself where data do.

        What it raises makes the row a dead letter.
        """
        ...

    async def open(self, after: Position | None) -> Position:
        """Connect and return where reading goes on: `after` itself, or the beginning of history where it is None.

        From its return on, no change after the returned position can be missed. Raises PositionLost when the history
        after `after` is gone.
        """
        ...

    def changes(self, after: Position) -> AsyncIterator[Sequence[SourceEvent]]:
        """Every change after the position, in commit order, for ever; within a transaction in the order of its writes.

        Reading again from any position that was yielded gives the same changes with the same ids. Only a full export
        that was under way is told again from its ExportBegan: what it meets counts, what was published is not again.
        Yields what is at hand without waiting for more, and a Seen at least once a second while nothing happens.
        """
        ...

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        """The next rows by key, read at one moment; no lock is held and no transaction stays open.

        Every change that `changes` has yielded before this call, or before the restart, must be in the rows: a source
        whose commits become visible later than they enter its history waits for them here.
        """
        ...

    async def confirm(self, position: Position) -> None:
        """Everything up to here is published for good: the source may forget it."""
        ...

    async def head(self) -> Position:
        """The newest position that the source has now; works without `open`, from any process."""
        ...

    def passed(self, position: Position, goal: Position) -> bool:
        """Whether `position` is at `goal` or after it."""
        ...

    async def close(self) -> None:
        """Let go of every connection; `open` may follow."""
        ...
