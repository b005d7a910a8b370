"""One `bus up`, as a real process with tiny children: Ctrl-C, kill -9, a second one, `bus down`."""

import asyncio
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator

import pytest

from bus.clock import monotonic
from bus.errors import HomeElsewhere, HomeInUse
from bus.platform.health import survey
from bus.platform.hold import hold, holder
from bus.platform.home import Home
from bus.platform.processes import find_running, stop_leftovers
from bus.platform.session import bring_down
from bus.settings import Settings

PARENT = """
import asyncio, sys
from pathlib import Path
from bus.errors import BusError
from bus.platform.home import Home
from bus.platform.processes import ProcessSpec
from bus.platform.session import keep_up
from bus.telemetry import configure

async def bring_up(supervisor):
    for name in ("broker", "route"):
        script = 'echo "{}" > "$BUS_READY_FILE"; exec sleep 100'
        needs = () if name == "broker" else ("broker",)
        await supervisor.start(ProcessSpec(name, ("/bin/sh", "-c", script), needs=needs))
    if "hang" in sys.argv:
        await asyncio.Event().wait()

configure("up")
try:
    asyncio.run(keep_up(Home(Path(sys.argv[1])), bring_up, ready=lambda: print("ready", flush=True)))
except BusError as error:
    sys.exit(f"error: {error}")
"""

Start = Callable[..., subprocess.Popen[str]]


@pytest.fixture
def start(home: Home) -> Iterator[Start]:
    """Starts a parent process in the home; it is killed after the test, and its children with it."""
    started: list[subprocess.Popen[str]] = []

    def run(*words: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-c", PARENT, str(home.path), *words]
        parent = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        started.append(parent)
        return parent

    yield run
    for parent in started:
        parent.kill()
        parent.communicate()
    asyncio.run(stop_leftovers(home))


def until_ready(parent: subprocess.Popen[str]) -> None:
    assert parent.stdout is not None
    assert parent.stdout.readline() == "ready\n"


def names(home: Home) -> list[str]:
    return [record.name for record in find_running(home)]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_request_to_end_ends_everything_in_order(home: Home, start: Start, number: signal.Signals) -> None:
    """After Ctrl-C, SIGTERM or a closed terminal no child, no record and no lock may be left."""
    parent = start()
    until_ready(parent)
    assert names(home) == ["broker", "route"]
    assert holder(home) == parent.pid
    parent.send_signal(number)
    assert parent.wait(20) == 0
    assert (names(home), holder(home)) == ([], None)
    assert [file.name for file in home.run.iterdir()] == ["lock"]


def test_a_request_in_the_middle_of_the_start_ends_what_had_started(home: Home, start: Start) -> None:
    """Ctrl-C must not wait for a start that hangs, and must leave nothing."""
    parent = start("hang")
    deadline = monotonic() + 20
    while home.endpoint("route") is None:
        assert monotonic() < deadline
    parent.send_signal(signal.SIGINT)
    assert parent.wait(20) == 0
    assert names(home) == []


def test_a_second_parent_says_who_is_here_and_leaves(home: Home, start: Start) -> None:
    """The second must name the first's pid and what it runs, and touch nothing."""
    first = start()
    until_ready(first)
    second = start()
    _, said = second.communicate(timeout=20)
    assert f"process {first.pid} holds" in said
    assert "broker, route" in said
    assert first.poll() is None
    assert names(home) == ["broker", "route"]


def test_after_kill_9_the_next_parent_ends_the_orphans_and_starts(home: Home, start: Start) -> None:
    """Orphans of a killed parent must be ended and replaced: one broker, one router, new pids."""
    first = start()
    until_ready(first)
    before = {record.pid for record in find_running(home)}
    first.kill()
    first.wait()
    assert {record.pid for record in find_running(home)} == before
    until_ready(start())
    after = find_running(home)
    assert [record.name for record in after] == ["broker", "route"]
    assert not before & {record.pid for record in after}


async def test_down_ends_the_parent_and_its_children(home: Home, start: Start) -> None:
    """`bus down` must end a live parent in order and tell what it ended."""
    parent = start()
    until_ready(parent)
    ended = await bring_down(home)
    assert (ended.parent, [record.name for record in ended.processes]) == (parent.pid, ["broker", "route"])
    assert parent.wait(10) == 0
    assert names(home) == []


async def test_down_ends_orphans_too(home: Home, start: Start) -> None:
    """Without a parent `bus down` must still find and end what runs, and say nothing of a parent."""
    parent = start()
    until_ready(parent)
    parent.kill()
    parent.wait()
    ended = await bring_down(home)
    assert (ended.parent, len(ended.processes)) == (None, 2)
    assert names(home) == []
    assert await bring_down(home) == type(ended)(None, ())


async def test_what_holds_a_home_unseen_is_left_alone(home: Home, start: Start) -> None:
    """Seen from a container of its own, a bus that runs is neither told as dead nor robbed of its records."""
    until_ready(start())
    (home.run / "lock").write_text("4194305", encoding="utf-8")  # a pid that is nobody's here
    before = sorted(home.run.iterdir())
    with pytest.raises(HomeElsewhere):
        survey(Settings(kafka=None, postgres=None, schema_registry=None), home)
    with pytest.raises(HomeElsewhere):
        await bring_down(home)
    with pytest.raises(HomeElsewhere), hold(home):
        pass
    assert sorted(home.run.iterdir()) == before


def test_a_home_is_held_once(home: Home) -> None:
    """A second holder must be refused while the first holds, and welcome afterwards."""
    with hold(home), pytest.raises(HomeInUse), hold(home):
        pass
    with hold(home):
        assert holder(home) is not None
