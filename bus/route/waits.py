"""Lanes that the broker keeps waiting: told in the log once it has lasted for some seconds, and when it is over."""

from collections.abc import Iterable
from typing import Protocol

from bus import clock
from bus.model.waits import MEND_WAIT, Wait
from bus.telemetry import Event, emit

TOLD_AFTER_SECONDS = 5.0
"""A transaction takes milliseconds; one of a lane that was moved in, or whose broker fails over, some seconds."""


class Waiting(Protocol):
    """A lane's report, as far as waits go."""

    lane: int
    waiting: tuple[Wait, float] | None
    """What the lane waits for, and since when by the monotonic clock."""


def long_wait(report: Waiting) -> tuple[Wait, float] | None:
    """What a lane has been waiting for too long, and for how many seconds."""
    if report.waiting is None:
        return None
    wait, since = report.waiting
    lasted = clock.monotonic() - since
    return (wait, lasted) if lasted >= TOLD_AFTER_SECONDS else None


class WaitLog:
    """Tells the log of each long wait once, and of its end."""

    def __init__(self) -> None:
        self._told: dict[int, float] = {}

    def look(self, reports: Iterable[Waiting]) -> None:
        """Compare with the last look."""
        found = {report.lane: report for report in reports}
        for lane, since in list(self._told.items()):
            report = found.get(lane)
            if report is None or report.waiting is None or report.waiting[1] != since:
                del self._told[lane]
                emit(Event.LANE_GOES_ON, lane=lane, waited_seconds=round(clock.monotonic() - since, 1))
        for lane, report in found.items():
            long = long_wait(report)
            if long is not None and report.waiting is not None and lane not in self._told:
                self._told[lane] = report.waiting[1]
                reason = long[0].meaning
                emit(Event.LANE_WAITS, lane=lane, seconds=round(long[1], 1), reason=reason, remedy=MEND_WAIT)
