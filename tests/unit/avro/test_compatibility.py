"""The rules of schema resolution: case by case, and against fastavro on random evolutions."""

import io
from typing import Any

import fastavro
import pytest
from hypothesis import HealthCheck, assume, example, given, settings
from hypothesis import strategies as st

from bus.avro.codec import encode, parse
from bus.avro.compatibility import Level, against, otherwise_meant, unreadable
from bus.avro.validity import flaws
from tests.unit.avro.strategies import evolved, parts, schemas, values


def record(*fields: Any, name: str = "R", **attributes: Any) -> dict[str, Any]:
    return {"type": "record", "name": name, "fields": list(fields), **attributes}


def field(name: str, avro_type: Any, **attributes: Any) -> dict[str, Any]:
    return {"name": name, "type": avro_type, **attributes}


def enum(*symbols: str, **attributes: Any) -> dict[str, Any]:
    return {"type": "enum", "name": "E", "symbols": list(symbols), **attributes}


def fixed(size: int, name: str = "F") -> dict[str, Any]:
    return {"type": "fixed", "name": name, "size": size}


def logical(base: str, kind: str, **attributes: Any) -> dict[str, Any]:
    return {"type": base, "logicalType": kind, **attributes}


LIST = record(field("next", ["null", "R"]), field("value", "int"))
LIST_OF_TEXT = record(field("next", ["null", "R"]), field("value", "string"))

MONEY = logical("bytes", "decimal", precision=9, scale=2)

READABLE: list[tuple[str, Any, Any]] = [
    ("an int as a long", "long", "int"),
    ("an int as a double", "double", "int"),
    ("a long as a float", "float", "long"),
    ("a float as a double", "double", "float"),
    ("text as bytes", "bytes", "string"),
    ("bytes in a union where bytes come first", ["bytes", "null"], "bytes"),
    ("a wrapped primitive as a plain one", "int", {"type": "int"}),
    ("a record with one field fewer", record(), record(field("a", "int"))),
    ("a record with a new field that has a default", record(field("a", "int", default=1)), record()),
    ("a renamed field with an alias", record(field("b", "int", aliases=["a"])), record(field("a", "int"))),
    ("a renamed record with an alias", record(name="S", aliases=["R"]), record()),
    ("a record in another namespace", record(name="x.R"), record(name="y.R")),
    ("fewer symbols than are read", enum("A", "B"), enum("A")),
    ("more symbols than are read, with a default", enum("A", default="A"), enum("A", "B")),
    ("a plain type as a union with it", ["null", "int"], "int"),
    ("a plain type promoted into a union", ["null", "double"], "int"),
    ("a union whose every branch can be read", ["null", "string", "long"], ["int", "null"]),
    ("a union of one as the plain type", "int", ["int"]),
    ("an array whose items can be read", {"type": "array", "items": "long"}, {"type": "array", "items": "int"}),
    ("a map whose values can be read", {"type": "map", "values": "long"}, {"type": "map", "values": "int"}),
    ("a record that holds itself", LIST, LIST),
    ("a date as the number it is", "int", logical("int", "date")),
    ("a decimal of the same shape", MONEY, MONEY),
    (
        "a field that is null where it was, with a default",
        record(field("a", ["null", "int"])),
        record(field("a", "int")),
    ),
]

UNREADABLE: list[tuple[str, Any, Any, str]] = [
    ("bytes, which need not be text, as text", "string", "bytes", "bytes need not be text"),
    ("bytes in a union where text comes first", ["string", "bytes"], "bytes", "bytes need not be text"),
    ("a long as an int", "int", "long", "long cannot be read as int"),
    ("an int as text", "string", "int", "int cannot be read as string"),
    (
        "a new field without a default",
        record(field("a", "int")),
        record(),
        "a: the field is not in the records written",
    ),
    (
        "a field of another type",
        record(field("a", "int")),
        record(field("a", "string")),
        "a: string cannot be read as int",
    ),
    (
        "a record of another name",
        record(name="S"),
        record(),
        "record R cannot be read as record S, which has another name",
    ),
    ("a symbol that is not known", enum("A"), enum("A", "B"), "the enum E lacks B and has no default symbol"),
    ("a fixed of another size", fixed(3), fixed(4), "a fixed of 4 bytes cannot be read as one of 3"),
    ("a fixed of another name", fixed(4, "G"), fixed(4), "another name"),
    ("a union with a branch too many", "int", ["null", "int"], "null cannot be read as int"),
    (
        "a type that is in no branch",
        ["null", "int"],
        "string",
        "string may be written, and the reader takes only null, int",
    ),
    (
        "deep inside",
        record(field("a", {"type": "array", "items": {"type": "map", "values": "int"}})),
        record(field("a", {"type": "array", "items": {"type": "map", "values": "string"}})),
        "a[]{}: string cannot be read as int",
    ),
    ("inside a record that holds itself", LIST, LIST_OF_TEXT, "value: string cannot be read as int"),
    (
        "times in another unit",
        logical("long", "timestamp-micros"),
        logical("long", "timestamp-millis"),
        "timestamp-millis would be read as timestamp-micros",
    ),
    (
        "a decimal with another scale",
        logical("bytes", "decimal", precision=9, scale=3),
        MONEY,
        "the decimal's scale changes from 2",
    ),
]


@pytest.mark.parametrize(("reader", "writer"), [pytest.param(*case[1:], id=case[0]) for case in READABLE])
def test_can_be_read(reader: Any, writer: Any) -> None:
    """What the specification resolves is compatible."""
    assert unreadable(reader, writer) == ()


@pytest.mark.parametrize(("reader", "writer", "reason"), [pytest.param(*case[1:], id=case[0]) for case in UNREADABLE])
def test_cannot_be_read(reader: Any, writer: Any, reason: str) -> None:
    """What would not be resolved, or would change its meaning, is told with its field and the reason."""
    assert any(reason in str(finding) for finding in unreadable(reader, writer))


DATE = logical("int", "date")


@pytest.mark.parametrize(
    ("reader", "writer", "reasons"),
    [
        (record(field("a", DATE)), record(field("a", "int")), ["a: int would be read as date"]),
        (record(field("a", "int")), record(field("a", DATE)), ["a: date would be read as int"]),
        (record(field("a", "long")), record(field("a", DATE)), ["a: date would be read as long"]),
        (record(field("a", ["null", DATE])), record(field("a", "int")), ["a: int would be read as date"]),
        (
            record(field("a", logical("long", "timestamp-micros"))),
            record(field("a", "long")),
            ["a: long would be read as timestamp-micros"],
        ),
        (record(field("a", DATE)), record(field("a", DATE)), []),
        (record(field("a", "long")), record(field("a", "int")), []),
        (record(field("a", DATE)), record(field("a", "string")), []),
    ],
)
def test_another_meaning(reader: Any, writer: Any, reasons: list[str]) -> None:
    """A logical type that is added, removed or changed is told with its field; what cannot be read at all is not."""
    assert [str(finding) for finding in otherwise_meant(reader, writer)] == reasons


ONE, TWO, THREE = record(field("a", "int")), record(field("a", "long")), record(field("a", "double"))


@pytest.mark.parametrize(
    ("level", "new", "earlier", "blamed"),
    [
        (Level.NONE, record(field("a", "string")), [ONE, TWO], set()),
        (Level.BACKWARD, ONE, [TWO, ONE], set()),
        (Level.BACKWARD_TRANSITIVE, ONE, [TWO, ONE], {0}),
        (Level.FORWARD, ONE, [ONE, TWO], set()),
        (Level.FORWARD, THREE, [ONE, TWO], {1}),
        (Level.FORWARD_TRANSITIVE, TWO, [ONE, TWO], {0}),
        (Level.FULL, TWO, [ONE, TWO], set()),
        (Level.FULL_TRANSITIVE, TWO, [ONE, TWO], {0}),
        (Level.FULL, THREE, [ONE, TWO], {1}),
        (Level.FULL, ONE, [], set()),
    ],
)
def test_levels(level: Level, new: Any, earlier: list[Any], blamed: set[int]) -> None:
    """A level decides which versions count, and who must read whom."""
    assert {index for index, _finding in against(level, new, earlier)} == blamed


@given(st.data())
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.filter_too_much, HealthCheck.too_slow])
def test_compatible_means_readable(data: st.DataObject) -> None:
    """When no reason is found, fastavro reads every old record with the new schema."""
    writer = data.draw(schemas(most_fields=4))
    reader = data.draw(evolved(writer))
    assume(not flaws(reader) and not unreadable(reader, writer))
    body = encode(parse(writer), data.draw(values(writer)))
    fastavro.schemaless_reader(io.BytesIO(body), parse(writer).ready, parse(reader).ready)


def bytes_for_text(schema: Any) -> bool:
    """Whether a union has `bytes` after `string`, whatever stands between: a reader may take the one for the other."""
    types = [one["type"] for part in parts(schema) for one in part.get("fields", ())]
    types += [part[place] for part in parts(schema) for place in ("items", "values") if place in part]
    unions = [one for one in types if isinstance(one, list) and "string" in one]
    return any("bytes" in one[one.index("string") :] for one in unions)


@given(schemas())
@example(
    {
        "type": "record",
        "name": "T1",
        "fields": [{"name": "f", "type": ["string", {"type": "enum", "name": "T2", "symbols": ["RED"]}, "bytes"]}],
    }
)
@settings(max_examples=100, deadline=None)
def test_every_schema_reads_itself(schema: Any) -> None:
    """A schema can read what it wrote, unless a union says that bytes may be taken for text."""
    assert not flaws(schema)
    assert (unreadable(schema, schema) == ()) is not bytes_for_text(schema)
