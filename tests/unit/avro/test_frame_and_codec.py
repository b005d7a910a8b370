"""Frames, and values to bytes and back."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.avro.codec import decode, encode, parse, without_logical_types
from bus.avro.fit import misfits
from bus.avro.frame import BODY_START, frame, schema_id_of, unframe
from bus.errors import RecordUnreadable, SchemaInvalid, ValueMisfit
from tests.unit.avro.strategies import same, schemas, values

BORN = {
    "type": "record",
    "name": "Born",
    "fields": [
        {"name": "day", "type": ["null", {"type": "int", "logicalType": "date"}], "doc": "A logicalType in a doc."},
        {"name": "place", "type": "string", "default": ""},
    ],
}


@given(st.integers(0, 2**32 - 1), st.binary())
def test_frame_round_trip(schema_id: int, body: bytes) -> None:
    """A frame gives back the id and the body that went in."""
    framed = frame(schema_id, body)
    assert unframe(framed) == (schema_id, body)
    assert schema_id_of(framed) == schema_id
    assert framed[BODY_START:] == body


@pytest.mark.parametrize("value", [b"", b"\0\0\0\0", b"\1\0\0\0\1body", b"{}aaaaa"])
def test_not_a_frame(value: bytes) -> None:
    """Bytes that are no frame are unreadable, not a guess."""
    with pytest.raises(RecordUnreadable):
        unframe(value)


@pytest.mark.parametrize("schema_id", [-1, 2**32])
def test_id_that_does_not_fit(schema_id: int) -> None:
    """An id that four bytes cannot hold is refused."""
    with pytest.raises(ValueError, match="does not fit"):
        frame(schema_id, b"")


@given(st.data())
@settings(max_examples=80, deadline=None)
def test_codec_round_trip(data: st.DataObject) -> None:
    """Every value of every schema fits, is written, and is read back as it was.

    Where a value fits several branches of a union, it is read back as the one that it was written as: bytes may come
    back as an array of numbers, a whole number as a fraction. Written again, it is the same bytes.
    """
    schema = data.draw(schemas())
    value = data.draw(values(schema))
    assert misfits(schema, value) == ()
    body = encode(parse(schema), value)
    again = decode(parse(schema), body)
    if has_choice(schema):
        assert encode(parse(schema), again) == body
    else:
        assert same(again, value)


def has_choice(schema: Any) -> bool:
    """Whether a union in it has two branches besides null."""
    if isinstance(schema, list):
        return len(schema) - ("null" in schema) > 1 or any(map(has_choice, schema))
    if isinstance(schema, dict):
        inner = [schema.get("items"), schema.get("values"), *(one["type"] for one in schema.get("fields", ()))]
        return any(map(has_choice, inner))
    return False


def test_raw_and_logical() -> None:
    """A raw codec reads a date as days, a logical one as a date; both write days, and the same bytes."""
    raw, logical = parse(BORN), parse(BORN, logical=True)
    body = encode(raw, {"day": 19_000, "place": "Huế"})
    assert decode(raw, body)["day"] == 19_000
    assert decode(logical, body)["day"] == date(2022, 1, 8)
    assert encode(logical, {"day": 19_000, "place": "Huế"}) == body
    assert encode(logical, {"day": date(2022, 1, 8), "place": "Huế"}) == body


def test_logical_types_are_all_that_is_dropped() -> None:
    """Reading raw keeps docs, names and defaults."""
    bare = without_logical_types(BORN)
    assert bare["fields"][0] == {"name": "day", "type": ["null", {"type": "int"}], "doc": "A logicalType in a doc."}
    assert bare["fields"][1] == BORN["fields"][1]


@pytest.mark.parametrize("broken", ["cut", "longer", "branch", "text"])
def test_unreadable_bytes(broken: str) -> None:
    """Bytes cut short, too long, of an absent branch or of broken text are unreadable, and the id is named."""
    codec = parse(BORN, schema_id=41)
    body = encode(codec, {"day": 1, "place": "Hà Nội"})
    body = {"cut": body[:-1], "longer": body + b"x", "branch": b"\x08" + body[1:], "text": body[:3] + b"\xff" * 20}[
        broken
    ]
    with pytest.raises(RecordUnreadable, match="schema 41"):
        decode(codec, body)


@given(st.binary(max_size=60))
def test_any_bytes_are_read_or_unreadable(body: bytes) -> None:
    """No bytes whatever raise anything else."""
    codec = parse(BORN)
    try:
        value = decode(codec, body)
    except RecordUnreadable:
        return
    assert misfits(BORN, value) == ()


@pytest.mark.parametrize(
    ("schema", "body"),
    [
        ({"type": "record", "name": "R", "fields": [{"name": "r", "type": ["null", "R"]}]}, b"\x02" * 300_000 + b"\0"),
        ({"type": "array", "items": "null"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\x01\0"),
        (
            ["null", {"type": "array", "items": {"type": "record", "name": "E", "fields": []}}],
            b"\x02\x80\x80\x80\x01\0",
        ),
    ],
)
def test_bytes_made_to_kill(schema: Any, body: bytes) -> None:
    """Bytes that would crash or stall a decoder are unreadable, like any others."""
    with pytest.raises(RecordUnreadable):
        decode(parse(schema), body)


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ({"day": None}, "place: is missing"),
        ({"day": None, "place": "x", "secret": "079001234567"}, "secret: is not in the schema"),
        ({"day": "079001234567", "place": "x"}, "day: must be an int of 32 bits, and is str"),
        ({"day": None, "place": None}, "place: must be text, and is null"),
        ({"day": None, "place": "Hu\udcea"}, "and is text in another encoding, or half a character"),
        (None, "the value: must be a record, and is null"),
    ],
)
def test_misfit_names_fields_and_no_values(value: Any, said: str) -> None:
    """A value that cannot be written is told by field, and the text repeats nothing of it."""
    with pytest.raises(ValueMisfit) as caught:
        encode(parse(BORN), value)
    assert said in str(caught.value)
    assert "079001234567" not in str(caught.value)
    assert caught.value.__cause__ is None


@pytest.mark.parametrize(
    ("avro_type", "value"),
    [
        ("int", 2**31),
        ("int", True),
        ("int", 1.0),
        ("long", -(2**63) - 1),
        ("boolean", 1),
        ("string", b"x"),
        ("string", "\ud800"),
        ("bytes", "x"),
        ("double", "1"),
        ("null", 0),
        ({"type": "enum", "name": "E", "symbols": ["A"]}, "B"),
        ({"type": "fixed", "name": "F", "size": 2}, b"abc"),
        ({"type": "array", "items": "int"}, ["a"]),
        ({"type": "map", "values": "int"}, {1: 1}),
        (["null", "int"], "1"),
        (["int", "string"], None),
    ],
)
def test_misfits(avro_type: Any, value: Any) -> None:
    """What fastavro would cut, widen or take for something else does not fit."""
    assert misfits(avro_type, value)


@pytest.mark.parametrize("schema", ["unknown", {"type": "record"}, {"type": "enum", "name": "E"}, 7, None])
def test_no_schema(schema: Any) -> None:
    """What is no schema is refused with words, whatever it is."""
    with pytest.raises(SchemaInvalid):
        parse(schema)
