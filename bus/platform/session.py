"""One `bus up`, from the lock on the home to the last child's end; and `bus down`."""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from bus.clock import monotonic
from bus.errors import ProcessDied
from bus.platform.hold import hold, holder
from bus.platform.home import Home
from bus.platform.processes import Supervisor, find_running, last_lines, stop_leftovers
from bus.platform.records import ProcessRecord
from bus.telemetry import Event, emit

PARENT = "up"
"""The name under which the parent itself says that everything is ready."""

_POLL_SECONDS = 0.1
_PARENT_SECONDS = 60.0
"""How long the parent may take to end its children in order before it is forced."""

BringUp = Callable[[Supervisor], Awaitable[None]]


async def keep_up(home: Home, bring_up: BringUp, *, ready: Callable[[], None]) -> None:
    """Hold the home, end what an earlier parent left, bring everything up, call `ready`, and stay until asked to end.

    SIGINT, SIGTERM and SIGHUP end it in order, also in the middle of the start. Raises HomeInUse, and what
    `bring_up` raises, after all that had been started has ended.
    """
    with hold(home):
        for record in await stop_leftovers(home):
            emit(Event.LEFTOVER_ENDED, child=record.name, pid=record.pid)
        supervisor = Supervisor(home)
        asked = _end_signals()
        try:
            if await _brought_up(bring_up(supervisor), asked):
                home.announce(PARENT)
                ready()
                await asked.wait()
        finally:
            home.withdraw(PARENT)
            await supervisor.stop_all()


@dataclass(frozen=True, slots=True)
class Ended:
    """What `bus down` found and ended."""

    parent: int | None
    processes: tuple[ProcessRecord, ...]


async def bring_down(home: Home) -> Ended:
    """End the parent that holds the home, in order, and whatever is left after it or was left before."""
    parent = holder(home)
    processes = find_running(home)
    if parent:
        await _end_parent(home, parent)
    await stop_leftovers(home)
    return Ended(parent, tuple(processes))


def detach(home: Home, words: Sequence[str]) -> int:
    """Run `bus <words>` in the background with its log in the home; returns its pid when everything is ready.

    Raises HomeInUse, and ProcessDied, which quotes its log, when it ends before that.
    """
    with hold(home):  # one that runs there keeps what it announced
        home.withdraw(PARENT)
    log = home.log(PARENT)
    with log.open("ab") as output:
        offset = output.tell()
        parent = subprocess.Popen(
            [sys.executable, "-m", "bus", *words],
            env={**os.environ, "BUS_HOME": str(home.path)},
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    while (home.endpoint(PARENT) or {}).get("pid") != parent.pid:
        try:
            code = parent.wait(_POLL_SECONDS)
        except subprocess.TimeoutExpired:
            continue
        raise ProcessDied(name="bus up", code=code, log=log, last=last_lines(log, offset))
    parent.returncode = 0  # it is meant to outlive this process: no warning that it still runs
    return parent.pid


async def _brought_up(coming: Awaitable[None], asked: asyncio.Event) -> bool:
    """Whether everything came up before somebody asked to end."""
    starting, ending = asyncio.ensure_future(coming), asyncio.ensure_future(asked.wait())
    try:
        await asyncio.wait({starting, ending}, return_when=asyncio.FIRST_COMPLETED)
        if starting.done():
            starting.result()
        return starting.done() and not asked.is_set()
    finally:
        for task in (starting, ending):
            task.cancel()
        await asyncio.gather(starting, ending, return_exceptions=True)


def _end_signals() -> asyncio.Event:
    asked = asyncio.Event()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        asyncio.get_running_loop().add_signal_handler(number, asked.set)
    return asked


async def _end_parent(home: Home, parent: int) -> None:
    deadline = monotonic() + _PARENT_SECONDS
    with contextlib.suppress(ProcessLookupError):
        os.kill(parent, signal.SIGTERM)
        while holder(home) == parent:
            if monotonic() > deadline:
                os.kill(parent, signal.SIGKILL)
            await asyncio.sleep(_POLL_SECONDS)
