"""What comes to a recipient, as values: a release, or an erasure with its reason."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any, TypeVar

from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import decode
from bus.avro.frame import unframe
from bus.model.reasons import Reason
from bus.model.record import Incoming

UNNAMED = "The record is no longer shared; its copy is to be deleted."

Shape = TypeVar("Shape")


@dataclass(frozen=True, slots=True)
class Release:
    """A record that may be kept under its key, in place of what was there before.

    `fields` are the view's, dates, times and decimals as Python's; `time` is that of the decision, in RFC 3339, coarse
    in a pseudonymous flow. `schema_id` names the schema that it was written in.
    """

    agreement: str
    topic: str
    partition: int
    offset: int
    time: str | None
    key: str
    fields: Mapping[str, Any]
    schema_id: int

    def into(self, shape: type[Shape]) -> Shape:
        """The fields as a dataclass of the recipient's own, whatever the schema has become since it was written.

        Fields that the class does not have are left out; those that the record does not have take the class's
        defaults. Raises TypeError, which names them, where there is none.
        """
        known = {one.name for one in fields(shape)}  # type: ignore[arg-type] # a dataclass, says the contract
        return shape(**{name: value for name, value in self.fields.items() if name in known})


@dataclass(frozen=True, slots=True)
class Erasure:
    """An order: the copy under this key must go, now. `reason` is a code, `words` its meaning."""

    agreement: str
    topic: str
    partition: int
    offset: int
    time: str | None
    key: str
    reason: str | None
    words: str


Arrival = Release | Erasure


async def arrival_of(record: Incoming, agreement: str, client: SchemaRegistryClient) -> Arrival:
    """A record of an agency's topic, decoded. Raises RecordUnreadable, SchemaUnknown, SchemaRegistryUnreachable."""
    place = (agreement, record.topic, record.partition, record.offset, record.header("ce_time"))
    key = (record.key or b"").decode("utf-8", "replace")
    if record.value is None:
        reason = record.header("ce_erasurereason")
        return Erasure(*place, key, reason, words_of(reason))
    schema_id, body = unframe(record.value)
    return Release(*place, key, decode(await client.parsed(schema_id, logical=True), body), schema_id)


def words_of(code: str | None) -> str:
    """What the code of an erasure's reason means."""
    known = {reason.value: reason.meaning for reason in Reason}
    return known.get(code or "", UNNAMED)
