"""The business register's own database: the employers that the insurance registry names, and who represents them."""

from collections.abc import Iterator, Sequence
from datetime import UTC, date, datetime, timedelta
from typing import Any

from seeds.country import Country
from seeds.dice import Dice, Weighted
from seeds.dues import EMPLOYERS, employer
from seeds.names import COMPANY_TRADES
from seeds.people import TODAY, day_between, years
from seeds.records import Person
from seeds.systems.tables import Connection, copy_rows, make_tables
from seeds.units import UNITS

ENTERPRISE_COLUMNS = (
    "ma_so", "ten", "loai_hinh", "tinh", "xa", "nganh", "von_dieu_le", "ngay_cap", "trang_thai", "sua_luc",
)  # fmt: skip
REPRESENTATIVE_COLUMNS = ("ma_dai_dien", "ma_so", "so_dinh_danh", "chuc_danh", "tu_ngay", "den_ngay", "sua_luc")
_FORMS = Weighted([("TNHH1", 45), ("TNHH2", 35), ("CP", 20)])
_POSITIONS = Weighted([("GD", 70), ("CT", 20), ("CSH", 10)])

Row = tuple[Any, ...]


def enterprises(country: Country) -> Iterator[tuple[Row, list[Row]]]:
    """Each enterprise with its representatives, who are living adults; a country of children has none of these."""
    adults = _adults(country)
    for rank in range(EMPLOYERS):
        dice = Dice("business", country.seed, rank)
        firm = employer(rank)
        province = dice.draw(UNITS.drawn).code
        commune = dice.pick(UNITS.communes_of[province])
        founded = day_between(dice, date(2005, 1, 1), TODAY - timedelta(days=400))
        changed = datetime(founded.year, founded.month, founded.day, 3, tzinfo=UTC)
        enterprise = (
            *(firm.tax_code, firm.name, dice.draw(_FORMS), province, commune.code),
            *(COMPANY_TRADES[rank % len(COMPANY_TRADES)], dice.between(1, 900) * 100_000_000),
            *(founded, "02" if dice.chance(0.03) else "01", changed),
        )
        chosen = dict.fromkeys(dice.pick(adults) for _ in range(dice.between(1, 2))) if adults else {}
        yield (
            enterprise,
            [
                (f"DD-{rank:05}{nth}", firm.tax_code, person, dice.draw(_POSITIONS), founded, None, changed)
                for nth, person in enumerate(chosen)
            ],
        )


def fill(connection: Connection, country: Country, words: str) -> None:
    """Make the tables and copy the country's enterprises into them, in one transaction."""
    made = list(enterprises(country))
    with connection.transaction():
        make_tables(connection, "business", words)
        copy_rows(connection, "doanh_nghiep", ENTERPRISE_COLUMNS, (enterprise for enterprise, _ in made))
        people = (row for _, representatives in made for row in representatives)
        copy_rows(connection, "nguoi_dai_dien", REPRESENTATIVE_COLUMNS, people)


def _adults(country: Country) -> Sequence[str]:
    """Personal numbers of who could lead an enterprise: the first few thousand are choice enough."""
    found: list[str] = []
    for person in country.persons():
        if _could_lead(person):
            found.append(person.personal_id)
        if len(found) == EMPLOYERS * 5:
            break
    return found


def _could_lead(person: Person) -> bool:
    return person.alive and 25 <= years(person.birth_date, TODAY) <= 65
