"""The slicer against fastavro: on random schemas and records, and on bytes that were tampered with."""

from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.avro.codec import decode, encode, parse
from bus.avro.frame import BODY_START, frame
from bus.avro.names import named_types, self_contained
from bus.avro.slicer import bounds, slicer
from bus.errors import RecordUnreadable
from tests.unit.avro.strategies import schemas, values

slow_ones_too = settings(max_examples=80, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def view_of(schema: Any, wanted: list[str]) -> Any:
    """The schema of a view: the wanted fields in their order."""
    fields = {one["name"]: one for one in schema["fields"]}
    view = {"type": "record", "name": "View", "fields": [fields[name] for name in wanted]}
    return self_contained(view, "", named_types(schema))


@given(st.data())
@slow_ones_too
def test_a_cut_is_what_fastavro_writes(data: st.DataObject) -> None:
    """A view cut from a record's bytes is byte for byte the view of its value."""
    schema = data.draw(schemas())
    names = [one["name"] for one in schema["fields"]]
    wanted = data.draw(st.lists(st.sampled_from(names), unique=True)) if names else []
    value = data.draw(values(schema))
    framed = frame(7, encode(parse(schema), value))
    expected = encode(parse(view_of(schema, wanted)), {name: value[name] for name in wanted})
    assert slicer(schema, wanted)(framed, BODY_START) == expected


@given(st.data())
@slow_ones_too
def test_bounds_part_the_record(data: st.DataObject) -> None:
    """The bounds part a record into its fields, from where it begins to its end."""
    schema = data.draw(schemas())
    value = data.draw(values(schema))
    body = encode(parse(schema), value)
    places = bounds(schema)(body, 0)
    assert (places[0], places[-1]) == (0, len(body))
    for one, start, end in zip(schema["fields"], places[:-1], places[1:], strict=True):
        name = one["name"]
        assert body[start:end] == encode(parse(view_of(schema, [name])), {name: value[name]})


@given(st.data())
@slow_ones_too
def test_what_is_cut_can_be_decoded(data: st.DataObject) -> None:
    """Bytes that the slicer takes, however they were tampered with, are bytes that a decoder takes."""
    schema = data.draw(schemas(most_fields=4))
    body = bytearray(encode(parse(schema), data.draw(values(schema))))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(body)))
        body[place : place + data.draw(st.integers(0, 2))] = data.draw(st.binary(max_size=2))
    names = [one["name"] for one in schema["fields"]]
    try:
        slicer(schema, names)(bytes(body), 0)
    except RecordUnreadable:
        return
    decode(parse(schema), bytes(body))


def record(*types: Any) -> Any:
    return {
        "type": "record",
        "name": "R",
        "fields": [{"name": f"f{number}", "type": one} for number, one in enumerate(types)],
    }


COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED", "GREEN"]}


@pytest.mark.parametrize(
    ("avro_type", "body"),
    [
        ("string", b""),
        ("string", b"\x04a"),
        ("string", b"\x02ab"),
        ("string", b"\x01"),
        ("string", b"\x02\xff"),
        ("string", b"\xff" * 12),
        ("string", b"\xfe\xff\xff\xff\x0f" + b"x"),
        ("bytes", b"\x04a"),
        ("boolean", b"\x02"),
        ("long", b"\x80"),
        ("long", b"\x80" * 12 + b"\x01"),
        ("double", b"1234567"),
        (COLOUR, b"\x04"),
        (COLOUR, b"\x01"),
        (["null", "int"], b"\x04"),
        (["null", "int"], b"\x01"),
        ({"type": "array", "items": "int"}, b"\x02\x02"),
        ({"type": "array", "items": "int"}, b"\x01\x04\x02\x00"),
        ({"type": "array", "items": "double"}, b"\xfe\xff\xff\xff\xff\xff\xff\xff\xff\x01\x00"),
        ({"type": "map", "values": "int"}, b"\x02\x02\xff\x02\x00"),
    ],
)
def test_broken_bytes(avro_type: Any, body: bytes) -> None:
    """Bytes that do not follow the schema are unreadable, and the error names the schema and no content."""
    with pytest.raises(RecordUnreadable, match="schema 12: the bytes do not follow it") as caught:
        slicer(record(avro_type), ["f0"], schema_id=12)(body, 0)
    assert caught.value.__cause__ is None


def test_blocks_with_their_size() -> None:
    """A writer may put the size of a block before it; the field ends where it ends all the same."""
    body = b"\x01\x02\x06\x00" + b"\x08"
    assert bounds(record({"type": "array", "items": "int"}, "int"))(body, 0) == (0, 4, 5)


def test_a_record_deeper_than_the_stack() -> None:
    """A record that holds itself too often is unreadable, and breaks nothing."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "inside", "type": ["null", "R"]}]}
    with pytest.raises(RecordUnreadable):
        bounds(schema)(b"\x02" * 100_000 + b"\x00", 0)


def test_arrays_deeper_than_blocks_may_be() -> None:
    """Arrays in arrays are found however deep they are."""
    schema: Any = "string"
    value: Any = "x"
    for _ in range(30):
        schema, value = {"type": "array", "items": schema}, [value]
    body = encode(parse(record(schema, "int")), {"f0": value, "f1": 3})
    assert bounds(record(schema, "int"))(body, 0) == (0, len(body) - 1, len(body))


def test_many_branches_and_symbols() -> None:
    """Numbers beyond one byte are read where a union or an enum is that large."""
    enum = {"type": "enum", "name": "Large", "symbols": [f"S{number}" for number in range(100)]}
    union = [{"type": "fixed", "name": f"F{number}", "size": number} for number in range(100)]
    schema = record(enum, union)
    body = encode(parse(schema), {"f0": "S99", "f1": b"x" * 99})
    assert bounds(schema)(body, 0) == (0, 2, 103)


def test_a_field_that_is_not_there() -> None:
    """A view of a field that the schema does not have cannot be made."""
    with pytest.raises(ValueError, match="f9"):
        slicer(record("int"), ["f9"])


def test_names_are_no_code() -> None:
    """What a schema is called never becomes a part of the program."""
    schema = {"type": "record", "name": "R", "fields": [{"name": "x: raise SystemExit #", "type": "int"}]}
    assert slicer(schema, ["x: raise SystemExit #"])(b"\x02", 0) == b"\x02"
