"""From the columns of a source to a proposed dataset: names, Avro types, and guesses that a person has to confirm.

A guess never stands for a decision: each carries the attribute `to_confirm` with its reason, and a schema that still
has one is not registered. Where nothing speaks for anything, a field counts as personal.
"""

import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

MARK = "to_confirm"


class Kind(StrEnum):
    """What a column holds, as far as the bus is concerned."""

    TEXT = "text"
    INT = "int"
    LONG = "long"
    DOUBLE = "double"
    BOOLEAN = "boolean"
    BYTES = "bytes"
    DATE = "date"
    INSTANT = "instant"
    LOCAL_TIME = "local-time"
    TEXTS = "texts"
    NESTED = "nested"


_AVRO: dict[Kind, Any] = {
    Kind.TEXT: "string",
    Kind.INT: "int",
    Kind.LONG: "long",
    Kind.DOUBLE: "double",
    Kind.BOOLEAN: "boolean",
    Kind.BYTES: "bytes",
    Kind.DATE: {"type": "int", "logicalType": "date"},
    Kind.INSTANT: {"type": "long", "logicalType": "timestamp-millis"},
    Kind.LOCAL_TIME: {"type": "long", "logicalType": "timestamp-millis"},
    Kind.TEXTS: {"type": "array", "items": "string"},
}
_KEYABLE = {Kind.TEXT, Kind.INT, Kind.LONG, Kind.DATE, Kind.INSTANT, Kind.LOCAL_TIME}

_SUBJECT = re.compile(r"(personal|national|citizen|person|identity)_?(id|number|no|code)$")
_SENSITIVE = re.compile(
    r"health|diagnos|disease|blood|disab|religio|faith|ethnic|race|politic|union_member|biometr|fingerprint|iris"
    r"|genetic|crimin|convict|sexual"
)
_IDENTIFIES = re.compile(
    r"name|phone|mobile|e_?mail|address|street|passport|licen[cs]e|account|iban|plate|photo|picture"
)


@dataclass(frozen=True, slots=True)
class Column:
    """A column, an entry's attribute or a header of a file. `text` is what its owner wrote about it.

    `padded`: the source fills its values up with blanks, as those of character(n). `mixed`: some of its values are no
    text, which is its kind. `partial`: some rows leave it out.
    """

    name: str
    kind: Kind
    nullable: bool
    text: str = ""
    padded: bool = False
    mixed: bool = False
    partial: bool = False


@dataclass(frozen=True, slots=True)
class Table:
    """Where rows of one kind come from. `key` names the columns that tell one row from another."""

    origin: str
    columns: tuple[Column, ...]
    key: tuple[str, ...]
    text: str = ""
    time_zone: str = "UTC"


@dataclass(frozen=True, slots=True)
class Proposal:
    """A dataset as it could be. `rules` are field → column, or the rule of a manifest; `notes` what is left to do."""

    dataset: str
    schema: dict[str, Any]
    origin: str
    rules: dict[str, Any]
    notes: tuple[str, ...]

    @property
    def guesses(self) -> list[str]:
        """What a person has to confirm."""
        return guesses(self.schema)


def propose(table: Table, registry: str, subjects: Iterable[str] = ()) -> Proposal | None:
    """The dataset of a table; None where it has no key that can be one.

    `subjects` are columns that a person has named as personal ids: those are no guess.
    """
    taken = [column for column in table.columns if column.kind is not Kind.NESTED]
    by_name = {column.name: column for column in taken}
    if not table.key or any(name not in by_name or by_name[name].kind not in _KEYABLE for name in table.key):
        return None
    fields = dict(zip(_field_names(taken), taken, strict=True))
    named = {column.name: field for field, column in fields.items()}
    subject, certain = _subject(fields, set(subjects))
    word = _word(table.origin.rpartition(".")[2])
    schema: dict[str, Any] = {
        "type": "record",
        "name": "".join(part.capitalize() for part in word.split("-")),
        "namespace": registry,
        "doc": table.text or f"A row of {table.origin}.",
        "registry": registry,
        "dataset": word,
        "subject": subject,
        "record_id": [named[name] for name in table.key],
    }
    if not certain:
        about = f"guessed from the name of {subject}" if subject else "no column looks like a personal id"
        schema[MARK] = f"subject: {about}"
    key = set(table.key)
    schema["fields"] = [
        _field(name, column, subject=name == subject, key=column.name in key) for name, column in fields.items()
    ]
    rules = {name: _rule(column, table.time_zone) for name, column in fields.items()}
    return Proposal(f"{registry}.{word}", schema, table.origin, rules, tuple(_notes(table)))


_OF_VALUES = {
    "text": Kind.TEXT, "number": Kind.DOUBLE, "boolean": Kind.BOOLEAN, "bytes": Kind.BYTES, "date": Kind.DATE,
    "time": Kind.INSTANT, "list": Kind.TEXTS,
}  # fmt: skip


def proposed_field(column: str, values: str, taken: Iterable[str]) -> dict[str, Any] | None:
    """A field for one more column, marked; None where its values are of no kind that a field holds.

    `values` names their kind, empty where only nulls were seen, which counts as text; `taken` are the fields that are
    there.
    """
    kind = _OF_VALUES.get(values or "text")
    if kind is None:
        return None
    (*_, name) = _field_names([*(Column(one, Kind.TEXT, nullable=True) for one in taken), Column(column, kind, True)])  # noqa: FBT003 - a field of the value
    field = _field(name, Column(column, kind, nullable=True), subject=False, key=False)
    return field | {MARK: f"type: guessed from its values; {field[MARK]}"}


def guesses(schema: Any, place: str = "") -> list[str]:
    """Every mark that is left in a schema: where, and why."""
    found = []
    if isinstance(schema, dict):
        here = f"{place}.{schema['name']}" if place and "name" in schema else place
        if schema.get(MARK):
            found.append(f"{here or schema.get('dataset', '')}: {schema[MARK]}")
        for one in schema.get("fields", ()):
            found += guesses(one, schema.get("dataset") or here or "record")
        found += guesses(schema.get("type"), here)
        found += guesses(schema.get("items"), here)
    elif isinstance(schema, list):
        for branch in schema:
            found += guesses(branch, place)
    return found


def confirmed(schema: Any) -> Any:
    """The same schema without its marks."""
    if isinstance(schema, dict):
        return {key: confirmed(value) for key, value in schema.items() if key != MARK}
    return [confirmed(value) for value in schema] if isinstance(schema, list) else schema


def _subject(fields: dict[str, Column], named: set[str]) -> tuple[str | None, bool]:
    """The field of the personal id, and whether a person has said so."""
    texts = {name: column for name, column in fields.items() if column.kind is Kind.TEXT}
    for name, column in texts.items():
        if column.name in named:
            return name, True
    return next((name for name in texts if _SUBJECT.search(name)), None), False


def _field(name: str, column: Column, *, subject: bool, key: bool) -> dict[str, Any]:
    avro = _AVRO[column.kind]
    nullable = column.nullable and not key
    field: dict[str, Any] = {"name": name, "type": ["null", avro] if nullable else avro}
    if nullable:
        field["default"] = None
    category, why = _category(name, subject=subject)
    field["category"] = category
    if subject or key or _IDENTIFIES.search(name):
        field["identifies"] = True
    field["doc"] = column.text or f"Column {column.name}."
    if not subject:
        field[MARK] = why
    return field


def _category(name: str, *, subject: bool) -> tuple[str, str]:
    if not subject and (found := _SENSITIVE.search(name)):
        return "sensitive", f"category: guessed from `{found.group()}` in its name"
    return "personal", "category: nothing is known of it, so it counts as personal"


def _rule(column: Column, time_zone: str) -> Any:
    if column.padded:
        return {"column": column.name, "trim": True}
    return {"column": column.name, "time_zone": time_zone} if column.kind is Kind.LOCAL_TIME else column.name


def _notes(table: Table) -> Iterator[str]:
    for column in table.columns:
        if column.kind is Kind.NESTED:
            yield f"{column.name} is left out: it holds nested values; make columns of it in `derive` (source.py)"
        elif column.kind is Kind.LOCAL_TIME:
            yield f"{column.name} has no offset: is its time that of {table.time_zone}?"
        elif column.mixed:
            yield f"{column.name} is of several kinds, and what is no text makes dead letters: see `derive` (source.py)"
        elif column.partial:
            yield f"{column.name} is left out of some rows, which makes dead letters: see `derive` (source.py)"


def _field_names(columns: Iterable[Column]) -> Iterator[str]:
    """A name a column, as Avro takes it; those that would be equal are numbered."""
    used: set[str] = set()
    for column in columns:
        plain = base = _ascii(column.name, "_")
        number = 2
        while plain in used:
            plain, number = f"{base}_{number}", number + 1
        used.add(plain)
        yield plain


def _word(name: str) -> str:
    return _ascii(name, "-")


def _ascii(name: str, joint: str) -> str:
    """Lower-case letters and digits, words joined; a letter first."""
    letters = unicodedata.normalize("NFKD", name.replace("đ", "d").replace("Đ", "D")).encode("ascii", "ignore").decode()
    plain = re.sub(r"[^a-z0-9]+", joint, re.sub(r"(?<=[a-z0-9])(?=[A-Z])", joint, letters).lower()).strip(joint)
    return plain if plain[:1].isalpha() else f"x{joint}{plain}".rstrip(joint)
