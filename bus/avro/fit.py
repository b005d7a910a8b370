"""Whether a value fits a schema, told by field and never by value: the contract check of what comes from outside."""

import sys
from collections.abc import Callable, Mapping, Sequence
from datetime import date, datetime, time
from decimal import Decimal
from typing import Any
from uuid import UUID

from bus.avro.names import full_name, named_types, space_of

_INT = range(-(2**31), 2**31)
_LONG = range(-(2**63), 2**63)

_LOGICAL: dict[str, type | tuple[type, ...]] = {
    "date": date,
    "time-millis": time,
    "time-micros": time,
    "timestamp-millis": datetime,
    "timestamp-micros": datetime,
    "local-timestamp-millis": datetime,
    "local-timestamp-micros": datetime,
    "decimal": Decimal,
    "uuid": UUID,
}


def misfits(schema: Any, value: Any) -> tuple[str, ...]:
    """Every place where the value does not fit, as `field.path: reason`; empty when it fits.

    Stricter than fastavro: a bool or a float is no int, an int has 32 bits, a record has all of its fields and no
    other. Values of the logical types are taken where a schema has one. The texts quote no value.
    """
    return tuple(_Check(named_types(schema), Steps(sys.maxsize)).of(schema, value, "", ""))


def fits(part: Any, value: Any, space: str, names: Mapping[str, Any], steps: "Steps") -> bool:
    """Whether a value fits a part of a schema that stands in `space` and whose names are these.

    Raises TooManySteps: with unions of records within each other a few bytes may have no end of ways to fit.
    """
    return not _Check(names, steps).of(part, value, "", space)


class TooManySteps(Exception):
    """Whether something fits would take too long to find out."""


class Steps:
    """How much may still be looked at."""

    def __init__(self, left: int) -> None:
        self._left = left

    def take(self, count: int) -> None:
        """Look at so much. Raises TooManySteps."""
        self._left -= count
        if self._left < 0:
            raise TooManySteps


class _Check:
    def __init__(self, names: Mapping[str, Any], steps: Steps) -> None:
        self._names = names
        self._take = steps.take
        self._complex: dict[str, Callable[[Mapping[str, Any], Any, str, str], list[str]]] = {
            "record": self._record,
            "error": self._record,
            "array": self._array,
            "map": self._map,
            "enum": self._enum,
            "fixed": self._fixed,
        }

    def of(self, schema: Any, value: Any, path: str, space: str) -> list[str]:
        self._take(1)
        if isinstance(schema, list):
            return self._union(schema, value, path, space)
        if isinstance(schema, str):
            return self._named(schema, value, path, space)
        logical = _LOGICAL.get(schema.get("logicalType", ""))
        if logical and isinstance(value, logical):
            return []
        check = self._complex.get(schema["type"]) if isinstance(schema["type"], str) else None
        if check:
            return check(schema, value, path, space)
        return self.of(schema["type"], value, path, space)

    def _named(self, name: str, value: Any, path: str, space: str) -> list[str]:
        if name in _PRIMITIVES:
            return _PRIMITIVES[name](value, path)
        full = full_name(name, space)
        return self.of(self._names[full], value, path, full.rpartition(".")[0])

    def _enum(self, schema: Mapping[str, Any], value: Any, path: str, _space: str) -> list[str]:
        self._take(len(schema["symbols"]))
        is_one = isinstance(value, str) and value in schema["symbols"]
        return [] if is_one else [_at(path, f"is none of the {len(schema['symbols'])} symbols")]

    def _fixed(self, schema: Mapping[str, Any], value: Any, path: str, _space: str) -> list[str]:
        is_one = isinstance(value, bytes) and len(value) == schema["size"]
        return [] if is_one else [_at(path, f"must be {schema['size']} bytes")]

    def _record(self, schema: Mapping[str, Any], value: Any, path: str, space: str) -> list[str]:
        if not isinstance(value, Mapping):
            return [_at(path, f"must be a record, and is {_kind(value)}")]
        self._take(len(schema["fields"]))
        inner = space_of(schema, space)
        names = {one["name"] for one in schema["fields"]}
        found = [_at(_join(path, str(name)), "is not in the schema") for name in value if name not in names]
        for one in schema["fields"]:
            place = _join(path, one["name"])
            if one["name"] in value:
                found += self.of(one["type"], value[one["name"]], place, inner)
            else:
                found.append(_at(place, "is missing"))
        return found

    def _array(self, schema: Mapping[str, Any], value: Any, path: str, space: str) -> list[str]:
        if not isinstance(value, Sequence) or isinstance(value, str | bytes):
            return [_at(path, f"must be an array, and is {_kind(value)}")]
        places = enumerate(value)
        return [text for index, item in places for text in self.of(schema["items"], item, f"{path}[{index}]", space)]

    def _map(self, schema: Mapping[str, Any], value: Any, path: str, space: str) -> list[str]:
        if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
            return [_at(path, "must be a map with text keys")]
        # a key of a map may itself be personal: it is not named
        return [text for item in value.values() for text in self.of(schema["values"], item, f"{path}{{}}", space)]

    def _union(self, branches: list[Any], value: Any, path: str, space: str) -> list[str]:
        findings = [self.of(branch, value, path, space) for branch in branches]
        if not all(findings):
            return []
        rest = [branch for branch in branches if branch != "null"]
        if len(rest) == 1 and value is not None:
            return findings[branches.index(rest[0])]
        return [_at(path, f"is {_kind(value)}, which no branch of the union takes")]


def _primitive(test: Callable[[Any], bool], wanted: str) -> Callable[[Any, str], list[str]]:
    def check(value: Any, path: str) -> list[str]:
        return [] if test(value) else [_at(path, f"must be {wanted}, and is {_kind(value)}")]

    return check


def _whole(value: Any, bounds: range) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and value in bounds


def _number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _text(value: Any) -> bool:
    if not isinstance(value, str):
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True


_PRIMITIVES: dict[str, Callable[[Any, str], list[str]]] = {
    "null": _primitive(lambda value: value is None, "null"),
    "boolean": _primitive(lambda value: isinstance(value, bool), "a boolean"),
    "int": _primitive(lambda value: _whole(value, _INT), "an int of 32 bits"),
    "long": _primitive(lambda value: _whole(value, _LONG), "an int of 64 bits"),
    "float": _primitive(_number, "a number"),
    "double": _primitive(_number, "a number"),
    "string": _primitive(_text, "text"),
    "bytes": _primitive(lambda value: isinstance(value, bytes), "bytes"),
}


def _join(path: str, name: str) -> str:
    return f"{path}.{name}" if path else name


def _at(path: str, reason: str) -> str:
    return f"{path or 'the value'}: {reason}"


def _kind(value: Any) -> str:
    """What a value is, without what it says."""
    if isinstance(value, str) and not _text(value):
        return "text in another encoding, or half a character"
    return "null" if value is None else type(value).__name__
