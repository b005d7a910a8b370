"""What is wrong with a text that wants to be an Avro schema (Avro 1.12, Schema Declaration); stricter than fastavro."""

import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from bus.avro.fit import Steps, TooManySteps, fits
from bus.avro.names import NAMED, PRIMITIVES, full_name, own_name

_NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_]*$")
_SPACE = re.compile(r"^([A-Za-z_][A-Za-z0-9_]*(\.[A-Za-z_][A-Za-z0-9_]*)*)?$")

MOST_STEPS = 200_000
"""To look at the defaults of one schema. Anybody may ask about a schema, and in a few kilobytes there is room for
defaults within defaults that nobody would ever have looked through."""


def flaws(schema: Any) -> tuple[str, ...]:
    """Every flaw of a schema given as JSON values, as `place: reason`; empty for a valid one."""
    check = _Check()
    found = tuple(check.of(schema, "", ""))
    return found or tuple(check.defaults())


class _Check:
    def __init__(self) -> None:
        self._names: dict[str, Any] = {}
        self._defaults: list[tuple[str, Any, Any, str]] = []

    def of(self, schema: Any, path: str, space: str) -> Iterator[str]:
        if isinstance(schema, str):
            if schema not in PRIMITIVES and full_name(schema, space) not in self._names:
                yield _at(path, f"the type {schema} is not defined before it is used")
        elif isinstance(schema, list):
            yield from self._union(schema, path, space)
        elif not isinstance(schema, dict) or "type" not in schema:
            yield _at(path, "a schema is a name, a list, or an object with a `type`")
        elif isinstance(schema["type"], str) and schema["type"] in NAMED:
            yield from self._named(schema, path, space)
        elif schema["type"] in ("array", "map"):
            part = "items" if schema["type"] == "array" else "values"
            if part in schema:
                yield from self.of(schema[part], path + ("[]" if part == "items" else "{}"), space)
            else:
                yield _at(path, f"the {schema['type']} has no `{part}`")
        else:
            yield from self.of(schema["type"], path, space)

    def defaults(self) -> Iterator[str]:
        """Flaws of default values; asked for once every name is known."""
        steps = Steps(MOST_STEPS)
        for path, avro_type, default, space in self._defaults:
            # Avro 1.12 lets a default fit any branch of a union; libraries in use know the older rule, the first branch
            first = avro_type[0] if isinstance(avro_type, list) and avro_type else avro_type
            try:
                value = _Filler(self._names, steps).whole(first, default, space)
                fit = fits(first, value, space, self._names, steps)
            except TooManySteps:
                yield _at(path, "this default, or those before it, cannot be looked through")
                return
            if not fit:
                which = "the union's first branch" if isinstance(avro_type, list) else "its type"
                yield _at(path, f"the default does not fit {which}")

    def _union(self, branches: list[Any], path: str, space: str) -> Iterator[str]:
        for branch in branches:
            if isinstance(branch, list):
                yield _at(path, "a union stands directly in a union")
            else:
                yield from self.of(branch, path, space)
        kinds = Counter(_branch_kind(branch, space) for branch in branches if not isinstance(branch, list))
        for kind, count in kinds.items():
            if count > 1:
                yield _at(path, f"the union holds {kind} {count} times")

    def _named(self, schema: Mapping[str, Any], path: str, space: str) -> Iterator[str]:
        name, own_space = schema.get("name"), schema.get("namespace", "")
        if not isinstance(name, str) or not all(_NAME.match(part) for part in name.split(".")) or name in PRIMITIVES:
            yield _at(path, f"the {schema['type']} needs a name of letters, digits and underscores")
            return
        if not isinstance(own_space, str) or not _SPACE.match(own_space):
            yield _at(path, f"the namespace of {name} is none")
            return
        full = own_name(schema, space)
        if full in self._names:
            yield _at(path, f"{full} is defined twice")
        self._names[full] = schema
        place = path or full
        yield from _aliases(schema, place)
        if schema["type"] == "enum":
            yield from _enum(schema, place)
        elif schema["type"] == "fixed":
            size = schema.get("size")
            if not isinstance(size, int) or isinstance(size, bool) or size < 0:
                yield _at(place, "the fixed needs a `size` in bytes")
        else:
            yield from self._record(schema, path, full.rpartition(".")[0])

    def _record(self, schema: Mapping[str, Any], path: str, space: str) -> Iterator[str]:
        fields = schema.get("fields")
        if not isinstance(fields, list) or not all(isinstance(one, dict) for one in fields):
            yield _at(path, f"the record {schema['name']} needs a list of `fields`")
            return
        for one in fields:
            name = one.get("name")
            if not isinstance(name, str) or not _NAME.match(name):
                yield _at(path, "a field needs a name of letters, digits and underscores")
                continue
            place = f"{path}.{name}" if path else name
            if "type" not in one:
                yield _at(place, "the field has no type")
                continue
            yield from _aliases(one, place)
            yield from self.of(one["type"], place, space)
            if "default" in one:
                self._defaults.append((place, one["type"], one["default"], space))
        for name in _repeated(one.get("name") for one in fields):
            yield _at(f"{path}.{name}" if path else str(name), "two fields have this name")


class _Filler:
    """Finds the value that a default stands for: bytes are written as text in a schema, and inner defaults left out."""

    def __init__(self, names: Mapping[str, Any], steps: Steps) -> None:
        self._names = names
        self._steps = steps

    def whole(self, avro_type: Any, default: Any, space: str) -> Any:
        """Raises TooManySteps."""
        self._steps.take(1)
        kind = _bottom(avro_type, space, self._names)
        word = kind["type"] if isinstance(kind, dict) else kind
        if word in ("bytes", "fixed") and isinstance(default, str):
            return default.encode("latin-1", "replace")
        if word == "array" and isinstance(default, list):
            return [self.whole(kind["items"], item, space) for item in default]
        if word == "map" and isinstance(default, dict):
            return {key: self.whole(kind["values"], item, space) for key, item in default.items()}
        if word in ("record", "error") and isinstance(default, dict):
            return self._record(kind, default, own_name(kind, space).rpartition(".")[0])
        return default

    def _record(self, kind: Any, default: Mapping[str, Any], space: str) -> dict[str, Any]:
        self._steps.take(len(kind["fields"]))
        whole = dict(default)
        for one in kind["fields"]:
            name = one["name"]
            if name in default or "default" in one:
                whole[name] = self.whole(one["type"], default.get(name, one.get("default")), space)
        return whole


def _bottom(avro_type: Any, space: str, names: Mapping[str, Any]) -> Any:
    """A type with its name resolved, its wrapping gone, and of a union the first branch."""
    while True:
        if isinstance(avro_type, str) and avro_type not in PRIMITIVES:
            return names[full_name(avro_type, space)]
        if isinstance(avro_type, list) and avro_type:
            avro_type = avro_type[0]
        elif isinstance(avro_type, dict) and isinstance(avro_type["type"], dict | list):
            avro_type = avro_type["type"]
        else:
            return avro_type


def _enum(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    symbols = schema.get("symbols")
    if not isinstance(symbols, list) or not all(isinstance(one, str) and _NAME.match(one) for one in symbols):
        yield _at(path, "the enum needs `symbols` of letters, digits and underscores")
        return
    for symbol in _repeated(symbols):
        yield _at(path, f"the symbol {symbol} stands twice")
    if "default" in schema and schema["default"] not in symbols:
        yield _at(path, "the enum's default is none of its symbols")


def _aliases(schema: Mapping[str, Any], path: str) -> Iterator[str]:
    aliases = schema.get("aliases", [])
    if not isinstance(aliases, list) or not all(isinstance(one, str) and _SPACE.match(one) and one for one in aliases):
        yield _at(path, "`aliases` must be a list of names")


def _branch_kind(branch: Any, space: str) -> str:
    """What may stand only once in a union: a primitive, an array, a map, or a name."""
    if isinstance(branch, str):
        return branch if branch in PRIMITIVES else full_name(branch, space)
    if not isinstance(branch, dict):
        return "something else"
    if branch.get("type") in NAMED and isinstance(branch.get("name"), str):
        return own_name(branch, space)
    return str(branch.get("type"))


def _repeated(words: Iterable[Any]) -> list[Any]:
    return [word for word, count in Counter(map(str, words)).items() if count > 1]


def _at(path: str, reason: str) -> str:
    return f"{path}: {reason}" if path else reason
