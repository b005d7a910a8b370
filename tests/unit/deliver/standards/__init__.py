"""The official JSON Schemas of the contracts that we publish."""

import json
from functools import cache
from pathlib import Path
from typing import Any

from jsonschema import Draft7Validator, Draft201909Validator

_FOLDER = Path(__file__).parent


def wrong(document: Any, kind: str) -> list[str]:
    """What a document (`asyncapi` or `odcs`) breaks of its standard: the place and the rule."""
    return [f"{error.json_path}: {error.message}" for error in _validator(kind).iter_errors(document)]


@cache
def _validator(kind: str) -> Any:
    """AsyncAPI's own schema is of draft 7, ODCS's of 2019-09."""
    file, validator = {
        "asyncapi": ("asyncapi-3.1.0.json", Draft7Validator),
        "odcs": ("odcs-3.2.0.json", Draft201909Validator),
    }[kind]
    return validator(json.loads((_FOLDER / file).read_text(encoding="utf-8")))
