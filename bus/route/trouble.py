"""What becomes of a lane that fails: when it begins anew, and when its process gives up. Values and pure functions."""

from dataclasses import dataclass, replace

from bus.errors import LaneKeepsFailing, TwoOfOneName

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 10.0
HEALTHY_SECONDS = 30.0
"""A lane that served for so long, or committed something, has got over what it failed of before."""

FENCES_COUNT_SECONDS = 60.0
"""Fences further apart are what moving lanes bring with them; closer ones are somebody who will not go away."""


@dataclass(frozen=True, slots=True)
class Trouble:
    """How a lane has failed of late: in a row without getting anywhere, and when it was fenced (monotonic seconds)."""

    failures: int = 0
    fences: tuple[float, ...] = ()

    def failed(self, *, healthy: bool) -> "Trouble":
        """After one more failure; `healthy` when the lane had got somewhere before it."""
        return replace(self, failures=1 if healthy else self.failures + 1)

    def fenced(self, now: float) -> "Trouble":
        """After another process took the lane over."""
        recent = tuple(moment for moment in self.fences if moment > now - FENCES_COUNT_SECONDS)
        return replace(self, fences=(*recent, now))

    def pause_seconds(self, *, at_least: float = 0.0) -> float:
        """How long to wait before the lane begins anew."""
        pause = FIRST_PAUSE_SECONDS * 2.0 ** min(max(0, self.failures - 1), 10)
        return max(at_least, min(LONGEST_PAUSE_SECONDS, pause))


def bear(lane: int, trouble: Trouble, *, failures: int, fences: int, last: str) -> None:
    """Return while the process may go on. `last` is what the lane failed of, without personal values.

    Raises TwoOfOneName, LaneKeepsFailing: then it ends.
    """
    if len(trouble.fences) >= fences:
        raise TwoOfOneName(lane=lane, times=len(trouble.fences), seconds=int(FENCES_COUNT_SECONDS))
    if trouble.failures >= failures:
        raise LaneKeepsFailing(lane=lane, times=trouble.failures, last=last)
