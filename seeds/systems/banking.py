"""The bank accounts' own system: a workbook of accounts that the central bank drops into a folder."""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from openpyxl import Workbook

from seeds.country import Country
from seeds.dice import Dice, Weighted
from seeds.names import BANKS
from seeds.people import TODAY, day_between, years
from seeds.records import Person

FILE = "tai-khoan-full-000001.xlsx"
COLUMNS = (
    "so_tham_chieu", "so_dinh_danh", "ngan_hang", "loai", "tinh_trang", "ngay_mo", "ngay_dong", "nhan_tro_cap",
)  # fmt: skip
_ADULT = 18
_KINDS = Weighted([("TT", 80), ("TK", 14), ("VV", 6)])
_WRITTEN = Weighted([("whole", 90), ("in groups", 6), ("as a number", 4)])

Row = tuple[Any, ...]


def accounts(country: Country) -> Iterator[Row]:
    """The accounts of the country's living adults, in the order of COLUMNS; of a person, one may take benefits."""
    for person in country.persons():
        if person.alive and years(person.birth_date, TODAY) >= _ADULT:
            words = (country.seed, person.rank)
            yield from _of(Dice("banking", *words), Dice("banking typing", *words), person)


def make(folder: Path, country: Country) -> int:
    """Drop the workbook into a folder, whole or not at all; answers how many accounts it holds."""
    folder.mkdir(parents=True, exist_ok=True)
    book, count = Workbook(write_only=True), 0
    sheet = book.create_sheet("tai_khoan")
    sheet.append(COLUMNS)
    for row in accounts(country):
        sheet.append(row)
        count += 1
    draft = folder / f".{FILE}.part"
    book.save(draft)
    draft.replace(folder / FILE)
    return count


def _of(dice: Dice, typing: Dice, person: Person) -> Iterator[Row]:
    for nth in range(dice.between(0, 2)):
        opened = day_between(dice, max(person.birth_date + timedelta(days=_ADULT * 366), date(2010, 1, 1)), TODAY)
        closed = day_between(dice, opened, TODAY) if dice.chance(0.06) else None
        state = "DONG" if closed else "NGU" if dice.chance(0.05) else "MO"
        kind = dice.draw(_KINDS)
        benefits = nth == 0 and kind == "TT" and state == "MO" and dice.chance(0.5)
        reference = f"TK-{person.rank * 2 + nth:08}"
        yield reference, _typed(typing, person.personal_id), dice.pick(BANKS), kind, state, opened, closed, benefits


def _typed(dice: Dice, personal_id: str) -> str | int:
    """The number as somebody typed it; Excel makes a number of digits alone, where nobody has told it not to."""
    how = dice.draw(_WRITTEN)
    if how == "in groups":
        return " ".join(personal_id[at : at + 3] for at in range(0, len(personal_id), 3))
    return int(personal_id) if how == "as a number" else personal_id
