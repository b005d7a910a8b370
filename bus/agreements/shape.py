"""What the fields of an Avro record are, as filters, transforms and examples see them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from bus.avro.names import full_name, named_types, own_name


class Kind(StrEnum):
    """The kinds of value that agreements can speak of; `OPAQUE` may be released, but neither compared nor changed."""

    BOOL = "true or false"
    INT = "whole number"
    DOUBLE = "number"
    TEXT = "text"
    ENUM = "one of a list"
    DATE = "date"
    TIMESTAMP = "point in time"
    LIST = "list"
    RECORD = "record"
    OPAQUE = "opaque"


PYTHON_TYPES: Mapping[Kind, tuple[type, ...]] = {
    Kind.BOOL: (bool,),
    Kind.INT: (int,),
    Kind.DOUBLE: (float, int),
    Kind.TEXT: (str,),
    Kind.ENUM: (str,),
    Kind.DATE: (int,),
    Kind.TIMESTAMP: (int,),
    Kind.LIST: (list, tuple),
    Kind.RECORD: (dict,),
}
"""As what a raw Avro value comes that is of a kind: what is of another one is not of its field's type."""


@dataclass(frozen=True, slots=True)
class Shape:
    """One field's type. `symbols` belong to ENUM, `item` to LIST, `fields` to RECORD, `per_ms` to TIMESTAMP."""

    kind: Kind
    nullable: bool = False
    symbols: tuple[str, ...] = ()
    item: "Shape | None" = None
    fields: Mapping[str, "Shape"] = field(default_factory=dict)
    per_ms: int = 1
    """How many units of a raw timestamp make a millisecond: 1 for timestamp-millis, 1000 for timestamp-micros."""


_PRIMITIVE = {
    "boolean": Kind.BOOL,
    "int": Kind.INT,
    "long": Kind.INT,
    "float": Kind.DOUBLE,
    "double": Kind.DOUBLE,
    "string": Kind.TEXT,
}
_LOGICAL = {
    ("int", "date"): Shape(Kind.DATE),
    ("long", "timestamp-millis"): Shape(Kind.TIMESTAMP),
    ("long", "timestamp-micros"): Shape(Kind.TIMESTAMP, per_ms=1000),
    ("string", "uuid"): Shape(Kind.TEXT),
}


def shape_of(schema: Mapping[str, Any]) -> Shape:
    """The shape of a record schema. A type within itself is OPAQUE."""
    return _shape(schema, _Scope(named_types(schema)))


def split_nullable(avro: Any) -> tuple[bool, Any]:
    """Whether a type is `["null", X]` or `[X, "null"]`, and X. Any other union is returned as it is."""
    if isinstance(avro, list) and "null" in avro and len(avro) == 2:
        return True, next(branch for branch in avro if branch != "null")
    return False, avro


@dataclass(frozen=True, slots=True)
class _Scope:
    """The names that a type can refer to, the namespace around it, and the types that it lies in."""

    names: Mapping[str, Mapping[str, Any]]
    space: str = ""
    around: frozenset[str] = frozenset()

    def within(self, name: str) -> "_Scope":
        return _Scope(self.names, name.rpartition(".")[0], self.around | {name})


def _shape(avro: Any, scope: _Scope) -> Shape:
    nullable, avro = split_nullable(avro)
    if nullable:
        return replace(_shape(avro, scope), nullable=True)
    if isinstance(avro, str):
        return _named(avro, scope)
    if isinstance(avro, list):
        return Shape(Kind.OPAQUE)
    if not isinstance(avro["type"], str):
        return _shape(avro["type"], scope)
    if "logicalType" in avro:
        return _LOGICAL.get((avro["type"], avro["logicalType"]), Shape(Kind.OPAQUE))
    return _complex(avro, scope)


def _named(name: str, scope: _Scope) -> Shape:
    if name in _PRIMITIVE:
        return Shape(_PRIMITIVE[name])
    full = full_name(name, scope.space)
    if full not in scope.names or full in scope.around:
        return Shape(Kind.OPAQUE)
    return _complex(scope.names[full], scope.within(full))


def _complex(avro: Mapping[str, Any], scope: _Scope) -> Shape:
    kind = avro["type"]
    if kind == "enum":
        return Shape(Kind.ENUM, symbols=tuple(avro["symbols"]))
    if kind == "array":
        return Shape(Kind.LIST, item=_shape(avro["items"], scope))
    if kind == "record":
        inner = scope.within(own_name(avro, scope.space))
        return Shape(Kind.RECORD, fields={one["name"]: _shape(one["type"], inner) for one in avro["fields"]})
    return Shape(_PRIMITIVE.get(kind, Kind.OPAQUE))
