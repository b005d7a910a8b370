"""The traffic police's own service: driving licences and vehicles.

`python -m seeds.systems.transport --data DIR --port P --token-file FILE`
"""

from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

from starlette.applications import Starlette

from seeds.country import Country
from seeds.dice import Dice, Weighted
from seeds.people import TODAY, day_between, years
from seeds.records import Person
from seeds.systems import feed
from seeds.systems.codes import Record
from seeds.systems.feed import Kind
from seeds.systems.serving import arguments, serve
from seeds.systems.store import MADE, Store

LICENCE = Kind(
    "licence", "number", frozenset({"number", "personalId", "classes", "issuedOn", "expiresOn", "points", "status"})
)
VEHICLE = Kind(
    "vehicle",
    "plate",
    frozenset({"plate", "personalId", "type", "make", "colour", "registeredOn", "inspectedUntil", "status"}),
)
KINDS = {"licences": LICENCE, "vehicles": VEHICLE}

_DRIVING_AGE = 18
_LICENCE_YEARS = 10
_MAKES = Weighted([("Trường Sơn", 4), ("Hồng Hà", 3), ("Bạch Đằng", 2), ("Cửu Long", 1)])
"""No maker of vehicles of these names exists."""
_COLOURS = ("trắng", "đen", "đỏ", "xanh", "bạc")
_TYPES = Weighted([("XM", 80), ("OTO", 17), ("XT", 3)])


def state_path(data: Path) -> Path:
    """Where the system keeps its records."""
    return data / "transport.sqlite"


def application(store: Store, token: str) -> Starlette:
    """The service over a store; closes it when it ends."""
    return feed.application(store, token, KINDS)


def fill(store: Store, country: Country, words: str) -> None:
    """Licences and vehicles of the country's living adults, in one transaction with the note of what it was."""
    with store.writing():
        store.remember(MADE, words)
        for person in country.persons():
            if person.alive and years(person.birth_date, TODAY) >= _DRIVING_AGE:
                dice = Dice("transport", country.seed, person.rank)
                store.load("licence", _licences(dice, person))
                store.load("vehicle", _vehicles(dice, person))


def _licences(dice: Dice, person: Person) -> Iterator[tuple[str, str, Record]]:
    if not dice.chance(0.6):
        return
    number = f"{person.birth_province[1:]}{person.rank:010}"
    first = person.birth_date + timedelta(days=_DRIVING_AGE * 366)
    issued = day_between(dice, max(first, TODAY - timedelta(days=9 * 365)), TODAY)
    car = dice.chance(0.35)
    record: Record = {
        "number": number,
        "personalId": person.personal_id,
        "classes": ["A1", "B"] if car else ["A1"],
        "issuedOn": issued.isoformat(),
        "expiresOn": _years_after(issued, _LICENCE_YEARS).isoformat() if car else None,
        "points": 12 - (dice.between(1, 12) if dice.chance(0.05) else 0),
        "status": "TG" if dice.chance(0.01) else "HL",
        "modified": _modified(issued),
    }
    yield number, person.personal_id, record


def _vehicles(dice: Dice, person: Person) -> Iterator[tuple[str, str, Record]]:
    for nth in range(dice.between(0, 2)):
        kind = dice.draw(_TYPES)
        province = person.residence.province if person.residence else "01"
        plate = f"{province}{'M' if kind == 'XM' else 'A'}{nth}-{person.rank:06}"
        first = person.birth_date + timedelta(days=_DRIVING_AGE * 366)
        registered = day_between(dice, max(first, TODAY - timedelta(days=12 * 365)), TODAY)
        record: Record = {
            "plate": plate,
            "personalId": person.personal_id,
            "type": kind,
            "make": dice.draw(_MAKES),
            "colour": dice.pick(_COLOURS) if dice.chance(0.95) else None,
            "registeredOn": registered.isoformat(),
            "inspectedUntil": None if kind == "XM" else (TODAY + timedelta(days=dice.between(-30, 700))).isoformat(),
            "status": "TD" if dice.chance(0.02) else "LH",
            "modified": _modified(registered),
        }
        yield plate, person.personal_id, record


def _years_after(day: date, count: int) -> date:
    return day + timedelta(days=count * 365 + count // 4)


def _modified(day: date) -> str:
    return f"{day.isoformat()}T01:00:00.000Z"


def main() -> None:
    """Serve until told to end."""
    given = arguments("The pretend registry of licences and vehicles.").parse_args()
    token = given.token_file.read_text(encoding="utf-8").strip()
    serve(application(Store(state_path(given.data)), token), given)


if __name__ == "__main__":
    main()
