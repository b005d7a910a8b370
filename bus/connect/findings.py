"""What a check of a source found: each finding with its remedy, and what the whole comes to."""

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

from bus.clock import now_ms

MAX_CLOCK_DIFFERENCE_SECONDS = 5.0


class Weight(StrEnum):
    """How much a finding weighs."""

    GOOD = "good"
    WARNING = "warning"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at. `remedy` is empty where it is good."""

    weight: Weight
    what: str
    remedy: str = ""


def exit_code(findings: Iterable[Finding]) -> int:
    """0: all is good; 1: it runs, with warnings; 2: it cannot run."""
    weights = {finding.weight for finding in findings}
    return 2 if Weight.ERROR in weights else 1 if Weight.WARNING in weights else 0


def good(what: str) -> Finding:
    """As it should be."""
    return Finding(Weight.GOOD, what)


def warning(what: str, remedy: str) -> Finding:
    """It runs, and somebody should know."""
    return Finding(Weight.WARNING, what, remedy)


def error(what: str, remedy: str) -> Finding:
    """It cannot run so."""
    return Finding(Weight.ERROR, what, remedy)


def file_clock(newest_ms: float) -> Finding:
    """What the newest time of a file tells of the clock of whoever writes them: of one that is ahead, and no more."""
    ahead = (newest_ms - now_ms()) / 1000
    if ahead <= MAX_CLOCK_DIFFERENCE_SECONDS:
        return good("no file is dated ahead of our clock")
    remedy = (
        "Let the machine that writes the files follow NTP, as ours. Files are read by rank: no order depends on it."
    )
    return warning(f"its newest file is dated {ahead:.0f} s ahead of our clock", remedy)


def clock(theirs_ms: float) -> Finding:
    """What the difference of two clocks means: order never depends on it, delays that are shown do."""
    seconds = (theirs_ms - now_ms()) / 1000
    if abs(seconds) <= MAX_CLOCK_DIFFERENCE_SECONDS:
        return good(f"its clock differs from ours by less than {MAX_CLOCK_DIFFERENCE_SECONDS:g} s")
    how = "ahead of" if seconds > 0 else "behind"
    remedy = "Let both follow NTP. Nothing is lost or reordered by it, but the delays that are shown are wrong."
    return warning(f"its clock is {abs(seconds):.0f} s {how} ours", remedy)
