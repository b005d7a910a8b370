"""Identifiers and geohashes: formed as the law and the inventors say."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from seeds import geohash
from seeds.numbers import RANKS, former_tax_code, personal_number, social_insurance_number, tax_code


@pytest.mark.parametrize(
    ("female", "born", "beginning"),
    [
        (False, date(1975, 6, 1), "001075"),
        (True, date(1999, 12, 31), "001199"),
        (False, date(2000, 1, 1), "001200"),
        (True, date(2025, 5, 5), "001325"),
    ],
)
def test_a_personal_number_tells_province_century_sex_and_year(female: bool, born: date, beginning: str) -> None:  # noqa: FBT001 (parametrized)
    """The first six digits follow from birth; six more are free."""
    number = personal_number("001", born, female=female, rank=7)
    assert number.startswith(beginning)
    assert len(number) == 12
    assert number.isdigit()


def test_no_two_people_share_a_number() -> None:
    """Whatever the province and the year, a hundred thousand ranks give as many endings."""
    born = date(1990, 1, 1)
    ranks = range(0, RANKS, 10)
    assert len({personal_number("079", born, female=False, rank=rank) for rank in ranks}) == len(ranks)
    assert len({social_insurance_number("079", rank) for rank in ranks}) == len(ranks)
    assert len({former_tax_code(rank) for rank in ranks}) == len(ranks)


@pytest.mark.parametrize("code", ["0100109106", "0300588569", "0100686174", "0101243150"])
def test_the_check_digit_of_a_tax_code_is_that_of_known_enterprises(code: str) -> None:
    """Codes printed on public invoices (Viettel, Vinamilk, Agribank, MISA) come out as they are."""
    assert tax_code(int(code[:9])) == code


def test_a_tax_code_whose_check_digit_would_have_two_digits_is_never_issued() -> None:
    """Where the remainder is 0, there is no code."""
    assert tax_code(0) is None
    assert all(len(former_tax_code(rank)) == 10 for rank in range(0, RANKS, 997))


@pytest.mark.parametrize(
    ("latitude", "longitude", "code"),
    [(57.64911, 10.40744, "u4pruydqqvj"), (42.605, -5.603, "ezs42"), (-25.382708, -49.265506, "6gkzwgjzn820")],
)
def test_geohash_of_known_points(latitude: float, longitude: float, code: str) -> None:
    """The examples that the literature gives."""
    assert geohash.encode(latitude, longitude, len(code)) == code


@given(st.floats(-89.9, 89.9), st.floats(-179.9, 179.9), st.integers(1, 12))
def test_a_point_lies_in_its_cell(latitude: float, longitude: float, length: int) -> None:
    """The middle of a cell is at most half a cell away from the point (but for rounding), and has the same code."""
    code = geohash.encode(latitude, longitude, length)
    middle = geohash.decode(code)
    assert abs(middle[0] - latitude) <= 90 / 2 ** (length * 5 // 2) + 1e-12
    assert abs(middle[1] - longitude) <= 180 / 2 ** (length * 5 - length * 5 // 2) + 1e-12
    assert geohash.encode(*middle, length) == code


def test_a_letter_outside_the_alphabet_is_refused() -> None:
    """`a` is in no geohash."""
    with pytest.raises(ValueError, match="substring not found"):
        geohash.decode("a")
