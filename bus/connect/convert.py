"""From a column's value to the raw Avro value of a field: one function for each field, made once from its rule."""

import re
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from functools import lru_cache
from typing import Any
from unicodedata import normalize
from zoneinfo import ZoneInfo

from bus.connect.manifest import FieldRule, IdRule
from bus.connect.unfit import RowUnfit

Convert = Callable[[Any], Any]

DAYS_KEPT = 4096
"""For so many days at once it is kept what a unit's code means then."""

LONGEST_DIGITS = 400
"""A decimal of more digits before or behind its point is not written out: a few letters may name one of thousands of
millions.
"""

_EPOCH = date(1970, 1, 1).toordinal()
_BEGIN, _MICRO = datetime(1970, 1, 1, tzinfo=UTC), timedelta(microseconds=1)
_LAST_MILLI = 253_402_300_799_999
"""That of the year 9999; of a later one many programs can make no time."""


def converter(rule: FieldRule, kind: Any, at: date | None = None) -> Convert:
    """What makes a field's value of a column's: None of a text of which nothing is left. It raises RowUnfit.

    It is cleaned first: its Unicode form, its white space, its form as an id. Units are those of the day `at`.
    """
    if isinstance(kind, dict) and kind["type"] == "array":
        return _array(rule, kind, at)
    steps, convert = list(_cleaning(rule)), _plain(rule, kind, at)
    if not steps:
        return convert

    def cleaned(value: Any) -> Any:
        for step in steps:
            value = step(value)
        return None if value == "" and not rule.keep_empty else convert(value)

    return cleaned


def dated(rule: FieldRule, kind: Any) -> Callable[[Any, Any], Any]:
    """What makes a field's value of a column's and of that which holds its day; without a day, as `converter` does."""
    on = lru_cache(DAYS_KEPT)(lambda day: converter(rule, kind, day))
    zone = ZoneInfo(rule.time_zone) if rule.time_zone else None

    def convert(value: Any, day: Any) -> Any:
        try:
            at = _day(day, rule.date_format, zone)
        except ValueError:
            raise RowUnfit(f"the day of its unit (column {rule.valid_at}) cannot be read as one") from None
        return on(at)(value)

    return convert


def _day(value: Any, form: str | None, zone: ZoneInfo | None) -> date | None:
    """The day of a date or a time, which is the zone's where the time has an offset."""
    if isinstance(value, str):
        text = value.strip()
        value = None if not text else datetime.strptime(text, form) if form else datetime.fromisoformat(text)  # noqa: DTZ007 - a date has no zone
    if isinstance(value, datetime):
        return (value.astimezone(zone) if zone and value.tzinfo else value).date()
    if value is not None and not isinstance(value, date):
        raise RowUnfit("is not a date")
    return value


def _stripped(value: Any) -> Any:
    return value.strip() if isinstance(value, str) else value


def _plain(rule: FieldRule, kind: Any, at: date | None) -> Convert:
    if (units := rule.units) is not None:
        return lambda value: units.newest(str(value), at, rule.as_of)
    if rule.codes is not None:
        return _coded(rule.codes)
    logical = kind.get("logicalType") if isinstance(kind, dict) else None
    zone = ZoneInfo(rule.time_zone) if rule.time_zone else None
    if logical == "date":
        return lambda value: _days(value, rule.date_format, zone)
    if logical in ("timestamp-millis", "timestamp-micros"):
        micros_due = logical == "timestamp-micros"
        return lambda value: _ticks(value, rule.date_format, zone, micros_due=micros_due)
    return _PLAIN.get(kind if isinstance(kind, str) else kind["type"], lambda value: value)


def _cleaning(rule: FieldRule) -> Iterator[Convert]:
    """The steps, each of which leaves alone what is no text. White space is what Unicode says, no-break spaces too."""
    if (form := rule.unicode) is not None:
        yield lambda value: normalize(form, value) if isinstance(value, str) else value
    if rule.trim == "inner":
        yield lambda value: " ".join(value.split()) if isinstance(value, str) else value
    elif rule.trim:
        yield _stripped
    if rule.id is not None:
        yield _id(rule.id)


def _id(rule: IdRule) -> Convert:
    dropped, pattern = str.maketrans("", "", rule.drop), re.compile(rule.pattern or ".*", re.DOTALL)
    turned: Callable[[str], str] = {"upper": str.upper, "lower": str.lower}.get(rule.case or "", str)

    def form(value: Any) -> str:
        found = turned(_digits(value).translate(dropped))
        found = found.rjust(rule.pad or 0, "0") if found else found
        if found and not pattern.fullmatch(found):
            raise RowUnfit(f"does not match the pattern {rule.pattern} of its id")
        return found

    return form


def _digits(value: Any) -> str:
    """A text as it is, the digits of a whole number: a sheet may hold an id as one, without its zeros."""
    if isinstance(value, str):
        return value
    if isinstance(value, int | float | Decimal) and not isinstance(value, bool) and value % 1 == 0:
        return str(int(value))
    raise RowUnfit("is neither text nor a whole number, and its rule makes an id of it")


def _array(rule: FieldRule, kind: Mapping[str, Any], at: date | None) -> Callable[[Any], list[Any] | None]:
    item = converter(rule.model_copy(update={"split": None, "keep_empty": True}), without_null(kind["items"]), at)

    def convert(value: Any) -> list[Any] | None:
        if rule.trim and not rule.keep_empty and isinstance(value, str) and not value.strip():
            return None
        parts = value.split(rule.split) if rule.split is not None and isinstance(value, str) else value
        if isinstance(parts, str):
            raise RowUnfit("is text, and must be an array")
        return [item(part.strip() if isinstance(part, str) else part) for part in parts]

    return convert


def _coded(codes: Mapping[Any, Any]) -> Convert:
    table = {str(code): meaning for code, meaning in codes.items()}

    def convert(value: Any) -> Any:
        try:
            return table[value if type(value) is str else str(value)]
        except KeyError:
            raise RowUnfit("holds a code that the manifest does not list") from None

    return convert


def _days(value: Any, form: str | None, zone: ZoneInfo | None) -> int:
    """Of a time with an offset, the day that it is in the zone: a database may tell it by another offset."""
    if type(value) is date:
        return value.toordinal() - _EPOCH
    if isinstance(value, str):
        value = datetime.strptime(value, form) if form else date.fromisoformat(value)  # noqa: DTZ007 - a date has no zone
    if isinstance(value, datetime):
        value = (value.astimezone(zone) if zone and value.tzinfo else value).date()
    if not isinstance(value, date):
        raise RowUnfit("is not a date")
    return value.toordinal() - _EPOCH


def _ticks(value: Any, form: str | None, zone: ZoneInfo | None, *, micros_due: bool) -> int:
    if isinstance(value, str):
        value = datetime.strptime(value, form) if form else datetime.fromisoformat(value)  # noqa: DTZ007 - checked below
    if isinstance(value, datetime) and value.tzinfo is None and zone is not None:
        value = value.replace(tzinfo=zone)
    if not isinstance(value, datetime) or value.tzinfo is None:
        raise RowUnfit("is not a time with an offset from UTC")
    return (value - _BEGIN) // _MICRO if micros_due else min(round(value.timestamp() * 1000), _LAST_MILLI)


def integer(value: Any) -> Any:
    """A whole number; what is none stays, for the schema to judge."""
    if isinstance(value, str):
        return int(_written(value))
    if isinstance(value, Decimal) and value.adjusted() < LONGEST_DIGITS and value == value.to_integral_value():
        return int(value)
    return value


def _number(value: Any) -> Any:
    if isinstance(value, str):
        return float(_written(value))
    return float(value) if isinstance(value, Decimal) else value


def _written(number: str) -> str:
    """A number as registries write it; Python takes `1_2` for one too. Raises ValueError."""
    if "_" in number:
        raise ValueError
    return number


def _boolean(value: Any) -> Any:
    if isinstance(value, str):
        return {"true": True, "t": True, "1": True, "false": False, "f": False, "0": False}.get(value.lower(), value)
    return value


def text(value: Any) -> Any:
    """A text as it is; of a number its digits."""
    if isinstance(value, Decimal) and abs(value.adjusted()) < LONGEST_DIGITS:
        return format(value, "f")
    return str(value) if isinstance(value, int | Decimal) and not isinstance(value, bool) else value


_PLAIN: dict[str, Convert] = {
    "int": integer,
    "long": integer,
    "float": _number,
    "double": _number,
    "boolean": _boolean,
    "string": text,
}


def without_null(kind: Any) -> Any:
    """The type of a field that may be null, without that."""
    if not isinstance(kind, list):
        return kind
    rest = [branch for branch in kind if branch != "null"]
    return rest[0] if len(rest) == 1 else rest
