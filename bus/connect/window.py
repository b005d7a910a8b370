"""Snapshot and stream merged without a lock: the watermarks of DBLog (Andreakis and Papapanagiotou, 2020).

A chunk is read at one moment of the source, with everything in it that was streamed before (the low mark), and is
published only when the stream has passed everything that the chunk saw (the high mark). In between, every streamed
change takes its record out of the chunk: the stream tells that record's history up to the high mark and beyond.
"""

from bus.connect.mapping import Mapper, RowUnfit
from bus.connect.source import Chunk, Row, SourceChange
from bus.model.key import RecordKey


class Window:
    """One open chunk. A row whose key cannot be made stays in: it becomes a dead letter when it is published.

    A row goes by its whole key, for of a dataset with subjects several rows may have one record id. `by_id`: by its
    record id alone, where a change does not tell whose the record was before.
    """

    def __init__(self, chunk: Chunk, mapper: Mapper, *, by_id: bool) -> None:
        self.chunk = chunk
        self._mapper = mapper
        self._by_id = by_id
        self._rows: dict[RecordKey | str | int, Row] = {}
        for number, row in enumerate(chunk.rows):
            self._rows[self._name(row) or number] = row

    def overtake(self, change: SourceChange) -> None:
        """Drop the rows that a streamed change has made old."""
        if change.dataset != self.chunk.dataset:
            return
        for row in (change.old, change.new):
            if row is not None and (name := self._name(row)):
                self._rows.pop(name, None)
        if change.record_id:
            self._rows.pop(change.record_id, None)

    def rows(self) -> list[Row]:
        """What is left, in the order of the chunk."""
        return list(self._rows.values())

    def _name(self, row: Row) -> RecordKey | str | None:
        return record_id_of(self._mapper, row) if self._by_id else _key_of(self._mapper, row)


def record_id_of(mapper: Mapper, row: Row) -> str | None:
    """Which record a row is; None where it does not tell."""
    try:
        return mapper.record_id(row)
    except RowUnfit:
        return None


def _key_of(mapper: Mapper, row: Row) -> RecordKey | None:
    try:
        return mapper.key(row)
    except RowUnfit:
        return None
