"""When two schema texts are the same schema: the question that decides whether they share an id."""

import json
from typing import Any

from bus.avro.names import PRIMITIVES, named_types, self_contained


def identity(schema: Any) -> str:
    """A text that is equal for schemas that differ only in spelling, and for no others.

    Spelling is white space, the order of attributes, a namespace written apart or in the name, `{"type": "int"}` for
    `"int"`. Docs, defaults, aliases and every other attribute belong to the schema: the parsing canonical form of the
    Avro specification, which drops them, would give a changed doc the old id.
    """
    return json.dumps(_bare(self_contained(schema, "", named_types(schema))), sort_keys=True, ensure_ascii=False)


def compact(schema: Any) -> str:
    """The schema as text without white space, attributes in the order given."""
    return json.dumps(schema, separators=(",", ":"), ensure_ascii=False)


def _bare(schema: Any) -> Any:
    """The same type with each primitive that says nothing more as its plain word."""
    if isinstance(schema, list):
        return [_bare(branch) for branch in schema]
    if not isinstance(schema, dict):
        return schema
    if list(schema) == ["type"] and isinstance(schema["type"], str) and schema["type"] in PRIMITIVES:
        return schema["type"]
    copy = dict(schema)
    for place in ("type", "items", "values"):
        if place in copy:
            copy[place] = _bare(copy[place])
    if "fields" in copy:
        copy["fields"] = [{**one, "type": _bare(one["type"])} for one in copy["fields"]]
    return copy
