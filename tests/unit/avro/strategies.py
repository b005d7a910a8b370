"""Random Avro schemas, values that fit them, and what a careless author might make of a schema."""

import copy
import math
from collections.abc import Iterator
from typing import Any

from hypothesis import strategies as st

PRIMITIVES = ["null", "boolean", "int", "long", "float", "double", "bytes", "string"]
SYMBOLS = ["RED", "GREEN", "BLUE", "GREY"]


@st.composite
def schemas(draw: st.DrawFn, *, most_fields: int = 6) -> dict[str, Any]:
    """A record of types up to three deep; named types are used again, some records hold themselves."""
    return _Author(draw).record(2, most_fields)


@st.composite
def values(draw: st.DrawFn, schema: Any) -> Any:
    """A raw value that fits the schema."""
    return _Clerk(draw, schema).value(schema, 3)


@st.composite
def evolved(draw: st.DrawFn, schema: dict[str, Any]) -> dict[str, Any]:
    """The schema after one to three changes, sensible ones and others; it may have become invalid."""
    changed = copy.deepcopy(schema)
    for _ in range(draw(st.integers(1, 3))):
        record = draw(st.sampled_from([one for one in parts(changed) if one.get("type") == "record"]))
        _change(draw, record)
        for enum in (one for one in parts(changed) if one.get("type") == "enum"):
            if draw(st.integers(0, 3)) == 0:
                enum["symbols"] = draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True))
    return changed


def parts(schema: Any) -> Iterator[dict[str, Any]]:
    """Every object in a schema that is a type."""
    if isinstance(schema, list):
        for branch in schema:
            yield from parts(branch)
    elif isinstance(schema, dict):
        yield schema
        for one in schema.get("fields", ()):
            yield from parts(one["type"])
        for place in ("type", "items", "values"):
            yield from parts(schema.get(place))


class _Author:
    """Writes schemas. Each name is defined once and may be used after that."""

    def __init__(self, draw: st.DrawFn) -> None:
        self._draw = draw
        self._count = 0
        self._known: list[str] = []

    def type(self, depth: int) -> Any:
        kinds = ["primitive"] * 4 + ["enum", "fixed"] + ["known"] * bool(self._known)
        kind = self._draw(st.sampled_from(kinds + ["array", "map", "union", "record"] * bool(depth)))
        if kind == "primitive":
            return self._draw(st.sampled_from(PRIMITIVES))
        if kind == "known":
            return self._draw(st.sampled_from(self._known))
        return getattr(self, kind)(depth - 1)

    def enum(self, _depth: int) -> Any:
        symbols = self._draw(st.lists(st.sampled_from(SYMBOLS), min_size=1, unique=True))
        default = {"default": symbols[0]} if self._draw(st.booleans()) else {}
        return self._defined({"type": "enum", "name": self._name(), "symbols": symbols, **default})

    def fixed(self, _depth: int) -> Any:
        return self._defined({"type": "fixed", "name": self._name(), "size": self._draw(st.integers(0, 5))})

    def array(self, depth: int) -> Any:
        return {"type": "array", "items": self.type(depth)}

    def map(self, depth: int) -> Any:
        return {"type": "map", "values": self.type(depth)}

    def union(self, depth: int) -> Any:
        branches: list[Any] = []
        for _ in range(self._draw(st.integers(1, 3))):
            known = list(self._known)
            branch = self.type(depth)
            if not isinstance(branch, list) and _kind(branch) not in map(_kind, branches):
                branches.append(branch)
            else:
                self._known = known  # what the branch defined is gone with it
        return branches or ["null"]

    def record(self, depth: int, most_fields: int = 3) -> dict[str, Any]:
        name = self._name()
        count = self._draw(st.integers(0, most_fields))
        fields = [{"name": f"f{number}", "type": self.type(depth)} for number in range(count)]
        if self._draw(st.integers(0, 5)) == 0:
            fields.append({"name": "inside", "type": ["null", name]})
        record: dict[str, Any] = self._defined({"type": "record", "name": name, "fields": fields})
        return record

    def _name(self) -> str:
        self._count += 1
        return f"T{self._count}"

    def _defined(self, schema: dict[str, Any]) -> dict[str, Any]:
        self._known.append(schema["name"])
        return schema


class _Clerk:
    """Fills in values."""

    def __init__(self, draw: st.DrawFn, schema: Any) -> None:
        self._draw = draw
        self._names = {one["name"]: one for one in parts(schema) if "name" in one}

    def value(self, schema: Any, depth: int) -> Any:
        if isinstance(schema, list):
            shallow = ["null"] if depth <= 0 and "null" in schema else schema
            return self.value(self._draw(st.sampled_from(shallow)), depth)
        if isinstance(schema, str):
            known = self._names.get(schema)
            return self.value(known, depth) if known else self._draw(_PRIMITIVE_VALUES[schema])
        complex_type = {"record": self._record, "array": self._array, "map": self._map}.get(schema["type"])
        return complex_type(schema, depth - 1) if complex_type else self._leaf(schema, depth)

    def _record(self, schema: dict[str, Any], depth: int) -> Any:
        return {one["name"]: self.value(one["type"], depth) for one in schema["fields"]}

    def _array(self, schema: dict[str, Any], depth: int) -> Any:
        return [self.value(schema["items"], depth) for _ in range(self._draw(st.integers(0, 2 if depth > 0 else 0)))]

    def _map(self, schema: dict[str, Any], depth: int) -> Any:
        keys = self._draw(st.lists(st.text(max_size=4), max_size=2 if depth > 0 else 0, unique=True))
        return {key: self.value(schema["values"], depth) for key in keys}

    def _leaf(self, schema: dict[str, Any], depth: int) -> Any:
        if schema["type"] == "enum":
            return self._draw(st.sampled_from(schema["symbols"]))
        if schema["type"] == "fixed":
            return self._draw(st.binary(min_size=schema["size"], max_size=schema["size"]))
        return self.value(schema["type"], depth)


_PRIMITIVE_VALUES: dict[str, st.SearchStrategy[Any]] = {
    "null": st.none(),
    "boolean": st.booleans(),
    "int": st.integers(-(2**31), 2**31 - 1),
    "long": st.integers(-(2**63), 2**63 - 1),
    "float": st.floats(width=32, allow_nan=False),
    "double": st.floats(allow_nan=False),
    "bytes": st.binary(max_size=150),
    "string": st.text(max_size=80),
}
_DEFAULTS = {
    "null": None,
    "boolean": False,
    "int": 7,
    "long": 7,
    "float": 0.5,
    "double": 0.5,
    "bytes": "ÿ",
    "string": "x",
}


def _change(draw: st.DrawFn, record: dict[str, Any]) -> None:
    fields = record["fields"]
    kind = draw(
        st.sampled_from(["add", "add with default", *["drop", "widen", "rename", "retype", "wrap"] * bool(fields)])
    )
    if kind.startswith("add"):
        new = draw(st.sampled_from(PRIMITIVES))
        default = {"default": _DEFAULTS[new]} if "default" in kind else {}
        fields.append({"name": f"new{draw(st.integers(0, 99))}", "type": new, **default})
        return
    one = draw(st.sampled_from(fields))
    if kind == "drop":
        fields.remove(one)
    elif kind == "rename":
        one["aliases"] = [one["name"]]
        one["name"] = f"renamed{draw(st.integers(0, 99))}"
    elif kind == "widen" and one["type"] in ("int", "long", "float", "string", "bytes"):
        one["type"] = draw(st.sampled_from(["long", "float", "double", "bytes", "string"]))
    elif kind == "retype":
        one["type"] = draw(st.sampled_from(PRIMITIVES))
    elif kind == "wrap" and not isinstance(one["type"], list) and one["type"] != "null":
        one["type"] = draw(st.permutations(["null", one["type"]]))
    elif isinstance(one["type"], list):
        one["type"] = draw(st.permutations(one["type"]))


def _kind(branch: Any) -> Any:
    """What may stand once in a union."""
    return branch.get("name", branch["type"]) if isinstance(branch, dict) else branch


def same(left: Any, right: Any) -> bool:
    """Equality that takes the infinities and minus zero as what they are."""
    if isinstance(left, float) and isinstance(right, float):
        return left == right and math.copysign(1, left) == math.copysign(1, right)
    return bool(left == right)
