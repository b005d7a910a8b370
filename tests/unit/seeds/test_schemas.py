"""What every dataset's schema must say; the rules stand in schemas/README.md."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import fastavro
import pytest

ROOT = Path(__file__).parents[3]
FIRST = sorted((ROOT / "schemas" / "changes").glob("*/*.avsc"))
LATER = sorted((ROOT / "connectors").glob("*/schemas/*/*.avsc"))
PATHS = [*FIRST, *LATER]
OWN = sorted((ROOT / "schemas" / "bus").glob("*.avsc"))
EXPECTED = {
    "population.person", "land.parcel", "land.right", "tax.taxpayer", "tax.obligation", "insurance.coverage",
    "justice.civil_event", "education.diploma", "transport.licence", "transport.vehicle", "business.enterprise",
    "business.representative", "banking.account_status",
}  # fmt: skip
NAMES = [f"{path.parent.name}.{path.stem}" for path in PATHS]
PRIMITIVE = {"null", "boolean", "int", "long", "float", "double", "bytes", "string"}

each = pytest.mark.parametrize("path", PATHS, ids=NAMES)


def read(path: Path) -> dict[str, Any]:
    """A schema file as JSON."""
    schema: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return schema


def records(schema: Any) -> Iterator[dict[str, Any]]:
    """The record and every record nested in it."""
    if isinstance(schema, list):
        for branch in schema:
            yield from records(branch)
    elif isinstance(schema, dict):
        if schema["type"] == "record":
            yield schema
            for field in schema["fields"]:
                yield from records(field["type"])
        elif schema["type"] == "array":
            yield from records(schema["items"])


def enums(schema: Any) -> Iterator[dict[str, Any]]:
    """Every enum that is defined in a schema."""
    if isinstance(schema, list):
        for branch in schema:
            yield from enums(branch)
    elif isinstance(schema, dict):
        if schema["type"] == "enum":
            yield schema
        for field in schema.get("fields", ()):
            yield from enums(field["type"])
        if "items" in schema:
            yield from enums(schema["items"])


def test_the_datasets_of_the_registries_are_there() -> None:
    """A dataset that agreements and connectors rely on does not vanish unnoticed."""
    assert set(NAMES) >= EXPECTED


@each
def test_a_schema_is_valid_avro(path: Path) -> None:
    """Every Avro tool can read it."""
    fastavro.parse_schema(read(path))


@pytest.mark.parametrize("path", [*PATHS, *OWN], ids=lambda path: path.stem)
def test_no_text_is_an_empty_object_by_default(path: Path) -> None:
    """Apicurio (3.3.3) takes the quotes off a default "{}", finds no text, and says that the whole is no schema."""
    assert ': "{}"' not in json.dumps(read(path))


@each
def test_a_schema_says_what_it_is_and_where_it_lies(path: Path) -> None:
    """Registry and dataset are those of the path, the namespace follows from them, and the record has a doc."""
    schema = read(path)
    assert (schema["registry"], schema["dataset"]) == (path.parent.name, path.stem)
    assert schema["namespace"] == f"vn.{path.parent.name}"
    assert schema["name"] == "".join(word.capitalize() for word in path.stem.split("_"))
    assert schema["doc"].endswith(".")


@each
def test_a_schema_names_its_subject_or_that_it_has_none(path: Path) -> None:
    """The subject is a plain text field that identifies a person; null has to be written out."""
    schema = read(path)
    fields = {field["name"]: field for field in schema["fields"]}
    assert "subject" in schema
    if schema["subject"] is not None:
        assert fields[schema["subject"]]["type"] == "string"
        assert fields[schema["subject"]]["identifies"] is True


@each
def test_the_fields_of_the_record_id_are_always_there(path: Path) -> None:
    """A record without its id could have no key: none of the fields may be null."""
    schema = read(path)
    fields = {field["name"]: field["type"] for field in schema["fields"]}
    assert schema["record_id"]
    for name in schema["record_id"]:
        assert fields[name] == "string" or fields[name]["type"] == "enum"


@each
def test_every_field_has_a_doc_and_a_category(path: Path) -> None:
    """Nested fields too; what identifies a person is never public, and a dataset about nobody identifies nobody."""
    schema = read(path)
    for record in records(schema):
        for field in record["fields"]:
            assert field["doc"].strip().endswith("."), field["name"]
            assert field["category"] in {"public", "personal", "sensitive"}, field["name"]
            assert field.get("identifies", True) is True, field["name"]
            if "identifies" in field:
                assert field["category"] != "public", field["name"]
                assert schema["subject"] is not None, field["name"]


@each
def test_what_may_be_absent_is_null_by_default(path: Path) -> None:
    """The only unions are `["null", X]` with the default null."""
    for record in records(read(path)):
        for field in record["fields"]:
            if isinstance(field["type"], list):
                assert field["type"][0] == "null", field["name"]
                assert len(field["type"]) == 2, field["name"]
                assert field["default"] is None, field["name"]


@each
def test_names_are_english_snake_case(path: Path) -> None:
    """One way of writing, so that agreements can be guessed."""
    for record in records(read(path)):
        for field in record["fields"]:
            assert field["name"] == field["name"].lower()
            assert field["name"].replace("_", "").isalnum()


@each
def test_an_enum_has_a_symbol_to_fall_back_on(path: Path) -> None:
    """An older reader meets a symbol that it does not know; the default stands for it."""
    for enum in enums(read(path)):
        assert enum["default"] in enum["symbols"], enum["name"]
