"""Routers that a test starts, stops and kills at will; each restarts only when the test says so."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from bus.clock import monotonic
from bus.settings import Settings
from bus.wiring import environment
from tests.chaos.notes import SERVING, Caught, Notes, Phase

ROOT = Path(__file__).parents[2]
DEAD_SECONDS = 40


@dataclass(slots=True)
class RouterUnderTest:
    """One router process of an instance name."""

    name: str
    settings: Settings
    notes: Notes
    log: Path
    broken: str | None = None
    instance: str | None = None
    """The name that it joins the group by; that of another router makes two with one identity."""

    nursery: subprocess.Popen[str] | None = None
    """The parent that has imported everything already."""

    pid: int | None = None

    async def start(self) -> None:
        """Start the process, and do not wait until it serves."""
        assert not self.alive
        self.notes.forget()
        self.nursery = self.nursery or self._nursery()
        assert self.nursery.stdin
        assert self.nursery.stdout
        self.nursery.stdin.write("start\n")
        self.nursery.stdin.flush()
        self.pid = int(await asyncio.to_thread(self.nursery.stdout.readline))

    def _nursery(self) -> subprocess.Popen[str]:
        words = ["-m", "tests.chaos.router", "--instance", self.instance or self.name, "--notes", str(self.notes.path)]
        broken = ["--broken", self.broken] if self.broken else []
        ready = {"BUS_READY_FILE": str(self.log.with_suffix(".ready"))}
        with self.log.open("ab") as output:
            return subprocess.Popen(
                [sys.executable, *words, *broken],
                cwd=ROOT,
                env={**os.environ, **environment(self.settings), **ready},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=output,
                text=True,
                start_new_session=True,
            )

    @property
    def died(self) -> bool:
        """Whether it was started, and has ended by itself or was killed."""
        return self.nursery is not None and not self.alive

    @property
    def alive(self) -> bool:
        """Whether the process runs, or is stopped."""
        if self.pid is None:
            return False
        try:
            os.kill(self.pid, 0)
        except ProcessLookupError:
            self.pid = None
        return self.pid is not None

    async def serving(self, lanes: int = 1, *, seconds: float = 90) -> None:
        """Wait until that many lanes serve."""
        await until(
            lambda: sum(phase in SERVING for phase in self.notes.phases()) >= lanes,
            f"{self.name} to serve; {self.last_words()}",
            seconds=seconds,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self.pid is not None
        os.kill(self.pid, number)

    async def kill(self) -> list[Phase]:
        """SIGKILL now; where its lanes were."""
        self.signal(signal.SIGKILL)
        await self.ended()
        return self.notes.phases()

    async def killed_in(self, phase: Phase) -> Caught:
        """SIGKILL in a phase of a transaction; where it hit."""
        self.notes.set_trap(signal.SIGKILL, phase)
        await self.ended()
        caught = self.notes.caught
        assert caught is not None, self.last_words()
        return caught

    async def killed_at_start(self) -> Caught:
        """Start it, and SIGKILL it while a lane fences its predecessor or reads back what it was; where it hit."""
        self.notes.set_trap(signal.SIGKILL, Phase.START)
        await self.start()
        await self.ended()
        caught = self.notes.caught
        assert caught is not None, self.last_words()
        return caught

    async def ended(self) -> None:
        """Wait for the end of the process."""
        await until(lambda: not self.alive, f"the end of {self.name}; {self.last_words()}", seconds=DEAD_SECONDS)

    async def stop(self) -> None:
        """End it in order, by force where that does not help."""
        if self.alive:
            self.signal(signal.SIGCONT)
            self.signal(signal.SIGTERM)
            try:
                await self.ended()
            except AssertionError:
                await self.kill()

    async def close(self) -> None:
        """Stop, and end what starts it."""
        await self.stop()
        if self.nursery is not None:
            self.nursery.communicate()

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])


async def until(holds: Callable[[], bool], what: str, *, seconds: float = 60) -> None:
    """Poll until it holds, or fail with what was waited for."""
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, f"still waiting after {seconds:.0f} s for {what}"
        await asyncio.sleep(0.01)
