"""Transactions that were begun in a partition and are not ended: who reads what is committed stands before them."""

from typing import NamedTuple

from bus import clock


class Unended(NamedTuple):
    """A partition whose newest records cannot be read yet, as it was seen from an answer to another."""

    stable: int
    """Where readers of what is committed stand: the first offset of the oldest transaction that is not ended."""
    end: int
    """The offset after the newest record."""
    since_ms: int
    """When it was first seen so."""
    first: float
    last: float
    """When it was seen so first and last, by the monotonic clock."""

    @property
    def seconds(self) -> float:
        """How long the one transaction has certainly been open; nothing is said of times in which nobody looked."""
        return self.last - self.first


def unended(before: Unended | None, stable: int, end: int) -> Unended:
    """What is known after an answer: where `stable` has moved, the transaction of before is ended, and this another."""
    now = clock.monotonic()
    if before is None or before.stable != stable:
        return Unended(stable, end, clock.now_ms(), now, now)
    return before._replace(end=end, last=now)
