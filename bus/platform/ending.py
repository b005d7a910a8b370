"""How processes end: asked first, those that need others before those that are needed; forced at a deadline."""

import asyncio
import contextlib
import os
import signal
from collections.abc import Iterable
from types import FrameType

import psutil

from bus.clock import monotonic
from bus.platform.home import Home
from bus.platform.records import ProcessRecord, find_running, forget, recorded

_POLL_SECONDS = 0.05


async def end(record: ProcessRecord) -> bool:
    """Ask a process to end, and force it (with what it started) at its deadline; whether it was alive at all."""
    process = record.process()
    if process is None:
        return False
    _signal(record, record.stop_signal)
    if not await gone(record, record.stop_timeout_seconds):
        kill_group(record)
        await gone(record, record.stop_timeout_seconds)
    return True


async def gone(record: ProcessRecord, seconds: float) -> bool:
    """Wait until a process has ended; False at the deadline."""
    deadline = monotonic() + seconds
    while record.process():
        if monotonic() > deadline:
            return False
        await asyncio.sleep(_POLL_SECONDS)
    return True


async def end_all(records: Iterable[ProcessRecord]) -> list[ProcessRecord]:
    """End processes in waves: first those that no other one needs. Returns those that were alive."""
    left = {record.name: record for record in records}
    ended: list[ProcessRecord] = []
    while left:
        needed = {need for record in left.values() for need in record.needs}
        wave = [record for name, record in left.items() if name not in needed] or list(left.values())
        were_alive = await asyncio.gather(*(end(record) for record in wave))
        ended += [record for record, alive in zip(wave, were_alive, strict=True) if alive]
        left = {name: record for name, record in left.items() if record not in wave}
    return ended


def end_by_signal() -> None:
    """Let SIGTERM or Ctrl-C cancel the task that asks for it, once: what it has started then ends in order.

    One more of them would break that off, and what had not been asked to end yet would stay.
    """
    task = asyncio.current_task()
    assert task is not None
    ending, interrupt = task, signal.getsignal(signal.SIGINT)

    def interrupted(number: int, frame: FrameType | None) -> None:
        if callable(interrupt) and not ending.cancelling():
            interrupt(number, frame)

    if callable(interrupt):  # else whoever started this process wants it to be left alone
        signal.signal(signal.SIGINT, interrupted)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, lambda: ending.cancelling() or ending.cancel())


async def stop_leftovers(home: Home) -> list[ProcessRecord]:
    """End what an earlier parent left behind, and clear its records; returns what was ended."""
    stale = recorded(home)
    ended = await end_all(find_running(home))
    for record in (*stale, *ended):
        forget(home, record.name)
    return ended


def kill_group(record: ProcessRecord, number: int = signal.SIGKILL) -> None:
    """Send a signal to a process and all that it started; each child leads a group of its own."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(record.pid, number)


def _signal(record: ProcessRecord, number: int) -> None:
    """To the process alone: what it started is its own to end."""
    with contextlib.suppress(psutil.NoSuchProcess):
        process = record.process()
        if process:
            process.send_signal(number)
