"""The JSON Schema of agreements, as editors use it."""

from typing import Any

import jsonschema
import pytest

from bus.agreements.document import AgreementDocument
from bus.agreements.jsonschema import json_schema
from bus.agreements.text import read_text
from tests.unit.agreements.ground import HERE, SEEDS

SCHEMA = json_schema()
VALIDATOR = jsonschema.Draft202012Validator(SCHEMA)
WRONG_IN_FORM = [
    "unknown-key", "unknown-key-inside", "missing-key", "unknown-transform", "consent-optional", "identifier-unknown",
    "list-for-text", "no-fields", "not-a-name", "mask-too-much", "mask-of-a-fraction", "age-of-zero", "id-too-long",
]  # fmt: skip


def complaints(path: Any) -> list[str]:
    return [error.message for error in VALIDATOR.iter_errors(read_text(path).data)]


def test_it_is_a_schema() -> None:
    """What is made is itself a sound schema of its dialect."""
    jsonschema.Draft202012Validator.check_schema(SCHEMA)


@pytest.mark.parametrize("path", sorted(SEEDS.glob("*.yaml")), ids=lambda path: str(path.stem))
def test_sound_agreements_fit(path: Any) -> None:
    """Each agreement of the pretend country fits, short forms included."""
    assert complaints(path) == []


@pytest.mark.parametrize("name", WRONG_IN_FORM)
def test_wrong_forms_do_not_fit(name: str) -> None:
    """What is wrong in its form is seen by an editor too."""
    assert complaints(HERE / "broken" / f"{name}.yaml")


def test_every_key_explains_itself() -> None:
    """Each key has hover text that says what the bus makes of it."""
    keys = SCHEMA["properties"]
    assert set(keys) == {field.alias or name for name, field in AgreementDocument.model_fields.items()}
    for key in keys.values():
        assert key["description"].endswith(("[enforced]", "[obligation]", "[shown]"))
