"""A folder into which a registry drops CSV, Excel or JSON files as a source: full exports, and deltas between them.

`<origin>-full-<rank>.csv` (or `.xlsx`, `.json`, `.jsonl`) holds every record, `<origin>-delta-<rank>.csv` what changed,
with an operation column. The rank, one row of numbers for both, is the order. A file is read once it is whole and
rests. A full export that lacks too much of what is published erases nothing, unless a person has put a file beside it
whose name is the export's with `.confirmed`.
"""

import asyncio
import contextlib
import hashlib
import re
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from bus.clock import monotonic
from bus.connect.manifest import FilesRule, Manifest
from bus.connect.place import Place
from bus.connect.source import (
    Chunk,
    ExportBegan,
    ExportEnded,
    Position,
    Row,
    Seen,
    SourceChange,
    SourceEvent,
    Unreadable,
    as_it_came,
)
from bus.connect.tables import ENDINGS, FileUnreadable, Line, looks_whole, opened
from bus.connect.unfit import original_bytes
from bus.errors import SourceUnreachable
from bus.model.change import Operation
from bus.telemetry import Event, emit

POLL_SECONDS = 0.2
LINES_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class Drop:
    """One file of the folder."""

    path: Path
    dataset: str
    rank: int
    full: bool


class FilesSource:
    """Setting: `folder`. A subclass names its manifest.

    Position: `rank` of the file and `line`, how many of its lines are read, None when it is whole. `digest` is the
    content that was begun; where a file changed in between, it is begun anew and `attempt` counts that.
    """

    manifest: ClassVar[Manifest]
    snapshots: ClassVar[bool] = False
    old_rows: ClassVar[bool] = False

    def __init__(self, place: Place) -> None:
        rule = self.manifest.files
        assert rule is not None, "the manifest of files has a section `files`"
        self._rule = rule
        self._connector = place.connector
        self._folder = place.folder("folder")
        self._resting: dict[Path, _Look] = {}
        self._told: dict[str, tuple[int, int]] | None = None
        self._links: set[str] = set()

    derive = as_it_came

    async def open(self, after: Position | None) -> Position:
        """The folder must be there, and readable. History begins with the first file."""
        self._drops()
        return after or _whole(0)

    async def changes(self, after: Position) -> AsyncIterator[Sequence[SourceEvent]]:
        """File after file by rank; a full export that was begun is told again from its first line, with its places."""
        position = after
        while True:
            drop = self._next_drop(position)
            if drop is None:
                yield [Seen(position)]
                await asyncio.sleep(POLL_SECONDS)
                continue
            if position["line"] is not None and drop.rank != position["rank"]:
                went = f"that of rank {position['rank']}"
                reason = "it went away before its last line was read; the next full export brings what it held"
                emit(Event.FILE_IGNORED, connector=self._connector, file=went, reason=reason)
            with self._readable(drop.path):
                digest = await asyncio.to_thread(_digest, drop.path)
                reading = _Reading(drop, self._rule, digest, position)
                for events in reading.events():
                    if reading.done and _changed(drop.path, self._resting[drop.path].shape):
                        reason = f"the file {drop.path.name} was written anew while it was read"
                        raise SourceUnreachable(connector=self._connector, reason=reason)
                    yield events
                    await asyncio.sleep(0)
            position = _whole(drop.rank)
            self._told = {**(self._told or {}), drop.path.name: self._resting[drop.path].shape}
            found = {"lines": reading.lines, **reading.shape}
            emit(Event.FILE_READ, connector=self._connector, file=drop.path.name, **found)

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        """Never asked for: `snapshots` is false."""
        raise NotImplementedError

    async def confirm(self, position: Position) -> None:
        """Files stay where they are; whoever drops them clears them away."""

    async def head(self) -> Position:
        """The newest file."""
        return _whole(max((drop.rank for drop in self._drops()), default=0))

    def passed(self, position: Position, goal: Position) -> bool:
        """By rank, then by line."""
        return _order(position) >= _order(goal)

    async def close(self) -> None:
        """Nothing is held open between files."""

    @contextlib.contextmanager
    def _readable(self, path: Path) -> Iterator[None]:
        """Raises SourceUnreachable, for a file that may be there and readable the next time; nothing is passed over."""
        try:
            yield
        except OSError as error:
            reason = f"the file {path.name} cannot be read ({error.strerror})"
            raise SourceUnreachable(connector=self._connector, reason=reason) from None

    def _drops(self) -> list[Drop]:
        """What lies in the folder and is read. Raises SourceUnreachable."""
        try:
            found = drops(self.manifest, list(self._folder.iterdir()))
            return [drop for drop in found if self._lies_within(drop.path)]
        except OSError as error:
            reason = f"the folder {self._folder} cannot be read ({error.strerror})"
            raise SourceUnreachable(connector=self._connector, reason=reason) from error

    def _lies_within(self, path: Path) -> bool:
        """False for a link out of the folder, told once: who drops files may not have others of this machine read."""
        if not path.is_symlink() or path.resolve().is_relative_to(self._folder.resolve()):
            return True
        if path.name not in self._links:
            self._links.add(path.name)
            emit(Event.FILE_IGNORED, connector=self._connector, file=path.name, reason="it is a link out of the folder")
        return False

    def _next_drop(self, position: Position) -> Drop | None:
        """The file of the lowest rank that is not read; None while there is none, or it is still being written."""
        found = self._drops()
        waiting = [drop for drop in found if _order(position) < _order(_whole(drop.rank))]
        self._tell_late([drop.path for drop in found if drop not in waiting])
        return waiting[0] if waiting and self._rests(waiting[0].path) else None

    def _tell_late(self, paths: Sequence[Path]) -> None:
        """Tell of files that came, or changed, too late to be read; those of the start have mostly been read."""
        passed = {}
        for path in paths:
            with contextlib.suppress(OSError):  # it may be cleared away meanwhile
                passed[path.name] = _shape(path)
        told = passed if self._told is None else self._told
        for name in sorted(passed):
            if told.get(name) != passed[name]:
                reason = "it was changed after it was read" if name in told else "one of its rank or above was read"
                emit(Event.FILE_IGNORED, connector=self._connector, file=name, reason=reason)
        self._told = {**told, **passed}

    def _rests(self, path: Path) -> bool:
        """Whether a file is whole: it has stood still for a while, longer when its last line has no end."""
        with self._readable(path):
            shape = _shape(path)
            ended = looks_whole(path)
        now, last = monotonic(), self._resting.get(path)
        if last is None or last.shape != shape:
            self._resting[path] = _Look(shape, now)
            return False
        self._resting[path] = _Look(shape, last.since, last.looks + 1)
        return now - last.since >= (self._rule.rest_seconds if ended else self._rule.unended_seconds)


@dataclass(frozen=True, slots=True)
class _Look:
    """A file as it was seen: its size and time of change, since when, and how often."""

    shape: tuple[int, int]
    since: float
    looks: int = 1


class _Reading:
    """One file from its first line to its last; `done` from when what it tells next is the last of it."""

    def __init__(self, drop: Drop, rule: FilesRule, digest: str, after: Position) -> None:
        self._drop = drop
        self._rule = rule
        self._digest = digest
        begun = after["rank"] == drop.rank and after["line"] is not None
        same = begun and after["digest"] == digest
        self._attempt = (after["attempt"] if same else after["attempt"] + 1) if begun else 0
        self._skip = after["line"] if same and not drop.full else 0
        self.lines = 0
        self.done = False
        self.shape: dict[str, str] = {}

    def events(self) -> Iterator[list[SourceEvent]]:
        """In batches. Raises nothing for what stands in the file."""
        try:
            with opened(self._drop.path, self._rule) as table:
                self.shape = table.shape
                yield from self._events(table.lines())
        except FileUnreadable as error:
            name, end = self._drop.path.name, _whole(self._drop.rank)
            change_id = f"{self._drop.rank}.{self._digest}"
            self.done = True
            yield [Unreadable(self._drop.dataset, name.encode(), f"the file {name}: {error}", change_id, end)]

    def _events(self, lines: Iterator[Line | None]) -> Iterator[list[SourceEvent]]:
        if self._drop.full:
            yield [ExportBegan(self._drop.dataset, self._at(0))]
        batch: list[SourceEvent] = []
        for line in lines:
            self.lines += 1
            if self.lines > self._skip:
                batch.append(self._event(line))
            if len(batch) >= LINES_AT_ONCE:
                yield batch
                batch = []
        end = _whole(self._drop.rank)
        batch.append(ExportEnded(self._drop.dataset, end, self._may_lose()) if self._drop.full else Seen(end))
        self.done = True
        yield batch

    def _may_lose(self) -> float:
        confirmed = self._drop.path.with_name(f"{self._drop.path.name}.confirmed").exists()
        return 1.0 if confirmed else self._rule.may_lose_percent / 100

    def _event(self, line: Line | None) -> SourceEvent:
        position = self._at(self.lines)
        change_id = f"{self._drop.rank}.{self._digest}.{self.lines}"
        if line is None:
            return Seen(position)
        if line.row is None:
            reason = f"record {self.lines} of {self._drop.path.name} {line.reason}"
            return Unreadable(self._drop.dataset, line.original, reason, change_id, position)
        if self._drop.full:
            return SourceChange(self._drop.dataset, Operation.READ, None, line.row, change_id, position)
        if self._rule.operation_column not in line.row:
            column = self._rule.operation_column
            reason = f"record {self.lines} of {self._drop.path.name} does not say in {column} what became of it"
            return Unreadable(self._drop.dataset, original_bytes(line.row), reason, change_id, position)
        return self._changed(line.row, change_id, position)

    def _changed(self, row: Row, change_id: str, position: Position) -> SourceChange:
        """A deletion's row may hold its key alone: it is given as the old row, of which only the key is read."""
        if self._rule.deletes(row[self._rule.operation_column]):
            return SourceChange(self._drop.dataset, Operation.DELETED, row, None, change_id, position)
        return SourceChange(self._drop.dataset, Operation.UPDATED, None, row, change_id, position)

    def _at(self, line: int) -> Position:
        return {"rank": self._drop.rank, "line": line, "digest": self._digest, "attempt": self._attempt}


def _shape(path: Path) -> tuple[int, int]:
    """By which a file is seen to change: its size and time of change. Raises OSError."""
    state = path.stat()
    return state.st_size, state.st_mtime_ns


def _changed(path: Path, shape: tuple[int, int]) -> bool:
    """Whether it is no more what it was; what was cleared away meanwhile has been read to its end all the same."""
    try:
        return _shape(path) != shape
    except FileNotFoundError:
        return False


def drops(manifest: Manifest, paths: Sequence[Path]) -> list[Drop]:
    """Those of the paths that a connector reads, by rank; hidden and half-named ones are none."""
    found: list[Drop] = []
    for dataset, rule in manifest.datasets.items():
        pattern = re.compile(rf"{re.escape(rule.origin)}-(full|delta)-(\d+)\.({'|'.join(ENDINGS)})", re.IGNORECASE)
        named = ((path, pattern.fullmatch(path.name)) for path in paths)
        found += [
            Drop(path, dataset, int(name[2]), name[1].lower() == "full")
            for path, name in named
            if name and path.is_file()
        ]
    return sorted(found, key=lambda drop: (drop.rank, drop.path.name))


def _whole(rank: int) -> Position:
    return {"rank": rank, "line": None, "digest": "", "attempt": 0}


def _order(position: Position) -> tuple[int, int, int, int]:
    whole = position["line"] is None
    return position["rank"], int(whole), position["attempt"], 0 if whole else position["line"]


def newest_ms(folder: Path) -> float | None:
    """When a file of a folder was changed last, by the clock that dated it (ms); None where it holds none."""
    found = []
    for path in folder.iterdir():
        with contextlib.suppress(OSError):  # it may be cleared away meanwhile
            found.append(path.stat().st_mtime * 1000)
    return max(found, default=None)


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()[:12]
