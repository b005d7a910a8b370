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
DEAD_SECONDS = 20


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

    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Start the process, and do not wait."""
        assert not self.alive
        self.notes.forget()
        words = ["-m", "tests.chaos.router", "--instance", self.instance or self.name, "--notes", str(self.notes.path)]
        broken = ["--broken", self.broken] if self.broken else []
        ready = {"BUS_READY_FILE": str(self.log.with_suffix(".ready"))}
        with self.log.open("ab") as output:
            self.process = subprocess.Popen(
                [sys.executable, *words, *broken],
                cwd=ROOT,
                env={**os.environ, **environment(self.settings), **ready},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )

    @property
    def alive(self) -> bool:
        """Whether the process runs, or is stopped."""
        return self.process is not None and self.process.poll() is None

    async def serving(self, lanes: int = 1, *, seconds: float = 40) -> None:
        """Wait until that many lanes serve."""
        await until(
            lambda: sum(phase in SERVING for phase in self.notes.phases()) >= lanes,
            f"{self.name} to serve; {self.last_words()}",
            seconds=seconds,
        )

    def signal(self, number: signal.Signals) -> None:
        """Send a signal to the process."""
        assert self.process is not None
        os.kill(self.process.pid, number)

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

    async def ended(self) -> int:
        """Wait for the end of the process; its code."""
        process = self.process
        assert process is not None
        await until(lambda: process.poll() is not None, f"the end of {self.name}", seconds=DEAD_SECONDS)
        return process.returncode

    async def stop(self) -> None:
        """End it in order, by force where that does not help."""
        if not self.alive:
            return
        self.signal(signal.SIGCONT)
        self.signal(signal.SIGTERM)
        try:
            await self.ended()
        except AssertionError:
            await self.kill()

    def last_words(self) -> str:
        """The end of its log."""
        return "\n".join(self.log.read_text(encoding="utf-8", errors="replace").splitlines()[-3:])


async def until(holds: Callable[[], bool], what: str, *, seconds: float = 30) -> None:
    """Poll until it holds, or fail with what was waited for."""
    deadline = monotonic() + seconds
    while not holds():
        assert monotonic() < deadline, f"still waiting after {seconds:.0f} s for {what}"
        await asyncio.sleep(0.01)
