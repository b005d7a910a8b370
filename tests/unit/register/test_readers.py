"""What may follow a subject's versions, at a registry that looks at the newest of them alone."""

import json
from typing import Any

from bus.register.readers import why_not_next
from tests.unit.avro.karapace import Answers, Karapace

ID = {"name": "id", "type": "string"}
NULLED = {"name": "email", "type": ["null", "string"], "default": None}


def record(*fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "record", "name": "P", "fields": list(fields)}


def subject_with(*schemas: dict[str, Any]) -> Answers:
    """A subject `s` of these versions, at the level BACKWARD that Karapace has unless told otherwise."""
    numbers = range(1, len(schemas) + 1)
    versions = {
        f"GET /subjects/s/versions/{number}": (
            200,
            json.dumps({"subject": "s", "version": number, "id": 30 + number, "schema": json.dumps(schema)}),
        )
        for number, schema in zip(numbers, schemas, strict=True)
    }
    return versions | {
        "GET /subjects/s/versions": (200, json.dumps([*numbers])),
        "POST /subjects/s": (404, '{"error_code":40403,"message":"Schema not found"}'),
        "POST /compatibility/subjects/s/versions/latest": (200, '{"is_compatible":true}'),
    }


async def test_every_version_counts_whatever_level_the_registry_has() -> None:
    """A field without a default is refused for the version that lacks it, though the newest has it."""
    client = Karapace(subject_with(record(ID), record(ID, NULLED))).client()
    bare = {"name": "email", "type": ["null", "string"]}
    told = "email: the field is not in the records written, and has no default (version 1)"
    assert await why_not_next(client, "s", record(ID, bare)) == [told]
    assert await why_not_next(client, "s", record(ID)) == []


async def test_the_registrys_own_reasons_count_too() -> None:
    """What the bus has nothing against, and the registry has, is refused in the registry's words."""
    answers = subject_with(record(ID))
    answers["POST /compatibility/subjects/s/versions/latest"] = (200, '{"is_compatible":false,"messages":["y"]}')
    assert await why_not_next(Karapace(answers).client(), "s", record(ID, NULLED)) == ["y"]


async def test_what_is_registered_already_is_not_judged_again() -> None:
    """A schema that the subject has is no next version, whatever stands beside it."""
    answers = subject_with(record(ID, {**NULLED, "type": "string", "default": ""}), record(ID, NULLED))
    assert await why_not_next(Karapace(answers).client(), "s", record(ID, NULLED)) == []


async def test_a_registry_may_take_two_schemas_for_one() -> None:
    """Apicurio finds a schema again though a field lost the default null: that this may not follow counts."""
    answers = subject_with(record(ID), record(ID, NULLED))
    answers["POST /subjects/s"] = (200, '{"subject":"s","version":2,"id":32,"schema":"{}"}')
    told = "email: the field is not in the records written, and has no default (version 1)"
    bare = {"name": "email", "type": ["null", "string"]}
    assert await why_not_next(Karapace(answers).client(), "s", record(ID, bare)) == [told]
