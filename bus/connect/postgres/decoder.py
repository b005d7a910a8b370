"""The messages of `pgoutput`, protocol version 1, from bytes to values.

Source of the formats: PostgreSQL manual, "Logical Replication Message Formats".
"""

import struct
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from bus.connect.cells import ROOM, Layout, WireRow
from bus.connect.postgres.values import reader, steady

NEW_WITHIN = ord("N") << 8
"""In a message below this size, the new row of an update is found by how it begins, see `_begin_of_new`."""

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
    """A table as it is now. `new` is how the new row of an update begins."""

    oid: int
    schema: str
    name: str
    identity: str
    layout: Layout
    new: bytes


class RowChanged(NamedTuple):
    """A row: inserted (`old` None), updated, or deleted (`new` None).

    `old_whole`: nothing is lacking of what was there before; False where the server told the key alone, or nothing.
    """

    relation: Relation
    old: WireRow | None
    new: WireRow | None
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
    _told: dict[int, bytes] = field(default_factory=dict)

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
        schema, at = _text(data, 5)
        name, _ = _text(data, at)
        if schema in ("", "pg_catalog") and name in _OID_BY_NAME:  # the stream leaves it out; others call theirs so too
            self._base_types[oid] = _OID_BY_NAME[name]

    def _relation(self, data: bytes) -> Relation:
        """A table. It is told again after each `analyze`; what is written for its rows is written once."""
        (oid,) = struct.unpack_from(">I", data, 1)
        if self._told.get(oid) == data:
            return self.relations[oid]
        self._told[oid] = data
        schema, at = _text(data, 5)
        name, at = _text(data, at)
        identity, count = struct.unpack_from(">cH", data, at)
        at += 3
        columns = []
        for _ in range(count):
            column, at = _text(data, at + 1)
            (type_oid,) = struct.unpack_from(">I", data, at)
            at += 8
            read = reader(self._base_types.get(type_oid, type_oid))
            columns.append((column, read, steady(read)))
        new = b"N" + struct.pack(">H", count)
        relation = self.relations[oid] = Relation(oid, schema, name, identity.decode(), Layout(columns), new)
        return relation

    def _insert(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        return RowChanged(relation, None, WireRow(relation.layout, data + ROOM, 6), old_whole=True)

    def _update(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        kind, data = data[5:6], data + ROOM
        if kind == b"N":
            return RowChanged(relation, None, WireRow(relation.layout, data, 6), old_whole=False)
        old = WireRow(relation.layout, data, 6)
        new = WireRow(relation.layout, data, _begin_of_new(relation, data) + 1, old)
        return RowChanged(relation, old, new, old_whole=kind == b"O")

    def _delete(self, data: bytes) -> RowChanged:
        relation = self._of(data)
        return RowChanged(relation, WireRow(relation.layout, data + ROOM, 6), None, old_whole=data[5:6] == b"O")

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


def _begin_of_new(relation: Relation, data: bytes) -> int:
    """Where the new row of an update begins, behind the old one whose cells nobody has to read for that.

    It begins with an N and the count of columns, high byte first; below 256 columns that is N and a zero byte. Before
    it no N stands before a zero byte: text has no zero bytes, so that they are all in the sizes of cells. The first
    byte of a size stands behind a t, and behind the others stands an N only where the size is NEW_WITHIN or more.
    """
    if len(data) < NEW_WITHIN and relation.new[1] == 0:
        return data.index(relation.new, 8)
    _, end = relation.layout.cells(data, 6)
    return end


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
    "bytea": 17,
    "oid": 26,
    "_bool": 1000,
    "_int2": 1005,
    "_int4": 1007,
    "_int8": 1016,
    "_text": 1009,
    "_bpchar": 1014,
    "_varchar": 1015,
    "_float4": 1021,
    "_float8": 1022,
    "_timestamp": 1115,
    "_date": 1182,
    "_timestamptz": 1185,
    "_numeric": 1231,
    "_uuid": 2951,
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
