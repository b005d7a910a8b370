"""Dataset schemas: what the bus reads from them, and what it refuses."""

import copy
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bus.avro.datasets import Category, Dataset, dataset_of, load_datasets
from bus.avro.validity import flaws
from bus.errors import DatasetSchemaWrong

UNIT = {
    "type": "record",
    "name": "Unit",
    "fields": [{"name": "code", "type": "string", "doc": "The code.", "category": "public"}],
}
SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "Person",
    "namespace": "xx.population",
    "registry": "population",
    "dataset": "person",
    "subject": "personal_id",
    "record_id": ["personal_id", "version"],
    "fields": [
        {"name": "personal_id", "type": "string", "doc": "The id.", "category": "personal", "identifies": True},
        {"name": "version", "type": "long", "doc": "Counts.", "category": "public"},
        {"name": "birth_place", "type": UNIT, "doc": "Born there.", "category": "personal"},
        {"name": "home", "type": ["null", "Unit"], "default": None, "doc": "Lives there.", "category": "sensitive"},
    ],
}


def read(schema: Any) -> Dataset:
    return dataset_of(schema, place="here")


def test_reads_a_dataset() -> None:
    """Name, subject, record id and each field's type, category and mark are read."""
    person = read(SCHEMA)
    assert (person.name, person.registry, person.subject) == ("population.person", "population", "personal_id")
    assert person.record_id == ("personal_id", "version")
    assert [one.name for one in person.fields] == ["personal_id", "version", "birth_place", "home"]
    first, home = person.field("personal_id"), person.field("home")
    assert first is not None
    assert home is not None
    assert (first.category, first.identifies, first.nullable) == (Category.PERSONAL, True, False)
    assert (home.category, home.identifies, home.nullable) == (Category.SENSITIVE, False, True)
    assert person.field("phone") is None


def test_each_type_stands_by_itself() -> None:
    """A field whose type is defined elsewhere in the schema can be taken out of it."""
    home = read(SCHEMA).field("home")
    assert home is not None
    assert flaws(home.type) == ()
    assert home.type["name"] == "xx.population.Unit"
    assert home.type["fields"] == UNIT["fields"]


def test_no_subject() -> None:
    """A dataset about no person says null."""
    assert read(SCHEMA | {"subject": None}).subject is None


Break = Callable[[dict[str, Any]], Any]


def without(word: str) -> Break:
    return lambda schema: schema.pop(word)


def field_with(number: int, **attributes: Any) -> Break:
    return lambda schema: schema["fields"][number].update(attributes)


def with_(**attributes: Any) -> Break:
    return lambda schema: schema.update(attributes)


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (without("registry"), "`registry` must be a name"),
        (with_(dataset="Person of note"), "`dataset` must be a name"),
        (without("subject"), "`subject` must name a field, or be null"),
        (with_(subject="id"), "`subject` names id, which is no field"),
        (with_(subject="version"), "`subject` names version, which must be a string"),
        (field_with(0, identifies=False), 'personal_id is the subject, and must say "identifies": true'),
        (without("record_id"), "`record_id` must list the fields"),
        (with_(record_id=[]), "`record_id` must list the fields"),
        (with_(record_id=["nr"]), "`record_id` names nr, which is no field"),
        (with_(record_id=["home"]), "`record_id` names home, which must be"),
        (field_with(1, doc=" "), "version has no `doc`"),
        (field_with(1, category="secret"), "version must have a `category`: public, personal, sensitive"),
        (field_with(1, identifies="yes"), "version: `identifies` must be true or false"),
        (field_with(1, identifies=True), "version identifies a person, and cannot be public"),
        (field_with(2, type={**UNIT, "fields": [{"name": "code", "type": "string"}]}), "birth_place.code has no `doc`"),
        (field_with(1, type="lnog"), "version: the type lnog is not defined"),
        (with_(type="enum", symbols=["A"]), "it must be a record"),
    ],
)
def test_broken_rules(broken: Break, said: str) -> None:
    """Each broken rule is told with its place."""
    schema = copy.deepcopy(SCHEMA)
    broken(schema)
    with pytest.raises(DatasetSchemaWrong, match="here") as caught:
        read(schema)
    assert said in str(caught.value)


def test_all_findings_at_once() -> None:
    """Who mends a schema sees everything that is wrong with it."""
    schema = copy.deepcopy(SCHEMA)
    del schema["subject"], schema["fields"][1]["doc"], schema["fields"][2]["category"]
    with pytest.raises(DatasetSchemaWrong) as caught:
        read(schema)
    assert str(caught.value).count(";") == 2


def test_loads_a_folder(tmp_path: Path) -> None:
    """A folder gives its datasets by name."""
    place = tmp_path / "population" / "person.avsc"
    place.parent.mkdir()
    place.write_text(json.dumps(SCHEMA))
    assert load_datasets(tmp_path) == {"population.person": read(SCHEMA)}


@pytest.mark.parametrize(("where", "text"), [("population/people", json.dumps(SCHEMA)), ("tax/obligation", "{")])
def test_files_that_are_wrong(tmp_path: Path, where: str, text: str) -> None:
    """A file that lies in the wrong place, or is no JSON, is named."""
    place = tmp_path / f"{where}.avsc"
    place.parent.mkdir()
    place.write_text(text)
    with pytest.raises(DatasetSchemaWrong, match=f"{where}.avsc"):
        load_datasets(tmp_path)
