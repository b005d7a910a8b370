"""From counts of a sample to what they say of all records, with the error stated."""

import math
from typing import NamedTuple

Z95 = 1.959964
"""Of the normal distribution: 95 of 100 intervals made with it hold the true count."""

CONFIDENCE = 0.95


class Estimate(NamedTuple):
    """A count of all records as a sample tells it: the nearest whole number, and the 95 % interval around it."""

    nearest: int
    low: int
    high: int

    @property
    def exact(self) -> bool:
        """Whether everything was looked at."""
        return self.low == self.high


def estimate(count: int, judged: int, known: int) -> Estimate:
    """`count` of `judged` records, drawn without regard to what is in them from `known`.

    Wilson's score interval (1927), with the size of the sample corrected for a population that is not endless. It holds
    for a count of 0 too, where the error is not 0.
    """
    if judged >= known:
        return Estimate(count, count, count)
    if not judged:
        return Estimate(0, 0, known)
    size = judged * (known - 1) / (known - judged)
    share = count / judged
    middle = (share + Z95**2 / (2 * size)) / (1 + Z95**2 / size)
    half = Z95 / (1 + Z95**2 / size) * math.sqrt(share * (1 - share) / size + (Z95 / (2 * size)) ** 2)
    least, most = count, known - (judged - count)
    low = min(most, max(least, math.floor(known * (middle - half))))
    high = max(low, min(most, math.ceil(known * (middle + half))))
    return Estimate(min(high, max(low, round(share * known))), low, high)
