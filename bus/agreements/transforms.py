"""What may be done to a value before release. Each transform is typed: it says what it takes and what it gives.

A transform is total on the values of its type, and gives null for null (`present` gives true or false); only what is
no number, and what lies beyond the years 1 to 9999, raises ValueError or OverflowError.
"""

from bisect import bisect_right
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from itertools import pairwise
from math import isnan
from typing import Any
from zoneinfo import ZoneInfo

from bus.agreements.document import WITH_ARGUMENT, Transform, TransformKind
from bus.agreements.moments import EPOCH_DAY
from bus.agreements.shape import Kind, Shape

Read = Callable[[Mapping[str, Any]], Any]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)

MOMENTS = frozenset({Kind.DATE, Kind.TIMESTAMP})
TAKES: Mapping[TransformKind, frozenset[Kind]] = {
    TransformKind.YEAR: MOMENTS,
    TransformKind.MONTH: MOMENTS,
    TransformKind.PROVINCE: frozenset({Kind.TEXT}),
    TransformKind.MASK: frozenset({Kind.TEXT}),
    TransformKind.BUCKET: frozenset({Kind.INT, Kind.DOUBLE}),
    TransformKind.PSEUDONYM: frozenset({Kind.TEXT, Kind.INT}),
    TransformKind.PRESENT: frozenset(Kind),
    TransformKind.AGE_OVER: frozenset({Kind.DATE}),
}
"""The kinds of field that each transform takes."""

GIVES: Mapping[TransformKind, str] = {
    TransformKind.YEAR: "int",
    TransformKind.MONTH: "string",
    TransformKind.PROVINCE: "string",
    TransformKind.MASK: "string",
    TransformKind.BUCKET: "string",
    TransformKind.PSEUDONYM: "string",
    TransformKind.PRESENT: "boolean",
    TransformKind.AGE_OVER: "boolean",
}
"""The Avro type that each transform gives."""

COARSE = frozenset({TransformKind.YEAR, TransformKind.MONTH, TransformKind.PRESENT, TransformKind.AGE_OVER})
"""Transforms after which a time no longer picks out a person as it did."""


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a transform needs beside the value: `pseudonym` bound to the recipient, the zone, the day of `age_over`."""

    pseudonym: Callable[[str], str]
    timezone: str
    day: date


def argument_problem(transform: Transform) -> str | None:
    """What is wrong with a transform's argument, as a code of the catalogue; None when nothing is."""
    argument = transform.argument
    if (argument is not None) is not (transform.kind in WITH_ARGUMENT):
        return "transform-argument"
    if transform.day is not None and transform.kind is not TransformKind.AGE_OVER:
        return "transform-argument"
    if transform.kind is TransformKind.BUCKET:
        rising = isinstance(argument, tuple) and argument and all(low < high for low, high in pairwise(argument))
        return None if rising else "bucket-bounds"
    if transform.kind is TransformKind.MASK:
        return None if isinstance(argument, int) and 0 <= argument <= 8 else "mask-keep"
    if transform.kind is TransformKind.AGE_OVER:
        return None if isinstance(argument, int) and 0 < argument <= 150 else "age-years"
    return None


def change_of(  # noqa: PLR0911 - one return a transform
    transform: Transform, shape: Shape, around: Surroundings
) -> Callable[[Any], Any]:
    """The function over a raw value that is not null (`present` is over any). The argument was checked before."""
    argument = transform.argument
    match transform.kind:
        case TransformKind.YEAR:
            day = _day_of(shape, around.timezone)
            return lambda value: day(value).year
        case TransformKind.MONTH:
            day = _day_of(shape, around.timezone)
            return lambda value: day(value).isoformat()[:7]
        case TransformKind.MASK:
            assert isinstance(argument, int)
            return _mask(argument)
        case TransformKind.BUCKET:
            assert isinstance(argument, tuple)
            return _bucket(argument)
        case TransformKind.PSEUDONYM:
            return lambda value: around.pseudonym(str(value))
        case TransformKind.AGE_OVER:
            assert isinstance(argument, int)
            return _age_over(argument, transform.day or around.day)
        case TransformKind.PRESENT:
            return lambda value: value is not None
        case TransformKind.PROVINCE:
            raise AssertionError("province reads the record: see the view")


def _day_of(shape: Shape, timezone: str) -> Callable[[int], date]:
    if shape.kind is Kind.DATE:
        return lambda value: date.fromordinal(value + EPOCH_DAY)
    zone, per_ms = ZoneInfo(timezone), shape.per_ms
    return lambda value: (_EPOCH + timedelta(milliseconds=value / per_ms)).astimezone(zone).date()


def _mask(keep: int) -> Callable[[str], str]:
    """Always three stars, so that the length is not told; a text no longer than what is kept is hidden whole."""
    return lambda value: "***" + (value[-keep:] if 0 < keep < len(value) else "")


def _bucket(bounds: tuple[int | float, ...]) -> Callable[[int | float], str]:
    labels = (f"<{bounds[0]}", *(f"{low}..<{high}" for low, high in pairwise(bounds)), f">={bounds[-1]}")

    def bucket(value: float) -> str:
        if isnan(value):
            raise ValueError("it is no number")
        return labels[bisect_right(bounds, value)]

    return bucket


def _age_over(years: int, on: date) -> Callable[[int], bool]:
    """Whether so many years of age were reached on a day; born on 29 February, on 1 March of other years."""
    latest = (on.year - years, on.month, on.day)

    def reached(value: int) -> bool:
        born = date.fromordinal(value + EPOCH_DAY)
        return (born.year, born.month, born.day) <= latest

    return reached
