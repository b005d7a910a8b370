"""Lengths of time as agreements write them: ISO 8601 durations, P5Y or P30D or PT12H."""

import re
from collections.abc import Mapping

_DAY_MS = 86_400_000
_UNITS_MS = (365 * _DAY_MS, 30 * _DAY_MS, 7 * _DAY_MS, _DAY_MS, 3_600_000, 60_000)
_PARTS = re.compile(r"^P(?:(\d+)Y)?(?:(\d+)M)?(?:(\d+)W)?(?:(\d+)D)?(?:T(?:(\d+)H)?(?:(\d+)M)?)?$", re.ASCII)

LONGEST_MS = 1000 * _UNITS_MS[0]
"""A longer one is a slip, and moments so far away fit no calendar."""


def duration_ms(text: str) -> int:
    """The length in milliseconds, never longer than meant: a year counts 365 days, a month 30.

    Raises ValueError for a text that is no such duration, seconds and fractions included, or is over a thousand years.
    """
    match = _PARTS.match(text)
    if match is None or not any(match.groups()):
        raise ValueError(f"not a duration: {text}")
    length = sum(int(count) * unit for count, unit in zip(match.groups(), _UNITS_MS, strict=True) if count)
    if length > LONGEST_MS:
        raise ValueError(f"longer than a thousand years: {text}")
    return length


def duration_words(text: str, many: Mapping[str, str], one: Mapping[str, str]) -> str:
    """The length in words: `P1Y6M` is "a year, 6 months". Raises ValueError as `duration_ms` does."""
    duration_ms(text)
    match = _PARTS.match(text)
    assert match is not None, "checked above"
    units = zip(("Y", "M", "W", "D", "H", "TM"), match.groups(), strict=True)
    return ", ".join(one[unit] if int(n) == 1 else many[unit].format(n=int(n)) for unit, n in units if n)
