"""An encoder made for one schema: Python source, written and compiled once, that checks a value while it writes it.

Byte for byte what fastavro writes, and never a wrong yes: a value that does not fit by the strict rules of
`bus.avro.fit`, or of which the encoder is not sure, gives None, and the slow way then tells the reason.
"""

import struct
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from bus.avro.names import PRIMITIVES, full_name, named_types, own_name, self_contained, space_of
from bus.model.varint import varint

QuickEncoder = Callable[[Any], bytes | None]

KNOWN_NUMBERS = 32_768
"""Sizes and small numbers (days until 2059 among them) have their bytes ready, alone and behind a union's branch."""

_KIND = {
    "null": "None",
    "boolean": "bool",
    "int": "int",
    "long": "int",
    "float": "float",
    "double": "float",
    "bytes": "bytes",
    "fixed": "bytes",
    "string": "str",
    "enum": "str",
    "array": "list",
    "map": "dict",
    "record": "dict",
    "error": "dict",
}


_TAKEN_FOR = {"int": "float", "bytes": "list"}
"""fastavro takes a whole number for a float, and bytes for an array, where such a branch comes first."""


class _Unsure(ValueError):
    """Not a value that this encoder writes."""


def quick_encoder(schema: Any) -> QuickEncoder:
    """The encoder of a schema that `bus.avro.codec.parse` has taken; logical types are written raw."""
    author = _Author(named_types(schema))
    author.body("whole(v0, a)", schema, "")
    source = "\n".join(author.lines)
    exec(compile(source, "<encoder>", "exec"), author.names)  # noqa: S102 - made here; names are quoted by repr
    write: Callable[[Any, Callable[[bytes], None]], None] = author.names["whole"]

    def encode(value: Any) -> bytes | None:
        parts: list[bytes] = []
        try:
            write(value, parts.append)
        except (_Unsure, KeyError, TypeError, UnicodeEncodeError, OverflowError, RecursionError):
            return None
        return b"".join(parts)

    return encode


def field_encoders(schema: Mapping[str, Any]) -> dict[str, QuickEncoder]:
    """An encoder for each field of a record, in its order: what they write, put together, is what the record's does."""
    names, space = named_types(schema), space_of(schema, "")
    return {one["name"]: quick_encoder(self_contained(one["type"], space, names)) for one in schema["fields"]}


class _Author:
    """Writes the source: one function for the value, one for each record that has a name."""

    def __init__(self, types: Mapping[str, Any]) -> None:
        self.lines: list[str] = []
        self.names: dict[str, Any] = {
            "Unsure": _Unsure,
            "number": varint,
            "float32": struct.Struct("<f").pack,
            "float64": struct.Struct("<d").pack,
        }
        self._types = types
        self._functions: dict[str, str] = {}
        self._tables: dict[bytes, str] = {}
        self._count = 0
        self._complex: dict[str, Callable[[Mapping[str, Any], str, bytes, str], list[str]]] = {
            "array": self._array,
            "map": self._map,
            "record": self._record,
            "error": self._record,
            "enum": self._enum,
            "fixed": self._fixed,
        }

    def body(self, head: str, schema: Any, space: str) -> None:
        """One function that writes the value `v0`."""
        lines = [f"def {head}:", *(f"    {line}" for line in self._value(schema, "v0", b"", space))]
        self.lines += lines

    def _value(self, schema: Any, v: str, before: bytes, space: str) -> list[str]:
        """The lines that write the value named `v`, behind the bytes of its union's branch."""
        if isinstance(schema, list):
            return self._union(schema, v, before, space)
        if isinstance(schema, str):
            if schema not in PRIMITIVES:
                schema = self._types[full_name(schema, space)]
                return self._value(schema, v, before, space_of(schema, space))
            return getattr(self, f"_{schema}")(v, before)  # type: ignore[no-any-return] # one method a primitive
        kind = schema["type"]
        if not isinstance(kind, str) or kind not in self._complex:
            return self._value(kind, v, before, space)
        return self._complex[kind](schema, v, before, space)

    # --- primitives ---

    def _null(self, v: str, before: bytes) -> list[str]:
        return [*_unless(f"{v} is None"), *([f"a({before!r})"] if before else [])]

    def _boolean(self, v: str, before: bytes) -> list[str]:
        yes, no = before + b"\1", before + b"\0"
        return [f"if {v} is True: a({yes!r})", f"elif {v} is False: a({no!r})", "else: raise Unsure"]

    def _int(self, v: str, before: bytes, bits: int = 31) -> list[str]:
        plus = f"{before!r} + " if before else ""
        return [
            *_unless(f"type({v}) is int"),
            f"if 0 <= {v} < {KNOWN_NUMBERS}: a({self._table(before)}[{v}])",
            f"elif {-(1 << bits)} <= {v} < {1 << bits}: a({plus}number({v}))",
            "else: raise Unsure",
        ]

    def _long(self, v: str, before: bytes) -> list[str]:
        return self._int(v, before, 63)

    def _float(self, v: str, before: bytes, pack: str = "float32") -> list[str]:
        plus = f"{before!r} + " if before else ""
        return [*_unless(f"type({v}) is float"), f"a({plus}{pack}({v}))"]

    def _double(self, v: str, before: bytes) -> list[str]:
        return self._float(v, before, "float64")

    def _string(self, v: str, before: bytes) -> list[str]:
        return [*_unless(f"type({v}) is str"), f"e = {v}.encode()", *self._sized("e", before)]

    def _bytes(self, v: str, before: bytes) -> list[str]:
        return [*_unless(f"type({v}) is bytes"), *self._sized(v, before)]

    # --- what is made of others ---

    def _enum(self, schema: Mapping[str, Any], v: str, before: bytes, _: str) -> list[str]:
        symbols = {symbol: before + varint(rank) for rank, symbol in enumerate(schema["symbols"])}
        return [*_unless(f"type({v}) is str"), f"a({self._new('symbols', symbols)}[{v}])"]

    def _fixed(self, schema: Mapping[str, Any], v: str, before: bytes, _: str) -> list[str]:
        plus = f"{before!r} + " if before else ""
        return [*_unless(f"type({v}) is bytes and len({v}) == {int(schema['size'])}"), f"a({plus}{v})"]

    def _array(self, schema: Mapping[str, Any], v: str, before: bytes, space: str) -> list[str]:
        item = self._fresh()
        inner = self._value(schema["items"], item, b"", space)
        each = [f"for {item} in {v}:", *_in(inner or ["pass"])]
        return [*_unless(f"type({v}) is list"), *self._blocks(v, before, each)]

    def _map(self, schema: Mapping[str, Any], v: str, before: bytes, space: str) -> list[str]:
        key, item = self._fresh(), self._fresh()
        inner = [*self._string(key, b""), *self._value(schema["values"], item, b"", space)]
        return [
            *_unless(f"type({v}) is dict"),
            *self._blocks(v, before, [f"for {key}, {item} in {v}.items():", *_in(inner)]),
        ]

    def _blocks(self, v: str, before: bytes, each: Sequence[str]) -> list[str]:
        """One block with everything, then the empty one that ends it."""
        start = [f"a({before!r})"] if before else []
        return [*start, f"if {v}:", *_in([f"a(number(len({v})))", *each]), "a(b'\\0')"]

    def _record(self, schema: Mapping[str, Any], v: str, before: bytes, space: str) -> list[str]:
        """A call of the record's own function, which is written when it is first met."""
        name = own_name(schema, space)
        function = self._functions.get(name)
        if function is None:
            function = self._functions[name] = f"record{len(self._functions)}"
            self._function(function, schema, space_of(schema, space))
        return [*([f"a({before!r})"] if before else []), f"{function}({v}, a)"]

    def _function(self, function: str, schema: Mapping[str, Any], space: str) -> None:
        fields = schema["fields"]
        lines = _unless(f"type(r) is dict and len(r) == {len(fields)}")
        for one in fields:
            lines += [f"v = r[{one['name']!r}]", *self._value(one["type"], "v", b"", space)]
        self.lines += [f"def {function}(r, a):", *_in(lines)]

    def _union(self, branches: Sequence[Any], v: str, before: bytes, space: str) -> list[str]:
        """By the Python type of the value, where that leaves one branch; otherwise it is not sure."""
        kinds = [_KIND[self._word(branch, space)] for branch in branches]
        lines, word = [], "if"
        for rank, (branch, kind) in enumerate(zip(branches, kinds, strict=True)):
            clear = kinds.count(kind) == 1 and _TAKEN_FOR.get(kind) not in kinds
            test = f"{v} is None" if kind == "None" else f"type({v}) is {kind}"
            inner = self._value(branch, v, before + varint(rank), space) if clear else ["raise Unsure"]
            asked = _unless(test)  # no need to ask again
            lines += [f"{word} {test}:", *_in([line for line in inner if line not in asked])]
            word = "elif"
        return [*lines, "else: raise Unsure"] if lines else ["raise Unsure"]

    def _word(self, schema: Any, space: str) -> str:
        """Which word of Avro a type comes to."""
        if isinstance(schema, str):
            return schema if schema in PRIMITIVES else self._word(self._types[full_name(schema, space)], space)
        return schema["type"] if schema["type"] in _KIND else self._word(schema["type"], space)

    # --- names in the source ---

    def _sized(self, name: str, before: bytes) -> list[str]:
        """The size of some bytes, and then they."""
        table = self._table(before)
        return [f"n = len({name})", f"a(({table}[n] if n < {KNOWN_NUMBERS} else {before!r} + number(n)) + {name})"]

    def _table(self, before: bytes) -> str:
        if before not in self._tables:
            self._tables[before] = self._new("numbers", _numbers(before))
        return self._tables[before]

    def _new(self, stem: str, value: Any) -> str:
        name = f"{stem}{len(self.names)}"
        self.names[name] = value
        return name

    def _fresh(self) -> str:
        self._count += 1
        return f"v{self._count}"


_READY: dict[bytes, tuple[bytes, ...]] = {}


def _numbers(before: bytes) -> tuple[bytes, ...]:
    if before not in _READY:
        _READY[before] = tuple(before + varint(value) for value in range(KNOWN_NUMBERS))
    return _READY[before]


def _unless(test: str) -> list[str]:
    return [f"if not ({test}): raise Unsure"]


def _in(lines: Sequence[str]) -> list[str]:
    return [f"    {line}" for line in lines]
