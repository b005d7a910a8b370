"""BUS_HOME: the one folder of all local state, and the files by which its processes find each other."""

import contextlib
import errno
import json
import os
import re
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.clock import now_ms
from bus.errors import DiskFull, HomeUnusable, RootKeyMissing, RootKeyWrong
from bus.settings import Settings

READY_FILE_VARIABLE = "BUS_READY_FILE"
"""The environment variable that names the file in which a child says that it serves."""

ROOT_KEY = "root.key"
"""The secret from which every key of a bus is derived."""

_ROOT_KEY_FORM = re.compile("[0-9a-f]{64}")

_NAME = re.compile(r"[a-z0-9][a-z0-9.-]*(/[a-z0-9][a-z0-9.-]*)*")


def random_secret() -> str:
    """32 random bytes, in letters that need no quoting in a URL or a configuration file."""
    return secrets.token_urlsafe(32)


@dataclass(frozen=True, slots=True)
class Home:
    """The folders under `path`; each is made at first use, for its owner's eyes only (0700)."""

    path: Path

    @classmethod
    def from_settings(cls, settings: Settings) -> "Home":
        """The home that BUS_HOME names."""
        return cls(settings.home_path)

    @property
    def run(self) -> Path:
        """What runs: one record and one ready file a process."""
        return self._folder("run")

    @property
    def logs(self) -> Path:
        """One log a process."""
        return self._folder("logs")

    @property
    def secrets(self) -> Path:
        """Passwords and keys, one a file, mode 0600."""
        return self._folder("secrets")

    @property
    def data(self) -> Path:
        """What the broker, the database and the stages store."""
        return self._folder("data")

    def log(self, name: str) -> Path:
        """The log of a process."""
        return self.logs / f"{_checked(name)}.log"

    def ready_file(self, name: str) -> Path:
        """The file in which a process says that it serves: a JSON object, `port` among its keys where it has one."""
        return self.run / f"{_checked(name)}.ready.json"

    def has_secret(self, name: str) -> bool:
        """Whether a secret was made already: none under what is no name for a file here, as others' keys may have."""
        return _NAME.fullmatch(name) is not None and (self.secrets / name).is_file()

    def secret(self, name: str, make: Callable[[], str] = random_secret) -> str:
        """The secret of that name, made once: processes that race for it get the same one. A name may hold `/`."""
        file = self.secrets / _checked(name)
        if not file.is_file():
            self._create_once(file, make())
        return file.read_text().strip()

    def forget_secret(self, name: str) -> None:
        """Have that secret no more."""
        (self.secrets / _checked(name)).unlink(missing_ok=True)

    def begin_root_key(self) -> None:
        """Draw the root key of a bus that is being founded, unless it is there."""
        self.secret(ROOT_KEY, lambda: secrets.token_hex(32))

    def root_key(self) -> bytes:
        """The 32 bytes from which every key of this bus is derived.

        Raises RootKeyMissing: no user of it makes one; RootKeyWrong for a file that holds something else.
        """
        if not self.has_secret(ROOT_KEY):
            raise RootKeyMissing(file=self.secrets / ROOT_KEY)
        if not _ROOT_KEY_FORM.fullmatch(held := self.secret(ROOT_KEY)):
            raise RootKeyWrong(file=self.secrets / ROOT_KEY)
        return bytes.fromhex(held)

    @property
    def founded(self) -> Path:
        """Tells what buses were founded, or found, from this home, and in which Kafka."""
        return self.data / "founded.json"

    def has_founded(self, kafka: str, prefix: str) -> bool:
        """Whether a bus of that prefix was once there."""
        return f"{kafka}/{prefix}" in (read_object(self.founded) or {})

    def note_founded(self, kafka: str, prefix: str, bus: str) -> None:
        """Remember that it is there."""
        known = read_object(self.founded) or {}
        if known.get(f"{kafka}/{prefix}") != bus:
            write_whole(self.founded, json.dumps(known | {f"{kafka}/{prefix}": bus}))

    def announce(self, name: str, *, port: int | None = None, **details: Any) -> None:
        """Say that the calling process serves under `name`. `details` are told to everybody who asks: no secrets."""
        self.announce_for(name, os.getpid(), port=port, **details)

    def announce_for(self, name: str, pid: int, *, port: int | None = None, **details: Any) -> None:
        """Say it on behalf of a process that knows nothing of ready files."""
        told = {"name": name, "pid": pid, "port": port, "ready_ms": now_ms(), **details}
        write_whole(self.ready_file(name), json.dumps(told))

    def tell_coming(self, name: str, progress: str) -> None:
        """Say how far a start has come that takes long: as long as this changes, nobody gives the process up."""
        write_whole(self._coming_file(name), progress)

    def coming(self, name: str) -> str:
        """How far the start of a process has come, in its own words; empty when it said nothing."""
        try:
            return self._coming_file(name).read_text()
        except FileNotFoundError:
            return ""

    def withdraw(self, name: str) -> None:
        """Forget what a process said about itself."""
        self.ready_file(name).unlink(missing_ok=True)
        self._coming_file(name).unlink(missing_ok=True)

    def withdraw_own(self, name: str) -> None:
        """Forget what the calling process said about itself: another one that serves under its name stays known."""
        if (self.endpoint(name) or {}).get("pid") == os.getpid():
            self.withdraw(name)

    def endpoint(self, name: str) -> dict[str, Any] | None:
        """What the process said when it became ready; None when it said nothing, or has ended in order."""
        return read_object(self.ready_file(name))

    def _coming_file(self, name: str) -> Path:
        return self.run / f"{_checked(name)}.coming"

    def _folder(self, name: str) -> Path:
        folder = self.path / name
        try:
            self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
            folder.mkdir(mode=0o700, exist_ok=True)
        except OSError as error:
            raise HomeUnusable(folder=folder, reason=error.strerror) from error
        return folder

    def _create_once(self, file: Path, text: str) -> None:
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = _draft(file, text)
        try:
            with contextlib.suppress(FileExistsError):
                os.link(draft, file)  # unlike a rename, a link never replaces what another process made meanwhile
        finally:
            draft.unlink()


def write_whole(file: Path, text: str) -> None:
    """Write a file so that a reader sees the old text or the new one, never a part; mode 0600."""
    _draft(file, text).replace(file)


def read_object(file: Path) -> dict[str, Any] | None:
    """The JSON object in a file; None when there is no file, or it holds something else (a writer without a rename)."""
    try:
        found = json.loads(file.read_text())
    except (FileNotFoundError, json.JSONDecodeError):
        return None
    return found if isinstance(found, dict) else None


def _draft(file: Path, text: str) -> Path:
    try:
        descriptor, name = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}.")
        with os.fdopen(descriptor, "w") as draft:
            draft.write(text)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(folder=file.parent, what=f"writing {file.name}") from error
        raise
    return Path(name)


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"not a name for a file in BUS_HOME: {name!r}")
    return name
