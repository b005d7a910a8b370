"""The parent of the local processes: starts them until they are ready, starts them again when they die, ends them."""

import asyncio
import contextlib
import signal
import subprocess
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import psutil

from bus.clock import monotonic, now_ms
from bus.errors import BusError, DiskFull, KafkaHangsUp, PortTaken, ProcessDied, ProcessNotReady, WrongUse
from bus.kafka.words import tells_of_closing
from bus.platform.account import inherited, popen_ids
from bus.platform.ending import end, end_all, kill_group, stop_leftovers
from bus.platform.home import READY_FILE_VARIABLE, Home
from bus.platform.ports import accepts
from bus.platform.records import ProcessRecord, ProcessSpec, find_running, forget
from bus.telemetry import Event, emit

__all__ = ["ProcessRecord", "ProcessSpec", "Supervisor", "find_running", "stop_leftovers"]

_POLL_SECONDS = 0.05
_WATCH_SECONDS = 0.2
_FIRST_PAUSE_SECONDS, _LONGEST_PAUSE_SECONDS = 0.2, 10.0
_HEALTHY_SECONDS = 30.0
"""After living this long a process has earned a quick restart again."""
_QUOTED_LINES = 12
_LOG_BYTES = 8_000_000
"""A log longer than this is put aside as `.log.1` when its process starts."""


@dataclass(slots=True)
class _Child:
    """A process and how it fared; the only thing here that changes."""

    spec: ProcessSpec
    popen: subprocess.Popen[bytes]
    record: ProcessRecord
    log_offset: int
    pause_seconds: float = _FIRST_PAUSE_SECONDS
    born: float = 0.0
    ready: bool = False


class Supervisor:
    """The child processes of one home. Each leads a session of its own, so that Ctrl-C reaches the parent alone."""

    def __init__(self, home: Home) -> None:
        self.home = home
        self._children: dict[str, _Child] = {}
        self._watcher: asyncio.Task[None] | None = None
        self._reviving: dict[str, asyncio.Task[None]] = {}

    def running(self) -> list[ProcessRecord]:
        """The children that live, in the order in which they were first started."""
        return [child.record for child in self._children.values() if child.popen.poll() is None]

    def record(self, name: str) -> ProcessRecord:
        """What is known of a child, alive or about to be started again; WrongUse when there is none of that name."""
        return self._child(name).record

    async def start(self, spec: ProcessSpec) -> ProcessRecord:
        """Start a process and return when it is ready. Raises ProcessDied, ProcessNotReady, PortTaken or DiskFull."""
        if spec.name in self._children:
            raise WrongUse(
                what=f"{spec.name} runs already", instead="Stop it first, or give the second one another name."
            )
        child = self._children[spec.name] = self._spawn(spec, restarts=0)
        try:
            await self._until_ready(child)
        except BaseException:
            await self.stop(spec.name)
            raise
        if self._watcher is None or self._watcher.done():
            self._watcher = asyncio.create_task(self._watch())
        return child.record

    async def start_all(self, specs: Iterable[ProcessSpec]) -> None:
        """Start processes side by side, each as soon as what it needs is ready. The first error ends the attempt."""
        listed = list(specs)
        coming = {spec.name: asyncio.Event() for spec in listed}
        missing = {need for spec in listed for need in spec.needs} - coming.keys() - self._children.keys()
        if missing:
            raise WrongUse(what=f"nothing starts {', '.join(sorted(missing))}", instead="Start what is needed as well.")

        async def start_one(spec: ProcessSpec) -> None:
            for need in spec.needs:
                if need in coming:
                    await coming[need].wait()
            await self.start(spec)
            coming[spec.name].set()

        await _all_or_first_error([asyncio.create_task(start_one(spec)) for spec in listed])

    async def add(self, spec: ProcessSpec) -> ProcessRecord:
        """Start one more process beside those that run, after what it needs; the same errors as `start`."""
        await self.start_all([spec])
        return self.record(spec.name)

    async def stop(self, name: str) -> None:
        """End one child in order, by force at its deadline; it is not started again."""
        reviving = self._reviving.pop(name, None)
        if reviving:
            reviving.cancel()
            await asyncio.gather(reviving, return_exceptions=True)
        child = self._child(name)
        del self._children[name]
        await end(child.record)
        self._bury(child)

    async def stop_all(self) -> None:
        """End every child, those that need others first."""
        tasks = [task for task in (self._watcher, *self._reviving.values()) if task and not task.done()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._reviving.clear()
        children = list(self._children.values())
        self._children.clear()
        await end_all(child.record for child in children)
        for child in children:
            self._bury(child)

    def kill(self, name: str, number: signal.Signals = signal.SIGKILL) -> None:
        """Send a signal to a child and all that it started, as an accident would; it is then started again."""
        kill_group(self._child(name).record, number)

    def _child(self, name: str) -> _Child:
        if name not in self._children:
            known = ", ".join(self._children) or "nothing"
            raise WrongUse(what=f"no process {name} was started here", instead=f"Running: {known}.")
        return self._children[name]

    def _spawn(self, spec: ProcessSpec, *, restarts: int) -> _Child:
        self.home.withdraw(spec.name)
        log = self.home.log(spec.name)
        if log.exists() and log.stat().st_size > _LOG_BYTES:
            log.replace(log.with_suffix(".log.1"))
        environment = {
            **inherited(spec.ids),
            "BUS_HOME": str(self.home.path),
            **spec.env,
            READY_FILE_VARIABLE: str(self.home.ready_file(spec.name)),
        }
        with log.open("ab") as output:
            offset = output.tell()
            try:
                popen = subprocess.Popen(
                    spec.argv,
                    env=environment,
                    cwd=spec.cwd,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                    **popen_ids(spec.ids),
                )
            except OSError as error:
                raise ProcessDied(
                    name=spec.name, code=error.errno, log=log, last=f"{spec.argv[0]}: {error.strerror}"
                ) from error
        record = _record(spec, popen.pid, str(log), restarts)
        try:
            record.write(self.home)
        except BaseException:  # else nobody would know of it
            kill_group(record)
            popen.wait()
            raise
        return _Child(spec, popen, record, offset, born=monotonic())

    async def _until_ready(self, child: _Child) -> None:
        spec, deadline, told = child.spec, monotonic() + child.spec.ready_timeout_seconds, ""
        while True:
            looked = monotonic()  # before looking: what is told while this process stands still must count
            if self.home.endpoint(spec.name) is not None:
                break
            code = child.popen.poll()
            if code is not None:
                raise self._explained(
                    child,
                    ProcessDied(
                        name=spec.name,
                        code=code,
                        log=child.record.log,
                        last=last_lines(Path(child.record.log), child.log_offset),
                    ),
                )
            if (coming := self.home.coming(spec.name)) != told:
                told, deadline = coming, monotonic() + spec.ready_timeout_seconds
            if looked > deadline:
                raise self._explained(
                    child,
                    ProcessNotReady(
                        name=spec.name,
                        seconds=spec.ready_timeout_seconds,
                        log=child.record.log,
                        last=last_lines(Path(child.record.log), child.log_offset),
                    ),
                )
            if await _answers(spec):
                self.home.announce_for(spec.name, child.popen.pid, port=spec.port, **spec.details)
            else:
                await asyncio.sleep(_POLL_SECONDS)
        child.ready = True

    async def _watch(self) -> None:
        """Notice the dead, and start again those that are meant to live."""
        while True:
            for name, child in list(self._children.items()):
                if child.ready and child.popen.poll() is not None and name not in self._reviving:
                    self._lost(child)
            await asyncio.sleep(_WATCH_SECONDS)

    def _lost(self, child: _Child) -> None:
        name = child.spec.name
        kill_group(child.record)  # what it started may live on without it
        if not child.spec.restart:
            del self._children[name]
            self._bury(child)
            return
        emit(Event.CHILD_DIED, child=name, code=child.popen.returncode, log=child.record.log)
        self._reviving[name] = asyncio.create_task(self._revive(child))

    async def _revive(self, dead: _Child) -> None:
        name = dead.spec.name
        pause = _FIRST_PAUSE_SECONDS if monotonic() - dead.born > _HEALTHY_SECONDS else dead.pause_seconds
        restarts = dead.record.restarts
        while True:
            await asyncio.sleep(pause)
            pause, restarts = min(2 * pause, _LONGEST_PAUSE_SECONDS), restarts + 1
            try:
                child = self._children[name] = self._spawn(dead.spec, restarts=restarts)
                child.pause_seconds = pause
                await self._until_ready(child)
            except (BusError, OSError) as error:
                emit(Event.CHILD_NOT_BACK, child=name, reason=type(error).__name__, log=str(self.home.log(name)))
                await end(self._children[name].record)
                continue
            self._reviving.pop(name, None)
            emit(Event.CHILD_RESTARTED, child=name, restarts=restarts)
            return

    def _bury(self, child: _Child) -> None:
        kill_group(child.record)
        child.popen.wait()
        forget(self.home, child.spec.name)

    def _explained(self, child: _Child, failed: ProcessDied | ProcessNotReady) -> BusError:
        """A better word for a start that failed, where its cause stands in the log."""
        last = str(failed.details["last"])
        if "No space left on device" in last:
            return DiskFull(what=f"{child.spec.name} died", folder=self.home.path)
        if "Address already in use" in last and child.spec.port:
            return PortTaken(port=child.spec.port, name=child.spec.name)
        if tells_of_closing(last):
            return KafkaHangsUp(name=child.spec.name, log=child.record.log, last=last)
        return failed


def last_lines(log: Path, offset: int) -> str:
    """The last lines that were written to a log since it was `offset` bytes long, indented for an error's text."""
    with log.open("rb") as opened:
        opened.seek(offset)
        lines = opened.read().decode(errors="replace").splitlines()
    return "\n".join(f"  | {line}" for line in lines[-_QUOTED_LINES:]) or "  | (nothing)"


def _record(spec: ProcessSpec, pid: int, log: str, restarts: int) -> ProcessRecord:
    create_time = 0.0
    with contextlib.suppress(psutil.NoSuchProcess):
        create_time = psutil.Process(pid).create_time()
    return ProcessRecord(
        name=spec.name,
        pid=pid,
        create_time=create_time,
        argv=spec.argv,
        log=log,
        port=spec.port,
        started_ms=now_ms(),
        needs=spec.needs,
        stop_signal=int(spec.stop_signal),
        stop_timeout_seconds=spec.stop_timeout_seconds,
        restarts=restarts,
    )


async def _answers(spec: ProcessSpec) -> bool:
    if spec.probe is not None:
        return await asyncio.to_thread(spec.probe)
    return spec.port is not None and accepts(spec.port)


async def _all_or_first_error(tasks: list[asyncio.Task[None]]) -> None:
    try:
        await asyncio.gather(*tasks)
    except BaseException:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        raise
