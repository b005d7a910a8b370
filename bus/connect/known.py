"""What a connector has published, for sources that cannot tell the row before: record id → whose it is, and a digest.

It is recovered from the connector's own topics at each start, and kept in memory: about 150 bytes a record.
"""

import hashlib
from dataclasses import dataclass, field

from bus.connect.mapping import Mapper, RowUnfit
from bus.connect.source import ExportEnded, Row
from bus.model.change import Operation
from bus.model.key import RecordKey

FEW = 10
"""So many records may be gone from a small dataset, whatever share of it they are."""


@dataclass(slots=True)
class Known:
    """The live records by dataset. Mutable: it moves with the flow, and is thrown away with it after a failure.

    With `compare`, what is published exactly so already is not published again.
    """

    compare: bool = False
    _subjects: dict[str, dict[str, tuple[str | None, bytes]]] = field(default_factory=dict)

    def put(self, dataset: str, key: RecordKey, value: bytes | None) -> None:
        """A record was published, or erased (`value` None). An erasure under a former subject changes nothing."""
        records = self._subjects.setdefault(dataset, {})
        if value is not None:
            records[key.record_id] = (key.subject, digest(value))
        elif records.get(key.record_id, (None, b""))[0] == key.subject:
            records.pop(key.record_id, None)

    def recover(self, dataset: str, key: RecordKey, seen: bytes) -> None:
        """A record that was live when the connector started, with its digest."""
        self._subjects.setdefault(dataset, {})[key.record_id] = (key.subject, seen)

    def key(self, dataset: str, record_id: str) -> RecordKey | None:
        """Under which key the record is published now; None when it is not."""
        found = self._subjects.get(dataset, {}).get(record_id)
        return None if found is None else RecordKey(found[0], record_id)

    def same(self, dataset: str, key: RecordKey, value: bytes) -> bool:
        """Whether exactly this is published already, and that matters."""
        return self.compare and self._subjects.get(dataset, {}).get(key.record_id) == (key.subject, digest(value))

    def too_many(self, event: ExportEnded, gone: int, *, met: bool) -> bool:
        """Whether so many cannot be believed to be gone without a person's word; a few always can."""
        if event.may_lose >= 1:
            return False
        return not met or (gone > FEW and gone > event.may_lose * len(self._subjects[event.dataset]))

    def missing(self, dataset: str, record_ids: set[str]) -> list[RecordKey]:
        """The published records that are not among these, in the order of their ids."""
        records = self._subjects.get(dataset, {})
        return [RecordKey(records[one][0], one) for one in sorted(records.keys() - record_ids)]


@dataclass(slots=True)
class Export:
    """A full export that is being read: the record ids met, and how many of its lines could not be told apart."""

    dataset: str
    met: set[str] = field(default_factory=set)
    unkeyed: int = 0

    def meet(self, mapper: Mapper, row: Row) -> None:
        """One of its rows. A row that names its record counts as met, even where the rest does not fit."""
        try:
            self.met.add(mapper.record_id(row))
        except RowUnfit:
            self.unkeyed += 1


def digest(value: bytes) -> bytes:
    """8 bytes that stand for a value; equal values are told from changed ones, nothing else rests on it."""
    return hashlib.blake2b(value, digest_size=8).digest()


def as_known(operation: Operation, before: RecordKey | None) -> Operation:
    """A source that only says "this is how it is now" leaves it to us whether the record is new."""
    if operation not in {Operation.CREATED, Operation.UPDATED}:
        return operation
    return Operation.CREATED if before is None else Operation.UPDATED
