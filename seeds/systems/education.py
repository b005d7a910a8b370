"""The education registry's own system: a table of diplomas in a database whose log nobody can read.

`python -m seeds.systems.education --people N --seed S --file FILE` makes it for the country of that seed.
"""

import argparse
import sqlite3
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from seeds.country import Country
from seeds.dice import Dice, Weighted
from seeds.people import TODAY
from seeds.records import Person

_TABLE = """
create table van_bang (
    so_hieu text primary key, so_dinh_danh text not null, trinh_do text not null, nganh text, truong text not null,
    xep_loai text, ngay_cap text not null, thu_hoi integer not null, sua_luc text not null
) without rowid;
create index van_bang_sua_luc on van_bang (sua_luc, so_hieu);
"""
_LEVELS = Weighted((("TN", 0.45), ("CD", 0.2), ("DH", 0.28), ("THS", 0.06), ("TS", 0.01)))
_AGES = {"TN": 18, "CD": 21, "DH": 22, "THS": 26, "TS": 31}
_GRADES = Weighted((("XS", 0.04), ("G", 0.16), ("K", 0.5), ("TB", 0.3)))
_AREAS = ("Luật", "Kế toán", "Công nghệ thông tin", "Xây dựng", "Sư phạm", "Y khoa", "Nông học", "Ngôn ngữ Anh")
_SCHOOLS = ("Trường Đại học Ba Đình", "Trường Đại học Sông Hồng", "Trường Cao đẳng Cửu Long", "Học viện Trường Sơn")

Row = tuple[str | int | None, ...]


def diplomas(country: Country) -> Iterator[Row]:
    """The country's diplomas: none of a person who was too young for it by today, or dead by then."""
    for person in country.persons():
        yield from _of(Dice("diploma", country.seed, person.rank), person)


def make(path: Path, country: Country) -> int:
    """Write the database, which must not be there yet; answers how many diplomas it holds."""
    with sqlite3.connect(f"file:{path.absolute()}?mode=rwc", uri=True) as database:
        database.executescript(_TABLE)
        database.executemany(f"insert into van_bang values ({', '.join('?' * 9)})", diplomas(country))  # noqa: S608 - marks
        (count,) = database.execute("select count(*) from van_bang").fetchone()
    database.close()
    return int(count)


def _of(dice: Dice, person: Person) -> Iterator[Row]:
    if not dice.chance(0.6):
        return
    level = dice.draw(_LEVELS)
    born = person.birth_date
    issued = date(born.year + _AGES[level], 6, 1) + timedelta(days=dice.between(0, 60))
    if issued > min(TODAY, person.death_date or TODAY):
        return
    higher = level != "TN"
    yield (
        f"{level} {person.rank:07}",
        person.personal_id,
        level,
        dice.pick(_AREAS) if higher else None,
        dice.pick(_SCHOOLS) if higher else "Trường Trung học phổ thông",
        dice.draw(_GRADES),
        issued.strftime("%d/%m/%Y"),
        int(dice.chance(0.002)),
        f"{issued.isoformat()} 08:00:00",
    )


if __name__ == "__main__":
    words = argparse.ArgumentParser(description=__doc__)
    words.add_argument("--people", type=int, required=True)
    words.add_argument("--seed", type=int, required=True)
    words.add_argument("--file", type=Path, required=True)
    given = words.parse_args()
    print(f"{make(given.file, Country(given.seed, given.people))} diplomas")  # noqa: T201 - a command's answer
