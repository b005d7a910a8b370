"""Lanes that the broker, or somebody's open transaction, keeps waiting: told in the log once, and when it is over."""

from collections.abc import Iterable, Mapping
from typing import Protocol

from bus import clock
from bus.kafka.log import Place
from bus.kafka.unended import Unended
from bus.model.waits import MEND_HELD_BACK, MEND_WAIT, Wait
from bus.telemetry import Event, emit

TOLD_AFTER_SECONDS = 5.0
"""A transaction takes milliseconds; one of a lane that was moved in, or whose broker fails over, some seconds."""

HELD_AFTER_SECONDS = 10.0
"""A connector's transaction takes milliseconds, and seconds where a broker fails over."""


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


def long_unended(seen: Mapping[Place, Unended]) -> dict[Place, Unended]:
    """Where somebody's transaction has kept a lane from reading on for too long."""
    return {place: one for place, one in seen.items() if one.seconds >= HELD_AFTER_SECONDS}


class HeldLog:
    """Tells the log of each transaction that is not ended once, and when the lane reads on."""

    def __init__(self) -> None:
        self._told: dict[tuple[int, Place], Unended] = {}

    def look(self, held: Mapping[int, Mapping[Place, Unended]]) -> None:
        """Compare with the last look: by lane, what `long_unended` says of it."""
        found = {(lane, place): one for lane, of_lane in held.items() for place, one in of_lane.items()}
        for (lane, place), one in list(self._told.items()):
            now = found.get((lane, place))
            if now is None or now.stable != one.stable:
                del self._told[lane, place]
                emit(Event.INPUT_GOES_ON, lane=lane, topic=place.topic, offset=one.stable)
        for (lane, place), one in found.items():
            if (lane, place) not in self._told:
                self._told[lane, place] = one
                where = {"topic": place.topic, "partition": place.partition, "offset": one.stable}
                seconds, unread = round(one.seconds, 1), one.end - one.stable
                emit(Event.INPUT_HELD_BACK, lane=lane, **where, unread=unread, seconds=seconds, remedy=MEND_HELD_BACK)
