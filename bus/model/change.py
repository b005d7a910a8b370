"""A change: what a registry says happened to one record."""

from collections.abc import Callable
from enum import StrEnum
from functools import partial
from typing import NamedTuple

from bus.model.record import Incoming


class Operation(StrEnum):
    """What happened; `READ` marks a row that a snapshot met. The value is the last word of `ce_type`."""

    CREATED = "created"
    UPDATED = "updated"
    DELETED = "deleted"
    READ = "read"


class Change(NamedTuple):
    """One change as it lies in `changes.<registry>.<dataset>`; there is one of these for every record that is routed.

    `key` is the record's key as in Kafka, and `subject` the part of it that says whose record it is: None in a dataset
    without subjects. `value` is the framed Avro record (byte 0, 4-byte schema id, body), None when deleted. `origin` is
    the record as it was read: what becomes a dead letter if the value cannot be read, and whose offset orders it
    against every other one of the dataset in that lane.
    """

    dataset: str
    key: bytes
    subject: str | None
    value: bytes | None
    origin: Incoming


new_change: Callable[[tuple[str, bytes, str | None, bytes | None, Incoming]], Change] = partial(tuple.__new__, Change)
"""A change from its parts, without the call that a name for each part costs."""
