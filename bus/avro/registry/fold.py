"""The fold of the topic `schemas`: every process that reads it comes to the same ids, versions and levels."""

import json
from dataclasses import dataclass, replace
from typing import Any

from bus.avro.compatibility import Level
from bus.avro.registry.entries import Deleted, Entry, LevelSet, VersionAdded, from_bytes

DEFAULT_LEVEL = Level.BACKWARD_TRANSITIVE
"""Whoever was away for long, or reads from the beginning, can still read every record with the newest schema."""


@dataclass(frozen=True, slots=True)
class Version:
    """A version of a subject; `deleted` when it was deleted, and not permanently."""

    subject: str
    number: int
    schema_id: int
    deleted: bool = False


class SchemaLog:
    """What the entries read so far amount to. Ids begin at 1, and an id once given stays with its schema for ever.

    A permanently deleted version leaves the subject; its schema stays readable by id, for records were written with it.
    """

    def __init__(self) -> None:
        self.next_offset = 0
        self.unreadable = 0
        self._texts: list[str] = []
        self._parsed: dict[int, Any] = {}
        self._ids: dict[str, int] = {}
        self._versions: dict[str, dict[int, Version]] = {}
        self._last_number: dict[str, int] = {}
        self._levels: dict[str | None, Level] = {}
        self._touched: dict[str | None, int] = {}
        self._void: set[int] = set()

    def apply(self, offset: int, value: bytes | None) -> None:
        """Take in one record of the topic, in order; one that was taken in before changes nothing."""
        if offset < self.next_offset:
            return
        self.next_offset = offset + 1
        try:
            entry = from_bytes(value)
        except ValueError:
            self.unreadable += 1
            self._void.add(offset)
            return
        if not self._holds(entry):
            self._void.add(offset)
            return
        self._take(entry)
        self._touched[entry.subject] = offset

    def counted(self, offset: int) -> bool:
        """Whether the entry at an offset that was read had effect: False when its writer had judged too early."""
        return offset not in self._void

    def _holds(self, entry: Entry) -> bool:
        """Whether what the writer had seen was still so when the entry came to stand."""
        match entry:
            case VersionAdded():
                return max(self._touched.get(entry.subject, -1), self._touched.get(None, -1)) < entry.seen
            case Deleted():
                return self._touched.get(entry.subject, -1) < entry.seen
            case LevelSet():
                return True

    def _take(self, entry: Entry) -> None:
        match entry:
            case VersionAdded():
                self._add(entry)
            case Deleted():
                self._delete(entry)
            case LevelSet():
                self._levels.pop(entry.subject, None)
                if entry.level:
                    self._levels[entry.subject] = entry.level

    def _add(self, entry: VersionAdded) -> None:
        schema_id = self._ids.get(entry.fingerprint)
        if schema_id is None:
            self._texts.append(entry.schema)
            schema_id = self._ids[entry.fingerprint] = len(self._texts)
        number = self._last_number.get(entry.subject, 0) + 1
        self._last_number[entry.subject] = number
        self._versions.setdefault(entry.subject, {})[number] = Version(entry.subject, number, schema_id)

    def _delete(self, entry: Deleted) -> None:
        versions = self._versions.get(entry.subject, {})
        numbers = list(versions) if entry.version is None else [entry.version]
        for number in numbers:
            if entry.permanent:
                versions.pop(number, None)
            elif number in versions:
                versions[number] = replace(versions[number], deleted=True)
        if not any(not version.deleted for version in versions.values()):
            self._levels.pop(entry.subject, None)
        if not versions:
            self._versions.pop(entry.subject, None)

    # --- questions ---

    def text(self, schema_id: int) -> str | None:
        """A schema by id."""
        return self._texts[schema_id - 1] if 1 <= schema_id <= len(self._texts) else None

    def schema(self, schema_id: int) -> Any:
        """A schema by id, as JSON values; the id must be known."""
        if schema_id not in self._parsed:
            self._parsed[schema_id] = json.loads(self._texts[schema_id - 1])
        return self._parsed[schema_id]

    def id_of(self, fingerprint: str) -> int | None:
        """The id of a schema that is the same."""
        return self._ids.get(fingerprint)

    def subjects(self, *, deleted: bool = False) -> list[str]:
        """The subjects with a live version, or with any, in order of name."""
        return sorted(name for name in self._versions if self.versions(name, deleted=deleted))

    def versions(self, subject: str, *, deleted: bool = False) -> list[Version]:
        """The live versions of a subject, or all, oldest first; none where there is no such subject."""
        return [one for one in self._versions.get(subject, {}).values() if deleted or not one.deleted]

    def own_level(self, subject: str | None) -> Level | None:
        """The level set for a subject, or with None for all."""
        return self._levels.get(subject)

    def level(self, subject: str | None) -> Level:
        """The level that holds for a subject."""
        return self._levels.get(subject) or self._levels.get(None) or DEFAULT_LEVEL
