"""Values of a version column: as JSON in a position, as values in a query, and a little earlier than they are."""

from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any


def as_json(value: Any) -> Any:
    """A version as a position keeps it. Raises TypeError for a type that has no order."""
    match value:
        case None | bool() | int() | float() | str():
            return value
        case datetime():
            return {"time": value.isoformat()}
        case date():
            return {"date": value.isoformat()}
        case Decimal():
            return {"number": str(value)}
        case bytes():
            return {"bytes": value.hex()}
    raise TypeError(f"a version cannot be a {type(value).__name__}")


def as_value(found: Any) -> Any:
    """The inverse of `as_json`."""
    match found:
        case {"time": text}:
            return datetime.fromisoformat(text)
        case {"date": text}:
            return date.fromisoformat(text)
        case {"number": text}:
            return Decimal(text)
        case {"bytes": text}:
            return bytes.fromhex(text)
    return found


def earlier(value: Any, safety: float) -> Any:
    """A version that is `safety` before: seconds of a time (also one written as ISO 8601), units of a number."""
    match value:
        case datetime():
            return value - timedelta(seconds=safety)
        case date():
            return value - timedelta(days=1)
        case str():
            return _earlier_text(value, safety)
        case int() | float():
            return value - int(safety)
        case Decimal():
            return value - Decimal(int(safety))
    return value


def reached(seen: Any, newest: Any) -> bool:
    """Whether a version, as JSON, is at `newest` or after it; where a table has none, everybody is."""
    if newest is None:
        return True
    return seen is not None and bool(as_value(seen) >= as_value(newest))


def _earlier_text(text: str, safety: float) -> str:
    try:
        moment = datetime.fromisoformat(text) - timedelta(seconds=safety)
    except ValueError:
        return text
    return moment.isoformat(sep="T" if "T" in text else " ")
