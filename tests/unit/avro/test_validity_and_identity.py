"""What is wrong with a schema, and when two are the same."""

import json
from typing import Any

import pytest
from hypothesis import given, settings

from bus.avro.canonical import compact, identity
from bus.avro.codec import parse
from bus.avro.names import PRIMITIVES
from bus.avro.validity import flaws
from tests.unit.avro.strategies import schemas


def record(*fields: Any) -> dict[str, Any]:
    return {"type": "record", "name": "R", "fields": list(fields)}


COLOUR = {"type": "enum", "name": "Colour", "symbols": ["RED"]}

FLAWED: list[tuple[Any, str]] = [
    ("colour", "the type colour is not defined before it is used"),
    (5, "a schema is a name, a list, or an object"),
    (record({"name": "a", "type": "int"}, {"name": "a", "type": "int"}), "a: two fields have this name"),
    (record({"name": "a b", "type": "int"}), "a field needs a name"),
    (record({"name": "a"}), "a: the field has no type"),
    (record({"name": "a", "type": "int", "default": "x"}), "a: the default does not fit its type"),
    (
        record({"name": "a", "type": ["int", "null"], "default": None}),
        "the default does not fit the union's first branch",
    ),
    (record({"name": "a", "type": "int", "aliases": "b"}), "`aliases` must be a list of names"),
    (record({"name": "a", "type": COLOUR}, {"name": "b", "type": COLOUR}), "b: Colour is defined twice"),
    (record({"name": "a", "type": COLOUR, "default": "BLUE"}), "a: the default does not fit its type"),
    (record({"name": "a", "type": record(), "default": {}}), "a: R is defined twice"),
    ({"type": "record", "name": "R"}, "the record R needs a list of `fields`"),
    ({"type": "record", "name": "R-1", "fields": []}, "needs a name of letters"),
    ({"type": "record", "name": "int", "fields": []}, "needs a name of letters"),
    ({"type": "record", "name": "R", "namespace": "1x", "fields": []}, "the namespace of R is none"),
    ({**COLOUR, "symbols": ["RED", "RED"]}, "the symbol RED stands twice"),
    ({**COLOUR, "symbols": "RED"}, "the enum needs `symbols`"),
    ({**COLOUR, "default": "BLUE"}, "the enum's default is none of its symbols"),
    ({"type": "fixed", "name": "F", "size": -1}, "needs a `size` in bytes"),
    ({"type": "array"}, "the array has no `items`"),
    (["int", "int"], "the union holds int 2 times"),
    ([{"type": "array", "items": "int"}, {"type": "array", "items": "long"}], "the union holds array 2 times"),
    (["null", ["int"]], "a union stands directly in a union"),
]


@pytest.mark.parametrize(("schema", "said"), FLAWED)
def test_flaws(schema: Any, said: str) -> None:
    """Each flaw is told with its place."""
    assert any(said in flaw for flaw in flaws(schema))


@pytest.mark.parametrize(
    "field",
    [
        {"type": "bytes", "default": "\u00ff"},
        {"type": ["null", "int"], "default": None},
        {"type": {"type": "array", "items": "int"}, "default": [1]},
        {"type": {"type": "map", "values": COLOUR}, "default": {"x": "RED"}},
        {"type": {**record({"name": "b", "type": "int", "default": 1}), "name": "S"}, "default": {}},
        {"type": {"type": "int", "logicalType": "date"}, "default": 0},
    ],
)
def test_defaults_that_fit(field: dict[str, Any]) -> None:
    """Defaults are spelt as JSON: bytes as text, inner fields left to their own defaults."""
    assert flaws(record({"name": "a", **field})) == ()


def doubling(levels: int, at: int = 0) -> dict[str, Any]:
    """A record whose default, written out, is twice as large with each level."""
    inner: list[Any] = [doubling(levels, at + 1), f"D{at + 1}"] if at < levels else []
    fields = [{"name": f"f{number}", "type": one, "default": {}} for number, one in enumerate(inner)]
    return {"type": "record", "name": f"D{at}", "fields": fields}


def tripling(levels: int) -> Any:
    """A union of records in each of which stands such a union: three times as many ways to fit with each level."""
    branches: list[Any] = ["int"]
    for level in range(levels):
        inner, branches = branches, []
        known = [one if isinstance(one, str) else one["name"] for one in inner]
        for number in range(3):
            name = f"L{level}_{number}"
            branches.append(
                {"type": "record", "name": name, "fields": [{"name": "a", "type": known if number else inner}]}
            )
    return {"type": "array", "items": branches}


def nested(levels: int) -> Any:
    return {"a": nested(levels - 1)} if levels else "no number"


@pytest.mark.parametrize(
    "field",
    [
        {"type": doubling(17), "default": {}},
        {"type": tripling(12), "default": [nested(12)]},
        {"type": {"type": "array", "items": [COLOUR, *PRIMITIVES - {"string"}]}, "default": ["X"] * 50_000},
    ],
)
def test_a_default_that_takes_too_long(field: dict[str, Any]) -> None:
    """A schema that anybody may ask about is refused where its defaults would keep the registry busy for long."""
    (flaw,) = flaws(record({"name": "a", **field}))
    assert flaw.endswith("cannot be looked through")


@given(schemas())
@settings(max_examples=80, deadline=None)
def test_what_has_no_flaw_can_be_used(schema: Any) -> None:
    """A schema without flaws is accepted by the codec, and is itself after a round trip through text."""
    assert flaws(schema) == ()
    assert parse(schema).schema == schema
    assert identity(json.loads(compact(schema))) == identity(schema)


SAME: list[tuple[Any, Any]] = [
    ({"type": "int"}, "int"),
    ({"type": "record", "name": "x.R", "fields": []}, {"fields": [], "namespace": "x", "name": "R", "type": "record"}),
    (
        {"type": "record", "name": "x.R", "fields": [{"name": "a", "type": {"type": "fixed", "name": "F", "size": 1}}]},
        {
            "type": "record",
            "name": "x.R",
            "fields": [{"type": {"type": "fixed", "name": "x.F", "size": 1}, "name": "a"}],
        },
    ),
]
DIFFERENT: list[tuple[Any, Any]] = [
    (record(), {**record(), "doc": "A record."}),
    (record(), {**record(), "name": "x.R"}),
    (record({"name": "a", "type": "int"}), record({"name": "a", "type": "int", "default": 0})),
    (record({"name": "a", "type": "int", "default": 0}), record({"name": "a", "type": "int", "default": 1})),
    (record({"name": "a", "type": "int"}), record({"name": "a", "type": "int", "category": "public"})),
    (["null", "int"], ["int", "null"]),
    ({"type": "int", "logicalType": "date"}, "int"),
]


@pytest.mark.parametrize(("one", "other"), SAME)
def test_same_schema(one: Any, other: Any) -> None:
    """Spelling makes no other schema."""
    assert identity(one) == identity(other)


@pytest.mark.parametrize(("one", "other"), DIFFERENT)
def test_different_schema(one: Any, other: Any) -> None:
    """Whatever a reader of the schema could notice makes another schema."""
    assert identity(one) != identity(other)
