"""What a child process is to be, and what is on disk about one that runs."""

import contextlib
import json
import os
import signal
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import psutil

from bus.platform.home import READY_FILE_VARIABLE, Home, read_object, write_whole

_SAME_START_SECONDS = 0.05
"""The kernel counts a start in hundredths of a second: two processes with one pid and one start do not exist."""


@dataclass(frozen=True, slots=True)
class ProcessSpec:
    """A child process: what to run, when it counts as ready, and how it is asked to end.

    A process is ready when its ready file exists; one that tells how it comes on is waited for as long as it does. For
    a program that writes none, name a `port` or a `probe`: the parent asks it and writes the file, with `details` in
    it. `needs` are the names that must be ready before it starts, and that end after it.
    """

    name: str
    argv: tuple[str, ...]
    env: Mapping[str, str] = field(default_factory=dict)
    restart: bool = True
    ready_timeout_seconds: float = 30
    needs: tuple[str, ...] = ()
    port: int | None = None
    probe: Callable[[], bool] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)
    stop_signal: signal.Signals = signal.SIGTERM
    stop_timeout_seconds: float = 15
    ids: tuple[int, int] | None = None
    cwd: Path | None = None


@dataclass(frozen=True, slots=True)
class ProcessRecord:
    """A process that was started: pid and start time together name it for certain, for pids are used again."""

    name: str
    pid: int
    create_time: float
    argv: tuple[str, ...]
    log: str
    port: int | None
    started_ms: int
    needs: tuple[str, ...]
    stop_signal: int
    stop_timeout_seconds: float
    restarts: int

    def process(self) -> psutil.Process | None:
        """The live process; None when it has ended, whoever has its pid now."""
        with contextlib.suppress(psutil.NoSuchProcess):
            found = psutil.Process(self.pid)
            same = abs(found.create_time() - self.create_time) < _SAME_START_SECONDS
            if same and found.status() != psutil.STATUS_ZOMBIE:
                return found
        return None

    def write(self, home: Home) -> None:
        """Keep it where `bus status` and the next `bus up` look."""
        write_whole(_file(home, self.name), json.dumps(asdict(self)))


def forget(home: Home, name: str) -> None:
    """Remove what is on disk about a process that has ended."""
    _file(home, name).unlink(missing_ok=True)
    home.withdraw(name)


def recorded(home: Home) -> list[ProcessRecord]:
    """Every record on disk, in the order of the starts; those of processes that have ended too."""
    found = (_read(file) for file in home.run.glob("*.json") if not file.name.endswith(".ready.json"))
    return sorted((record for record in found if record), key=lambda record: record.started_ms)


def find_running(home: Home) -> list[ProcessRecord]:
    """The processes of this home that live, in the order of their starts, whoever started them.

    Records on disk are not all: a parent that was killed between a start and the writing of its record leaves a
    child without one. Such a child is known by its environment, which names a ready file in this home.
    """
    known = [record for record in recorded(home) if record.process()]
    pids = {record.pid for record in known}
    return known + [record for record in _unrecorded(home) if record.pid not in pids]


def _unrecorded(home: Home) -> Iterator[ProcessRecord]:
    run = str(home.run)
    for process in psutil.process_iter():
        with contextlib.suppress(psutil.Error, OSError):
            ready_file = process.environ().get(READY_FILE_VARIABLE, "")
            if Path(ready_file).parent != Path(run) or not _leads_session(process):
                continue
            yield ProcessRecord(
                name=Path(ready_file).name.removesuffix(".ready.json"),
                pid=process.pid,
                create_time=process.create_time(),
                argv=tuple(process.cmdline()),
                log="",
                port=None,
                started_ms=int(process.create_time() * 1000),
                needs=(),
                stop_signal=signal.SIGTERM,
                stop_timeout_seconds=15,
                restarts=0,
            )


def _leads_session(process: psutil.Process) -> bool:
    """Each child leads a session of its own; what it started in turn has the same environment and ends with it."""
    return os.getsid(process.pid) == process.pid


def _read(file: Path) -> ProcessRecord | None:
    told = read_object(file)
    try:
        return ProcessRecord(**{**told, "argv": tuple(told["argv"]), "needs": tuple(told["needs"])}) if told else None
    except (TypeError, KeyError):
        return None  # not a record of ours


def _file(home: Home, name: str) -> Path:
    return home.run / f"{name}.json"
