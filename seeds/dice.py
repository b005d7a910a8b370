"""Chance that is the same on every machine and every Python.

Of `random.Random`, Python promises only that `random()` repeats for a seed; so everything here is made from it.
"""

from collections.abc import Sequence
from itertools import accumulate
from random import Random
from typing import Generic, TypeVar

T = TypeVar("T")


class Weighted(Generic[T]):
    """Things with how often each one comes, ready to be drawn from."""

    def __init__(self, pairs: Sequence[tuple[T, float]]) -> None:
        self.things = tuple(thing for thing, _ in pairs)
        self.cumulative = tuple(accumulate(weight for _, weight in pairs))


class Dice:
    """Draws from one stream of chance, named by the words it was made with."""

    def __init__(self, *words: object) -> None:
        self._random = Random("/".join(map(str, words))).random

    def chance(self, share: float) -> bool:
        """True in `share` of the cases, 0 to 1."""
        return self._random() < share

    def between(self, low: int, high: int) -> int:
        """A whole number, both ends included."""
        return low + int(self._random() * (high - low + 1))

    def real(self, low: float, high: float) -> float:
        """A number from `low` up to, not including, `high`."""
        return low + self._random() * (high - low)

    def pick(self, things: Sequence[T]) -> T:
        """One of `things`, all equally often."""
        return things[int(self._random() * len(things))]

    def draw(self, weighted: Weighted[T]) -> T:
        """One of the things, each as often as its weight says."""
        aim = self._random() * weighted.cumulative[-1]
        low, high = 0, len(weighted.cumulative) - 1
        while low < high:
            middle = (low + high) // 2
            if weighted.cumulative[middle] > aim:
                high = middle
            else:
                low = middle + 1
        return weighted.things[low]

    def digits(self, count: int) -> str:
        """`count` decimal digits."""
        return str(self.between(0, 10**count - 1)).zfill(count)
