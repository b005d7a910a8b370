"""The only place that reads the time; everything else is handed it."""

import time
from datetime import UTC, datetime

FIRST_MS, LAST_MS = -62_135_596_800_000, 253_402_300_799_000
"""The first second of the year 1 and the last of the year 9999: RFC 3339 knows no others."""


def now_ms() -> int:
    """Milliseconds since 1970-01-01T00:00:00Z."""
    return time.time_ns() // 1_000_000


def monotonic() -> float:
    """Seconds from an arbitrary start, never going back: for waiting and for measuring, never for dates."""
    return time.monotonic()


def worked() -> float:
    """Seconds of processor time that this thread has used: what work costs, however busy the machine is with others."""
    return time.thread_time()


def iso(ms: int) -> str:
    """RFC 3339 text in UTC with milliseconds, as CloudEvents wants `time`: 2026-03-01T08:00:00.000Z.

    A time before or after all that can be written, such as others use for "never", becomes the nearest that can.
    """
    moment = datetime.fromtimestamp(min(max(ms, FIRST_MS), LAST_MS) / 1000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> int:
    """The inverse of `iso`; also takes other RFC 3339 offsets. Raises ValueError for a text without an offset."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"a time without an offset from UTC: {text}")
    return round(moment.timestamp() * 1000)
