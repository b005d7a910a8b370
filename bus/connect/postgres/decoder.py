"""The messages of `pgoutput`, protocol version 1, from bytes to values.

Source of the formats: PostgreSQL manual, "Logical Replication Message Formats".
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from bus.connect.postgres.values import Read, read_or_text, reader

UNCHANGED = object()
"""Stands for a large value that an update did not touch and that was therefore not sent."""

TEXT, NULL = b"tn"
"""How a cell begins: text follows, or it is null; a third letter says that it is unchanged and not sent."""

_CELL = struct.Struct(">BI").unpack_from
"""How a cell begins, and the size of its text; what follows a cell without text is read too, and thrown away."""

_ROOM = bytes(4)
"""Put behind a row, so that something may be read there."""

Cells = Callable[[bytes, int], tuple[tuple[int, ...], int]]

_BEGIN = struct.Struct(">QqI")
_COMMIT = struct.Struct(">BQQq")


@dataclass(frozen=True, slots=True)
class Begin:
    """A transaction follows; `commit_lsn` is where its commit lies, `xid` its number without the epoch."""

    commit_lsn: int
    committed_us: int
    xid: int


@dataclass(frozen=True, slots=True)
class Commit:
    """The transaction is over; reading on begins at `end_lsn`."""

    commit_lsn: int
    end_lsn: int


@dataclass(frozen=True, slots=True)
class Relation:
    """A table as it is now. Each column: name, how its values are read, whether it belongs to the replica identity."""

    oid: int
    schema: str
    name: str
    identity: str
    columns: tuple[tuple[str, Read, bool], ...]
    places: Mapping[str, int]
    row: Callable[[bytes, int], dict[str, Any]] = field(compare=False, repr=False)
    cells: Cells = field(compare=False, repr=False)


class RowChanged(NamedTuple):
    """A row: inserted (`old` None), updated, or deleted (`new` None).

    `old_whole`: nothing is lacking of what was there before; False where the server told the key alone, or nothing.
    """

    relation: Relation
    old: Mapping[str, Any] | None
    new: dict[str, Any] | None
    old_whole: bool


@dataclass(frozen=True, slots=True)
class Truncated:
    """These tables were emptied."""

    relations: tuple[Relation, ...]


@dataclass(frozen=True, slots=True)
class Emitted:
    """A message of pg_logical_emit_message."""

    lsn: int
    prefix: str
    content: bytes


Message = Begin | Commit | Relation | RowChanged | Truncated | Emitted | None


@dataclass(slots=True)
class Decoder:
    """Decodes message after message; remembers the relations, which come once before their first row."""

    relations: dict[int, Relation] = field(default_factory=dict)
    _base_types: dict[int, int] = field(default_factory=dict)

    def decode(self, data: bytes) -> Message:
        """One message; None for those that say nothing about rows (types, origins). Raises ValueError for others."""
        decode = _DECODERS.get(data[:1])
        if decode is None:
            raise ValueError(f"an unknown pgoutput message {data[:1]!r}")
        return decode(self, data)

    def _begin(self, data: bytes) -> Begin:
        return Begin(*_BEGIN.unpack_from(data, 1))

    def _commit(self, data: bytes) -> Commit:
        _, commit_lsn, end_lsn, _ = _COMMIT.unpack_from(data, 1)
        return Commit(commit_lsn, end_lsn)

    def _nothing(self, _: bytes) -> None:
        return None

    def _type(self, data: bytes) -> None:
        """A domain's or an enum's base type, by name; the stream then sends its values like that type's."""
        (oid,) = struct.unpack_from(">I", data, 1)
        _, at = _text(data, 5)
        name, _ = _text(data, at)
        if name in _OID_BY_NAME:
            self._base_types[oid] = _OID_BY_NAME[name]

    def _relation(self, data: bytes) -> Relation:
        (oid,) = struct.unpack_from(">I", data, 1)
        schema, at = _text(data, 5)
        name, at = _text(data, at)
        identity, count = struct.unpack_from(">cH", data, at)
        at += 3
        columns = []
        for _ in range(count):
            is_key = bool(data[at] & 1)
            column, at = _text(data, at + 1)
            (type_oid,) = struct.unpack_from(">I", data, at)
            at += 8
            columns.append((column, reader(self._base_types.get(type_oid, type_oid)), is_key))
        places = {one[0]: at for at, one in enumerate(columns)}
        cells, row = _cells_of(len(columns)), _row_of(columns)
        relation = Relation(oid, schema, name, identity.decode(), tuple(columns), places, row, cells)
        self.relations[oid] = relation
        return relation

    def _insert(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        return RowChanged(relation, None, relation.row(data + _ROOM, 6), old_whole=True)

    def _update(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        kind, at, data = data[5:6], 6, data + _ROOM
        old: OldRow | None = None
        if kind in (b"O", b"K"):
            cells, at = relation.cells(data, at)
            old = OldRow(relation, data, cells)
            at += 1
        new = relation.row(data, at)
        whole = kind == b"O"
        if old is not None and whole and UNCHANGED in new.values():
            new = {name: old[name] if value is UNCHANGED else value for name, value in new.items()}
        return RowChanged(relation, old, new, old_whole=whole)

    def _delete(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        data += _ROOM
        cells, _ = relation.cells(data, 6)
        return RowChanged(relation, OldRow(relation, data, cells), None, old_whole=data[5:6] == b"O")

    def _truncate(self, data: bytes) -> Truncated:
        (count,) = struct.unpack_from(">I", data, 1)
        oids = struct.unpack_from(f">{count}I", data, 6)
        return Truncated(tuple(self.relations[oid] for oid in oids))

    def _message(self, data: bytes) -> Emitted:
        (lsn,) = struct.unpack_from(">Q", data, 2)
        prefix, at = _text(data, 10)
        (size,) = struct.unpack_from(">I", data, at)
        return Emitted(lsn, prefix, data[at + 4 : at + 4 + size])

    def _of(self, data: bytes) -> Relation:
        return self.relations[int.from_bytes(data[1:5], "big")]


class OldRow(Mapping[str, Any]):
    """A row before a change: its values are read when they are asked for, and most of them never are."""

    __slots__ = ("_cells", "_data", "_relation")

    def __init__(self, relation: "Relation", data: bytes, cells: tuple[int, ...]) -> None:
        self._relation = relation
        self._data = data
        self._cells = cells

    def __getitem__(self, name: str) -> Any:
        place = self._relation.places[name]
        at = self._cells[place]
        kind, size = _CELL(self._data, at)
        if kind != TEXT:
            return None if kind == NULL else UNCHANGED
        return read_or_text(self._relation.columns[place][1], self._data[at + 5 : at + 5 + size].decode())

    def __iter__(self) -> Iterator[str]:
        return iter(self._relation.places)

    def __len__(self) -> int:
        return len(self._cells)


def _cells_of(columns: int) -> Cells:
    """Where each cell of a row begins, and where its bytes end, as one function that is written once.

    This and `_row_of` are called for every change: a loop over the columns would cost half as much again as its work.
    """
    lines = ["at += 2"]
    for number in range(columns):
        lines += [f"c{number} = at", "kind, size = cell(data, at)", f"at += 5 + size if kind == {TEXT} else 1"]
    places = "".join(f"c{number}, " for number in range(columns))
    found: Cells = _written([*lines, f"return ({places}), at"], {"cell": _CELL})
    return found


def _row_of(columns: Sequence[tuple[str, Read, bool]]) -> Callable[[bytes, int], dict[str, Any]]:
    """A row's values by column; text stays where Python has no such value, see `read_or_text`."""
    names: dict[str, Any] = {"cell": _CELL, "UNCHANGED": UNCHANGED}
    lines = ["at += 2"]
    for number, (_, read, _) in enumerate(columns):
        value = f"v{number}"
        lines += ["kind, size = cell(data, at)", f"if kind == {TEXT}:", "    start = at + 5", "    at = start + size"]
        lines += [f"    {value} = data[start:at].decode()"]
        if read is not str:
            names[f"read{number}"] = read
            lines += ["    try:", f"        {value} = read{number}({value})"]
            lines += ["    except (ValueError, ArithmeticError):", "        pass"]
        lines += ["else:", "    at += 1", f"    {value} = None if kind == {NULL} else UNCHANGED"]
    cells = ", ".join(f"{name!r}: v{number}" for number, (name, _, _) in enumerate(columns))
    found: Callable[[bytes, int], dict[str, Any]] = _written([*lines, f"return {{{cells}}}"], names)
    return found


def _written(lines: Sequence[str], names: dict[str, Any]) -> Any:
    source = "def read(data, at):\n    " + "\n    ".join(lines)
    exec(compile(source, "<decoder>", "exec"), names)  # noqa: S102 - made here; names are quoted by repr
    return names["read"]


def _text(data: bytes, at: int) -> tuple[str, int]:
    end = data.index(0, at)
    return data[at:end].decode(), end + 1


_OID_BY_NAME = {
    "bool": 16,
    "int8": 20,
    "int2": 21,
    "int4": 23,
    "text": 25,
    "varchar": 1043,
    "bpchar": 1042,
    "date": 1082,
    "timestamp": 1114,
    "timestamptz": 1184,
    "numeric": 1700,
    "float4": 700,
    "float8": 701,
    "json": 114,
    "jsonb": 3802,
}

_DECODERS: dict[bytes, Callable[[Decoder, bytes], Message]] = {
    b"B": Decoder._begin,  # noqa: SLF001 - the table of its own methods
    b"C": Decoder._commit,  # noqa: SLF001
    b"O": Decoder._nothing,  # noqa: SLF001
    b"R": Decoder._relation,  # noqa: SLF001
    b"Y": Decoder._type,  # noqa: SLF001
    b"I": Decoder._insert,  # noqa: SLF001
    b"U": Decoder._update,  # noqa: SLF001
    b"D": Decoder._delete,  # noqa: SLF001
    b"T": Decoder._truncate,  # noqa: SLF001
    b"M": Decoder._message,  # noqa: SLF001
}
