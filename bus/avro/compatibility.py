"""Whether records written with one schema can be read with another (Avro 1.12, Schema Resolution), and if not, why.

Pure, over schemas as JSON values. Three rules are stricter than the specification. A change of the unit of time would
be read without an error and mean something else. Of a union's branches that look alike, each must be able to read, for
libraries choose differently. Bytes are not read as text, for they need not be any.

`unreadable` and `otherwise_meant` are two questions: what is read without an error may be taken for another thing.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus.avro.names import NAMED, PRIMITIVES, full_name, named_types, own_name

PROMOTIONS = {
    "int": {"long", "float", "double"},
    "long": {"float", "double"},
    "float": {"double"},
    "string": {"bytes"},
    "bytes": {"string"},
}
"""What a writer's primitive is taken for, besides itself."""


class Level(StrEnum):
    """Which earlier versions a new one is held against, and in which direction."""

    NONE = "NONE"
    BACKWARD = "BACKWARD"
    BACKWARD_TRANSITIVE = "BACKWARD_TRANSITIVE"
    FORWARD = "FORWARD"
    FORWARD_TRANSITIVE = "FORWARD_TRANSITIVE"
    FULL = "FULL"
    FULL_TRANSITIVE = "FULL_TRANSITIVE"

    @property
    def backward(self) -> bool:
        """Whether the new schema must read what the old ones wrote."""
        return self.startswith(("BACKWARD", "FULL"))

    @property
    def forward(self) -> bool:
        """Whether the old schemas must read what the new one writes."""
        return self.startswith(("FORWARD", "FULL"))

    @property
    def transitive(self) -> bool:
        """Whether every earlier version counts, and not only the newest."""
        return self.endswith("_TRANSITIVE")


@dataclass(frozen=True, slots=True)
class Finding:
    """One reason against: `path` is that of the field, as `residence.commune`; empty for the schema itself."""

    path: str
    reason: str

    def __str__(self) -> str:
        return f"{self.path}: {self.reason}" if self.path else self.reason


def against(level: Level, new: Any, earlier: Sequence[Any]) -> tuple[tuple[int, Finding], ...]:
    """Why `new` may not follow `earlier` (oldest first): pairs of the index in `earlier` and the reason."""
    first = 0 if level.transitive else max(len(earlier) - 1, 0)
    found: list[tuple[int, Finding]] = []
    for index in range(first, len(earlier)):
        if level.backward:
            found += ((index, finding) for finding in unreadable(new, earlier[index]))
        if level.forward:
            found += ((index, _reversed(finding)) for finding in unreadable(earlier[index], new))
    return tuple(found)


def unreadable(reader: Any, writer: Any) -> tuple[Finding, ...]:
    """Why records written with `writer` cannot be read with `reader`; empty when every one of them can."""
    return tuple(dict.fromkeys(_Check(reader, writer).all()))


def otherwise_meant(reader: Any, writer: Any) -> tuple[Finding, ...]:
    """What `reader` would read without an error and take for something else: a logical type added, removed or changed.

    A date is an int to whoever knows no dates, and a year is one too. The specification lets both be read as the other.
    """
    plain = set(unreadable(reader, writer))
    return tuple(one for one in dict.fromkeys(_Check(reader, writer, meaning=True).all()) if one not in plain)


def _reversed(finding: Finding) -> Finding:
    return Finding(finding.path, f"read with the older schema, {finding.reason}")


@dataclass(frozen=True, slots=True)
class _Side:
    """A type of one schema, with the namespace it stands in; named types are resolved."""

    type: Any
    space: str
    names: Mapping[str, Any]

    def at(self, avro_type: Any) -> "_Side":
        """A part of this type, with its name resolved and its wrapping gone."""
        if isinstance(avro_type, str) and avro_type not in PRIMITIVES:
            name = full_name(avro_type, self.space)
            return _Side(self.names[name], name.rpartition(".")[0], self.names)
        if isinstance(avro_type, dict):
            if isinstance(avro_type["type"], dict | list):
                return self.at(avro_type["type"])
            if avro_type["type"] in NAMED:
                return _Side(avro_type, own_name(avro_type, self.space).rpartition(".")[0], self.names)
            if avro_type["type"] not in PRIMITIVES | {"array", "map"}:
                return self.at(avro_type["type"])
        return _Side(avro_type, self.space, self.names)

    @property
    def kind(self) -> str:
        """`union`, `record`, `enum`, `fixed`, `array`, `map`, or a primitive."""
        if isinstance(self.type, list):
            return "union"
        kind = self.type["type"] if isinstance(self.type, dict) else self.type
        return "record" if kind == "error" else str(kind)

    @property
    def name(self) -> str:
        """The full name of a named type."""
        return own_name(self.type, self.space)

    @property
    def words(self) -> str:
        """How the type is called in a finding."""
        return f"{self.kind} {self.name}" if self.kind in NAMED else self.kind

    def logical(self, attribute: str = "logicalType") -> Any:
        """An attribute of the type, None for one that has none."""
        return self.type.get(attribute) if isinstance(self.type, dict) else None


class _Check:
    def __init__(self, reader: Any, writer: Any, *, meaning: bool = False) -> None:
        self._meaning = meaning
        self._reader = _Side(reader, "", named_types(reader))
        self._writer = _Side(writer, "", named_types(writer))
        self._met: set[tuple[str, str]] = set()

    def all(self) -> Iterator[Finding]:
        yield from self._of(self._reader.at(self._reader.type), self._writer.at(self._writer.type), "")

    def _of(self, reader: _Side, writer: _Side, path: str) -> Iterator[Finding]:
        if writer.kind == "union":
            for branch in writer.type:
                yield from self._of(reader, writer.at(branch), path)
        elif reader.kind == "union":
            yield from self._branch(reader, writer, path)
        elif not _alike(reader, writer):
            yield Finding(path, _why_unlike(reader, writer))
        elif (reader.kind, writer.kind) == ("string", "bytes"):
            yield Finding(path, "bytes need not be text, and cannot be relied on to be read as string")
        else:
            if reader.kind == writer.kind:
                yield from _logical(reader, writer, path)
                yield from self._inside(reader, writer, path)
            if self._meaning and reader.logical() != writer.logical():
                yield _taken_for(reader, writer, path)

    def _inside(self, reader: _Side, writer: _Side, path: str) -> Iterator[Finding]:
        if reader.kind == "record":
            yield from self._record(reader, writer, path)
        elif reader.kind == "enum":
            yield from _enum(reader, writer, path)
        elif reader.kind in ("array", "map"):
            part, mark = ("items", "[]") if reader.kind == "array" else ("values", "{}")
            yield from self._of(reader.at(reader.type[part]), writer.at(writer.type[part]), path + mark)

    def _branch(self, reader: _Side, writer: _Side, path: str) -> Iterator[Finding]:
        """Every branch that a reader could take for the writer's type must be able to read it.

        Some libraries take the first that looks alike, as the specification says, others one of the same kind.
        """
        branches = [reader.at(branch) for branch in reader.type]
        alike = [branch for branch in branches if _alike(branch, writer)]
        candidates = alike[:1] + [branch for branch in alike[1:] if branch.kind == writer.kind]
        if not candidates:
            words = ", ".join(branch.words for branch in branches)
            yield Finding(path, f"{writer.words} may be written, and the reader takes only {words}")
        for branch in candidates:
            yield from self._of(branch, writer, path)

    def _record(self, reader: _Side, writer: _Side, path: str) -> Iterator[Finding]:
        if (reader.name, writer.name) in self._met:
            return  # inside itself: what there is to say is being said
        self._met.add((reader.name, writer.name))
        written = {one["name"]: one for one in writer.type["fields"]}
        for one in reader.type["fields"]:
            place = f"{path}.{one['name']}" if path else one["name"]
            source = next((name for name in (one["name"], *one.get("aliases", ())) if name in written), None)
            if source is not None:
                yield from self._of(reader.at(one["type"]), writer.at(written[source]["type"]), place)
            elif "default" not in one:
                yield Finding(place, "the field is not in the records written, and has no default")


def _alike(reader: _Side, writer: _Side) -> bool:
    """Whether a reader takes the one for the other at first sight: by kind, name and size, not by what is inside."""
    if reader.kind != writer.kind:
        return reader.kind in PROMOTIONS.get(writer.kind, ())
    if reader.kind not in NAMED:
        return True
    if reader.kind == "fixed" and reader.type["size"] != writer.type["size"]:
        return False
    aliases = {full_name(alias, reader.space) for alias in reader.type.get("aliases", ())}
    return reader.name.rpartition(".")[2] == writer.name.rpartition(".")[2] or writer.name in aliases


def _why_unlike(reader: _Side, writer: _Side) -> str:
    if reader.kind != writer.kind:
        return f"{writer.words} cannot be read as {reader.words}"
    if reader.kind == "fixed" and reader.type["size"] != writer.type["size"]:
        return f"a fixed of {writer.type['size']} bytes cannot be read as one of {reader.type['size']}"
    return f"{writer.words} cannot be read as {reader.words}, which has another name and no such alias"


def _enum(reader: _Side, writer: _Side, path: str) -> Iterator[Finding]:
    missing = [symbol for symbol in writer.type["symbols"] if symbol not in reader.type["symbols"]]
    if missing and "default" not in reader.type:
        yield Finding(path, f"the enum {reader.name} lacks {', '.join(missing)} and has no default symbol")


def _logical(reader: _Side, writer: _Side, path: str) -> Iterator[Finding]:
    ours, theirs = reader.logical(), writer.logical()
    if ours == theirs == "decimal":
        for word in ("scale", "precision"):
            if (reader.logical(word) or 0) != (writer.logical(word) or 0):
                yield Finding(path, f"the decimal's {word} changes from {writer.logical(word) or 0}")
    elif ours and theirs and ours != theirs:
        yield _taken_for(reader, writer, path)


def _taken_for(reader: _Side, writer: _Side, path: str) -> Finding:
    return Finding(path, f"{writer.logical() or writer.kind} would be read as {reader.logical() or reader.kind}")
