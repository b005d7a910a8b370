"""What transforms make of values."""

from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bus.agreements.document import Transform
from bus.agreements.shape import Kind, Shape
from bus.agreements.transforms import Surroundings, argument_problem, change_of

AROUND = Surroundings(lambda value: f"[{value}]", "Asia/Ho_Chi_Minh", date(2026, 1, 1))
DAY, MOMENT, FINE = Shape(Kind.DATE), Shape(Kind.TIMESTAMP), Shape(Kind.TIMESTAMP, per_ms=1000)
TEXT, NUMBER, RATIO = Shape(Kind.TEXT), Shape(Kind.INT), Shape(Kind.DOUBLE)


def days(text: str) -> int:
    return date.fromisoformat(text).toordinal() - date(1970, 1, 1).toordinal()


def transform(kind: str, argument: Any = None, day: str | None = None) -> Transform:
    return Transform.model_validate({"kind": kind, "argument": argument, "day": day})


CASES: list[tuple[str, Transform, Shape, Any, Any]] = [
    ("The year of a day.", transform("year"), DAY, days("1999-12-31"), 1999),
    ("Days before 1970 have years.", transform("year"), DAY, -1, 1969),
    ("A moment's year is that of the agreement's zone.", transform("year"), MOMENT, 1_767_200_400_000, 2026),
    ("A millisecond before it is the old year.", transform("year"), MOMENT, 1_767_200_399_999, 2025),
    ("Microseconds too.", transform("year"), FINE, 1_767_200_400_000_000, 2026),
    ("The month with its year.", transform("month"), DAY, days("2000-02-29"), "2000-02"),
    ("The month of a moment.", transform("month"), MOMENT, 0, "1970-01"),
    ("The last characters stay.", transform("mask", 3), TEXT, "0912345678", "***678"),
    ("The length is not told.", transform("mask", 3), TEXT, "12345", "***345"),
    ("A short text is hidden whole.", transform("mask", 3), TEXT, "678", "***"),
    ("Nothing may stay.", transform("mask", 0), TEXT, "678", "***"),
    ("Below the first bound.", transform("bucket", [10, 20]), NUMBER, 9, "<10"),
    ("A bound belongs to the range above.", transform("bucket", [10, 20]), NUMBER, 10, "10..<20"),
    ("Below the next.", transform("bucket", [10, 20]), RATIO, 19.9, "10..<20"),
    ("From the last on.", transform("bucket", [10, 20]), NUMBER, 20, ">=20"),
    ("A pseudonym of a text.", transform("pseudonym"), TEXT, "x", "[x]"),
    ("A pseudonym of a number.", transform("pseudonym"), NUMBER, 7, "[7]"),
    ("There is one.", transform("present"), TEXT, "", True),
    ("There is none.", transform("present"), TEXT, None, False),
    ("Eighteen on the day itself.", transform("age_over", 18), DAY, days("2008-01-01"), True),
    ("A day too young.", transform("age_over", 18), DAY, days("2008-01-02"), False),
    ("On a day of its own.", transform("age_over", 18, "2026-01-02"), DAY, days("2008-01-02"), True),
    ("Born on a leap day: not yet.", transform("age_over", 18, "2026-02-28"), DAY, days("2008-02-29"), False),
    ("Born on a leap day: in March.", transform("age_over", 18, "2026-03-01"), DAY, days("2008-02-29"), True),
]


@pytest.mark.parametrize(("says", "rule", "shape", "value", "expected"), CASES, ids=[case[0] for case in CASES])
def test_what_a_transform_gives(says: str, rule: Transform, shape: Shape, value: Any, expected: Any) -> None:
    """Each transform of the table gives what the table says, of that very type."""
    assert argument_problem(rule) is None
    given_value = change_of(rule, shape, AROUND)(value)
    assert given_value == expected
    assert type(given_value) is type(expected)


@pytest.mark.parametrize(
    ("rule", "problem"),
    [
        (transform("year", 3), "transform-argument"),
        (transform("mask"), "transform-argument"),
        (transform("mask", [1, 2]), "mask-keep"),
        (transform("mask", 9), "mask-keep"),
        (transform("bucket", 3), "bucket-bounds"),
        (transform("bucket", [3, 3]), "bucket-bounds"),
        (transform("bucket", []), "bucket-bounds"),
        (transform("age_over", -1), "age-years"),
        (transform("year", day="2026-01-01"), "transform-argument"),
    ],
)
def test_arguments_that_make_no_sense(rule: Transform, problem: str) -> None:
    """An argument that is missing, superfluous or senseless is named by its code."""
    assert argument_problem(rule) == problem


@given(st.text(max_size=20), st.integers(0, 8))
def test_a_mask_shows_no_more_than_it_keeps(text: str, keep: int) -> None:
    """Of any text, a mask shows at most the agreed characters, and never the whole text."""
    masked = change_of(transform("mask", keep), TEXT, AROUND)(text)
    assert masked.startswith("***")
    assert len(masked) - 3 in {0, keep}
    assert text.endswith(masked[3:])
    assert not text or masked[3:] != text


@given(st.integers(), st.lists(st.integers(), min_size=1, unique=True).map(sorted))
def test_every_number_has_one_bucket(value: int, bounds: list[int]) -> None:
    """Each number falls into the range whose label holds it."""
    label = change_of(transform("bucket", bounds), NUMBER, AROUND)(value)
    if label.startswith("<"):
        assert value < int(label[1:])
    elif label.startswith(">="):
        assert value >= int(label[2:])
    else:
        low, high = label.split("..<")
        assert int(low) <= value < int(high)


def test_what_is_no_number_has_no_bucket() -> None:
    """What is no number lies in no range, and least of all in the highest."""
    with pytest.raises(ValueError, match="no number"):
        change_of(transform("bucket", [10, 20]), RATIO, AROUND)(float("nan"))
