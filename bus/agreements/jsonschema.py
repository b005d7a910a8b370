"""The JSON Schema (2020-12) of agreements as people write them, made from the model: completion and hover text.

It says the form; what needs datasets and agencies to judge is for `check`.
"""

from typing import Any

from bus.agreements.document import AgreementDocument, TransformKind

SCHEMA_FILE = "agreement.schema.json"
"""What it is called wherever it lies: beside a first text, in the published register, and at the API for consents."""

_DIALECT = "https://json-schema.org/draft/2020-12/schema"


def json_schema() -> dict[str, Any]:
    """The schema, with the short forms that the document allows: a bare field name, `as: year`, `as: {mask: 4}`."""
    made = AgreementDocument.model_json_schema(by_alias=True, mode="validation")
    parts = made["$defs"]
    parts["Purpose"] = _purpose(parts["Purpose"])
    parts["Transform"] = _transform()
    keys = made["properties"]
    items = {"anyOf": [{"type": "string"}, {"$ref": "#/$defs/FieldRule"}]}
    keys["fields"] |= {"type": "array", "items": items, "minItems": 1}
    for key in keys.values():
        _say_mark(key)
    for part in parts.values():
        for key in part.get("properties", {}).values():
            _say_mark(key)
    return {"$schema": _DIALECT, **made, "title": "Sharing agreement"}


def _purpose(model: dict[str, Any]) -> dict[str, Any]:
    """A code, and beside it the text in each language."""
    code = model["properties"]["code"]
    text = {"type": "string", "minLength": 1, "description": model["properties"]["text"]["description"]}
    properties = {"code": code}
    return {"type": "object", "required": ["code"], "properties": properties, "additionalProperties": text}


def _transform() -> dict[str, Any]:
    def with_argument(kind: TransformKind, argument: dict[str, Any], **more: Any) -> dict[str, Any]:
        properties = {kind.value: argument, **more}
        return {"type": "object", "required": [kind.value], "properties": properties, "additionalProperties": False}

    day = {"type": "string", "format": "date", "description": "The day on which the age is judged."}
    bare = [kind.value for kind in TransformKind if kind.value not in {"mask", "bucket", "age_over"}]
    numbers = {"type": "array", "items": {"type": "number"}, "minItems": 1}
    return {
        "anyOf": [
            {"enum": bare},
            with_argument(TransformKind.MASK, {"type": "integer", "minimum": 0, "maximum": 8}),
            with_argument(TransformKind.BUCKET, numbers),
            with_argument(TransformKind.AGE_OVER, {"type": "integer", "minimum": 1, "maximum": 150}, day=day),
        ]
    }


def _say_mark(key: dict[str, Any]) -> None:
    """What the bus makes of a key belongs into the hover text."""
    mark = key.pop("mark", None)
    if mark is not None:
        key["description"] = f"{key.get('description', '')} [{mark}]".strip()
