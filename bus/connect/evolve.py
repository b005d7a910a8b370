"""A proposal for a new column: its dataset's schema with one more field, for a person to decide.

The folder holds every schema of the connector, so that `bus connector register NAME --schemas FOLDER` shows the
difference and who would feel it. What is guessed is marked, and not registered before somebody has decided it.
"""

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from bus.connect.drift import Strange
from bus.connect.propose import proposed_field
from bus.platform.home import write_whole

RULES = "manifest-fields.yaml"


def write_proposal(folder: Path, schemas: Mapping[str, Mapping[str, Any]], strange: Strange) -> None:
    """Write the schemas, that of the column's dataset with a field for it; and the line for the manifest.

    What was proposed before stays. A column of nested values has no field: the log alone tells of it.
    """
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    for name, schema in schemas.items():
        path = folder / f"{name.replace('.', '/', 1)}.avsc"
        found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else dict(schema)
        if name == strange.dataset:
            fields = found["fields"]
            field = proposed_field(strange.column, strange.kind, [one["name"] for one in fields])
            if field is None or any(one["doc"] == field["doc"] for one in fields):
                continue
            found["fields"] = [*fields, field]
            _add_rule(folder / RULES, strange, field["name"])
        path.parent.mkdir(exist_ok=True)
        write_whole(path, f"{json.dumps(found, ensure_ascii=False, indent=2)}\n")


def _add_rule(path: Path, strange: Strange, field: str) -> None:
    begun = path.read_text(encoding="utf-8") if path.exists() else "# Lines for `fields` in the manifest, by dataset.\n"
    column = json.dumps(strange.column, ensure_ascii=False)
    write_whole(path, f"{begun}{strange.dataset}: {{{field}: {column}}}\n")
