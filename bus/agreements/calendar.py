"""Days, weeks and months of a time zone, as spans between moments: by them ages are judged and updates spaced."""

from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Protocol
from zoneinfo import ZoneInfo

from bus.agreements.moments import EPOCH_DAY, midnight_ms


class Calendar(Protocol):
    """Time cut into spans."""

    def begin(self, at_ms: int) -> int:
        """When the span of a moment began: a number that all moments of the span have in common, and no other has."""
        ...

    def next_ms(self, at_ms: int) -> int:
        """When the next span begins, in milliseconds since 1970."""
        ...


class Span(StrEnum):
    """How long a span is."""

    DAY = "daily"
    WEEK = "weekly"
    MONTH = "monthly"


@dataclass(frozen=True, slots=True)
class Spans:
    """The days, weeks (from Monday) or months of a time zone; each begins with the midnight of its first day."""

    span: Span
    timezone: str

    def begin(self, at_ms: int) -> int:
        """The first day of the span, counted from 1970-01-01."""
        return _around(self.span, self.timezone, at_ms)[0]

    def next_ms(self, at_ms: int) -> int:
        """The midnight that ends it."""
        return _around(self.span, self.timezone, at_ms)[1]


@lru_cache(maxsize=4096)
def _around(span: Span, timezone: str, at_ms: int) -> tuple[int, int]:
    """A lane asks for the same moment again and again, and seldom for an older one."""
    today = datetime.fromtimestamp(at_ms // 1000, ZoneInfo(timezone)).date()
    first, following = _first_days(span, today)
    return first.toordinal() - EPOCH_DAY, midnight_ms(following, timezone)


def _first_days(span: Span, today: date) -> tuple[date, date]:
    """The first day of the span that a day lies in, and of the next one."""
    if span is Span.DAY:
        return today, today + timedelta(days=1)
    if span is Span.WEEK:
        monday = today - timedelta(days=today.weekday())
        return monday, monday + timedelta(days=7)
    first = today.replace(day=1)
    return first, (first + timedelta(days=31)).replace(day=1)
