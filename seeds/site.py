"""Where the country's systems live within a place: folders, ports, tokens, databases."""

import os
import secrets
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from psycopg.conninfo import make_conninfo

from bus.model.country import Place


@dataclass(frozen=True, slots=True)
class Site:
    """Everything follows from the place; ports and tokens are drawn once and then stay."""

    place: Place

    @property
    def folder(self) -> Path:
        """The country's own folder."""
        return self.place.home.absolute() / "country"

    def data(self, system: str) -> Path:
        """The folder of a system's state."""
        return self.folder / system

    @property
    def drop(self) -> Path:
        """Where the insurance registry drops its files."""
        return self.folder / "insurance-files"

    def database_name(self, registry: str) -> str:
        """The registry's database; several buses on one server are kept apart by the prefix."""
        return f"{self.place.prefix.replace('.', '_').replace('-', '_')}{registry}"

    def database(self, registry: str) -> str:
        """How to reach the registry's database."""
        return make_conninfo(self.place.postgres, dbname=self.database_name(registry))

    def token_file(self, system: str) -> Path:
        """The file with the system's bearer token."""
        path = self.folder / f"{system}.token"
        _once(path, lambda: secrets.token_urlsafe(32))
        return path

    def token(self, system: str) -> str:
        """The system's bearer token."""
        return self.token_file(system).read_text(encoding="utf-8").strip()

    def port(self, system: str) -> int:
        """The system's port: a free one when it was drawn."""
        return int(_once(self.folder / f"{system}.port", _free_port))

    def url(self, system: str) -> str:
        """Where the system answers."""
        return f"http://{self.place.host or '127.0.0.1'}:{self.port(system)}"


def _once(path: Path, make: Callable[[], str]) -> str:
    """The text of a file that is made once, mode 0600, whole or not at all; of several makers the first one wins."""
    if not path.exists():
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        draft = path.with_name(f"{path.name}.{os.getpid()}.{secrets.token_hex(4)}")
        draft.touch(mode=0o600)
        draft.write_text(make(), encoding="utf-8")
        with suppress(FileExistsError):
            path.hardlink_to(draft)
        draft.unlink()
    return path.read_text(encoding="utf-8")


def _free_port() -> str:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as listener:
        listener.bind(("127.0.0.1", 0))
        return str(listener.getsockname()[1])
