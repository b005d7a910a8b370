"""What the demonstration tells while it runs, on stderr: phases with their seconds; plain lines without a terminal."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.spinner import Spinner
from rich.table import Table
from rich.text import Text

from bus.clock import monotonic

NEWEST = 6
"""Details of the phase under way that stay on the screen."""


@dataclass(slots=True)
class _Phase:
    """One phase: its title, its times and what was said in it."""

    title: str
    began: float
    ended: float | None = None
    details: list[str] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        return (self.ended or monotonic()) - self.began


class Display:
    """Phases, one after another. `say` tells something within the present one."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._phases: list[_Phase] = []
        self._spinner = Spinner("dots")

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Keep the screen up to date as long as the block lasts."""
        if self._console.is_terminal:
            with Live(console=self._console, get_renderable=self._drawn, refresh_per_second=8):
                yield
        else:
            yield

    @contextmanager
    def phase(self, title: str) -> Iterator[None]:
        """Something that takes a while."""
        phase = _Phase(title, monotonic())
        self._phases.append(phase)
        self._line(f"{title} …")
        yield
        phase.ended = monotonic()
        self._line(f"{title}: done in {phase.seconds:.1f} s")

    def say(self, text: str) -> None:
        """Something that happened in the present phase."""
        self._phases[-1].details.append(text)
        self._line(f"    {text}")

    def _line(self, text: str) -> None:
        if not self._console.is_terminal:
            began = self._phases[0].began
            self._console.print(f"{monotonic() - began:6.1f} s  {text}", highlight=False, markup=False, soft_wrap=True)

    def _drawn(self) -> RenderableType:
        table = Table.grid(padding=(0, 1))
        table.add_column(width=2)
        table.add_column()
        table.add_column(justify="right", style="dim")
        for phase in self._phases:
            mark: RenderableType = self._spinner if phase.ended is None else Text("✓", style="green")
            table.add_row(mark, Text(phase.title, style="bold"), f"{phase.seconds:.1f} s")
            if phase.ended is None or phase is self._phases[-1]:
                for detail in phase.details[-NEWEST:]:
                    table.add_row("", Text(detail, style="dim"), "")
        return Group(table)
