"""One parent a home: a lock file that the kernel lets go of however its holder ends."""

import fcntl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from os import getpid
from pathlib import Path

import psutil

from bus.errors import HomeElsewhere, HomeInUse
from bus.platform.home import Home
from bus.platform.records import find_running


@contextmanager
def hold(home: Home) -> Iterator[None]:
    """Be the only parent in a home. Raises HomeInUse when another process is, and what asking who that is raises."""
    with _file(home).open("a+") as lock:
        if not any(_taken(lock.fileno()) for _ in _tries()):
            running = ", ".join(record.name for record in find_running(home)) or "nothing yet"
            raise HomeInUse(pid=holder(home) or "unknown", home=home.path, running=running)
        lock.truncate(0)
        lock.write(str(getpid()))
        lock.flush()
        yield


def holder(home: Home) -> int | None:
    """The process that holds a home; None when nobody does. It is safe to send it a signal.

    Raises HomeElsewhere for one that cannot be seen: in another container pids say nothing of who lives.
    """
    with _file(home).open("a+") as lock:
        for _ in _tries():
            if _taken(lock.fileno()):
                return None
            if (pid := _told(home)) and _has_open(pid, _file(home)):
                return pid
    raise HomeElsewhere(home=home.path)


def _has_open(pid: int, file: Path) -> bool:
    """Whether the number in the file is the holder's, and not that of an earlier one."""
    try:
        return any(Path(opened.path) == file.resolve() for opened in psutil.Process(pid).open_files())
    except psutil.Error:
        return False


def _tries() -> Iterator[None]:
    """More than one, for whoever asks who the holder is takes the lock for a moment."""
    for _ in range(5):
        yield
        time.sleep(0.05)


def _taken(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _told(home: Home) -> int | None:
    text = _file(home).read_text().strip()
    return int(text) if text.isdigit() else None


def _file(home: Home) -> Path:
    return home.run / "lock"
