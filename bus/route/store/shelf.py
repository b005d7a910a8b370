"""Where the stores of lanes lie on the disk of one machine, and whether one that was found may be used.

A folder a lane, locked while a process has it. A label beside the store says whose it is and how it was left. One that
was closed in order is good. One that was not is good as long as the machine has not been started anew since: what a
killed process wrote is in the kernel's hands, and only a machine that stops can lose a part of it.
"""

import contextlib
import fcntl
import json
import os
import shutil
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import IO

import psutil

from bus.avro.own import own_schema
from bus.errors import BusError, DiskFull, HomeUnusable, StoreBroken, StoreLocked
from bus.route.store.stored import StoredState
from bus.route.store.tables import FIRST_MAP_BYTES
from bus.telemetry import Event, emit

FORMAT = 1
"""Raised when stores of before cannot be read any more: they are built anew."""

_KEPT_AS_WRITTEN = ("lane_holdings", "lane_consent", "lane_cursor", "lane_dead")
_BOOT_FILE = Path("/proc/sys/kernel/random/boot_id")
MOST_BESIDE = 64


@dataclass(frozen=True, slots=True)
class Label:
    """Whose a store is, and how it was left. All but `boot` and `closed` must be equal for it to be used."""

    bus: str
    lane: int
    layout: str
    boot: str
    closed: bool = False

    def fits(self, found: "Label | None") -> bool:
        """Whether a store with that label may be used by whoever wrote this one."""
        if found is None or (found.bus, found.lane, found.layout) != (self.bus, self.lane, self.layout):
            return False
        return found.closed or found.boot == self.boot


def layout() -> str:
    """Names everything that decides how the bytes of a store are read."""
    return json.dumps([FORMAT, *(own_schema(name) for name in _KEPT_AS_WRITTEN)], sort_keys=True)


def boot() -> str:
    """Names the time since the machine was started."""
    return _BOOT_FILE.read_text().strip() if _BOOT_FILE.is_file() else str(int(psutil.boot_time()))


class Shelf:
    """The folder of one lane's store, taken by this process until `put_back`."""

    def __init__(self, folder: Path, label: Label, lock: IO[str]) -> None:
        self.folder = folder
        self._label = label
        self._lock = lock
        self._state: StoredState | None = None

    @classmethod
    def take(cls, under: Path, bus: str, lane: int) -> "Shelf":
        """Take the lane's folder. Raises StoreLocked, HomeUnusable."""
        return cls._take(under / f"lane-{lane}", bus, lane)

    @classmethod
    def beside(cls, under: Path, bus: str, lane: int) -> "Shelf":
        """Take a folder beside the lane's, which another process has. `sweep` removes it some day."""
        for number in range(1, MOST_BESIDE):
            with contextlib.suppress(StoreLocked):
                return cls._take(under / f"lane-{lane}.{number}", bus, lane)
        raise StoreLocked(folder=under)

    @classmethod
    def _take(cls, folder: Path, bus: str, lane: int) -> "Shelf":
        return cls(folder, Label(bus, lane, layout(), boot()), _locked(folder))

    @property
    def lane(self) -> int:
        """Whose store lies here."""
        return self._label.lane

    def open(self, *, map_bytes: int = FIRST_MAP_BYTES) -> StoredState:
        """The store that lies here, if it may be used, or an empty one: then `stood_at` is None."""
        found = self._read_label()
        if not self._label.fits(found):
            return self.anew("none of this lane" if found is None else "another bus, layout or start of the machine")
        try:
            self._write_label(self._label)  # before anything is written: from here on it is not closed in order
            self._state = StoredState(self.folder, map_bytes=map_bytes)
        except (StoreBroken, ValueError, KeyError, LookupError) as error:
            return self.anew(str(error) if isinstance(error, BusError) else type(error).__name__)
        if self._state.stood_at is None:
            return self.anew("it was never finished")
        return self._state

    def anew(self, reason: str) -> StoredState:
        """Throw away what lies here, and begin with nothing."""
        emit(Event.STORE_ANEW, lane=self._label.lane, reason=reason)
        if self._state is not None:
            self._state.close(sync=False)
        for file in self._files():
            file.unlink(missing_ok=True)
        self._write_label(self._label)
        self._state = StoredState(self.folder)
        return self._state

    def put_back(self, *, good: bool, synced: bool) -> None:
        """Close the store and give the folder up.

        A store that is not `good` is not used again; one that is `synced` may be used after a start of the machine.
        """
        state, self._state = self._state, None
        try:
            if state is None:
                return
            if not good:
                state.close(sync=False)
                self._label_file.unlink(missing_ok=True)
                return
            try:
                state.settle()
            finally:
                state.close(sync=synced)
            if synced:
                self._write_label(replace(self._label, closed=True))
        finally:
            self._lock.close()

    @property
    def _label_file(self) -> Path:
        return self.folder / "label.json"

    def _files(self) -> Iterator[Path]:
        """The label first: without it nothing that is left is taken for a store."""
        yield self._label_file
        yield self.folder / "data.mdb"

    def _read_label(self) -> Label | None:
        try:
            return Label(**json.loads(self._label_file.read_text("utf-8")))
        except (OSError, ValueError, TypeError):
            return None

    def _write_label(self, label: Label) -> None:
        draft = self.folder / ".label.json"
        try:
            with draft.open("w", encoding="utf-8") as file:
                os.fchmod(file.fileno(), 0o600)
                json.dump(asdict(label), file)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(self._label_file)
            _sync(self.folder)
        except OSError as error:
            raise DiskFull(folder=self.folder, what="writing a store's label") from error


def sweep(under: Path) -> None:
    """Remove the folders of stores that were taken only because the first one was locked."""
    for folder in under.glob("lane-*.*"):
        try:
            lock = _locked(folder)
        except StoreLocked:
            continue
        shutil.rmtree(folder, ignore_errors=True)
        lock.close()


def _locked(folder: Path) -> IO[str]:
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (folder / "lock").open("a", encoding="utf-8")
    except OSError as error:
        raise HomeUnusable(folder=folder, reason=error.strerror) from error
    try:
        os.fchmod(lock.fileno(), 0o600)
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        lock.close()
        raise StoreLocked(folder=folder) from error
    return lock


def _sync(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
