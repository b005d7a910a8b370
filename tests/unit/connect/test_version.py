"""Versions of rows: through a position and back, and a little earlier."""

from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pytest

from bus.connect.version import as_json, as_value, earlier, reached

NOON = datetime(2026, 3, 1, 12, 0, 0, tzinfo=UTC)


@pytest.mark.parametrize("value", [None, 7, "2026-03-01", NOON, date(2026, 3, 1), Decimal("7.50"), b"\x00\x01"])
def test_through_a_position(value: Any) -> None:
    """Every kind of version comes back from a position as it went in."""
    assert as_value(as_json(value)) == value


@pytest.mark.parametrize(
    ("value", "before"),
    [
        (100, 40),
        (Decimal(100), Decimal(40)),
        (NOON, datetime(2026, 3, 1, 11, 59, tzinfo=UTC)),
        ("2026-03-01 12:00:00", "2026-03-01 11:59:00"),
        ("2026-03-01T12:00:00+00:00", "2026-03-01T11:59:00+00:00"),
        ("v12", "v12"),
        (b"\x01", b"\x01"),
    ],
)
def test_earlier(value: Any, before: Any) -> None:
    """A minute, or sixty units, before; what can't be counted stays as it is."""
    assert earlier(value, 60) == before


def test_reached() -> None:
    """Nothing has reached a version before it was read; a table without any is reached at once."""
    assert reached(None, None)
    assert not reached(None, 1)
    assert reached(as_json(NOON), as_json(NOON))
    assert not reached(6, 7)
