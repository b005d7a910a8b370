"""The JSON Schema (2020-12) of agreements as people write them, made from the model: completion and hover text.

It says the form; what needs datasets and agencies to judge is for `check`. Each language has one; they differ in their
texts alone. The English texts stand in the model, the others under `model` in the words of their language.
"""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

from bus.agreements.document import AgreementDocument, TransformKind
from bus.agreements.finding import LANGUAGES, words_of

_PLAIN = "en"
_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_WHOLE = AgreementDocument.__name__
_EDITORS = "yaml-language-server:"


def schema_file(language: str) -> str:
    """What a schema is called wherever it lies: beside a text, in the published register, at the API for consents."""
    return "agreement.schema.json" if language == _PLAIN else f"agreement.schema.{language}.json"


def schema_line(language: str) -> str:
    """The first line of a text, by which an editor finds the schema that lies beside it."""
    return f"# {_EDITORS} $schema={schema_file(language)}"


def language_of_line(text: str) -> str | None:
    """The language of the schema that a text names for editors; None where it names none, or another one."""
    named = re.search(rf"{_EDITORS} \$schema=(\S+)", text)
    return None if named is None else next((one for one in LANGUAGES if schema_file(one) == named[1]), None)


def names_a_schema(text: str) -> bool:
    """Whether a text has the line for editors."""
    return f"{_EDITORS} $schema=" in text


def schema_text(language: str) -> str:
    """The schema as a file."""
    return json.dumps(json_schema(language), ensure_ascii=False, indent=2) + "\n"


def json_schema(language: str = _PLAIN) -> dict[str, Any]:
    """The schema, with the short forms that the document allows: a bare field name, `as: year`, `as: {mask: 4}`."""
    words = words_of(language)
    made = AgreementDocument.model_json_schema(by_alias=True, mode="validation")
    parts: dict[str, Any] = made["$defs"]
    parts["Purpose"] = _purpose(parts["Purpose"])
    del parts["Transform"], parts["TransformKind"]  # people write one value, see below
    items = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/FieldRule"}]}
    made["properties"]["fields"] |= {"type": "array", "items": items, "minItems": 1}
    texts: Mapping[str, Any] = words.get("model", {})
    for name, part in (*parts.items(), (_WHOLE, made)):
        part.pop("title", None)
        _say(part, texts.get(name, {}), words["form"]["marks"])
    parts["Transform"] = _transform(words["form"])
    return {"$schema": _DIALECT, "title": words["form"]["title"], **made}


def _say(part: dict[str, Any], texts: Mapping[str, str], marks: Mapping[str, str]) -> None:
    """Hover texts in a language, and with each key what the bus makes of it."""
    part["description"] = texts.get("itself", part["description"])
    for name, key in _keys(part):
        key.pop("title", None)
        _never_empty(key)
        told = texts.get(name, key["description"])
        mark = key.pop("mark", None)
        key["description"] = told if mark is None else f"{told} [{marks[mark]}]"


def _never_empty(key: dict[str, Any]) -> None:
    """A key that may be left out is not one with nothing behind it, though the model knows both as None."""
    allowed = [one for one in key.pop("anyOf", ()) if one != {"type": "null"}]
    key |= allowed[0] if len(allowed) == 1 else {"anyOf": allowed} if allowed else {}
    if key.get("default", "") is None:
        del key["default"]


def _keys(part: Mapping[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    """The keys of a part, by name; that of whatever language stands beside a purpose's code is called `text`."""
    yield from part["properties"].items()
    others = part.get("additionalProperties")
    if isinstance(others, dict):
        yield "text", others


def _purpose(model: dict[str, Any]) -> dict[str, Any]:
    """A code, and beside it the text in each language."""
    text = {"type": "string", "minLength": 1}
    text |= {key: model["properties"]["text"][key] for key in ("description", "mark")}
    properties = {"code": model["properties"]["code"]}
    return {
        "type": "object",
        "description": model["description"],
        "required": ["code"],
        "properties": properties,
        "additionalProperties": text,
    }


def _transform(words: Mapping[str, Any]) -> dict[str, Any]:
    told: Mapping[str, str] = words["transforms"]

    def with_argument(kind: TransformKind, argument: dict[str, Any], **more: Any) -> dict[str, Any]:
        properties = {kind.value: {**argument, "description": told[kind]}, **more}
        return {"type": "object", "required": [kind.value], "properties": properties, "additionalProperties": False}

    day = {"type": "string", "format": "date", "description": words["day"]}
    bare = [kind for kind in TransformKind if kind.value not in {"mask", "bucket", "age_over"}]
    numbers = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    return {
        "anyOf": [
            *({"const": kind.value, "description": told[kind]} for kind in bare),
            with_argument(TransformKind.MASK, {"type": "integer", "minimum": 0, "maximum": 8}),
            with_argument(TransformKind.BUCKET, numbers),
            with_argument(TransformKind.AGE_OVER, {"type": "integer", "minimum": 1, "maximum": 150}, day=day),
        ]
    }
