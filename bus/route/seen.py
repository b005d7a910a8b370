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


class Seen:
    """One record. `bounds` tell where each field lies; None when its bytes are not cut, and `record` is whole."""

    __slots__ = ("_record", "_sight", "bounds", "value")

    def __init__(
        self,
        value: bytes,
        record: Mapping[str, Any] | None,
        bounds: tuple[int, ...] | None = None,
        sight: "Sight | None" = None,
    ) -> None:
        self.value = value
        self.bounds = bounds
        self._record = record
        self._sight = sight

    @property
    def record(self) -> Mapping[str, Any]:
        """The fields that filters and transforms read, or all; decoded when somebody asks first."""
        if self._record is None:
            assert self._sight is not None, "nobody makes one with neither"
            assert self.bounds is not None, "nobody makes one with neither"
            self._record = self._sight.decoded(self.value, self.bounds)
        return self._record


LOST = Seen(b"", {})
"""Stands for a record that says nothing: its newest version cannot be read, and none before it is known."""


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
            return Seen(value, None, self.bounds(value, BODY_START), self)
        except RecordUnreadable:
            return None

    def decoded(self, value: bytes, at: tuple[int, ...]) -> Mapping[str, Any]:
        """The fields in `read` of a record whose fields lie there."""
        fields: Mapping[str, Any] = decode(
            self.part, b"".join([value[at[first] : at[last]] for first, last in self.read])
        )
        return fields
