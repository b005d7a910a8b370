"""A change: what a registry says happened to one record."""

from dataclasses import dataclass
from enum import StrEnum

from bus.model.key import RecordKey
from bus.model.record import Incoming


class Operation(StrEnum):
    """What happened; `READ` marks a row that a snapshot met. The value is the last word of `ce_type`."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    READ = "read"


@dataclass(frozen=True, slots=True)
class Change:
    """One change as it lies in `changes.<registry>.<dataset>`.

    `value` is the framed Avro record (byte 0, 4-byte schema id, body), None when deleted. `offset` is its place in the
    partition of its lane, and orders it against every other change of the dataset in that lane.
    """

    dataset: str
    key: RecordKey
    operation: Operation
    value: bytes | None
    offset: int
    timestamp_ms: int
    origin: Incoming | None = None
    """The record as it was read; what becomes a dead letter if the value cannot be read."""
