"""The made encoder against fastavro, on random schemas and values, and on values that do not fit."""

from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.avro.codec import encode, parse
from bus.avro.encoder import field_encoders, quick_encoder
from bus.avro.fit import misfits
from bus.model.varint import varint
from tests.unit.avro.strategies import schemas, values

slow_ones_too = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "text", "type": "string"},
        {"name": "maybe", "type": ["null", "string"]},
        {"name": "whole", "type": "int"},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "wide", "type": "long"},
        {"name": "yes", "type": "boolean"},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
        {"name": "list", "type": {"type": "array", "items": ["null", "int"]}},
        {"name": "map", "type": {"type": "map", "values": "bytes"}},
        {"name": "mark", "type": ["null", {"type": "fixed", "name": "F", "size": 2}]},
        {
            "name": "inner",
            "type": ["null", {"type": "record", "name": "I", "fields": [{"name": "x", "type": "double"}]}],
        },
    ],
}
NAMES = [one["name"] for one in SCHEMA["fields"]]
GOOD: dict[str, Any] = {
    "text": "Đà Nẵng " * 1000,
    "maybe": None,
    "whole": -65,
    "day": 0,
    "wide": 2**40,
    "yes": True,
    "kind": "A",
    "list": [1, None],
    "map": {"k": b"\0"},
    "mark": b"ab",
    "inner": {"x": 1.5},
}
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec=None)),
    st.sampled_from(["A", "B", "C", "\ud800"]),
    st.binary(),
    st.lists(st.none() | st.integers(-(2**40), 2**40), max_size=3),
    st.dictionaries(st.sampled_from(["x", "y"]), st.floats() | st.integers() | st.binary(), max_size=2),
)


def test_a_record_of_every_kind_of_field_is_written_at_once() -> None:
    """Where every field has a clear type, the encoder must be sure, and write what fastavro writes."""
    assert quick_encoder(SCHEMA)(GOOD) == encode(parse(SCHEMA), GOOD)


@given(st.data())
@slow_ones_too
def test_random_values_of_random_schemas(data: st.DataObject) -> None:
    """Whatever the schema, nested and recursive ones too: the encoder writes what fastavro writes, or is not sure."""
    schema = data.draw(schemas())
    value = data.draw(values(schema))
    found = quick_encoder(schema)(value)
    if found is None:
        assert "[" in repr(schema), "only a union may leave it unsure"
    else:
        assert found == encode(parse(schema), value)


@given(st.dictionaries(st.sampled_from([*NAMES, "strange"]), anything), st.sets(st.sampled_from(NAMES), max_size=2))
@slow_ones_too
def test_a_yes_is_never_wrong(changed: dict[str, Any], dropped: set[str]) -> None:
    """Whatever is put in, left out or added: what the encoder writes fits by the thorough check, and is fastavro's."""
    record = {name: value for name, value in (GOOD | changed).items() if name not in dropped}
    found = quick_encoder(SCHEMA)(record)
    if found is not None:
        assert misfits(SCHEMA, record) == ()
        assert found == encode(parse(SCHEMA), record)


@given(st.integers(-(2**63), 2**63 - 1))
def test_numbers_are_written_as_avro_wants_them(value: int) -> None:
    """Zigzag and seven bits a byte, over the whole range of a long."""
    assert varint(value) == encode(parse("long"), value)


def test_the_fields_together_are_the_record() -> None:
    """What the encoders of the fields write is, one behind the other, the record; a type may be named by its name."""
    again = {**SCHEMA, "fields": [*SCHEMA["fields"], {"name": "kind2", "type": ["null", "K"]}]}
    value = {**GOOD, "kind2": "B"}
    parts = [encoder(value[name]) for name, encoder in field_encoders(again).items()]
    assert b"".join(part or b"?" for part in parts) == encode(parse(again), value)


def test_a_value_deeper_than_the_stack_is_not_sure() -> None:
    """A record that holds itself too deep to be written gives None, and no error."""
    schema = {"type": "record", "name": "L", "fields": [{"name": "next", "type": ["null", "L"]}]}
    value: Any = None
    for _ in range(100_000):
        value = {"next": value}
    assert quick_encoder(schema)(value) is None
