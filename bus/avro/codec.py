"""A parsed schema, and values to bytes and back.

Two ways to read the logical types: raw (a date is the int of days, a timestamp the long of milliseconds, a decimal its
bytes), as filters and transforms want them, or logical (datetime.date, aware datetime.datetime, decimal.Decimal), as
people read them. Writing takes raw values with either; logical values need a logical schema.
"""

import io
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import fastavro
from fastavro.schema import SchemaParseException, UnknownType

from bus.avro.fit import misfits
from bus.avro.slicer import Bounds, bounds, unbounded
from bus.errors import RecordUnreadable, SchemaInvalid, ValueMisfit


@dataclass(frozen=True, slots=True)
class Parsed:
    """A schema ready to encode and decode. `schema` is the JSON as given; `schema_id` is None before it has one."""

    schema: Any
    logical: bool
    schema_id: int | None
    ready: Any = field(repr=False, compare=False)
    guard: Bounds | None = field(repr=False, compare=False)


def parse(schema: Any, *, logical: bool = False, schema_id: int | None = None) -> Parsed:
    """The schema (as JSON values) ready for use. Raises SchemaInvalid with the reason in words."""
    try:
        ready = fastavro.parse_schema(schema if logical else without_logical_types(schema), _force=True)
        return Parsed(schema, logical, schema_id, ready, _guard(schema))
    except UnknownType as error:
        raise SchemaInvalid(reason=f"the type {error.name} is not defined") from error
    except (SchemaParseException, ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SchemaInvalid(reason=f"{error or type(error).__name__}") from error


def parse_known(schema: Any, schema_id: int, *, logical: bool = False) -> Parsed:
    """The schema that a record names, ready for use. Raises RecordUnreadable where it is none that can be used.

    Whoever may register a schema could otherwise halt whoever reads a record of it.
    """
    try:
        return parse(schema, logical=logical, schema_id=schema_id)
    except SchemaInvalid as error:
        raise RecordUnreadable(schema_id=schema_id, reason=str(error)) from error


def _guard(schema: Any) -> Bounds | None:
    """What looks through the bytes before a decoder does, where few bytes could stall or crash it.

    fastavro does not notice when it runs out of stack; the slicer does. Any value is encoded as a record is that holds
    nothing else.
    """
    if not unbounded(schema):
        return None
    return bounds({"type": "record", "name": "Whole", "fields": [{"name": "value", "type": schema}]})


def encode(parsed: Parsed, value: Any) -> bytes:
    """The Avro body, without a frame. Every field must be there and no other.

    Fast, and as lax as fastavro: a float where an int is due is cut, an int beyond 32 bits is written. Where values
    come from outside, ask `bus.avro.fit.misfits` first. Raises ValueMisfit, which names fields and no values.
    """
    out = io.BytesIO()
    try:
        fastavro.schemaless_writer(out, parsed.ready, value, strict=True, disable_tuple_notation=True)
    except Exception as error:  # noqa: BLE001 - fastavro raises many kinds
        # their texts quote the value: the cause is kept out of the message and of the chain
        found = misfits(parsed.schema, value) or (f"{type(error).__name__} while writing",)
        raise ValueMisfit(misfits="; ".join(found)) from None
    return out.getvalue()


def decode(parsed: Parsed, body: bytes, read_as: Parsed | None = None) -> Any:
    """The value; as a compatible schema has it, with its defaults, where one is given.

    Raises RecordUnreadable when the bytes do not follow the schema, too many bytes included.
    """
    if parsed.guard:
        parsed.guard(body, 0)
    stream = io.BytesIO(body)
    try:
        value = fastavro.schemaless_reader(stream, parsed.ready, None if read_as is None else read_as.ready)
    except Exception as error:  # noqa: BLE001 - broken bytes raise nearly anything, and all of it means the same
        # as above: the texts may quote the value
        raise _unreadable(parsed, f"the bytes end or break off ({type(error).__name__})") from None
    left = len(body) - stream.tell()
    if left:
        raise _unreadable(parsed, f"{left} bytes are left over")
    return value


def without_logical_types(schema: Any) -> Any:
    """The same schema reading raw values: every `logicalType` is dropped, names, docs and defaults stay."""
    if isinstance(schema, list):
        return [without_logical_types(branch) for branch in schema]
    if not isinstance(schema, Mapping):
        return schema
    kept = {key: value for key, value in schema.items() if key != "logicalType"}
    for place in ("type", "items", "values"):
        if place in kept:
            kept[place] = without_logical_types(kept[place])
    if isinstance(kept.get("fields"), list):
        kept["fields"] = [without_logical_types(one) for one in kept["fields"]]
    return kept


def _unreadable(parsed: Parsed, reason: str) -> RecordUnreadable:
    schema_id = "unknown" if parsed.schema_id is None else parsed.schema_id
    return RecordUnreadable(schema_id=schema_id, reason=reason)
