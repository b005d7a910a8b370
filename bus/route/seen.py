"""A record as a lane sees it: decoded as far as anybody asks, its views cut from its bytes where that can be done."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from bus.avro.codec import Parsed, decode, parse
from bus.avro.datasets import Dataset
from bus.avro.frame import BODY_START, frame
from bus.avro.names import named_types, self_contained, space_of
from bus.avro.slicer import Bounds, Stretch, bounds, stretches
from bus.errors import RecordUnreadable


@dataclass(frozen=True, slots=True)
class Seen:
    """One record. `record` has the fields that filters and transforms read, or all; `bounds` where each field lies."""

    value: bytes
    record: Mapping[str, Any]
    bounds: tuple[int, ...] | None = None
    """None: the bytes are not cut, `record` is whole."""

    def cut(self, head: bytes, cuts: Iterable[Stretch]) -> bytes | None:
        """Stretches of the record's fields after a head; None where they cannot be cut."""
        if self.bounds is None:
            return None
        value, at = self.value, self.bounds
        return b"".join([head, *[value[at[first] : at[last]] for first, last in cuts]])


@dataclass(frozen=True, slots=True, eq=False)
class Sight:
    """How records of one schema are seen without decoding all of them."""

    head: bytes
    bounds: Bounds
    read: tuple[Stretch, ...]
    part: Parsed
    """The fields in `read`, as a record of their own."""

    @classmethod
    def of(cls, dataset: Dataset, schema_id: int, reads: Iterable[str]) -> Self:
        """For records of the dataset, written with its own schema, of which so many fields are read."""
        schema, names = dataset.schema, set(reads)
        fields = [one for one in schema["fields"] if one["name"] in names]
        space = space_of(schema, "")
        part = self_contained({"type": "record", "name": "Part", "fields": fields}, space, named_types(schema))
        every = [one["name"] for one in schema["fields"]]
        return cls(
            head=frame(schema_id, b""),
            bounds=bounds(schema, schema_id=schema_id),
            read=tuple(stretches(every, [one["name"] for one in fields])),
            part=parse(part, schema_id=schema_id),
        )

    def see(self, value: bytes) -> Seen | None:
        """The record; None for one of another schema, or written in an unusual way: that must be decoded whole."""
        if not value.startswith(self.head):
            return None
        try:
            at = self.bounds(value, BODY_START)
        except RecordUnreadable:
            return None
        read = b"".join([value[at[first] : at[last]] for first, last in self.read])
        return Seen(value, decode(self.part, read), at)
