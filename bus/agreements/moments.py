"""Days and points in time as agreements write them: one spelling each, and nothing that Python would also take."""

import re
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

from bus.clock import FIRST_MS, LAST_MS

EPOCH_DAY = date(1970, 1, 1).toordinal()
"""Add it to a raw Avro date to get Python's ordinal of the day."""

_DAY = re.compile(r"^\d{4}-\d\d-\d\d$", re.ASCII)
_MOMENT = re.compile(r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d{1,6})?(Z|[+-]\d\d:\d\d)$", re.ASCII)


def midnight_ms(day: date, timezone: str) -> int:
    """The first moment of a day in a time zone, in milliseconds since 1970."""
    return round(datetime.combine(day, time(), ZoneInfo(timezone)).timestamp() * 1000)


def day_of(ms: int, timezone: str) -> date:
    """The day in a time zone on which a moment lies, in milliseconds since 1970; beyond all days, the nearest."""
    moment = datetime.fromtimestamp(min(max(ms, FIRST_MS), LAST_MS) / 1000, UTC)
    try:
        return moment.astimezone(ZoneInfo(timezone)).date()
    except OverflowError:
        return moment.date()


def read_day(text: str) -> date:
    """2026-01-31. Raises ValueError for anything else, week dates and dates without hyphens included."""
    if not _DAY.match(text):
        raise ValueError("a date is written YYYY-MM-DD")
    return date.fromisoformat(text)


def read_moment(text: str) -> datetime:
    """2026-01-31T08:00:00+07:00, or with Z and up to microseconds (RFC 3339). Raises ValueError."""
    if not _MOMENT.match(text):
        raise ValueError("a point in time is written YYYY-MM-DDThh:mm:ss with Z or an offset")
    return datetime.fromisoformat(text)
