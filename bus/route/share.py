"""Whose turn it is to judge records that exist already, and how many: so that they never hold live changes up.

A lane that catches up does so beside its live changes, in the same transactions. All lanes of a process share one
event loop, and often they all begin to catch up at one moment, for an agreement is activated for all of them: then
every live change would wait for the slices of all others. So few lanes at a time have a slice, in turn, and a slice is
as many records as were judged in a few milliseconds before. Work is measured in processor time: a machine that is busy
with others makes no slice smaller.
"""

from collections import deque
from collections.abc import Callable

AT_ONCE = 2
"""While one waits for its commit, the other can judge."""

SLICE_SECONDS = 0.006
FEWEST, FIRST = 10, 50
FEWEST_EXISTING = 30
"""A slice is never of fewer: what each transaction costs, whatever is in it, would else make slices ever smaller on a
busy machine, and the whole take many times as long."""

FIRST_BATCH = 200
"""Before anything was measured: agreements differ a lot in what they cost."""


class Pace:
    """How many records one transaction may take: never more than `most`, nor than are judged in so many seconds."""

    def __init__(self, most: int, seconds: float, *, first: int | None = None, wary: bool = True) -> None:
        self._most = most
        self._fewest = FEWEST if wary else min(most, FEWEST_EXISTING)
        self._seconds = seconds
        self._seconds_each = seconds / (first or min(most, FIRST_BATCH))
        self._wary = wary

    def judged(self, records: int, seconds: float) -> None:
        """So many were judged in so many seconds of work; a few say little, for what is the same for all costs most.

        That they cost less is believed by and by, and so that they cost more: but for who is wary, at once.
        """
        if records >= FEWEST:
            more = max(seconds, 1e-6) / records - self._seconds_each
            self._seconds_each += more if self._wary and more > 0 else more / 8

    def limit(self) -> int:
        """For the next transaction."""
        return min(self._most, max(self._fewest, int(self._seconds / self._seconds_each)))


class CatchUp:
    """The turns of one process's lanes."""

    def __init__(self, *, most: int) -> None:
        # What a transaction costs as such is in it too: a wary pace would believe the costliest one, and stay slow.
        self._pace = Pace(most, SLICE_SECONDS, first=FIRST, wary=False)
        self._holding: set[int] = set()
        self._waiting: deque[tuple[int, Callable[[], None]]] = deque()

    def ask(self, lane: int, wake: Callable[[], None]) -> None:
        """Give the lane a turn when one is free; `wake` is called then. Asking twice is asking once."""
        if lane not in self._holding and all(one != lane for one, _ in self._waiting):
            self._waiting.append((lane, wake))
        self._grant()

    def granted(self, lane: int) -> int:
        """How many records the lane may judge in its next transaction; 0 while it is not its turn."""
        return self._pace.limit() if lane in self._holding else 0

    def done(self, lane: int, *, records: int, seconds: float) -> None:
        """The lane's turn is over; it judged so many records in so many seconds of work."""
        self._pace.judged(records, seconds)
        self.forget(lane)

    def forget(self, lane: int) -> None:
        """The lane wants no turn any more."""
        self._holding.discard(lane)
        self._waiting = deque(one for one in self._waiting if one[0] != lane)
        self._grant()

    def _grant(self) -> None:
        while self._waiting and len(self._holding) < AT_ONCE:
            lane, wake = self._waiting.popleft()
            self._holding.add(lane)
            wake()
