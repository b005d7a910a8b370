"""The civil status registry's own system: a full export of its certificates, an object of JSON a line.

Certificates were made electronically since 2016: of births, marriages and deaths after that.
"""

import json
from collections.abc import Iterable, Iterator
from datetime import date, timedelta
from pathlib import Path
from typing import Any

from seeds.country import Country
from seeds.dice import Dice
from seeds.people import TODAY
from seeds.records import Person, Stay
from seeds.units import REFORM, UNITS

FILE = "ho-tich-full-000001.jsonl"
_FIRST_DAY = date(2016, 1, 1)

Certificate = dict[str, Any]


def certificates(country: Country) -> Iterator[Certificate]:
    """Every certificate about the country's people; a marriage has one object for both."""
    for chunk in country.chunks():
        by_id = {person.personal_id: person for person in chunk.persons}
        for person in chunk.persons:
            dice = Dice("justice", country.seed, person.rank)
            if person.birth_date >= _FIRST_DAY:
                yield _birth(dice, person)
            if person.death_date is not None and person.death_date >= _FIRST_DAY:
                yield _certificate("KT", dice, person, person.death_date, [("MAT", person)])
            spouse = by_id.get(person.spouse_id or "")
            wedding = person.residence.since if person.residence else TODAY
            if spouse is not None and person.sex == "MALE" and wedding >= _FIRST_DAY:
                yield _certificate("KH", dice, person, wedding, [("CHONG", person), ("VO", spouse)])


def make(folder: Path, country: Country) -> int:
    """Drop the export into a folder, whole or not at all; answers how many people its certificates are about."""
    folder.mkdir(parents=True, exist_ok=True)
    draft, count = folder / f".{FILE}.part", 0
    with draft.open("w", encoding="utf-8") as file:
        for certificate in certificates(country):
            count += len(certificate["nguoi"])
            file.write(f"{json.dumps(certificate, ensure_ascii=False)}\n")
    draft.replace(folder / FILE)
    return count


def _birth(dice: Dice, person: Person) -> Certificate:
    parents = {"cha": _named(person.father_id), "me": _named(person.mother_id)}
    return _certificate("KS", dice, person, person.birth_date, [("CON", person)]) | parents


def _certificate(
    kind: str, dice: Dice, person: Person, happened: date, people: Iterable[tuple[str, Person]]
) -> Certificate:
    registered = min(TODAY, happened + timedelta(days=dice.between(0, 45)))
    return {
        "so": f"{kind}-{registered.year}-{person.rank:07}",
        "loai": kind,
        "ngay_su_kien": happened.strftime("%d/%m/%Y"),
        "ngay_dang_ky": registered.strftime("%d/%m/%Y"),
        "noi": _place(person.residence, registered),
        "nguoi": [{"vai": role, "so_dinh_danh": one.personal_id, "ho_ten": one.full_name} for role, one in people],
        "cha": None,
        "me": None,
        "hieu_luc": "HL",
    }


def _named(personal_id: str | None) -> dict[str, str] | None:
    return None if personal_id is None else {"so_dinh_danh": personal_id}


def _place(home: Stay | None, registered: date) -> dict[str, str] | None:
    """The commune where the person lives now; that of the dead is not told any more.

    A certificate is not written anew: the code of its province is that of its day. Communes have those of now.
    """
    if home is None:
        return None
    former = UNITS.communes[home.commune].former_province.removeprefix("0")
    return {"tinh": home.province if registered >= REFORM else former, "xa": home.commune}
