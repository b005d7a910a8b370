"""People in families: couples, their children, the children's own families, and those who live alone."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta

from seeds.dice import Dice, Weighted
from seeds.names import FAMILY, STREETS, full_name
from seeds.numbers import personal_number
from seeds.records import Person, Stay
from seeds.units import UNITS, Commune

TODAY = date(2026, 3, 1)
"""The eve of the scripted day. The country is as it was then, whenever it is made."""

_CHILDREN = Weighted([(0, 7), (1, 20), (2, 47), (3, 19), (4, 7)])
_HUSBAND_AGES = Weighted(
    [((24, 34), 24), ((35, 44), 22), ((45, 54), 17), ((55, 64), 16), ((65, 74), 21), ((75, 88), 14)]
)
_DIED_BEFORE = ((50, 0.01), (60, 0.05), (70, 0.14), (80, 0.38), (200, 0.7))
_CITIES = ("79", "01", "75", "48", "24")
_KINH = "01"
_HIGHLAND_GROUPS: dict[str, tuple[str, ...]] = {
    "04": ("02", "07", "08"), "08": ("02", "08", "09"), "11": ("03", "08"), "12": ("03", "08", "09"),
    "14": ("03", "06", "08"), "15": ("02", "08", "09"), "19": ("02", "07"), "20": ("02", "07"), "25": ("06",),
    "52": ("10",), "66": ("10", "12"), "68": ("15",), "86": ("05",), "91": ("05",), "92": ("05",), "79": ("04",),
}  # fmt: skip


@dataclass(slots=True)
class Draft:
    """A person while the family is still growing."""

    personal_id: str
    rank: int
    family_name: str
    full_name: str
    female: bool
    birth_date: date
    birth_province: str
    ethnicity: str | None
    father: "Draft | None" = None
    mother: "Draft | None" = None
    spouse: "Draft | None" = None
    marital_status: str = "SINGLE"
    home: "Home | None" = None
    status: str = "ALIVE"
    death_date: date | None = None
    children: list["Draft"] = field(default_factory=list)

    @property
    def age(self) -> int:
        """Whole years, today."""
        return years(self.birth_date, TODAY)


@dataclass(slots=True)
class Home:
    """A dwelling: where, since when, and who set it up."""

    commune: Commune
    address: str
    since: date
    founders: list[Draft]

    @property
    def owners(self) -> list[Draft]:
        """The founders who are alive."""
        return [person for person in self.founders if person.status == "ALIVE"]


def years(since: date, until: date) -> int:
    """Whole years from one day to another."""
    return until.year - since.year - ((until.month, until.day) < (since.month, since.day))


def day_between(dice: Dice, first: date, last: date) -> date:
    """A day, both ends included; `first` when they are the wrong way round."""
    return first + timedelta(days=dice.between(0, max(0, (last - first).days)))


def moment_after(dice: Dice, day: date) -> datetime:
    """A moment in office hours (UTC) after `day` and before today, with whole milliseconds."""
    when = day_between(dice, max(day, date(2021, 7, 1)), TODAY - timedelta(days=1))
    return datetime(when.year, when.month, when.day, tzinfo=UTC) + timedelta(
        milliseconds=dice.between(3_600_000, 36_000_000)
    )


class Families:
    """The people of one chunk: ranks `first_rank` to `first_rank + count - 1`, related to nobody outside it."""

    def __init__(self, dice: Dice, first_rank: int, count: int) -> None:
        self._dice = dice
        self._next = first_rank
        self._end = first_rank + count
        self.drafts: list[Draft] = []
        self.homes: list[Home] = []
        while self._left:
            self._clan()

    @property
    def _left(self) -> int:
        return self._end - self._next

    def persons(self) -> Iterator[Person]:
        """The finished people, in the order of their ranks."""
        for draft in self.drafts:
            yield _finished(self._dice, draft)

    def _clan(self) -> None:
        """One couple with all that follows from them, or one person alone."""
        dice = self._dice
        commune = dice.pick(UNITS.communes_of[dice.draw(UNITS.drawn).code])
        ethnicity = self._ethnicity(commune.province)
        if self._left < 2 or dice.chance(0.16):
            self._loner(commune, ethnicity)
            return
        low, high = dice.draw(_HUSBAND_AGES)
        husband = self._adult(commune, ethnicity, dice.between(low, high), female=False)
        wife = self._adult(commune, ethnicity, max(20, husband.age - dice.between(-2, 6)), female=True)
        self._couple(husband, wife, commune)

    def _ethnicity(self, province: str) -> str | None:
        groups = _HIGHLAND_GROUPS.get(province, ())
        if groups and self._dice.chance(0.12 if province in {"79", "91", "92"} else 0.45):
            return self._dice.pick(groups)
        return None if self._dice.chance(0.02) else _KINH

    def _loner(self, commune: Commune, ethnicity: str | None) -> None:
        dice = self._dice
        person = self._adult(commune, ethnicity, dice.between(20, 58), female=dice.chance(0.5))
        self._settle(commune, [person], day_between(dice, person.birth_date + timedelta(days=366 * 18), TODAY))
        if dice.chance(0.03):
            person.status = "EMIGRATED"
        elif dice.chance(0.01):
            person.status = "MISSING"

    def _adult(self, commune: Commune, ethnicity: str | None, age: int, *, female: bool) -> Draft:
        """A person who came from outside: their parents are not in the registry."""
        dice = self._dice
        birth = date(TODAY.year - age - 1, 3, 2) + timedelta(days=dice.between(0, 364))
        origin = commune.former_province
        if dice.chance(0.15):
            origin = dice.pick(UNITS.communes_of[dice.draw(UNITS.drawn).code]).former_province
        return self._person(dice.draw(FAMILY), birth, origin, ethnicity, female=female)

    def _person(
        self, family_name: str, birth: date, birth_province: str, ethnicity: str | None, *, female: bool
    ) -> Draft:
        rank, self._next = self._next, self._next + 1
        draft = Draft(
            personal_id=personal_number(birth_province, birth, female=female, rank=rank),
            rank=rank,
            family_name=family_name,
            full_name=full_name(self._dice, family_name, female=female),
            female=female,
            birth_date=birth,
            birth_province=birth_province,
            ethnicity=ethnicity,
        )
        self.drafts.append(draft)
        return draft

    def _couple(self, husband: Draft, wife: Draft, commune: Commune) -> None:
        """They marry, live somewhere, have children; some part, some die. Then the grown children do the same."""
        dice = self._dice
        younger = max(husband.birth_date, wife.birth_date)
        first, last = (min(TODAY, younger + timedelta(days=366 * age)) for age in (20, 29))
        wedding = day_between(dice, first, last)
        home = self._settle(commune, [husband, wife], wedding)
        self._children(husband, wife, home)
        for partner in (husband, wife):
            self._maybe_die(partner)
        self._marital(husband, wife)
        for child in husband.children:
            self._grow_up(child, home)

    def _settle(self, commune: Commune, founders: list[Draft], since: date) -> Home:
        home = Home(commune, address(self._dice, commune), since, founders)
        self.homes.append(home)
        for person in founders:
            person.home = home
        return home

    def _children(self, father: Draft, mother: Draft, home: Home) -> None:
        dice = self._dice
        birth = mother.birth_date + timedelta(days=dice.between(20 * 365, 30 * 365))
        for _ in range(dice.draw(_CHILDREN)):
            if not self._left or birth >= TODAY or years(mother.birth_date, birth) > 43:
                return
            child = self._person(
                father.family_name, birth, home.commune.former_province, father.ethnicity, female=dice.chance(0.475)
            )
            child.father, child.mother, child.home = father, mother, home
            father.children.append(child)
            mother.children.append(child)
            birth += timedelta(days=dice.between(500, 2000))

    def _maybe_die(self, person: Draft) -> None:
        share = next(share for below, share in _DIED_BEFORE if person.age < below)
        if not self._dice.chance(share):
            return
        newest = max((child.birth_date for child in person.children), default=person.birth_date)
        earliest = max(newest, TODAY - timedelta(days=12 * 365), person.birth_date + timedelta(days=20 * 366))
        person.status = "DEAD"
        person.death_date = day_between(self._dice, earliest, TODAY - timedelta(days=1))

    def _marital(self, husband: Draft, wife: Draft) -> None:
        alive = [partner for partner in (husband, wife) if partner.status == "ALIVE"]
        husband.marital_status = wife.marital_status = "MARRIED"
        if len(alive) == 1:
            alive[0].marital_status = "WIDOWED"
        elif alive and self._dice.chance(0.04):
            husband.marital_status = wife.marital_status = "DIVORCED"
            assert wife.home is not None
            wife.home.founders.remove(wife)
            self._settle(self._dice.pick(UNITS.communes_of[wife.home.commune.province]), [wife], wife.home.since)
        elif alive:
            husband.spouse, wife.spouse = wife, husband

    def _grow_up(self, child: Draft, home: Home) -> None:
        """A grown child may marry someone from outside and found a home; the bride's children carry his name."""
        dice = self._dice
        if child.age < 22 or not self._left or not dice.chance(min(0.85, (child.age - 20) * 0.08)):
            return
        province = home.commune.province if dice.chance(0.7) else dice.draw(UNITS.drawn).code
        commune = dice.pick(UNITS.communes_of[province])
        gap = dice.between(-1, 5)
        age = max(20, child.age + gap if child.female else child.age - gap)
        partner = self._adult(commune, child.ethnicity, age, female=not child.female)
        husband, wife = (partner, child) if child.female else (child, partner)
        self._couple(husband, wife, commune)


def address(dice: Dice, commune: Commune) -> str:
    """A house number with a street in a ward, with a hamlet elsewhere."""
    if commune.urban:
        return f"Số {dice.between(1, 320)} {dice.pick(STREETS)}"
    return f"Thôn {dice.between(1, 14)}, nhà {dice.between(1, 160)}"


def phone_number(dice: Dice) -> str:
    """Ten digits of a mobile number."""
    return dice.pick(("03", "05", "07", "08", "09")) + dice.digits(8)


def _finished(dice: Dice, draft: Draft) -> Person:
    """The person as the registry holds them today: who is dead or has left has no residence."""
    alive = draft.status in {"ALIVE", "MISSING"}
    residence = _residence(draft) if alive else None
    since = max(
        draft.birth_date, draft.death_date or draft.birth_date, residence.since if residence else draft.birth_date
    )
    age = draft.age
    return Person(
        personal_id=draft.personal_id,
        rank=draft.rank,
        full_name=draft.full_name,
        birth_date=draft.birth_date,
        sex="FEMALE" if draft.female else "MALE",
        ethnicity=draft.ethnicity,
        birth_province=draft.birth_province,
        residence=residence,
        temporary_residence=_away(dice, draft) if residence else None,
        marital_status=draft.marital_status,
        father_id=draft.father.personal_id if draft.father else None,
        mother_id=draft.mother.personal_id if draft.mother else None,
        spouse_id=draft.spouse.personal_id if draft.spouse else None,
        phone=phone_number(dice) if alive and age >= 15 and dice.chance(0.92) else None,
        status=draft.status,
        death_date=draft.death_date,
        eid_level=_eid_level(dice, age) if draft.status == "ALIVE" else 0,
        record_version=dice.between(1, 6),
        updated_at=moment_after(dice, since),
    )


def _residence(draft: Draft) -> Stay:
    home = draft.home
    assert home is not None
    since = max(home.since, draft.birth_date)
    return Stay(home.commune.province, home.commune.code, home.address, since)


def _away(dice: Dice, draft: Draft) -> Stay | None:
    """Young unmarried adults often work or study in a large city."""
    if draft.marital_status != "SINGLE" or not 18 <= draft.age <= 32 or not dice.chance(0.3):
        return None
    commune = dice.pick(UNITS.communes_of[dice.pick(_CITIES)])
    return Stay(commune.province, commune.code, address(dice, commune), day_between(dice, date(2024, 8, 1), TODAY))


def _eid_level(dice: Dice, age: int) -> int:
    if age < 14:
        return 0
    return 2 if dice.chance(0.78) else dice.between(0, 1)
