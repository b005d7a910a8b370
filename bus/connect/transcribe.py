"""From a row of a database's log straight to the bytes of its record, where the manifest makes each field of a column.

The long way makes a value of every cell, a row of the values, a record of the row and bytes of the record. Here most
cells go over as they are: the text of a column is the text of its field. What any other cell comes to is found by the
long way's own rules once, and then known by the cell. Whatever is not plain gives None, for the long way to take, which
also finds the reason.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, NamedTuple

from bus.avro.encoder import KNOWN_NUMBERS, QuickEncoder
from bus.connect.cells import CELL, COUNT_BYTES, NULL, TEXT, Layout, Read, written
from bus.connect.mapping import KEY_BYTES, Mapper, Origin
from bus.model.varint import varint

KNOWN_CELLS = 32_768
"""So many different cells of a column are known at most; then it begins again."""

Transcript = tuple[bytes, bytes | None, bytes, int]
"""The record's body; as they lie in the key, its subject (None in a dataset without any) and its id; and a number that
has a bit for each column that is null."""

Key = tuple[bytes | None, bytes]
"""The subject and the id of a record, as they lie in its key."""


class Transcriber(NamedTuple):
    """Both take the bytes that tell a row, and where in them it begins; None is what they are not sure of."""

    whole: Callable[[bytes, int], Transcript | None]
    key: Callable[[bytes, int], Key | None]


def transcriber(mapper: Mapper, encoders: Mapping[str, QuickEncoder], layout: Layout) -> Transcriber | None:
    """The short way for a table's rows, None where there is none. `encoders`: each field's, in the record's order.

    There is none where somebody must see every row: a function of the connector, or the rule for state secrets.
    """
    if mapper.sees_rows:
        return None
    try:
        return _Author(mapper, encoders, layout).transcriber()
    except _NoShortWay:
        return None


class _NoShortWay(ValueError):
    """A field is not made of one column, or the key not of text; also a cell that its field does not take."""


class _KeyPart(NamedTuple):
    """A part of a key: the column's place, the name of the part's bytes, and how they are made of the cell's."""

    place: int
    name: str
    made: str


class _Known(dict[bytes, bytes]):
    """What the cells of a column come to. Raises what `make` raises, for a cell that it does not take."""

    def __init__(self, make: Callable[[bytes], bytes]) -> None:
        super().__init__()
        self._make = make

    def __missing__(self, cell: bytes) -> bytes:
        if len(self) >= KNOWN_CELLS:
            self.clear()
        made = self[cell] = self._make(cell)
        return made


class _Author:
    """Writes the source: what is done with each cell in the table's order, then the fields in the record's."""

    def __init__(self, mapper: Mapper, encoders: Mapping[str, QuickEncoder], layout: Layout) -> None:
        self._mapper = mapper
        self._encoders = encoders
        self._layout = layout
        self._names: dict[str, Any] = {"cell": CELL, "join": b"".join, "varint": varint}
        self._text: dict[int, list[str]] = {}
        self._null: dict[int, list[str]] = {}

    def transcriber(self) -> Transcriber:
        """Raises _NoShortWay."""
        dataset = self._mapper.dataset
        parts = [self._field(name, encode) for name, encode in self._encoders.items()]
        subject = [] if dataset.subject is None else [self._key_part(dataset.subject)]
        record_id = [self._key_part(name) for name in dataset.record_id]
        keys = list(dict.fromkeys([*subject, *record_id]))
        for one in keys:
            self._text[one.place].append(f"{one.name} = {one.made.format('data[at:end]')}")
            self._null[one.place] = ["raise ValueError"]
        unfit = [f"not {one.name}" for one in keys] + [f"b'/' in {one.name}" for one in subject]
        unfit += [f"{' + '.join(f'len({one.name})' for one in [*subject, *record_id])} > {KEY_BYTES - 8}"]
        fit = f"if {' or '.join(unfit)}: raise ValueError"
        key = (subject[0].name if subject else "None") + ", " + " + b'-' + ".join(one.name for one in record_id)
        body = f"join(({', '.join(parts)},))"
        whole = ["nulls = 0", *self._walk(max(self._text)), fit, f"return {body}, {key}, nulls"]
        read = [*self._walk_keys(keys), fit, f"return {key}"]
        return Transcriber(
            written("whole(data, at)", _tried(whole), self._names),
            written("key(data, at)", _tried(read), self._names),
        )

    def _walk(self, last: int) -> Iterable[str]:
        """Over the cells up to the last that is used."""
        yield f"at += {COUNT_BYTES}"
        for place in range(last + 1):
            yield "kind, size = cell(data, at)"
            if place in self._text:
                yield f"if kind == {TEXT}:"
                yield from _in(["at += 5", "end = at + size", *self._text[place], "at = end"])
                yield f"elif kind == {NULL}:"
                yield from _in(["at += 1", f"nulls |= {1 << place}", *self._null[place]])
                yield "else: raise ValueError"
            else:
                yield f"if kind == {NULL}: nulls |= {1 << place}"
                yield f"at += 5 + size if kind == {TEXT} else 1"

    def _walk_keys(self, keys: Sequence[_KeyPart]) -> Iterable[str]:
        yield f"at += {COUNT_BYTES}"
        for place in range(max(one.place for one in keys) + 1):
            yield "kind, size = cell(data, at)"
            if here := [one for one in keys if one.place == place]:
                yield f"if kind != {TEXT}: raise ValueError"
                yield from (f"{one.name} = {one.made.format('data[at + 5 : at + 5 + size]')}" for one in here)
            yield f"at += 5 + size if kind == {TEXT} else 1"

    def _field(self, field: str, encode: QuickEncoder) -> str:
        """The expression for a field's bytes; notes what is to be done with the cell that they are made of."""
        origin = self._mapper.origins[field]
        if origin is None:
            raise _NoShortWay
        name = f"f{len(self._names)}"
        if origin.convert is None:
            return repr(_sure(encode(origin.constant)))
        place, read = self._column(origin)
        if _goes_over(origin, read):
            self._names[name] = _sizes(_sure(encode("")), encode("" if origin.keep_empty else None))
            lines = [f"{name}_ = data[at:end]", f"if not {name}_.isascii(): {name}_.decode()"]
            lines += [f"{name}_ = {name}[size] + {name}_"]
        elif origin.as_number and read is int:
            self._names[name] = _sure(encode(0))[:-1]
            reach = _WHOLE[origin.kind]
            lines = [f"{name}_ = int(data[at:end])", f"if not {-reach} <= {name}_ < {reach}: raise ValueError"]
            lines += [f"{name}_ = {name} + varint({name}_)"]
        else:
            make = _maker(origin, read, encode)
            varied = origin.kind in _VARIED
            self._names[name] = make if varied else _Known(make)
            lines = [f"{name}_ = {name}(data[at:end])" if varied else f"{name}_ = {name}[data[at:end]]"]
        null = encode(None)
        self._text.setdefault(place, []).extend(lines)
        self._null.setdefault(place, []).append("raise ValueError" if null is None else f"{name}_ = {null!r}")
        return f"{name}_"

    def _key_part(self, field: str) -> _KeyPart:
        """A field that stands in a key as it stands in its cell, or as the text that its rule makes of it."""
        origin = self._mapper.origins[field]
        if origin is None or origin.convert is None:
            raise _NoShortWay
        place, read = self._column(origin)
        if origin.made and origin.kind == "string":
            name = f"k{len(self._names)}_"
            self._names[name] = _key_maker(origin, read)
            return _KeyPart(place, f"{name}_", f"{name}({{}})")
        if not _goes_over(origin, read) and not (read is int and origin.kind in ("int", "long") and not origin.made):
            raise _NoShortWay
        return _KeyPart(place, f"k{place}", "{}")

    def _column(self, origin: Origin) -> tuple[int, Read]:
        place = self._layout.places.get(str(origin.column))
        if place is None:
            raise _NoShortWay
        _, read, steady = self._layout.columns[place]
        if not steady:
            raise _NoShortWay
        return place, read


_WHOLE = {"int": 1 << 31, "long": 1 << 63}
"""How far each type of whole numbers reaches."""

_VARIED = frozenset({"long", "float", "double"})
"""Types whose values are mostly new ones: times and amounts. It does not pay to remember them."""


def _goes_over(origin: Origin, read: Read) -> bool:
    """Whether the field's text is the cell's: PostgreSQL writes a whole number as Python does."""
    return origin.as_text and read in (str, int)


@lru_cache(256)
def _sizes(empty: bytes, none: bytes | None) -> list[bytes | None]:
    """What stands before a text of each size; `empty` is a text without any, `none` what a cell without any becomes."""
    return [none, *(empty[:-1] + varint(size) for size in range(1, KNOWN_NUMBERS))]


def _maker(origin: Origin, read: Read, encode: QuickEncoder) -> Callable[[bytes], bytes]:
    value_of = _value_of(origin, read)
    reach = _WHOLE.get(origin.kind, 0)
    before = _sure(encode(0))[:-1] if reach else b""

    def make(cell: bytes) -> bytes:
        made = value_of(cell)
        if type(made) is int and -reach <= made < reach:
            return before + varint(made)
        return _sure(encode(made))

    return make


def _key_maker(origin: Origin, read: Read) -> Callable[[bytes], bytes]:
    value_of = _value_of(origin, read)

    def make(cell: bytes) -> bytes:
        made = value_of(cell)
        if type(made) is not str:
            raise _NoShortWay
        return made.encode()

    return make


def _value_of(origin: Origin, read: Read) -> Callable[[bytes], Any]:
    """What a cell's text is as a value of its field."""
    convert, keep_empty = origin.convert, origin.keep_empty
    assert convert is not None

    def value_of(cell: bytes) -> Any:
        value = read(cell.decode())
        return None if value == "" and not keep_empty else convert(value)

    return value_of


def _sure(encoded: bytes | None) -> bytes:
    """Raises _NoShortWay."""
    if encoded is None:
        raise _NoShortWay
    return encoded


def _tried(lines: Iterable[str]) -> list[str]:
    caught = "except (KeyError, ValueError, TypeError, ArithmeticError, IndexError): return None"
    return ["try:", *_in(lines), caught]


def _in(lines: Iterable[str]) -> list[str]:
    return [f"    {line}" for line in lines]
