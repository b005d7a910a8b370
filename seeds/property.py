"""Parcels and the rights to them. A couple holds two rights of one half each under one certificate."""

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date, timedelta

from seeds import geohash
from seeds.dice import Dice, Weighted
from seeds.names import BANKS
from seeds.numbers import Series
from seeds.people import TODAY, Draft, Home, day_between, moment_after
from seeds.records import Parcel, Right
from seeds.units import UNITS, Commune

_FIELDS: Weighted[tuple[str, ...]] = Weighted(
    [
        (("RICE",), 40),
        (("ANNUAL_CROP",), 20),
        (("PERENNIAL_CROP",), 20),
        (("PRODUCTION_FOREST",), 10),
        (("AQUACULTURE",), 10),
    ]
)
_PLAN = Weighted([("UNCHANGED", 90), ("PLANNED", 8), ("RECOVERY_ANNOUNCED", 2)])


@dataclass(frozen=True, slots=True)
class Estate:
    """A parcel and who holds it."""

    parcel: Parcel
    rights: tuple[Right, ...]


@dataclass(frozen=True, slots=True)
class Title:
    """What kind of right is registered, from when it could be, what limits it, and who lent on it."""

    kind: str
    since: date
    limits: tuple[str, ...] = ()
    lender: str | None = None


def estates(dice: Dice, chunk: int, homes: list[Home]) -> Iterator[Estate]:
    """The parcels of the homes of one chunk, and a few that belong to the state."""
    series = Series(chunk)
    for home in homes:
        yield from _of_home(dice, series, home)
    for purpose in ("PUBLIC", "PUBLIC", "PUBLIC", "DEFENCE"):
        commune = dice.pick(UNITS.communes_of[dice.draw(UNITS.drawn).code])
        area = round(dice.real(400, 20_000), 1)
        yield Estate(_parcel(dice, commune, (purpose,), area, TODAY - timedelta(days=900)), ())


def _of_home(dice: Dice, series: Series, home: Home) -> Iterator[Estate]:
    owners = home.owners
    if not owners or not dice.chance(0.35 if len(home.founders) == 1 else 0.7):
        return
    yield _dwelling(dice, series, home, owners)
    if not home.commune.urban:
        for _ in range(dice.between(0, 2)):
            parcel = _parcel(dice, home.commune, dice.draw(_FIELDS), round(dice.real(300, 6000), 1), home.since)
            yield Estate(parcel, tuple(_shares(dice, series, parcel, owners, Title("LAND_USE", home.since))))


def _dwelling(dice: Dice, series: Series, home: Home, owners: list[Draft]) -> Estate:
    """The ground under a home; in towns the house is registered too, and some of it is mortgaged."""
    urban = home.commune.urban
    purposes = ("URBAN_RESIDENTIAL",) if urban else ("RURAL_RESIDENTIAL", "PERENNIAL_CROP")
    area = dice.real(35, 180) if urban else dice.real(150, 900)
    parcel = _parcel(dice, home.commune, purposes, round(area, 1), home.since)
    lender = dice.pick(BANKS) if dice.chance(0.12) else None
    limits = ("MORTGAGED",) if lender else ("DISPUTED",) if dice.chance(0.01) else ()
    rights = list(_shares(dice, series, parcel, owners, Title("LAND_USE", home.since, limits)))
    if urban and dice.chance(0.8):
        rights += _shares(dice, series, parcel, owners, Title("HOUSE_OWNERSHIP", home.since))
    if lender:
        since = max(home.since, date(2018, 1, 1))
        rights += _shares(dice, series, parcel, owners, Title("MORTGAGE", since, lender=lender))
    return Estate(parcel, tuple(rights))


def _parcel(dice: Dice, commune: Commune, purposes: tuple[str, ...], area: float, since: date) -> Parcel:
    """A parcel within about two kilometres of the middle of the commune."""
    point = commune.latitude + dice.real(-0.018, 0.018), commune.longitude + dice.real(-0.018, 0.018)
    code = geohash.encode(*point)
    latitude, longitude = geohash.decode(code)
    return Parcel(
        parcel_code=code,
        map_sheet=dice.between(1, 90),
        parcel_number=dice.between(1, 999),
        province=commune.province,
        commune=commune.code,
        area_m2=area,
        purposes=purposes,
        latitude=round(latitude, 8),
        longitude=round(longitude, 8),
        plan_status=dice.draw(_PLAN),
        secret=purposes == ("DEFENCE",),
        updated_at=moment_after(dice, since),
    )


def _shares(dice: Dice, series: Series, parcel: Parcel, owners: list[Draft], title: Title) -> Iterator[Right]:
    """One right a holder, in equal shares, all under one certificate."""
    certificate = f"{dice.pick('ABCD')}{dice.pick('ABEHKLMN')}{series.next()}"
    first = max(title.since, date(1994, 1, 1))
    registered = day_between(dice, first, min(TODAY, first + timedelta(days=1500)))
    changed = moment_after(dice, registered)
    for owner in owners:
        yield Right(
            right_id=f"{parcel.province}{series.next()}",
            parcel_code=parcel.parcel_code,
            personal_id=owner.personal_id,
            kind=title.kind,
            share_numerator=1,
            share_denominator=len(owners),
            certificate_number=certificate,
            registered_on=registered,
            ended_on=None,
            restrictions=title.limits,
            mortgagee=title.lender,
            updated_at=changed,
        )
