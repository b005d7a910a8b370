"""One parent a home: a lock file that the kernel lets go of however its holder ends."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path

import psutil

from bus.errors import HomeInUse
from bus.platform.home import Home
from bus.platform.records import find_running


@contextmanager
def hold(home: Home) -> Iterator[None]:
    """Be the only parent in a home; raises HomeInUse when another process is."""
    with _file(home).open("a+") as lock:
        if not _taken(lock.fileno()):
            running = ", ".join(record.name for record in find_running(home)) or "nothing yet"
            raise HomeInUse(pid=_told(home) or "unknown", home=home.path, running=running)
        lock.truncate(0)
        lock.write(str(getpid()))
        lock.flush()
        yield


def holder(home: Home) -> int | None:
    """The process that holds a home; None when nobody does. It is safe to send it a signal."""
    with _file(home).open("a+") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            pid = _told(home)
            return pid if pid and _has_open(pid, _file(home)) else None
    return None


def _has_open(pid: int, file: Path) -> bool:
    """Whether the number in the file is the holder's, and not that of an earlier one."""
    try:
        return any(Path(opened.path) == file.resolve() for opened in psutil.Process(pid).open_files())
    except psutil.Error:
        return False


def _taken(descriptor: int) -> bool:
    """Tried more than once, for whoever asks who the holder is takes the lock for a moment."""
    for _ in range(5):
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            time.sleep(0.05)
        else:
            return True
    return False


def _told(home: Home) -> int | None:
    text = _file(home).read_text().strip()
    return int(text) if text.isdigit() else None


def _file(home: Home) -> Path:
    return home.run / "lock"
