"""Datasets, read from their Avro schemas: what a registry's records look like, and what the bus must know of them.

A dataset's schema is an Avro record with more attributes: `registry` and `dataset` name it, `subject` names the field
with the personal id (null where the dataset is about no person), `record_id` the fields that identify a record.
Each field, nested ones too, has a `doc` and a `category`; those that identify a person say `"identifies": true`.
What the schema says to people, and in which languages, is for `bus.avro.said`.
"""

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from bus.avro.names import named_types, self_contained, space_of
from bus.avro.said import DOC_IN, wrong_words
from bus.avro.validity import flaws
from bus.errors import DatasetSchemaWrong

_WORD = re.compile(r"^[a-z][a-z0-9-]*$")
_DATASET = re.compile(r"^[a-z][a-z0-9_-]*$")
_KEYABLE = {"string", "int", "long", "enum"}


class Category(StrEnum):
    """How a field's values are to be guarded."""

    PUBLIC = "public"
    PERSONAL = "personal"
    SENSITIVE = "sensitive"


@dataclass(frozen=True, slots=True)
class DatasetField:
    """One top-level field. `type` is its Avro type without the null branch, with every name in it defined in it.

    A type that several fields share by name is therefore defined in each of them: who joins fields to a new record
    hands the record to `bus.avro.names.self_contained`, which defines it once.
    """

    name: str
    type: Any
    nullable: bool
    doc: str
    category: Category
    identifies: bool
    translations: Mapping[str, str]

    def said(self, language: str) -> str:
        """What the field is, in a language; in English where the schema has no words of it."""
        return self.translations.get(language, self.doc)


@dataclass(frozen=True, slots=True)
class Dataset:
    """One kind of record in a registry: `population.person`. `subject` and `record_id` are names of fields."""

    name: str
    schema: dict[str, Any]
    subject: str | None
    record_id: tuple[str, ...]
    fields: tuple[DatasetField, ...]

    @property
    def registry(self) -> str:
        """The registry's name."""
        return self.name.partition(".")[0]

    def field(self, name: str) -> DatasetField | None:
        """The field of that name, None where there is none."""
        return next((one for one in self.fields if one.name == name), None)


def load_datasets(folder: Path) -> dict[str, Dataset]:
    """Every `<registry>/<dataset>.avsc` under the folder, by name, in the order of names.

    Raises DatasetSchemaWrong for the first file that is wrong, with all that is wrong in it.
    """
    datasets = (load_dataset(path) for path in sorted(folder.glob("*/*.avsc")))
    return {dataset.name: dataset for dataset in datasets}


def load_dataset(path: Path) -> Dataset:
    """One file, whose folder and name must be the registry and dataset it declares. Raises DatasetSchemaWrong."""
    try:
        schema = json.loads(path.read_text(encoding="utf-8"))
    except json.JSONDecodeError as error:
        findings = f"it is no JSON from line {error.lineno}, column {error.colno} on"
        raise DatasetSchemaWrong(place=path, findings=findings) from error
    except UnicodeDecodeError as error:
        raise DatasetSchemaWrong(place=path, findings="it is not written in UTF-8") from error
    except OSError as error:
        raise DatasetSchemaWrong(place=path, findings=f"it cannot be read ({error.strerror})") from error
    dataset = dataset_of(schema, place=str(path))
    if dataset.name != f"{path.parent.name}.{path.stem}":
        where = f"{dataset.name.replace('.', '/', 1)}.avsc"
        raise DatasetSchemaWrong(place=path, findings=f"it declares {dataset.name}, and must then be {where}")
    return dataset


def dataset_of(schema: Any, *, place: str) -> Dataset:
    """The dataset of a schema given as JSON values. `place` stands in the error: a file, or a subject and version.

    Raises DatasetSchemaWrong with every rule that is broken.
    """
    invalid = flaws(schema)
    if invalid:
        raise DatasetSchemaWrong(place=place, findings="; ".join(invalid))
    if not isinstance(schema, dict) or schema.get("type") != "record":
        raise DatasetSchemaWrong(place=place, findings="it must be a record")
    findings = [*wrong_words(schema, "the record"), *_wrong_fields(schema, ""), *_wrong_head(schema)]
    if findings:
        raise DatasetSchemaWrong(place=place, findings="; ".join(findings))
    names, space = named_types(schema), space_of(schema, "")
    return Dataset(
        name=f"{schema['registry']}.{schema['dataset']}",
        schema=schema,
        subject=schema["subject"],
        record_id=tuple(schema["record_id"]),
        fields=tuple(_field(one, space, names) for one in schema["fields"]),
    )


def _field(one: Mapping[str, Any], space: str, names: Mapping[str, Any]) -> DatasetField:
    rest, nullable = _without_null(one["type"])
    return DatasetField(
        name=one["name"],
        type=self_contained(rest, space, names),
        nullable=nullable,
        doc=one["doc"],
        category=Category(one["category"]),
        identifies=one.get("identifies", False),
        translations={key.removeprefix(DOC_IN): text for key, text in one.items() if key.startswith(DOC_IN)},
    )


def _without_null(avro_type: Any) -> tuple[Any, bool]:
    if not isinstance(avro_type, list) or "null" not in avro_type:
        return avro_type, avro_type == "null"
    rest = [branch for branch in avro_type if branch != "null"]
    return (rest[0] if len(rest) == 1 else rest), True


def _wrong_head(schema: Mapping[str, Any]) -> Iterator[str]:
    for word in ("registry", "dataset"):
        rule, more = (_WORD, "") if word == "registry" else (_DATASET, ", and underscores")
        if not isinstance(schema.get(word), str) or not rule.match(schema[word]):
            yield f"`{word}` must be a name of lower-case letters, digits and hyphens{more}"
    fields = {one["name"]: one for one in schema["fields"]}
    if "subject" not in schema:
        yield "`subject` must name a field, or be null where the dataset is about no person"
    elif schema["subject"] is not None:
        yield from _wrong_subject(schema["subject"], fields)
    record_id = schema.get("record_id")
    if not isinstance(record_id, list) or not record_id:
        yield "`record_id` must list the fields that identify a record"
        return
    for name in record_id:
        if name not in fields:
            yield f"`record_id` names {name}, which is no field"
        elif _kind(fields[name]["type"]) not in _KEYABLE:
            yield f"`record_id` names {name}, which must be a string, enum, int or long, and not nullable"


def _wrong_subject(subject: Any, fields: Mapping[str, Mapping[str, Any]]) -> Iterator[str]:
    if subject not in fields:
        yield f"`subject` names {subject}, which is no field"
        return
    one = fields[subject]
    if _kind(_without_null(one["type"])[0]) != "string":
        yield f"`subject` names {subject}, which must be a string (it may be nullable)"
    if one.get("identifies") is not True:
        yield f'{subject} is the subject, and must say "identifies": true'


def _kind(avro_type: Any) -> str:
    """What a type is: `string` for {"type": "string", "logicalType": …}, `enum` for an enum."""
    if isinstance(avro_type, list):
        return "union"
    return str(avro_type["type"] if isinstance(avro_type, dict) else avro_type)


def _wrong_fields(schema: Any, path: str) -> Iterator[str]:
    """What is wrong with the fields of every record that is defined inside a type."""
    if isinstance(schema, list):
        for branch in schema:
            yield from _wrong_fields(branch, path)
    elif isinstance(schema, dict):
        for one in schema.get("fields", ()):
            place = f"{path}.{one['name']}" if path else one["name"]
            yield from _wrong_field(one, place)
            yield from _wrong_fields(one["type"], place)
        for inner in ("type", "items", "values"):
            yield from _wrong_fields(schema.get(inner), path)


def _wrong_field(one: Mapping[str, Any], place: str) -> Iterator[str]:
    if not isinstance(one.get("doc"), str) or not one["doc"].strip():
        yield f"{place} has no `doc`"
    yield from wrong_words(one, place)
    if one.get("category") not in list(Category):
        yield f"{place} must have a `category`: {', '.join(Category)}"
    if not isinstance(one.get("identifies", False), bool):
        yield f"{place}: `identifies` must be true or false"
    if one.get("identifies") is True and one.get("category") == Category.PUBLIC:
        yield f"{place} identifies a person, and cannot be public"
