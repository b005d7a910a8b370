"""Names of Avro types: a name without a dot stands in the namespace of the type around it (Avro 1.12, Names)."""

from collections.abc import Mapping
from typing import Any

PRIMITIVES = frozenset({"null", "boolean", "int", "long", "float", "double", "bytes", "string"})
NAMED = frozenset({"record", "error", "enum", "fixed"})
_KEYWORDS = PRIMITIVES | NAMED | {"array", "map"}


def full_name(name: str, space: str) -> str:
    """The name with its namespace; `space` is that of the type around it."""
    return name if "." in name or not space else f"{space}.{name}"


def own_name(schema: Mapping[str, Any], space: str) -> str:
    """The full name of a named type; `space` is that of the type around it."""
    return full_name(str(schema["name"]), str(schema.get("namespace") or space))


def space_of(schema: Mapping[str, Any], space: str) -> str:
    """The namespace in which names inside `schema` stand."""
    if schema.get("type") not in NAMED:
        return space
    return own_name(schema, space).rpartition(".")[0]


def named_types(schema: Any) -> dict[str, dict[str, Any]]:
    """Every named type of a schema by its full name."""
    names: dict[str, dict[str, Any]] = {}
    _collect(schema, "", names)
    return names


def _collect(schema: Any, space: str, names: dict[str, dict[str, Any]]) -> None:
    if isinstance(schema, list):
        for branch in schema:
            _collect(branch, space, names)
    elif isinstance(schema, dict):
        inner = space_of(schema, space)
        if schema.get("type") in NAMED:
            names[own_name(schema, space)] = schema
        for one in schema.get("fields", ()):
            _collect(one["type"], inner, names)
        for place in ("type", "items", "values"):
            _collect(schema.get(place), inner, names)


def self_contained(schema: Any, space: str, names: Mapping[str, Any]) -> Any:
    """The same type with full names, each named type defined where it is first met and referred to after that.

    So a type can be taken out of the schema around it. `names` are the named types of that schema; default values, docs
    and other attributes are kept.
    """
    return _inline(schema, space, names, set())


def _is_keyword(avro_type: Any) -> bool:
    """Whether it is a word of Avro itself, as in {"type": "enum", …}, rather than a type to look into."""
    return isinstance(avro_type, str) and avro_type in _KEYWORDS


def _inline(schema: Any, space: str, names: Mapping[str, Any], met: set[str]) -> Any:
    if isinstance(schema, list):
        return [_inline(branch, space, names, met) for branch in schema]
    if isinstance(schema, str):
        if schema in PRIMITIVES:
            return schema
        name = full_name(schema, space)
        return name if name in met else _inline(names[name], name.rpartition(".")[0], names, met)
    copy = dict(schema)
    inner = space_of(schema, space)
    if schema.get("type") in NAMED:
        name = own_name(schema, space)
        if name in met:
            return name
        met.add(name)
        copy.pop("namespace", None)
        copy["name"] = name
    if "fields" in copy:
        copy["fields"] = [{**one, "type": _inline(one["type"], inner, names, met)} for one in copy["fields"]]
    for place in ("type", "items", "values"):
        if place in copy and not _is_keyword(copy[place]):
            copy[place] = _inline(copy[place], inner, names, met)
    return copy
