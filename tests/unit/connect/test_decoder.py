"""The pgoutput decoder, message by message, as the manual lays them out."""

import struct
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from bus.connect.cells import UNCHANGED, WireRow, read_or_text
from bus.connect.postgres.decoder import Begin, Commit, Decoder, Emitted, RowChanged, Truncated
from bus.connect.postgres.values import reader


def relation(columns: list[tuple[str, int]], oid: int = 16400, identity: bytes = b"f") -> bytes:
    head = b"R" + struct.pack(">I", oid) + b"public\0citizen\0" + identity + struct.pack(">H", len(columns))
    return head + b"".join(b"\1" + name.encode() + b"\0" + struct.pack(">Ii", kind, -1) for name, kind in columns)


def cells(*values: object) -> bytes:
    found = struct.pack(">H", len(values))
    for value in values:
        if value is UNCHANGED:
            found += b"u"
        elif value is None:
            found += b"n"
        else:
            assert isinstance(value, bytes)
            found += b"t" + struct.pack(">I", len(value)) + value
    return found


def read(row: WireRow | None) -> dict[str, Any] | None:
    """The values of a row; asked for one by one they are the same."""
    if row is None:
        return None
    assert {name: row[name] for name in row} == row.read()
    return row.read()


@pytest.fixture
def decoder() -> Decoder:
    """A decoder that has met one table: id int4, name text."""
    fresh = Decoder()
    fresh.decode(relation([("id", 23), ("name", 25)]))
    return fresh


OID = struct.pack(">I", 16400)


def test_a_transaction_begins_and_ends(decoder: Decoder) -> None:
    """Begin names the place of the commit to come; commit the place to read on from."""
    assert decoder.decode(b"B" + struct.pack(">QqI", 500, 7, 42)) == Begin(500, 7, 42)
    assert decoder.decode(b"C" + struct.pack(">BQQq", 0, 500, 540, 7)) == Commit(500, 540)


def test_rows_are_typed(decoder: Decoder) -> None:
    """An insert gives typed values, nulls included."""
    change = decoder.decode(b"I" + OID + b"N" + cells(b"7", None))
    assert isinstance(change, RowChanged)
    assert change.old is None
    assert read(change.new) == {"id": 7, "name": None}


def test_an_update_fills_in_what_was_not_sent(decoder: Decoder) -> None:
    """A large value that the update left alone is taken from the old row."""
    change = decoder.decode(b"U" + OID + b"O" + cells(b"7", "Bình".encode()) + b"N" + cells(b"8", UNCHANGED))
    assert isinstance(change, RowChanged)
    assert read(change.new) == {"id": 8, "name": "Bình"}
    assert read(change.old) == {"id": 7, "name": "Bình"}
    assert change.old_whole


def test_a_delete_gives_the_old_row(decoder: Decoder) -> None:
    """A delete under a full identity gives every column of what is gone."""
    change = decoder.decode(b"D" + OID + b"O" + cells(b"7", b"An"))
    assert isinstance(change, RowChanged)
    assert (read(change.old), change.new, change.old_whole) == ({"id": 7, "name": "An"}, None, True)
    change = decoder.decode(b"D" + OID + b"O" + cells(b"7", None))
    assert isinstance(change, RowChanged)
    assert read(change.old) == {"id": 7, "name": None}


def test_truncate_names_its_tables(decoder: Decoder) -> None:
    """A truncate names the tables that it emptied."""
    change = decoder.decode(b"T" + struct.pack(">IB", 1, 0) + OID)
    assert isinstance(change, Truncated)
    assert [one.name for one in change.relations] == ["citizen"]


def test_an_emitted_message(decoder: Decoder) -> None:
    """A mark in the log comes with its place, prefix and content."""
    found = decoder.decode(b"M" + struct.pack(">BQ", 1, 99) + b"bus\0" + struct.pack(">I", 2) + b"hi")
    assert found == Emitted(99, "bus", b"hi")


def test_a_table_that_is_told_again_is_the_same(decoder: Decoder) -> None:
    """A server tells a table anew after each `analyze`: what was written for its rows is kept, and does not pile up."""
    (before,) = decoder.relations.values()
    assert decoder.decode(relation([("id", 23), ("name", 25)])) is before


def test_a_changed_table_is_met_anew(decoder: Decoder) -> None:
    """After a schema change in mid-stream the rows have the new columns."""
    decoder.decode(relation([("id", 23), ("born", 1082)]))
    change = decoder.decode(b"I" + OID + b"N" + cells(b"7", b"1990-02-28"))
    assert isinstance(change, RowChanged)
    assert read(change.new) == {"id": 7, "born": date(1990, 2, 28)}


@pytest.mark.parametrize(
    ("base", "text", "value"),
    [
        (b"pg_catalog\0int4", b"7", 7),
        (b"\0int4", b"7", 7),
        (b"\0_int4", b"{7,8}", [7, 8]),
        (b"\0bytea", b"\\x07", b"\x07"),
        (b"public\0date", b"2024-02-29", "2024-02-29"),
    ],
)
def test_a_domain_is_read_as_its_base_type(base: bytes, text: bytes, value: Any) -> None:
    """A type message names the base type of a domain; a type that is only called like one of PostgreSQL's is text."""
    decoder = Decoder()
    decoder.decode(b"Y" + struct.pack(">I", 70000) + base + b"\0")
    decoder.decode(relation([("id", 70000)]))
    change = decoder.decode(b"I" + OID + b"N" + cells(text))
    assert isinstance(change, RowChanged)
    assert read(change.new) == {"id": value}


def test_an_unknown_message_is_no_silence(decoder: Decoder) -> None:
    """A message that no version of the manual names is an error, never skipped."""
    with pytest.raises(ValueError, match="unknown pgoutput message"):
        decoder.decode(b"?")


@pytest.mark.parametrize(
    ("oid", "text", "value"),
    [
        (16, "t", True),
        (16, "f", False),
        (17, "\\x00ff", b"\x00\xff"),
        (20, "-9223372036854775808", -(2**63)),
        (25, "", ""),
        (114, '{"a": [1]}', {"a": [1]}),
        (701, "105.85", 105.85),
        (1082, "2024-02-29", date(2024, 2, 29)),
        (1184, "2026-03-01 08:00:00.5+00", datetime(2026, 3, 1, 8, 0, 0, 500_000, UTC)),
        (1700, "120.50", Decimal("120.50")),
        (1009, '{ODT,"a b",NULL,"q\\"\\\\"}', ["ODT", "a b", None, 'q"\\']),
        (1009, "{}", []),
        (1007, "{{1,2},{3,4}}", [[1, 2], [3, 4]]),
        (99999, "whatever", "whatever"),
    ],
)
def test_text_becomes_values(oid: int, text: str, value: Any) -> None:
    """Each type's text is read as Python's value of it; types that are not known stay text."""
    assert read_or_text(reader(oid), text) == value


def test_json_too_deep_for_python_stays_text() -> None:
    """PostgreSQL keeps lists within thousands of lists, and such a value stops no stream."""
    text = "[" * 99999 + "]" * 99999
    assert read_or_text(reader(114), text) == read_or_text(reader(3802), text) == text


def test_what_python_has_no_value_for_stays_text() -> None:
    """The date `infinity` stays text, so that the contract judges it, and nothing stops."""
    assert read_or_text(reader(1082), "infinity") == "infinity"
    assert read_or_text(reader(1082), "0044-03-15 BC") == "0044-03-15 BC"
