"""A schema as somebody sends it: checked, before anything is decided about it."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bus.avro.canonical import compact, identity
from bus.avro.registry.codes import Code
from bus.avro.validity import flaws
from bus.errors import RegistryRefusal

MAX_SCHEMA_BYTES = 256 * 1024
"""With its quoting in an entry, a schema of this size still fits into a record of the topic."""

MOST_LEVELS = 200
"""Of objects and lists in one another: what is deeper some program somewhere cannot read, and there is no way back."""

_UNSUPPORTED = {
    "references": "define the named types inside the schema",
    "metadata": "write attributes into the schema",
    "ruleSet": "keep rules in agreements",
    "id": "ids are given by the registry",
}


@dataclass(frozen=True, slots=True)
class Submitted:
    """A valid schema: as JSON values, as text, and the fingerprint that equal schemas share."""

    schema: Any
    text: str
    fingerprint: str


def submitted(body: Any) -> Submitted:
    """The schema in the body of a request. Raises RegistryRefusal with every flaw."""
    if not isinstance(body, Mapping) or not isinstance(body.get("schema"), str):
        raise RegistryRefusal(code=Code.INVALID_SCHEMA, reason='the body must be {"schema": "the schema as text"}')
    if body.get("schemaType") not in (None, "", "AVRO"):
        raise RegistryRefusal(
            code=Code.INVALID_SCHEMA, reason=f"the only schema type is AVRO, not {body['schemaType']}"
        )
    for word, instead in _UNSUPPORTED.items():
        if body.get(word):
            raise RegistryRefusal(code=Code.INVALID_SCHEMA, reason=f"`{word}` is not supported: {instead}")
    return _checked(body["schema"])


def _checked(text: str) -> Submitted:
    try:
        if len(text.encode()) > MAX_SCHEMA_BYTES:
            raise RegistryRefusal(code=Code.INVALID_SCHEMA, reason=f"the schema has more than {MAX_SCHEMA_BYTES} bytes")
        schema = json.loads(text)
        if _levels(schema) > MOST_LEVELS:
            raise RegistryRefusal(code=Code.INVALID_SCHEMA, reason="the schema is nested too deep")
        found = flaws(schema)
        if found:
            raise RegistryRefusal(code=Code.INVALID_SCHEMA, reason=f"invalid schema: {'; '.join(found)}")
        fingerprint = hashlib.sha256(identity(schema).encode()).hexdigest()
    except (ValueError, RecursionError) as error:
        reason = (
            f"the schema is no JSON ({error})" if isinstance(error, ValueError) else "the schema is nested too deep"
        )
        raise RegistryRefusal(code=Code.INVALID_SCHEMA, reason=reason) from error
    return Submitted(schema, compact(schema), fingerprint)


def _levels(value: Any) -> int:
    found, level = 0, [value]
    while level := [one for one in level if isinstance(one, dict | list)]:
        found += 1
        level = [inner for one in level for inner in (one.values() if isinstance(one, dict) else one)]
    return found
