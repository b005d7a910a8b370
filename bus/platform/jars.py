"""The jars of Apache Kafka: a pinned list, each fetched once by its Maven coordinate and checked by its SHA-256."""

import errno
import hashlib
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from threading import Event

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from bus.errors import DiskFull, DownloadFailed, JarCorrupt

KAFKA_VERSION = "4.3.1"
_AT_ONCE = 4


@dataclass(frozen=True, slots=True)
class PinnedJar:
    """One jar by its Maven coordinate; `sha256` in hexadecimal."""

    group: str
    artifact: str
    version: str
    sha256: str

    @property
    def coordinate(self) -> str:
        """As Maven writes it."""
        return f"{self.group}:{self.artifact}:{self.version}"

    @property
    def file_name(self) -> str:
        """As it lies in the folder."""
        return f"{self.artifact}-{self.version}.jar"


Fetcher = Callable[[PinnedJar, Path], Path]
"""Brings a jar into a scratch folder and returns its file; raises OSError or RuntimeError when it cannot."""


def pinned_jars() -> tuple[PinnedJar, ...]:
    """The list in this package: one jar a line, `group:artifact:version sha256`."""
    text = resources.files("bus.platform").joinpath(f"kafka-{KAFKA_VERSION}-jars.txt").read_text()
    return tuple(_parsed(line) for line in text.splitlines() if line.strip())


def kafka_jars(
    cache: Path,
    *,
    jars: Iterable[PinnedJar] | None = None,
    fetch: Fetcher | None = None,
    given_up: Event | None = None,
) -> tuple[Path, ...]:
    """The jars as files, each checked now; those that are missing or damaged are fetched, the others need no network.

    A jar enters the folder by a rename after its check, so an interruption leaves whole jars and nothing else.
    Raises DownloadFailed, JarCorrupt or DiskFull; what had arrived stays. Set `given_up` from another thread to
    begin no further download.
    """
    folder = cache / f"kafka-{KAFKA_VERSION}"
    wanted = tuple(jars) if jars is not None else pinned_jars()
    missing = [jar for jar in wanted if not _is_good(folder / jar.file_name, jar)]
    if missing:
        _fetch_all(missing, folder, fetch or fetch_with_jgo, given_up or Event())
    return tuple(folder / jar.file_name for jar in wanted)


def fetch_with_jgo(jar: PinnedJar, scratch: Path) -> Path:
    """Download one jar by its explicit coordinate; nothing else is resolved or read from this machine."""
    from jgo.maven import MavenContext  # noqa: PLC0415 - takes a third of a second, and most starts fetch nothing

    context = MavenContext(repo_cache=scratch, local_repos=[])
    return Path(context.project(jar.group, jar.artifact).at_version(jar.version).artifact().resolve())


def _fetch_all(missing: list[PinnedJar], folder: Path, fetch: Fetcher, given_up: Event) -> None:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True)) as progress, ThreadPoolExecutor(_AT_ONCE) as pool:
        task = progress.add_task(f"Apache Kafka {KAFKA_VERSION}: fetching jars, once", total=len(missing))
        coming: list[Future[None]] = [pool.submit(_fetch_one, jar, folder, fetch, given_up) for jar in missing]
        try:
            for done in as_completed(coming):
                done.result()
                progress.advance(task)
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)
            raise


def _fetch_one(jar: PinnedJar, folder: Path, fetch: Fetcher, given_up: Event) -> None:
    if given_up.is_set():
        raise DownloadFailed(coordinate=jar.coordinate, reason="given up")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=folder, prefix=".arriving-") as scratch:
            arrived = fetch(jar, Path(scratch))
            found = _sha256(arrived)
            if found != jar.sha256:
                raise JarCorrupt(jar=jar.coordinate, found=found, pinned=jar.sha256)
            arrived.replace(folder / jar.file_name)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            raise DiskFull(folder=folder, what=f"fetching {jar.file_name}") from error
        raise DownloadFailed(coordinate=jar.coordinate, reason=_short(error)) from error
    except RuntimeError as error:  # what jgo raises when no repository has the jar
        raise DownloadFailed(coordinate=jar.coordinate, reason=_short(error)) from error


def _is_good(file: Path, jar: PinnedJar) -> bool:
    return file.is_file() and _sha256(file) == jar.sha256


def _sha256(file: Path) -> str:
    with file.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {str(error)[:200]}"


def _parsed(line: str) -> PinnedJar:
    coordinate, sha256 = line.split()
    group, artifact, version = coordinate.split(":")
    return PinnedJar(group, artifact, version, sha256)
