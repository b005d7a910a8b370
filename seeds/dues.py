"""What people owe and are insured for: taxpayers, obligations, coverage. Follows from age, work and land."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import date, timedelta

from seeds.dice import Dice, Weighted
from seeds.names import COMPANY_TRADES, COMPANY_WORDS
from seeds.numbers import Series, former_tax_code, health_card_number, social_insurance_number, tax_code
from seeds.people import TODAY, Draft, day_between, moment_after
from seeds.property import Estate
from seeds.records import Coverage, Obligation, Taxpayer
from seeds.units import UNITS

EMPLOYERS = 400
_WORK = Weighted([("EMPLOYEE", 52), ("HOUSEHOLD_BUSINESS", 12), ("SELF_EMPLOYED", 6), ("NONE", 30)])
_LAND_TAX_PER_M2 = 1_500
_BASE_PAY = 2_340_000
"""A month, in dong, since July 2024: what those without an income pay on."""
_RETIREMENT_AGE = 61
_TAX_FREE_INCOME = 15_500_000
"""A month, in dong: the deduction for the taxpayer, as proposed for 2026."""


@dataclass(frozen=True, slots=True)
class Work:
    """What a person lives from: the kind, since when, and the monthly income in dong."""

    kind: str
    since: date
    income: int


@dataclass(frozen=True, slots=True)
class Due:
    """A tax for a period, in dong, and the last day to pay it."""

    kind: str
    period: str
    amount: int
    day: date
    parcel_code: str | None = None


@dataclass(frozen=True, slots=True)
class Employer:
    """An invented enterprise with a well-formed tax code."""

    name: str
    tax_code: str


def employer(rank: int) -> Employer:
    """The employer of that rank, the same everywhere."""
    trade = COMPANY_TRADES[rank % len(COMPANY_TRADES)]
    word = COMPANY_WORDS[rank // len(COMPANY_TRADES) % len(COMPANY_WORDS)]
    codes = (tax_code(310_000_000 + rank * 1009 + extra) for extra in range(10))
    return Employer(f"Công ty TNHH {trade} {word}", next(code for code in codes if code is not None))


def work_of(dice: Dice, person: Draft) -> Work:
    """What a living adult does; children, the old and those who are gone have no work."""
    if person.status != "ALIVE" or not 18 <= person.age <= _RETIREMENT_AGE:
        return Work("NONE", TODAY, 0)
    since = day_between(dice, person.birth_date + timedelta(days=18 * 366), TODAY - timedelta(days=40))
    return Work(dice.draw(_WORK), since, dice.between(50, 400) * 100_000)


def taxes(
    dice: Dice, chunk: int, people: list[tuple[Draft, Work]], lands: list[Estate]
) -> Iterator[tuple[Taxpayer, list[Obligation]]]:
    """Each taxpayer with all they owe. `lands` are the parcels of the same chunk."""
    ground = _land_dues(lands)
    series = Series(chunk)
    for person, work in people:
        dues = _dues(work, ground.get(person.personal_id, []))
        if dues:
            yield _taxpayer(dice, person, work), [_owed(dice, person, due, series) for due in dues]


def _taxpayer(dice: Dice, person: Draft, work: Work) -> Taxpayer:
    assert person.home is not None
    since = work.since if work.kind != "NONE" else max(person.home.since, date(2012, 1, 1))
    return Taxpayer(
        tax_code=person.personal_id,
        former_tax_code=former_tax_code(person.rank) if since < date(2025, 7, 1) else None,
        personal_id=person.personal_id,
        kind=work.kind if work.kind != "NONE" else "LAND_HOLDER",
        tax_office=f"{person.home.commune.province}-{dice.between(1, 9):02}",
        status="SUSPENDED" if dice.chance(0.02) else "ACTIVE",
        registered_on=since,
        deregistered_on=None,
        updated_at=moment_after(dice, since),
    )


def _land_dues(lands: list[Estate]) -> dict[str, list[Due]]:
    """The land tax on dwellings, by holder; a couple pays half each."""
    ground: dict[str, list[Due]] = defaultdict(list)
    for parcel, rights in ((estate.parcel, estate.rights) for estate in lands):
        if "RESIDENTIAL" not in parcel.purposes[0]:
            continue
        for right in rights:
            if right.kind == "LAND_USE":
                amount = round(parcel.area_m2 / right.share_denominator) * _LAND_TAX_PER_M2
                due = Due("NON_AGRICULTURAL_LAND", "2025", amount, date(2025, 10, 31), parcel.parcel_code)
                ground[right.personal_id].append(due)
    return ground


def _dues(work: Work, land: list[Due]) -> list[Due]:
    yearly = max(0, work.income - _TAX_FREE_INCOME) * 12 // 10
    quarter = work.income * 3 * 15 // 1000
    by_kind = {
        "HOUSEHOLD_BUSINESS": [
            Due("HOUSEHOLD_BUSINESS", "2025-Q3", quarter, date(2025, 10, 31)),
            Due("HOUSEHOLD_BUSINESS", "2025-Q4", quarter, date(2026, 1, 31)),
        ],
        "NONE": [],
    }
    income = [
        Due("PERSONAL_INCOME", "2024", yearly * 9 // 10, date(2025, 3, 31)),
        Due("PERSONAL_INCOME", "2025", yearly, date(2026, 3, 31)),
    ]
    return by_kind.get(work.kind, income) + land


def _owed(dice: Dice, person: Draft, due: Due, series: Series) -> Obligation:
    """A due with what was declared and paid of it: most people pay in time."""
    past = due.day < TODAY
    paid = due.amount if dice.chance(0.93 if past else 0.3) else due.amount * dice.between(0, 3) // 4
    return Obligation(
        obligation_id=f"TB{series.next()}",
        tax_code=person.personal_id,
        personal_id=person.personal_id,
        tax_kind=due.kind,
        period=due.period,
        parcel_code=due.parcel_code,
        declared=due.amount if past or paid or dice.chance(0.5) else None,
        assessed=due.amount,
        paid=paid,
        overdue=due.amount - paid if past else 0,
        due_date=due.day,
        updated_at=moment_after(dice, due.day - timedelta(days=60)),
    )


def coverage(dice: Dice, person: Draft, work: Work) -> Iterator[Coverage]:
    """The schemes of one person. Whoever died or left is covered by none from that day on."""
    if person.status != "ALIVE":
        if person.death_date and person.age > _RETIREMENT_AGE and dice.chance(0.4):
            yield _pension(dice, person, ended=person.death_date)
        return
    if work.kind == "EMPLOYEE":
        firm = employer(dice.between(0, EMPLOYERS - 1))
        yield _cover(person, "COMPULSORY", work.income, work.since, firm)
        yield _cover(person, "UNEMPLOYMENT", work.income, work.since, firm)
    elif work.kind in {"HOUSEHOLD_BUSINESS", "SELF_EMPLOYED"} and dice.chance(0.2):
        yield _cover(person, "VOLUNTARY", work.income // 2, work.since)
    elif person.age > _RETIREMENT_AGE and dice.chance(0.45):
        yield _pension(dice, person, ended=None)
    if work.kind == "EMPLOYEE" or person.age < 6 or dice.chance(0.9):
        yield health_cover(dice, person, work)


def health_cover(dice: Dice, person: Draft, work: Work) -> Coverage:
    """The health card: its first letters tell the group (DN employed, TE small child, HT pensioner, GD household)."""
    assert person.home is not None
    commune = person.home.commune
    group = "DN" if work.kind == "EMPLOYEE" else "TE" if person.age < 6 else "HT" if person.age > 61 else "GD"
    since = max(person.birth_date, date(2015, 1, 1), work.since if group == "DN" else date(2015, 1, 1))
    number = social_insurance_number(person.birth_province, person.rank)
    hospitals = f"Bệnh viện Đa khoa {UNITS.provinces[commune.province].name}", f"Trạm Y tế {commune.name}"
    return replace(
        _cover(person, "HEALTH", work.income or _BASE_PAY, since),
        health_card_number=health_card_number(group, dice.between(1, 4), commune.province, number),
        registered_hospital=dice.pick(hospitals),
    )


def _pension(dice: Dice, person: Draft, ended: date | None) -> Coverage:
    started = person.birth_date + timedelta(days=25 * 366)
    months = dice.between(180, 420)
    retired = person.birth_date + timedelta(days=_RETIREMENT_AGE * 366)
    return Coverage(
        social_insurance_number=social_insurance_number(person.birth_province, person.rank),
        personal_id=person.personal_id,
        scheme="COMPULSORY",
        employer=None,
        employer_tax_code=None,
        contribution_base=0,
        covered_from=started,
        covered_until=min(ended, retired) if ended else retired,
        months_paid=months,
        health_card_number=None,
        registered_hospital=None,
        pension_state="NONE" if ended else "RECEIVING",
    )


def _cover(person: Draft, scheme: str, base: int, since: date, firm: Employer | None = None) -> Coverage:
    """A cover that goes on."""
    return Coverage(
        social_insurance_number=social_insurance_number(person.birth_province, person.rank),
        personal_id=person.personal_id,
        scheme=scheme,
        employer=firm.name if firm else None,
        employer_tax_code=firm.tax_code if firm else None,
        contribution_base=base,
        covered_from=since,
        covered_until=None,
        months_paid=(TODAY.year - since.year) * 12 + TODAY.month - since.month,
        health_card_number=None,
        registered_hospital=None,
        pension_state="NONE",
    )
