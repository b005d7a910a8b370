"""What stands in the topic `schemas`: one JSON object a record. JSON, for a schema can't be needed to read schemas."""

import json
from dataclasses import dataclass
from typing import Any

from bus.avro.compatibility import Level


@dataclass(frozen=True, slots=True)
class VersionAdded:
    """A schema became a version of a subject.

    `fingerprint` is equal for schemas that are the same; it stands in the entry so that ids never depend on how a later
    program compares. `seen` is the offset up to which (exclusive) the writer had read when it judged the schema: if
    anything that bears on the judgement was written at or after it, the entry does not count.
    """

    subject: str
    schema: str
    fingerprint: str
    seen: int


@dataclass(frozen=True, slots=True)
class Deleted:
    """A version, or with None all versions of a subject, was deleted; `seen` as above."""

    subject: str
    version: int | None
    permanent: bool
    seen: int


@dataclass(frozen=True, slots=True)
class LevelSet:
    """A compatibility level was set, or with None unset, for a subject, or with None for all that have none."""

    subject: str | None
    level: Level | None


Entry = VersionAdded | Deleted | LevelSet


def to_bytes(entry: Entry) -> bytes:
    """The entry as it stands in the topic."""
    kinds: dict[type[Entry], str] = {VersionAdded: "version", Deleted: "deleted", LevelSet: "level"}
    words = {name: getattr(entry, name) for name in entry.__slots__}
    return json.dumps({"kind": kinds[type(entry)], **words}, ensure_ascii=False).encode()


def from_bytes(data: bytes | None) -> Entry:
    """The inverse. Raises ValueError for anything else."""
    try:
        words = json.loads(data or b"")
        return _entry(words)
    except (TypeError, KeyError, AttributeError, OverflowError, RecursionError) as error:
        raise ValueError("not an entry of the schema log") from error


def _entry(words: dict[str, Any]) -> Entry:
    kind = words["kind"]
    subject = None if words["subject"] is None else _text(words["subject"])
    if kind == "level":
        return LevelSet(subject, None if words["level"] is None else Level(words["level"]))
    if kind == "version":
        return VersionAdded(_text(subject), _text(words["schema"]), _text(words["fingerprint"]), int(words["seen"]))
    if kind == "deleted":
        version = None if words["version"] is None else int(words["version"])
        return Deleted(_text(subject), version, words["permanent"] is True, int(words["seen"]))
    raise ValueError(f"an entry of an unknown kind: {kind}")


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError("a text is due")
    return value
