"""Writes the folder of a new connector: manifest, source, schemas, README; nothing in it has to be typed to run."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bus.connect.folder import MANIFEST, SCHEMAS, SOURCE
from bus.connect.propose import Proposal
from bus.errors import WrongUse

_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_.-]*")
_WORDS = {"true", "false", "null", "yes", "no", "on", "off", "y", "n"}

_CLASSES = {"postgres": "PostgresSource", "feed": "FeedSource", "files": "FilesSource", "sql": "SqlSource"}
_HOW = {
    "postgres": "Followed by logical replication after a snapshot.",
    "feed": "Read by the sequence of its feed, after its pages.",
    "files": "Read file by file, by rank.",
    "sql": "Asked by queries: by version, and whole from time to time.",
}


@dataclass(frozen=True, slots=True)
class Plan:
    """A connector that is to be written. `section` is what the manifest says of its kind."""

    name: str
    registry: str
    kind: str
    proposals: Sequence[Proposal]
    section: Mapping[str, Any] = field(default_factory=dict)


def write(plan: Plan, folder: Path) -> list[Path]:
    """Write the folder; returns its files. Raises WrongUse where it holds anything already."""
    if folder.exists() and any(folder.iterdir()):
        raise WrongUse(what=f"{folder} is not empty", instead="Name another folder with --folder.")
    files = {
        MANIFEST: _manifest(plan),
        SOURCE: _source(plan),
        "README.md": _readme(plan),
        **{
            f"{SCHEMAS}/{plan.registry}/{one.schema['dataset']}.avsc": _json(one.schema) + "\n"
            for one in plan.proposals
        },
    }
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return [folder / name for name in files]


def _manifest(plan: Plan) -> str:
    lines = [
        f"# {plan.name}. Left: fields of {SCHEMAS}/{plan.registry}/*.avsc. Right: columns of the source.",
        f"name: {plan.name}",
        f"registry: {plan.registry}",
        f"kind: {plan.kind}",
    ]
    if plan.section:
        lines += [f"{plan.kind}:", *(f"  {key}: {_flow(value)}" for key, value in plan.section.items())]
    lines.append("datasets:")
    for one in plan.proposals:
        lines += [f"  {one.dataset}:", f"    origin: {_flow(one.origin)}"]
        lines += [f"    # to confirm: {note}" for note in one.notes]
        lines += ["    fields:", *(f"      {name}: {_flow(rule)}" for name, rule in one.rules.items())]
    return "\n".join(lines) + "\n"


def _source(plan: Plan) -> str:
    base = _CLASSES[plan.kind]
    return f'''"""The source of the connector {plan.name}."""

from pathlib import Path

from bus.connect import {base}, load_manifest


class Source({base}):
    """{_HOW[plan.kind]} What data can't say goes into a method `derive`."""

    manifest = load_manifest(Path(__file__).with_name("{MANIFEST}"))
'''


def _readme(plan: Plan) -> str:
    rows = "".join(f"| `{one.origin}` | `{one.dataset}` |\n" for one in plan.proposals)
    return f"""# {plan.name}

A connector for the registry `{plan.registry}`. {_HOW[plan.kind]}

| from | dataset |
|---|---|
{rows}
Each guess in `{SCHEMAS}` is marked `to_confirm`. A person decides, and takes the mark away: `category` is `public`,
`personal` or `sensitive`; `identifies` says that a value leads to a person; `subject` names the field with the personal
id, null where the records are about nobody. Then `bus connector register` takes it.
"""


def _flow(value: Any) -> str:
    """A value on one line of YAML."""
    if isinstance(value, str):
        return value if _PLAIN.fullmatch(value) and value.lower() not in _WORDS else _json(value, None)
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{_flow(key)}: {_flow(one)}" for key, one in value.items()) + "}"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_flow(one) for one in value) + "]"
    return json.dumps(value)


def _json(value: Any, indent: int | None = 2) -> str:
    return json.dumps(value, ensure_ascii=False, indent=indent)
