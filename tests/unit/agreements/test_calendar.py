"""Days, weeks and months of a time zone."""

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bus.agreements.calendar import Span, Spans
from bus.agreements.moments import EPOCH_DAY

ZONES = ("Asia/Ho_Chi_Minh", "Europe/Berlin", "America/St_Johns", "Pacific/Apia", "UTC")


def at(text: str, zone: str) -> int:
    return round(datetime.fromisoformat(text).replace(tzinfo=ZoneInfo(zone)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("span", "moment", "first", "following"),
    [
        (Span.DAY, "2026-03-01T00:00", "2026-03-01", "2026-03-02"),
        (Span.DAY, "2026-02-28T23:59", "2026-02-28", "2026-03-01"),
        (Span.WEEK, "2026-03-01T12:00", "2026-02-23", "2026-03-02"),
        (Span.WEEK, "2026-03-02T00:00", "2026-03-02", "2026-03-09"),
        (Span.MONTH, "2026-12-31T23:59", "2026-12-01", "2027-01-01"),
        (Span.MONTH, "2028-02-29T12:00", "2028-02-01", "2028-03-01"),
    ],
)
def test_spans(span: Span, moment: str, first: str, following: str) -> None:
    """A span begins with the midnight of its first day, a week with Monday, and the next one follows it."""
    zone = "Asia/Ho_Chi_Minh"
    spans, now = Spans(span, zone), at(moment, zone)
    assert spans.begin(now) == date.fromisoformat(first).toordinal() - EPOCH_DAY
    assert spans.next_ms(now) == at(f"{following}T00:00", zone)


@settings(max_examples=200, deadline=None)
@given(
    st.sampled_from(Span), st.sampled_from(ZONES), st.integers(0, 4_000_000_000_000), st.integers(0, 40 * 86_400_000)
)
def test_spans_follow_one_another(span: Span, zone: str, moment: int, later: int) -> None:
    """Whatever clocks do, a moment lies before its span's end, and two lie in one span when no end is between them."""
    spans = Spans(span, zone)
    end = spans.next_ms(moment)
    assert moment < end
    assert spans.begin(end - 1) == spans.begin(moment) < spans.begin(end)
    assert (spans.begin(moment + later) == spans.begin(moment)) is (moment + later < end)


def test_the_day_is_the_zones() -> None:
    """One moment lies in two days in two zones."""
    moment = round(datetime(2026, 3, 1, 20, tzinfo=UTC).timestamp() * 1000)
    assert Spans(Span.DAY, "Asia/Ho_Chi_Minh").begin(moment) == Spans(Span.DAY, "UTC").begin(moment) + 1
