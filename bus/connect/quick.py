"""A quick yes to the question whether a record fits its schema: compiled once, and never a wrong yes.

A no only means that the slow check, which tells the reasons, has to be asked.
"""

from collections.abc import Callable, Mapping
from typing import Any

Test = Callable[[Any], bool]


def quick_fit(schema: Any) -> Test:
    """A test for values of an Avro schema; what it does not know (names, maps, fixed, wide unions) is always a no."""
    if isinstance(schema, list):
        return _union(schema)
    if isinstance(schema, str):
        return _PRIMITIVES.get(schema, _never)
    kind = schema["type"]
    if kind == "record":
        return _record(schema)
    if kind == "enum":
        symbols = frozenset(schema["symbols"])
        return lambda value: type(value) is str and value in symbols
    if kind == "array":
        item = quick_fit(schema["items"])
        return lambda value: type(value) is list and all(map(item, value))
    return _PRIMITIVES.get(kind, _never) if isinstance(kind, str) else quick_fit(kind)


def _union(branches: list[Any]) -> Test:
    rest = [branch for branch in branches if branch != "null"]
    if len(rest) != 1:
        return _never
    test = quick_fit(rest[0])
    if len(rest) == len(branches):
        return test
    return lambda value: value is None or test(value)


def _record(schema: Mapping[str, Any]) -> Test:
    tests = tuple((one["name"], quick_fit(one["type"])) for one in schema["fields"])
    size = len(tests)

    def test(value: Any) -> bool:
        if type(value) is not dict or len(value) != size:
            return False
        return all(name in value and fits(value[name]) for name, fits in tests)

    return test


def _never(_: Any) -> bool:
    return False


_PRIMITIVES: dict[str, Test] = {
    "string": lambda value: type(value) is str and (value.isascii() or _encodes(value)),
    "int": lambda value: type(value) is int and -0x80000000 <= value <= 0x7FFFFFFF,
    "long": lambda value: type(value) is int and -(1 << 63) <= value < 1 << 63,
    "boolean": lambda value: type(value) is bool,
    "double": lambda value: type(value) is float,
    "float": lambda value: type(value) is float,
    "bytes": lambda value: type(value) is bytes,
}


def _encodes(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True
