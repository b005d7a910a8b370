"""The parent of the local processes, on real children: start, readiness, death, restart, end."""

import asyncio
import errno
import os
import signal
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bus.clock import monotonic
from bus.errors import DiskFull, KafkaHangsUp, PortTaken, ProcessDied, ProcessNotReady, WrongUse
from bus.kafka.words import CLOSED
from bus.platform.ending import end_all
from bus.platform.home import Home
from bus.platform.ports import accepts, free_port
from bus.platform.processes import ProcessRecord, ProcessSpec, Supervisor, find_running, stop_leftovers

Shell = Callable[..., ProcessSpec]


async def until(holds: Callable[[], bool], what: str, seconds: float = 10) -> None:
    """Poll until something holds; fails at the deadline."""
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, f"waited {seconds} s in vain until {what}"
        await asyncio.sleep(0.02)


def ended(record: ProcessRecord) -> bool:
    return record.process() is None


async def test_a_start_returns_when_the_child_serves(home: Home, parent: Supervisor, shell: Shell) -> None:
    """After `start` the child must live, lead a session of its own, and be on record."""
    record = await parent.start(shell("one"))
    assert home.endpoint("one") == {"pid": record.pid}
    assert os.getsid(record.pid) == record.pid != os.getsid(0)
    assert find_running(home) == [record] == parent.running()


async def test_a_port_makes_a_program_ready_that_writes_no_file(home: Home, parent: Supervisor) -> None:
    """A child with a `port` must be announced, with details, as soon as the port accepts."""
    port = free_port()
    argv = (sys.executable, "-m", "http.server", str(port), "--bind", "127.0.0.1")
    await parent.start(ProcessSpec("web", argv, port=port, details={"path": "/"}))
    told = home.endpoint("web")
    assert told is not None
    assert (told["port"], told["path"]) == (port, "/")
    assert accepts(port)


async def test_a_child_that_dies_at_its_start_is_quoted(home: Home, parent: Supervisor, shell: Shell) -> None:
    """The error must hold the exit code, the last words of this start (not of an earlier one) and the log's place."""
    home.log("bad").write_text("words of an earlier start\n")
    with pytest.raises(ProcessDied, match="code 7") as raised:
        await parent.start(shell("bad", "echo cannot go on >&2; exit 7"))
    assert "cannot go on" in str(raised.value)
    assert "earlier" not in str(raised.value)
    assert str(home.log("bad")) in raised.value.how_to_mend
    assert (find_running(home), list(home.run.glob("bad*"))) == ([], [])


async def test_a_program_that_does_not_exist_is_told_like_a_death(parent: Supervisor) -> None:
    """A missing program must not end in a traceback of its own kind."""
    with pytest.raises(ProcessDied, match="No such file"):
        await parent.start(ProcessSpec("ghost", ("/no/such/program",)))
    assert parent.running() == []


@pytest.mark.parametrize(
    ("words", "error"), [("No space left on device", DiskFull), ("bind: Address already in use", PortTaken)]
)
async def test_known_last_words_become_their_own_error(
    parent: Supervisor, shell: Shell, words: str, error: type[Exception]
) -> None:
    """A full disk and a taken port must be told as such, not as a log to read."""
    with pytest.raises(error):
        await parent.start(shell("bad", f"echo '{words}'; exit 1", port=free_port()))


@pytest.mark.parametrize(
    "script",
    [
        'echo "Unable connect to node with id 1: KafkaConnectionError: Connection at h:1 closed"; exec sleep 9',
        f'echo "error: no Kafka broker answers at h:1 ({CLOSED})"; exit 1',
    ],
    ids=["not ready", "died"],
)
async def test_a_broker_that_closes_connections_is_told_as_the_cause(
    parent: Supervisor, shell: Shell, script: str
) -> None:
    """Who started the bus must read what to look at, its limit of connections above all, and not that time is short."""
    with pytest.raises(KafkaHangsUp, match="route did not come up, for Kafka closes") as raised:
        await parent.start(shell("route", script, ready_timeout_seconds=0.5))
    assert "max.connections.per.ip" in raised.value.how_to_mend


async def test_a_child_that_never_serves_is_ended(home: Home, parent: Supervisor, shell: Shell) -> None:
    """At the deadline the start must fail, and the child must be gone."""
    with pytest.raises(ProcessNotReady, match="still thinking"):
        await parent.start(shell("slow", "echo still thinking; exec sleep 100", ready_timeout_seconds=0.3))
    assert find_running(home) == []


@pytest.fixture
def passes(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds pass for the parent, whose time stands still otherwise."""
    now = [1000.0]

    def pass_by(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("bus.platform.processes.monotonic", lambda: now[0])
    return pass_by


async def test_a_child_that_tells_how_it_comes_on_is_waited_for(
    home: Home, parent: Supervisor, shell: Shell, passes: Callable[[float], None]
) -> None:
    """A start that takes longer than the time-out is not given up as long as its progress changes, and then it is."""
    rounds = iter(range(1, 7))

    def comes_on() -> bool:
        passes(1.0)
        home.tell_coming("large", f"{(number := next(rounds))} read")
        return number == 6

    await parent.start(shell("large", "exec sleep 100", ready_timeout_seconds=1.2, probe=comes_on))
    assert home.coming("large") == "6 read"

    def is_stuck() -> bool:
        passes(1.0)
        home.tell_coming("stuck", "1 read")
        return False

    with pytest.raises(ProcessNotReady):
        await parent.start(shell("stuck", "exec sleep 100", ready_timeout_seconds=1.2, probe=is_stuck))


async def test_a_parent_that_stood_still_looks_again(
    home: Home, parent: Supervisor, shell: Shell, passes: Callable[[float], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    """A start is not given up for what the child told between the parent's last look and the deadline."""
    coming, looks = Home.coming, 0

    def stands_still(there: Home, name: str) -> str:
        nonlocal looks
        told, looks = coming(there, name), looks + 1
        if looks < 4:
            home.tell_coming(name, f"{looks} read")
            passes(5.0)
        return told

    monkeypatch.setattr(Home, "coming", stands_still)
    await parent.start(shell("large", "exec sleep 100", ready_timeout_seconds=1.2, probe=lambda: looks > 4))


async def test_a_killed_child_is_started_again(home: Home, parent: Supervisor, shell: Shell) -> None:
    """After SIGKILL the child must serve again under a new pid, and the record must count the restart."""
    first = await parent.start(shell("one"))
    parent.kill("one")
    await until(lambda: parent.record("one").restarts == 1 and home.endpoint("one") is not None, "it serves again")
    second = parent.record("one")
    assert second.pid != first.pid
    assert ended(first)
    assert find_running(home) == [second]


async def test_a_child_comes_back_when_a_full_disk_has_room_again(
    home: Home, parent: Supervisor, shell: Shell, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Neither its log nor its record can be written meanwhile: none that nobody knows of may live on beside it."""
    await parent.start(shell("one"))
    write, tried = ProcessRecord.write, list[str]()

    def fail(record: ProcessRecord, home: Home) -> None:
        tried.append(record.name)
        match len(tried):
            case 1:
                raise DiskFull(folder=home.path, what="writing one.json")
            case 2:
                raise OSError(errno.ENOSPC, "No space left on device")
            case _:
                write(record, home)

    monkeypatch.setattr(ProcessRecord, "write", fail)
    parent.kill("one")
    await until(lambda: len(tried) == 3 and home.endpoint("one") is not None, "it serves again")
    assert find_running(home) == [parent.record("one")]


async def test_a_child_that_keeps_dying_is_tried_with_longer_and_longer_pauses(
    home: Home, parent: Supervisor, shell: Shell, tmp_path: Path
) -> None:
    """A child that serves once and then fails must be tried again and again, and be endable in between."""
    script = 'echo x >> starts; test $(wc -l < starts) -gt 1 && exit 3; echo "{}" > "$BUS_READY_FILE"'
    await parent.start(shell("one", script, cwd=tmp_path))
    await until(lambda: (tmp_path / "starts").read_text().count("x") >= 3, "it was tried twice again")
    await parent.stop("one")
    assert (find_running(home), parent.running(), list(home.run.glob("one*"))) == ([], [], [])


async def test_a_child_that_is_meant_to_end_is_not_started_again(
    home: Home, parent: Supervisor, shell: Shell, tmp_path: Path
) -> None:
    """With restart=False the end of a child must be taken as done."""
    await parent.start(shell("once", f'echo x >> {tmp_path}/starts; echo "{{}}" > "$BUS_READY_FILE"', restart=False))
    await until(lambda: not list(home.run.glob("once*")), "its end was noticed")
    assert (tmp_path / "starts").read_text() == "x\n"


async def test_a_child_that_ignores_the_request_is_forced_with_all_it_started(
    home: Home, parent: Supervisor, shell: Shell
) -> None:
    """At the stop deadline a child and its grandchildren must be killed."""
    script = """trap '' TERM; sleep 100 & echo "{\\"grandchild\\": $!}" > "$BUS_READY_FILE"; while :; do wait; done"""
    record = await parent.start(shell("deaf", script, stop_timeout_seconds=0.3))
    grandchild = (home.endpoint("deaf") or {})["grandchild"]
    await parent.stop("deaf")
    assert ended(record)
    await until(lambda: not Path(f"/proc/{grandchild}/exe").exists(), "the grandchild is gone")


async def test_what_a_child_leaves_behind_ends_with_it(home: Home, parent: Supervisor, shell: Shell) -> None:
    """A child that ends when it is asked, and forgets what it started, must not leave that running."""
    announced = 'echo "{\\"grandchild\\": $!}" > "$BUS_READY_FILE"'
    script = f"trap exit TERM; sleep 100 & {announced}; while :; do sleep 0.1; done"
    await parent.start(shell("careless", script))
    grandchild = (home.endpoint("careless") or {})["grandchild"]
    await parent.stop("careless")
    await until(lambda: not Path(f"/proc/{grandchild}/exe").exists(), "the grandchild is gone")


async def test_what_an_earlier_process_announced_makes_nobody_ready(
    home: Home, parent: Supervisor, shell: Shell
) -> None:
    """A ready file that a killed process left must not count for the next one of that name."""
    home.announce("one")
    with pytest.raises(ProcessDied):
        await parent.start(shell("one", "exit 1"))


async def test_needs_that_go_round_in_a_circle_end_all_the_same(home: Home, parent: Supervisor, shell: Shell) -> None:
    """Records that need each other, however they came about, must not keep the end from coming."""
    one, two = await parent.start(shell("one")), await parent.start(shell("two"))
    circle = [replace(one, needs=("two",)), replace(two, needs=("one",))]
    assert len(await asyncio.wait_for(end_all(circle), 10)) == 2


async def test_children_end_before_what_they_need(home: Home, parent: Supervisor, shell: Shell, tmp_path: Path) -> None:
    """stop_all must end the router before the broker, however they were listed."""
    order = tmp_path / "order"

    def noted(name: str) -> str:
        on_end = f"trap 'echo {name} >> {order}; exit' TERM"
        return f'{on_end}; echo "{{}}" > "$BUS_READY_FILE"; while :; do sleep 0.02; done'

    await parent.start_all(
        [shell("route", noted("route"), needs=("broker", "registry")), shell("broker", noted("broker")),
         shell("registry", noted("registry"), needs=("broker",))]
    )  # fmt: skip
    started = [record.name for record in sorted(parent.running(), key=lambda record: record.started_ms)]
    await parent.stop_all()
    assert started == ["broker", "registry", "route"]
    assert order.read_text().split() == ["route", "registry", "broker"]
    assert find_running(home) == []


async def test_the_first_error_ends_a_common_start(home: Home, parent: Supervisor, shell: Shell) -> None:
    """When one of several fails, what waits for it must not start, and the error must come through at once."""
    with pytest.raises(ProcessDied):
        await parent.start_all([shell("good"), shell("bad", "exit 1"), shell("late", needs=("bad",))])
    assert not home.log("late").exists()


async def test_what_is_needed_must_be_started_by_somebody(parent: Supervisor, shell: Shell) -> None:
    """A need that nobody starts must be refused at once instead of waiting for ever."""
    with pytest.raises(WrongUse, match="broker"):
        await parent.add(shell("route", needs=("broker",)))


async def test_a_name_is_given_once(parent: Supervisor, shell: Shell) -> None:
    """A second child of the same name must be refused, and the first must live on."""
    record = await parent.start(shell("one"))
    with pytest.raises(WrongUse, match="runs already"):
        await parent.start(shell("one"))
    assert not ended(record)


async def test_leftovers_of_another_parent_are_found_and_ended(home: Home, parent: Supervisor, shell: Shell) -> None:
    """Children that a dead parent left must be found by a stranger with nothing but the home, and ended in order."""
    records = [await parent.start(shell("broker")), await parent.start(shell("route", needs=("broker",)))]
    parent._watcher.cancel() if parent._watcher else None
    assert [record.name for record in find_running(home)] == ["broker", "route"]
    assert [record.name for record in await stop_leftovers(home)] == ["route", "broker"]
    assert all(ended(record) for record in records)
    assert list(home.run.iterdir()) == []


async def test_a_child_without_a_record_is_found_too(home: Home, parent: Supervisor, shell: Shell) -> None:
    """A parent killed between a start and its record must not hide the child."""
    record = await parent.start(shell("one"))
    (home.run / "one.json").unlink()
    found = find_running(home)
    assert [(other.name, other.pid) for other in found] == [("one", record.pid)]


async def test_a_pid_used_again_by_another_program_is_left_alone(home: Home, parent: Supervisor, shell: Shell) -> None:
    """A record whose pid now belongs to a process with another start time must count as ended and not be signalled."""
    stranger = await parent.start(shell("stranger"))
    replace(stranger, name="old", create_time=stranger.create_time - 60).write(home)
    assert [record.name for record in find_running(home)] == ["stranger"]


async def test_kill_takes_any_signal(home: Home, parent: Supervisor, shell: Shell) -> None:
    """A stopped (not ended) child must not be taken for dead."""
    record = await parent.start(shell("one"))
    parent.kill("one", signal.SIGSTOP)
    assert not ended(record)
    parent.kill("one", signal.SIGCONT)
    assert parent.record("one").restarts == 0
