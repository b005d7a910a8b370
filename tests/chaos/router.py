"""The router as it is, run with notes on where it is; can be caught in a phase, or broken on purpose.

    python -m tests.chaos.router --instance NAME --notes FILE [--broken WAY]

Each line on its standard input starts one, which answers with the id of its process. Nothing of the product knows of
this: the client's own calls are wrapped before the router starts.
"""

import argparse
import asyncio
import os
import random
import signal
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, NoReturn

from aiokafka.errors import KafkaTimeoutError

from bus import clock
from bus.kafka.producer import Producer
from bus.route.process import serve
from bus.settings import Settings
from tests.chaos.broken import WAYS
from tests.chaos.notes import CommitFault, Notes, Phase

LONGEST_WAIT_SECONDS = 0.004
"""A trap springs at a random moment this long after the phase began, if it lasts; else in the next one."""

AT_ONCE = (Phase.BEGIN, Phase.REST, Phase.MIDWAY)
"""A transaction's begin is too short to wait in it; of the others, the moment after a commit is what matters."""

Call = Callable[..., Awaitable[Any]]


class Watch:
    """Notes the phase of every lane's transaction, and springs the trap."""

    def __init__(self, notes: Notes) -> None:
        self._notes = notes
        self._pending = False

    def enter(self, lane: int, phase: Phase) -> None:
        self._notes.enter(lane, phase)
        number, wanted = self._notes.trap()
        if not number or phase != wanted or self._pending:
            return
        if phase in AT_ONCE:
            self._spring(number, phase, lane)
        else:
            self._pending = True
            wait = random.uniform(0, LONGEST_WAIT_SECONDS)  # noqa: S311 - nothing is kept secret by it
            asyncio.get_running_loop().call_later(wait, self._spring_if_still, number, phase, lane)

    def _spring_if_still(self, number: int, phase: Phase, lane: int) -> None:
        self._pending = False
        if self._notes.phase(lane) is phase:
            self._spring(number, phase, lane)

    def _spring(self, number: int, phase: Phase, lane: int) -> None:
        self._notes.spring(phase, lane)
        os.kill(os.getpid(), number)


def lane_of(producer: Any) -> int:
    """The lane whose transactions a producer writes: the end of its transactional id."""
    return int(producer._txn_manager.transactional_id.rpartition("-")[2])


def watch_transactions(notes: Notes) -> None:
    """Wrap the client's calls."""
    watch = Watch(notes)
    start, begin, send, commit = (
        getattr(Producer, name) for name in ("start", "begin_transaction", "send_batch", "commit_transaction")
    )

    async def starting(self: Any) -> None:
        watch.enter(lane_of(self), Phase.START)
        await start(self)

    async def beginning(self: Any) -> None:
        watch.enter(lane_of(self), Phase.BEGIN)
        await begin(self)

    async def sending(self: Any, *args: Any, **words: Any) -> Any:
        if notes.phase(lane_of(self)) is not Phase.SEND:
            watch.enter(lane_of(self), Phase.SEND)
        return await send(self, *args, **words)

    async def committing(self: Any) -> None:
        watch.enter(lane_of(self), Phase.COMMIT)
        await spoilt(notes, commit, self)
        watch.enter(lane_of(self), Phase.REST)

    for name, call in (
        ("start", starting),
        ("begin_transaction", beginning),
        ("send_batch", sending),
        ("commit_transaction", committing),
    ):
        setattr(Producer, name, call)


async def spoilt(notes: Notes, commit: Call, producer: Any) -> None:
    """Commit, or fail as the test asks."""
    fault = notes.take_commit_fault()
    if fault is CommitFault.NEVER_SENT:
        raise KafkaTimeoutError
    await commit(producer)
    if fault is CommitFault.ANSWER_LOST:
        raise KafkaTimeoutError


def watch_steps(notes: Notes) -> None:
    """Note the longest step of the event loop since the first lane came, in processor time.

    A machine that is busy with others makes no step longer by that.
    """
    run = asyncio.Handle._run

    def timed(self: asyncio.Handle) -> None:
        begun = clock.worked()
        run(self)
        took_ms = (clock.worked() - begun) * 1000
        if took_ms > notes.longest_step_ms and notes.phases():
            notes.longest_step_ms = took_ms

    asyncio.Handle._run = timed  # type: ignore[method-assign]  # there is no other place to stand


def bend_clock(notes: Notes) -> None:
    """Let the router's clock be wrong by what the notes say."""
    right = clock.now_ms
    clock.now_ms = lambda: right() + notes.clock_error_ms


def main() -> None:
    """Run a router for each line of standard input, forked from here: what is imported once is not imported again."""
    words = argparse.ArgumentParser()
    words.add_argument("--instance", required=True)
    words.add_argument("--notes", type=Path, required=True)
    words.add_argument("--broken", choices=WAYS)
    given = words.parse_args()
    notes = Notes(given.notes)
    watch_transactions(notes)
    watch_steps(notes)
    bend_clock(notes)
    if given.broken:
        WAYS[given.broken](notes)
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # so the dead are gone at once, and seen to be
    for _ in sys.stdin:
        if child := os.fork():
            print(child, flush=True)  # noqa: T201 - this is what the test waits for
        else:
            _run(given.instance)


def _run(instance: str) -> NoReturn:
    """The router in its own process, its log where the parent's errors go, until it is told to end, or is ended."""
    os.setsid()
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    try:
        asyncio.run(serve(Settings(), instance=instance))
    except BaseException as error:  # noqa: BLE001 - a fork must not go on with its parent's work, whatever happened
        print(type(error).__name__, error, file=sys.stderr, flush=True)  # noqa: T201 - into the log
        os._exit(1)
    os._exit(0)


if __name__ == "__main__":
    main()
