"""Figures: what a process used between two moments, and where most of a list lies."""

from collections.abc import Sequence
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import psutil

from bus import clock

MEGABYTE = 1 << 20


@dataclass(frozen=True, slots=True)
class Moment:
    """What was done and used up to now."""

    seconds: float
    cpu_seconds: float
    records: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class Stretch:
    """What was done and used between two moments."""

    records: int
    deliveries: int
    seconds: float
    cpu_seconds: float

    def as_json(self) -> dict[str, float]:
        """The figures, and CPU seconds per million deliveries."""
        return {
            "records": self.records,
            "deliveries": self.deliveries,
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "cpu_seconds_per_million_deliveries": round(self.cpu_seconds * 1e6 / max(1, self.deliveries), 2),
            "deliveries_per_second": round(self.deliveries / max(1e-9, self.seconds)),
        }


def moment(process: psutil.Process, records: int, deliveries: int) -> Moment:
    """Now, for a process that has done so much."""
    times = process.cpu_times()
    return Moment(clock.monotonic(), times.user + times.system, records, deliveries)


def between(first: Moment, last: Moment) -> Stretch:
    """What lies between two moments."""
    return Stretch(
        last.records - first.records,
        last.deliveries - first.deliveries,
        last.seconds - first.seconds,
        last.cpu_seconds - first.cpu_seconds,
    )


def milliseconds(seconds: Sequence[float]) -> dict[str, float]:
    """p50, p95, p99 and the maximum of durations, in milliseconds."""
    ordered = sorted(seconds)
    places = {"p50": 0.5, "p95": 0.95, "p99": 0.99, "max": 1.0}
    return {
        name: round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1)
        for name, share in places.items()
        if ordered
    }


def memory(process: psutil.Process) -> tuple[int, int]:
    """Bytes of its own, and bytes of files that are mapped: those the machine takes back when it wants them.

    Where the machine does not tell them apart, all are its own.
    """
    try:
        words = dict(line.split(":", 1) for line in Path(f"/proc/{process.pid}/status").read_text().splitlines())
        own, mapped = (int(words[name].split()[0]) * 1024 for name in ("RssAnon", "RssFile"))
    except (OSError, KeyError):
        return process.memory_info().rss, 0
    return own, mapped


def compiled() -> bool:
    """Whether the router's hot path is compiled here."""
    spec = find_spec("bus.route.lane")
    return spec is not None and not str(spec.origin).endswith(".py")
