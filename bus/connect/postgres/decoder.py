"""The messages of `pgoutput`, protocol version 1, from bytes to values.

Source of the formats: PostgreSQL manual, "Logical Replication Message Formats".
"""

import struct
from collections.abc import Callable, Iterator, Mapping
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
        relation = Relation(
            oid, schema, name, identity.decode(), tuple(columns), {one[0]: at for at, one in enumerate(columns)}
        )
        self.relations[oid] = relation
        return relation

    def _insert(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        return RowChanged(relation, None, _new(data + _ROOM, 6, relation), old_whole=True)

    def _update(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        kind, at, data = data[5:6], 6, data + _ROOM
        old: OldRow | None = None
        if kind in (b"O", b"K"):
            old, at = _old(data, at, relation)
            at += 1
        new = _new(data, at, relation)
        whole = kind == b"O"
        if old is not None and whole and UNCHANGED in new.values():
            new = {name: old[name] if value is UNCHANGED else value for name, value in new.items()}
        return RowChanged(relation, old, new, old_whole=whole)

    def _delete(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        old, _ = _old(data + _ROOM, 6, relation)
        return RowChanged(relation, old, None, old_whole=data[5:6] == b"O")

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

    def __init__(self, relation: "Relation", data: bytes, cells: list[int]) -> None:
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


def _old(data: bytes, at: int, relation: Relation) -> tuple[OldRow, int]:
    """A row of which it is only known where each cell begins, and where its bytes end."""
    at += 2
    cells: list[int] = []
    for _ in relation.columns:
        cells.append(at)
        kind, size = _CELL(data, at)
        at += 5 + size if kind == TEXT else 1
    return OldRow(relation, data, cells), at


def _new(data: bytes, at: int, relation: Relation) -> dict[str, Any]:
    """A row's columns."""
    at += 2
    row: dict[str, Any] = {}
    for name, read, _ in relation.columns:
        kind, size = _CELL(data, at)
        if kind == TEXT:
            start = at + 5
            at = start + size
            text = data[start:at].decode()
            if read is str:
                row[name] = text
                continue
            try:
                row[name] = read(text)
            except (ValueError, ArithmeticError):
                row[name] = read_or_text(read, text)
        else:
            row[name] = None if kind == NULL else UNCHANGED
            at += 1
    return row


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
