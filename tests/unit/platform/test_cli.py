"""`bus up`, `bus down`, `bus status` as commands."""

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bus import cli, wiring
from bus.errors import HomeInUse, ProcessDied, WrongUse
from bus.platform.alive import is_alive
from bus.platform.hold import hold
from bus.platform.home import Home
from bus.platform.java import find_java, major_version
from bus.platform.processes import ProcessSpec, Supervisor, find_running
from bus.platform.session import detach

Shell = Callable[..., ProcessSpec]


@pytest.fixture
def run(home: Home, monkeypatch: pytest.MonkeyPatch) -> Callable[..., Any]:
    """Runs `bus <words>` in this process, in the test's home."""
    monkeypatch.setenv("BUS_HOME", str(home.path))
    monkeypatch.setenv("COLUMNS", "120")
    monkeypatch.delenv("BUS_SCHEMA_REGISTRY", raising=False)
    return lambda *words: CliRunner().invoke(cli.cli, list(words))


async def test_status_as_a_table_and_as_json_say_the_same(
    home: Home, parent: Supervisor, shell: Shell, run: Callable[..., Any]
) -> None:
    """Both forms must name the process, and exit with 0 as all are ready."""
    record = await parent.start(shell("route"))
    shown, told = run("status"), run("status", "--json")
    assert (shown.exit_code, told.exit_code) == (0, 0)
    assert "route" in shown.output
    assert str(record.pid) in shown.output
    assert "No parent" in shown.output
    assert json.loads(told.output)["processes"][0]["pid"] == record.pid


class Registry(BaseHTTPRequestHandler):
    """One that wants another token than the one that it is asked with."""

    def do_GET(self) -> None:
        """Any question."""
        known = self.path == "/api/subjects" and self.headers["Authorization"] == "Bearer right"
        body = b"[]" if known else b'{"message": "Unauthorized"}'
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Nothing."""


def test_a_registry_that_refuses_is_not_ready(
    home: Home, run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A registry of one's own must be asked with the credentials of the settings, and what it answers be told."""
    monkeypatch.delenv("BUS_KAFKA", raising=False)
    monkeypatch.delenv("BUS_POSTGRES", raising=False)
    with ThreadingHTTPServer(("127.0.0.1", 0), Registry) as server, hold(home):
        serving = threading.Thread(target=server.serve_forever)
        serving.start()
        monkeypatch.setenv("BUS_SCHEMA_REGISTRY", f"http://127.0.0.1:{server.server_port}/api")
        monkeypatch.setenv("BUS_SCHEMA_REGISTRY_TOKEN", "wrong")
        refused, told = run("status"), run("status", "--json")
        monkeypatch.setenv("BUS_SCHEMA_REGISTRY_TOKEN", "right")
        taken = run("status")
        server.shutdown()
        serving.join()
    assert (refused.exit_code, taken.exit_code) == (1, 0)
    assert "unfit (to this token: HTTP 401: Unauthorized)" in " ".join(refused.output.split())
    assert json.loads(told.output)["processes"][0]["trouble"] == "to this token: HTTP 401: Unauthorized"


def test_status_of_an_empty_home_says_so(home: Home, run: Callable[..., Any]) -> None:
    """Nothing running must be told in words, and exit with 1."""
    shown = run("status")
    assert shown.exit_code == 1
    assert f"nothing runs in {home.path}" in shown.output


def test_down_of_an_empty_home_says_so(home: Home, run: Callable[..., Any]) -> None:
    """Ending nothing is no error."""
    done = run("down")
    assert done.exit_code == 0
    assert "nothing runs" in done.output


def test_up_refuses_words_that_contradict_each_other(run: Callable[..., Any]) -> None:
    """An empty bus with people must be refused before anything starts."""
    assert isinstance(run("up", "--empty", "--people", "5").exception, WrongUse)


@pytest.mark.parametrize(
    ("words", "meant"),
    [
        ((), (2000, True)),
        (("--people", "7"), (7, True)),
        (("--empty",), (None, True)),
        (("--without-stages",), (2000, False)),
    ],
)
def test_up_brings_up_what_was_asked_for_and_ends_it(
    *,
    home: Home,
    run: Callable[..., Any],
    monkeypatch: pytest.MonkeyPatch,
    shell: Shell,
    words: tuple[str, ...],
    meant: tuple[int | None, bool],
) -> None:
    """The wiring must be handed the words' meaning, and SIGTERM must end what it started."""
    asked: list[tuple[int | None, bool]] = []

    async def bring_up(_settings: object, supervisor: Supervisor, wanted: wiring.Wanted) -> None:
        asked.append((wanted.people, wanted.stages))
        await supervisor.start(shell("route"))
        os.kill(os.getpid(), signal.SIGTERM)

    monkeypatch.setattr(wiring, "bring_up", bring_up)
    done = run("up", *words)
    assert done.exit_code == 0, done.output
    assert asked == [meant]
    assert find_running(home) == []


def test_a_detached_start_that_fails_is_told_with_its_last_words(home: Home, monkeypatch: pytest.MonkeyPatch) -> None:
    """What the background process said before it died must reach the terminal."""
    with pytest.raises(ProcessDied, match="--people and --empty contradict") as raised:
        detach(home, ["up", "--empty", "--people", "5"])
    assert raised.value.details["code"] == 2


def test_a_second_start_in_the_background_says_who_is_there(home: Home) -> None:
    """It is refused as one in the foreground is, with code 3, and what the first announced stays."""
    home.announce("up")
    with hold(home), pytest.raises(HomeInUse, match=f"process {os.getpid()} holds") as raised:
        detach(home, ["up", "--empty", "--people", "5"])
    assert raised.value.exit_code == 3
    assert home.endpoint("up") is not None


def test_an_interrupted_command_says_so_to_the_shell(run: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """Ctrl-C in the midst of a command must not look as if it had found something."""

    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("bus.cli.status.surveyed", interrupted)
    done = run("status")
    assert (done.exit_code, done.stdout, done.stderr) == (130, "", "\ninterrupted\n")


def test_an_error_is_two_lines_without_a_traceback(tmp_path: Path) -> None:
    """A home that cannot be made must be told as error and remedy, nothing else."""
    (tmp_path / "file").write_text("")
    done = subprocess.run(
        [sys.executable, "-m", "bus", "status"],
        env={**os.environ, "BUS_HOME": str(tmp_path / "file")},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert [line.partition(":")[0] for line in done.stderr.splitlines()] == ["error", "remedy"]


def test_alive_believes_only_a_living_process_that_spoke_itself(home: Home) -> None:
    """A ready file of an earlier process, whose pid is used again, must not count as health."""
    assert not is_alive(home, "route")
    home.announce("route")
    assert is_alive(home, "route")
    told = {**(home.endpoint("route") or {}), "ready_ms": 1}
    home.ready_file("route").write_text(json.dumps(told))
    assert not is_alive(home, "route")


def test_the_java_of_the_requirements_is_new_enough() -> None:
    """What is used without asking its version must be 17 or newer."""
    found = major_version(find_java())
    assert found is not None
    assert found >= 17
