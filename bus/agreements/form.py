"""The form of an agreement: every key exists, and every value is of its kind.

So that all findings of a file come at once, what is wrong is set aside and the rest is read as a document.
"""

from collections.abc import Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, ValidationError

from bus.agreements.document import (
    AgreementDocument,
    Basis,
    DataRange,
    Example,
    Expectation,
    FieldRule,
    Purpose,
    TransformKind,
    Validity,
)
from bus.agreements.finding import Finding, Place, nearest
from bus.agreements.text import Text, Where

_PARTS: Mapping[tuple[str, ...], type[BaseModel]] = {
    (): AgreementDocument,
    ("purpose",): Purpose,
    ("basis",): Basis,
    ("valid",): Validity,
    ("data_range",): DataRange,
    ("fields", "*"): FieldRule,
    ("examples", "*"): Example,
    ("examples", "*", "expect"): Expectation,
}
_SPECIMEN: Mapping[str, Any] = {
    "id": "x",
    "title": {},
    "dataset": "x.x",
    "recipient": "x",
    "purpose": {"code": "x", "text": {}},
    "basis": {},
    "identifier": "personal-id",
    "fields": [{"name": "x"}],
    "valid": {"from": "2000-01-01"},
}
_KINDS = {
    "string_type": "text",
    "dict_type": "mapping",
    "model_type": "mapping",
    "mapping_type": "mapping",
    "tuple_type": "list",
    "list_type": "list",
    "int_type": "whole number",
    "bool_type": "true or false",
}


_CODES = {
    "literal_error": "not-allowed",
    "unknown-transform": "unknown-transform",
    "not-a-date": "not-a-date",
    "not-a-duration": "not-a-duration",
    "string_pattern_mismatch": "bad-name",
    "string_too_short": "empty",
    "too_short": "empty",
    "string_too_long": "too-long",
}
_GAPS = {"missing": "missing-key", "key-empty": "key-empty"}
_BOUNDS = {"greater_than_equal": ("ge", "at least"), "less_than_equal": ("le", "at most")}


@dataclass(frozen=True, slots=True)
class Form:
    """What could be read. `spoiled` names the top-level keys that `document` holds a stand-in for.

    `kept` gives, for `fields` and `examples`, the number in the file of each item that the document holds.
    """

    document: AgreementDocument | None
    spoiled: frozenset[str]
    kept: Mapping[str, tuple[int, ...]]
    findings: tuple[Finding, ...]


def read_form(text: Text, timezone: str, names: Mapping[str, tuple[str, ...]]) -> Form:
    """The document that a text holds, and what is wrong with its form. `timezone` holds where the text names none.

    `names` are those that there are of what a key names, by key.
    """
    data = {"timezone": timezone, **text.data}
    empty = tuple(_empty(text.data))
    try:
        document = AgreementDocument.model_validate(data)
        errors: list[Any] = []
    except ValidationError as error:
        errors = [one for one in error.errors(include_url=False) if _as_written(tuple(one["loc"])) not in empty]
    errors += [{"type": "key-empty", "loc": where, "input": None} for where in empty]
    if not errors:
        return Form(document, frozenset(), _all_kept(data), ())
    return _mended(data, errors, tuple(dict.fromkeys(_finding(text, one, names) for one in errors)))


def _empty(data: Mapping[str, Any], *around: str | int) -> Iterator[Where]:
    """Keys with nothing behind them: not the same as no key. In an example they say that a record lacks a field."""
    for key, value in data.items():
        where = (*around, key)
        if value is None:
            yield where
        elif isinstance(value, Mapping):
            yield from _empty(value, *where)
        elif isinstance(value, list) and key != "examples":
            items = ((number, item) for number, item in enumerate(value) if isinstance(item, Mapping))
            yield from (found for number, item in items for found in _empty(item, *where, number))


def keys_at(where: Where) -> tuple[str, ...]:
    """The keys that the form knows at a place: those of the agreement at ()."""
    model = _PARTS.get(tuple("*" if isinstance(step, int) else step for step in where))
    if model is None:
        return ()
    return tuple(field.alias or name for name, field in model.model_fields.items())


def _finding(text: Text, error: Any, names: Mapping[str, tuple[str, ...]]) -> Finding:
    """One error of pydantic, as a finding at its place in the file."""
    where = _as_written(tuple(error["loc"]))
    kind, name = error["type"], str(where[-1] if where else "")
    shown = str(error["input"]) if isinstance(error["input"], str | int | float) else name
    shown = (shown.lower() if isinstance(error["input"], bool) else shown) or name
    if "as" in error["loc"] and kind not in _CODES:
        place = text.value(where)
        return Finding(
            "transform-argument", place, (("transform", place.line_text[place.column - 1 :][: place.length]),)
        )
    if kind == "extra_forbidden":
        known = keys_at(where[:-1])
        return Finding("unknown-key", text.key(where), (("text", name),), known, nearest(name, known))
    if kind in _GAPS:
        return Finding(_GAPS[kind], text.key(where[:-1] if kind == "missing" else where), (("text", name),))
    if kind in _KINDS:
        return Finding("wrong-kind", text.value(where), (("text", name), ("kind", _KINDS[kind])))
    if kind not in _CODES:
        return Finding(*_of_value(error, text.value(where), shown))
    code, allowed = _CODES[kind], _expected(error.get("ctx", {}))
    if kind == "unknown-transform":
        allowed = tuple(TransformKind)
    elif kind == "string_pattern_mismatch" and not error["input"]:
        code = "empty"
    elif kind == "string_pattern_mismatch" and name in names:
        code, allowed = f"unknown-{name}", names[name]
    elif kind == "string_pattern_mismatch" and name == "called":
        code = "bad-field-name"
    return Finding(code, text.value(where), (("text", shown),), allowed, nearest(shown, allowed))


def _of_value(error: Any, place: Place, shown: str) -> tuple[str, Place, tuple[tuple[str, str], ...]]:
    """Code, place and details of what a value's own rule refuses."""
    if error["type"] not in _BOUNDS:
        return "bad-value", place, (("problem", error["msg"]),)
    name, relation = _BOUNDS[error["type"]]
    return "out-of-range", place, (("text", shown), ("relation", relation), ("bound", str(error["ctx"][name])))


def _as_written(where: Where) -> Where:
    """The place in the file: a transform is one value there, and the languages stand beside the purpose's code."""
    if "as" in where:
        return where[: where.index("as") + 1]
    return ("purpose", *where[2:]) if where[:2] == ("purpose", "text") else where


def _expected(context: Mapping[str, Any]) -> tuple[str, ...]:
    """Pydantic says `'a', 'b' or 'c'`."""
    listed = str(context.get("expected", "")).replace(" or ", ", ")
    return tuple(part.strip("' ") for part in listed.split(",") if part.strip("' "))


def _mended(data: Mapping[str, Any], errors: list[Any], findings: tuple[Finding, ...]) -> Form:
    """The document without what the errors name: items of lists dropped, other keys replaced by a stand-in."""
    mended: dict[str, Any] = dict(deepcopy(data))
    spoiled: set[str] = set()
    dropped: dict[str, set[int]] = {"fields": set(), "examples": set()}
    for error in errors:
        where = error["loc"]
        key = str(where[0])
        if key in dropped and len(where) > 1 and isinstance(where[1], int):
            dropped[key].add(where[1])
        else:
            spoiled.add(key)
    for key in spoiled:
        mended.pop(key, None)
        if key in _SPECIMEN:
            mended[key] = deepcopy(_SPECIMEN[key])
    kept = _all_kept(data)
    for key, numbers in dropped.items():
        if numbers and key not in spoiled:
            kept[key] = tuple(number for number in kept[key] if number not in numbers)
            mended[key] = [data[key][number] for number in kept[key]]
    if not mended["fields"]:
        spoiled.add("fields")
        mended["fields"] = deepcopy(_SPECIMEN["fields"])
    try:
        document = AgreementDocument.model_validate(mended)
    except ValidationError:  # an error that hides another; the findings there are come first
        return Form(None, frozenset(spoiled), kept, findings)
    return Form(document, frozenset(spoiled), kept, findings)


def _all_kept(data: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {
        key: tuple(range(len(data[key]))) if isinstance(data.get(key), list) else () for key in ("fields", "examples")
    }
