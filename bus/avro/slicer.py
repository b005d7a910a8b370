"""Functions made from a schema that find the top-level fields in a record's bytes, and cut views without decoding.

The code holds numbers of the schema only, never its names or texts. What it accepts, it has checked as a decoder would:
lengths, symbols, branches, booleans and the encoding of text, to the last byte. It is stricter than a decoder where a
value is not written in the usual way (a boolean that is neither 0 nor 1, a branch or symbol in more bytes than needed).
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

from bus.avro.names import NAMED, PRIMITIVES, full_name, named_types, own_name
from bus.errors import RecordUnreadable

Bounds = Callable[[bytes, int], tuple[int, ...]]
Cut = Callable[[bytes, int], bytes]
Stretch = tuple[int, int]
"""Neighbouring fields: the number of the first, and of the one after the last."""

_SIZES = {"null": 0, "float": 4, "double": 8}
_ONE_BYTE = 64
"""So many numbers from 0 on take a single byte."""
_MOST_EMPTY = 10_000
"""Items without bytes in one block: a count costs nothing to write, and each item is made."""
_DEEPEST = 4
"""Loops inside loops in one function; Python allows twenty blocks."""


def bounds(schema: Any, *, schema_id: int | None = None) -> Bounds:
    """A function of the bytes and where the record begins in them: the start of each field, and the end.

    The function raises RecordUnreadable, also when the record does not end where the bytes end.
    """
    count = len(schema["fields"])
    made: Bounds = _made(schema, set(range(count + 1)), _tuple(f"b{index}" for index in range(count + 1)), schema_id)
    return made


def slicer(schema: Any, wanted: Sequence[str], *, schema_id: int | None = None) -> Cut:
    """A function of the bytes and where the record begins in them: the wanted fields' bytes, in the order wanted.

    What it returns is the body of a record whose schema has these fields in this order. The function raises as that of
    `bounds` does; this one raises ValueError for a field that the schema does not have.
    """
    runs = stretches([one["name"] for one in schema["fields"]], wanted)
    cuts = [f"data[b{first}:b{last}]" for first, last in runs]
    needed = {place for run in runs for place in run}
    result = " + ".join(cuts) if len(cuts) < 3 else f"join({_tuple(cuts)})"
    made: Cut = _made(schema, needed, result or "b''", schema_id)
    return made


def cutter(head: bytes, cuts: Sequence[Stretch]) -> Callable[[bytes, tuple[int, ...]], bytes]:
    """A function of a record's bytes and of what `bounds` says of them: some of its fields, after a head."""
    parts = [f"data[at[{first}] : at[{last}]]" for first, last in cuts]
    source = f"def cut(data, at):\n return {' + '.join(['head', *parts])}"
    names: dict[str, Any] = {"head": head}
    exec(compile(source, "<cutter>", "exec"), names)  # noqa: S102 - the source is made here, of numbers alone
    made: Callable[[bytes, tuple[int, ...]], bytes] = names["cut"]
    return made


def stretches(names: Sequence[str], wanted: Sequence[str]) -> list[Stretch]:
    """The wanted fields as stretches of neighbours, in the order wanted. Raises ValueError for an unknown one."""
    runs: list[Stretch] = []
    for name in wanted:
        index = names.index(name)
        if runs and runs[-1][1] == index:
            runs[-1] = (runs[-1][0], index + 1)
        else:
            runs.append((index, index + 1))
    return runs


def unbounded(schema: Any) -> bool:
    """Whether few bytes could keep a decoder busy without end, or run it out of its stack.

    So it is with a type that holds itself, and with an array whose items take no bytes.
    """
    return _Source(schema).endless(schema, "", ())


def _made(schema: Any, needed: set[int], result: str, schema_id: int | None) -> Any:
    source = _Source(schema).function(needed, result)
    names: dict[str, Any] = {
        "past_number": _past_number,
        "number_at": _number_at,
        "length_at": _length_at,
        "Malformed": _Malformed,
        "RecordUnreadable": RecordUnreadable,
        "schema_id": "unknown" if schema_id is None else schema_id,
        "join": b"".join,
    }
    exec(compile(source, "<slicer>", "exec"), names)  # noqa: S102 - the source is made here, of numbers alone
    return names["record"]


class _Malformed(Exception):
    """Bytes that no writer of the schema makes."""


class _Source:
    """Writes the code. In it `data` are the bytes and `p` is the place; nested records are functions of their own."""

    def __init__(self, schema: Any) -> None:
        self._schema = schema
        self._names = named_types(schema)
        self._sizes: dict[str, int | None] = {}
        self._harmless: set[str] = set()
        self._skips: dict[str, int] = {}
        self._due: list[tuple[int, Any, str]] = []
        self._count = 0

    def function(self, needed: set[int], result: str) -> str:
        """The source of `record(data, p)`, and of what it calls."""
        space = own_name(self._schema, "").rpartition(".")[0]
        lines = ["def record(data, p):", " try:"]
        for index, one in enumerate(self._schema["fields"]):
            lines += [f"  b{index} = p"] * (index in needed)
            lines += (f"  {line}" for line in self._skip(one["type"], space, 0))
        lines += [f"  b{len(self._schema['fields'])} = p"]
        lines += ["  if p != len(data): raise Malformed", f"  return {result}"]
        lines += [" except (Malformed, IndexError, UnicodeDecodeError, RecursionError):"]
        # what went wrong inside may hold a part of the record: it goes neither into the message nor into the chain
        lines += ["  raise RecordUnreadable(schema_id=schema_id, reason='the bytes do not follow it') from None"]
        while self._due:
            number, inner, inner_space = self._due.pop()
            lines += [f"def skip{number}(data, p):", *(f" {line}" for line in self._lines(inner, inner_space))]
            lines.append(" return p")
        return "\n".join(lines)

    def _lines(self, avro_type: Any, space: str) -> list[str]:
        """What a function of its own does: the fields of a record, or a type that lies too deep to go on inside."""
        if isinstance(avro_type, dict) and "fields" in avro_type:
            return [line for one in avro_type["fields"] for line in self._skip(one["type"], space, 0)]
        return self._skip(avro_type, space, 0)

    def _call(self, avro_type: Any, space: str) -> int:
        """The number of a new function for a type."""
        self._due.append((self._count, avro_type, space))
        self._count += 1
        return self._count - 1

    def _skip(self, avro_type: Any, space: str, depth: int) -> list[str]:
        """Lines that move `p` past a value. `depth` keeps the variables of loops inside loops apart."""
        size = self._size(avro_type, space, ())
        if size is not None:
            return [f"p += {size}"] * (size > 0)
        if depth == _DEEPEST:
            return [f"p = skip{self._call(avro_type, space)}(data, p)"]
        if isinstance(avro_type, list):
            return self._union(avro_type, space, depth)
        if isinstance(avro_type, str):
            return _PRIMITIVE_SKIPS.get(avro_type) or self._named(full_name(avro_type, space))
        return self._complex(avro_type, space, depth)

    def _complex(self, avro_type: Any, space: str, depth: int) -> list[str]:
        kind = avro_type["type"]
        if isinstance(kind, str) and kind in NAMED:
            return self._named(own_name(avro_type, space))
        if kind in ("array", "map"):
            return self._blocks(avro_type, space, depth)
        return self._skip(kind, space, depth)

    def _named(self, name: str) -> list[str]:
        schema = self._names[name]
        if schema["type"] == "enum":
            return _enum(len(schema["symbols"]))
        if name not in self._skips:
            self._skips[name] = self._call(schema, name.rpartition(".")[0])
        return [f"p = skip{self._skips[name]}(data, p)"]

    def _union(self, branches: list[Any], space: str, depth: int) -> list[str]:
        if len(branches) > _ONE_BYTE:
            lines, step = ["n, p = number_at(data, p)"], 1
        else:
            lines, step = ["n = data[p]; p += 1"], 2
        for index, branch in enumerate(branches):
            lines.append(f"{'elif' if index else 'if'} n == {index * step}:")
            lines += (f" {line}" for line in self._skip(branch, space, depth) or ["pass"])
        return [*lines, "else: raise Malformed"]

    def _blocks(self, avro_type: Any, space: str, depth: int) -> list[str]:
        """An array or a map: blocks of items, each with its count, until a block of none."""
        part = "items" if avro_type["type"] == "array" else "values"
        key = _PRIMITIVE_SKIPS["string"] if part == "values" else []
        size = None if key else self._size(avro_type[part], space, ())
        n, end = f"n{depth}", f"e{depth}"
        lines = ["while True:", f" {n}, p = number_at(data, p)", f" if {n} == 0: break", f" {end} = -1"]
        lines += [f" if {n} < 0:", f"  {n} = -{n}", f"  {end}, p = length_at(data, p)", f"  {end} += p"]
        if size == 0:
            lines.append(f" if {n} > {_MOST_EMPTY}: raise Malformed")
        elif size is not None:
            lines.append(f" p += {n} * {size}")
        else:
            lines.append(f" for _ in range({n}):")
            lines += (f"  {line}" for line in [*key, *self._skip(avro_type[part], space, depth + 1)])
        return [*lines, f" if {end} >= 0 and p != {end}: raise Malformed"]

    def _size(self, avro_type: Any, space: str, inside: tuple[str, ...]) -> int | None:
        """How many bytes every value of the type has; None where that differs, or a value must be looked at."""
        if isinstance(avro_type, list):
            return None
        if isinstance(avro_type, str):
            if avro_type in PRIMITIVES:
                return _SIZES.get(avro_type)
            name = full_name(avro_type, space)
            return self._size(self._names[name], name.rpartition(".")[0], inside)
        if avro_type["type"] == "fixed":
            return int(avro_type["size"])
        if avro_type["type"] in ("record", "error"):
            return self._record_size(avro_type, own_name(avro_type, space), inside)
        return None if avro_type["type"] in ("enum", "array", "map") else self._size(avro_type["type"], space, inside)

    def _record_size(self, schema: Any, name: str, inside: tuple[str, ...]) -> int | None:
        if name in inside:
            return None
        if name not in self._sizes:
            space = name.rpartition(".")[0]
            sizes = [self._size(one["type"], space, (*inside, name)) for one in schema["fields"]]
            self._sizes[name] = None if None in sizes else sum(size for size in sizes if size)
        return self._sizes[name]

    def endless(self, avro_type: Any, space: str, inside: tuple[str, ...]) -> bool:
        """What `unbounded` asks, for a part that lies inside the records named."""
        if isinstance(avro_type, list):
            return any(self.endless(branch, space, inside) for branch in avro_type)
        if isinstance(avro_type, str):
            name = full_name(avro_type, space)
            return avro_type not in PRIMITIVES and self.endless(self._names[name], name.rpartition(".")[0], inside)
        if avro_type["type"] in ("record", "error"):
            return self._endless_record(avro_type, own_name(avro_type, space), inside)
        if avro_type["type"] == "array" and self._size(avro_type["items"], space, ()) == 0:
            return True
        parts = [avro_type[part] for part in ("items", "values") if part in avro_type]
        if not isinstance(avro_type["type"], str):
            parts.append(avro_type["type"])
        return any(self.endless(part, space, inside) for part in parts)

    def _endless_record(self, schema: Any, name: str, inside: tuple[str, ...]) -> bool:
        if name in inside:
            return True
        if name in self._harmless:
            return False
        space = name.rpartition(".")[0]
        found = any(self.endless(one["type"], space, (*inside, name)) for one in schema["fields"])
        if not found:
            self._harmless.add(name)
        return found


_LENGTH = ["n = data[p]; p += 1", "if n & 129: n, p = length_at(data, p - 1)", "else: n >>= 1"]
"""A length of one byte, as most are; more of them, or a negative one, has its low or high bit set."""

_PRIMITIVE_SKIPS = {
    "boolean": ["if data[p] > 1: raise Malformed", "p += 1"],
    "int": ["p = p + 1 if data[p] < 128 else past_number(data, p)"],
    "long": ["p = p + 1 if data[p] < 128 else past_number(data, p)"],
    "bytes": [*_LENGTH, "p += n"],
    "string": [*_LENGTH, "t = data[p : p + n]", "if not t.isascii(): t.decode()", "p += n"],
}


def _enum(symbols: int) -> list[str]:
    if symbols > _ONE_BYTE:
        return ["n, p = number_at(data, p)", f"if not 0 <= n < {symbols}: raise Malformed"]
    return ["n = data[p]; p += 1", f"if n & 1 or n > {2 * (symbols - 1)}: raise Malformed"]


def _past_number(data: bytes, place: int) -> int:
    """The place after a number of any length."""
    for at in range(place, place + 10):
        if data[at] < 128:
            return at + 1
    raise _Malformed


def _number_at(data: bytes, place: int) -> tuple[int, int]:
    """A number and the place after it."""
    value = 0
    for index in range(10):
        byte = data[place + index]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return (value >> 1) ^ -(value & 1), place + index + 1
    raise _Malformed


def _length_at(data: bytes, place: int) -> tuple[int, int]:
    """A number that is not negative, and no more than there are bytes, and the place after it."""
    value, after = _number_at(data, place)
    if not 0 <= value <= len(data):
        raise _Malformed
    return value, after


def _tuple(words: Sequence[str] | Iterator[str]) -> str:
    return f"({', '.join(words)},)"
