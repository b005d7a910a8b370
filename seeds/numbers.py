"""Identifiers as the law forms them. Each is unique because it is a permutation of the person's rank in the country."""

from dataclasses import dataclass
from datetime import date

RANKS = 1_000_000
"""A personal number has six free digits; one rank each keeps them apart whatever the other six are."""

_WEIGHTS = (31, 29, 23, 19, 17, 13, 7, 5, 3)


def personal_number(birth_province: str, birth_date: date, *, female: bool, rank: int) -> str:
    """Twelve digits: province (3), century and sex (1), year (2), and six free ones (Decree 137/2015, article 13).

    `birth_province` is the three-digit code from before July 2025.
    """
    century = (birth_date.year // 100 - 19) * 2 + female
    return f"{birth_province}{century}{birth_date.year % 100:02}{_shuffled(rank, RANKS, 618_033, 271_828):06}"


def tax_code(nine: int) -> str | None:
    """The ten-digit code that begins with these nine digits, or None where the check digit forbids it."""
    text = f"{nine:09}"
    rest = sum(int(digit) * weight for digit, weight in zip(text, _WEIGHTS, strict=True)) % 11
    return f"{text}{10 - rest}" if rest else None


def former_tax_code(rank: int) -> str:
    """A person's code of before July 2025; the first of ten candidates that the check digit allows."""
    eight = _shuffled(rank, RANKS, 414_213, 577_215)
    codes = (tax_code(800_000_000 + tenth * 10_000_000 + eight) for tenth in range(10))
    return next(code for code in codes if code is not None)


def social_insurance_number(birth_province: str, rank: int) -> str:
    """Ten digits: two of the province of first registration, eight that are unique by themselves."""
    return f"{birth_province[1:]}{_shuffled(rank, 100_000_000, 61_803_399, 14_142_135):08}"


def health_card_number(group: str, level: int, province: str, insurance_number: str) -> str:
    """Fifteen characters: group of the insured (two letters), level of benefit, province, insurance number."""
    return f"{group}{level}{province}{insurance_number}"


@dataclass(slots=True)
class Series:
    """Numbers that one chunk gives out: apart from every other chunk's."""

    chunk: int
    given: int = 0

    def next(self) -> str:
        """Eight digits, never given before."""
        self.given += 1
        return f"{self.chunk:04}{self.given:04}"


def _shuffled(rank: int, size: int, step: int, start: int) -> int:
    """A permutation of 0 … size-1: `step` shares no factor with `size`, a power of ten."""
    return (rank * step + start) % size
