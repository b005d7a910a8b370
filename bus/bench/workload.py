"""The workload "national fan-out": people, their consents, the changes of their records, and what must come of them."""

import random
from array import array
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus.avro.codec import Parsed, encode, parse
from bus.avro.datasets import Dataset, load_datasets
from bus.avro.frame import frame
from bus.model.key import RecordKey, lane_of
from bus.model.record import Outgoing
from bus.topics import Topics

COUNTRY = Path(__file__).parent / "country"
DATASET = "people.person"
AGREEMENTS = ("person-to-tax", "person-to-insurance", "person-to-land", "person-to-portal")
BY_CONSENT = AGREEMENTS[1:]
LAND_PROVINCES = frozenset({"01", "04", "08", "11", "15", "19", "22", "26", "30", "33"})
PROVINCES = 34
LANES = 4
SUBJECTS = 100_000
SEED = 20_261_122
CONSENTING = 0.6
LIVING = 0.92
CHANGING = ("status", "updated_at", "version")
"""The last fields of the schema, and the only ones that differ between two changes of a person."""


@dataclass(frozen=True, slots=True)
class Shape:
    """How large the workload is: "national fan-out" as it stands; the bench of growth varies one thing at a time."""

    subjects: int = SUBJECTS
    lanes: int = LANES
    recipients: int = len(AGREEMENTS)
    """Of the four agreements, then of further copies of them, each for a recipient of its own."""

    idle: int = 0
    """Agreements on top that are judged for each change and never let one through."""

    def names(self) -> list[str]:
        """The agreements that let something through: the four, then copies of them."""
        count = len(AGREEMENTS)
        return [
            AGREEMENTS[number % count] + (f"-{number // count}" if number >= count else "")
            for number in range(self.recipients)
        ]


NATIONAL = Shape()


def original(name: str) -> str:
    """Which of the four agreements one is, or is a copy of."""
    return next(one for one in AGREEMENTS if name == one or name.startswith(f"{one}-"))


def dataset() -> Dataset:
    """The dataset that the workload's changes belong to."""
    return load_datasets(COUNTRY / "schemas")[DATASET]


@dataclass(frozen=True, slots=True)
class Person:
    """A person as far as every change of theirs is the same. `steady` are the Avro bytes before `CHANGING`."""

    personal_id: str
    key: bytes
    lane: int
    province: str
    consents: frozenset[str]
    steady: bytes


class Nation:
    """People made from a fixed seed, and changes of their records without end."""

    def __init__(self, schema_id: int, *, shape: Shape = NATIONAL) -> None:
        fields = dataset().schema["fields"]
        split = len(fields) - len(CHANGING)
        self._dice = random.Random(SEED)  # noqa: S311 - the same people each time, on purpose
        self._steady, self._changing = (_part(part) for part in (fields[:split], fields[split:]))
        self._head = frame(schema_id, b"")
        self._names, self._lanes = shape.names(), shape.lanes
        self.people = [self._person(number) for number in self._dice.sample(range(10**11), shape.subjects)]

    def change(self, version: int) -> "Change":
        """The next change of anybody's record."""
        return self.change_of(self.people[int(self._dice.random() * len(self.people))], version)

    def change_of(self, person: Person, version: int) -> "Change":
        """The next change of somebody's record."""
        living = self._dice.random() < LIVING
        status = "ALIVE" if living else self._dice.choice(("DEAD", "MISSING", "EMIGRATED"))
        rest = {"status": status, "updated_at": 1_760_000_000_000 + version * 7, "version": version}
        return Change(person, self._head + person.steady + encode(self._changing, rest), living, self._names)

    def stranger(self, number: int) -> "Change":
        """The first change of somebody who is not among `people` and has consented to nothing."""
        drawn = self._person(10**11 + number)
        person = Person(drawn.personal_id, drawn.key, drawn.lane, drawn.province, frozenset(), drawn.steady)
        rest = {"status": "ALIVE", "updated_at": 1_760_000_000_000, "version": 0}
        return Change(person, self._head + person.steady + encode(self._changing, rest), True, self._names)  # noqa: FBT003 - living

    def _person(self, number: int) -> Person:
        dice, personal_id = self._dice, f"{number:012d}"
        province = f"{dice.randint(1, PROVINCES):02d}"
        given = {name for name in BY_CONSENT if dice.random() < CONSENTING}
        consents = frozenset(name for name in self._names if original(name) in given)
        record = {
            "person_id": personal_id,
            "full_name": f"{dice.choice(_FAMILY)} {dice.choice(_MIDDLE)} {dice.choice(_GIVEN)}",
            "birth_date": dice.randint(-10_000, 19_000),
            "sex": dice.choice("MF"),
            "nationality": "XX",
            "ethnicity": dice.choice(("Hill", "Lake", "Shore", "Plain")),
            "religion": dice.choice((None, None, "First", "Second")),
            "marital": dice.choice(("SINGLE", "MARRIED", "DIVORCED")),
            "province": province,
            "commune": f"{dice.randint(1, 32_000):05d}",
            "address": f"{dice.randint(1, 300)} {dice.choice(_STREETS)}",
            "father_id": f"{dice.randrange(10**11):012d}",
            "mother_id": dice.choice((None, f"{dice.randrange(10**11):012d}")),
            "spouse_id": None,
            "phone": dice.choice((None, f"+99{dice.randrange(10**9):09d}")),
            "email": None,
            "blood": dice.choice((None, "A", "B", "O", "AB")),
        }
        key = RecordKey(personal_id, personal_id).encode()
        steady = encode(self._steady, record)
        return Person(personal_id, key, lane_of(personal_id, self._lanes), province, consents, steady)


@dataclass(frozen=True, slots=True)
class Change:
    """One change, framed, and what must come of it."""

    person: Person
    value: bytes
    living: bool
    names: Sequence[str] = AGREEMENTS

    def recipients(self) -> list[str]:
        """The agreements that let it through, told by the workload's own words rather than by the bus's."""
        return [name for name in self.names if self._admitted(name)]

    def _admitted(self, name: str) -> bool:
        kind, consented = original(name), name in self.person.consents
        if kind == "person-to-tax":
            return self.living
        return consented and (kind != "person-to-land" or self.person.province in LAND_PROVINCES)

    def outgoing(self, topics: Topics, number: int) -> Outgoing:
        """As a connector writes it."""
        headers = (
            ("content-type", b"application/avro"),
            ("ce_specversion", b"1.0"),
            ("ce_id", b"people.1.%d" % number),
            ("ce_source", b"/registries/people"),
            ("ce_type", b"people.person.updated"),
            ("ce_time", b"2026-01-01T00:00:00.000Z"),
        )
        return Outgoing(topics.changes(DATASET), self.person.lane, self.person.key, self.value, headers)


class Expected:
    """What must have been delivered once each lane has reached an offset of the changes."""

    def __init__(self, lanes: int = LANES) -> None:
        self.by_agreement: Counter[str] = Counter()
        self._sums = [array("q", [0]) for _ in range(lanes)]
        self._records = [array("q", [0]) for _ in range(lanes)]

    def add(self, change: Change) -> None:
        """A record at the next offset of its lane."""
        due = change.recipients()
        self.by_agreement.update(due)
        self._append(change.person.lane, len(due), 1)

    def marker(self, lane: int) -> None:
        """An offset that a transaction's marker takes."""
        self._append(lane, 0, 0)

    def ends(self) -> dict[int, int]:
        """The offset after the last one of each lane."""
        return {lane: len(sums) - 1 for lane, sums in enumerate(self._sums)}

    def upto(self, offsets: dict[int, int]) -> tuple[int, int]:
        """Records and deliveries below these offsets."""
        return (
            sum(self._records[lane][offset] for lane, offset in offsets.items()),
            sum(self._sums[lane][offset] for lane, offset in offsets.items()),
        )

    def _append(self, lane: int, deliveries: int, records: int) -> None:
        self._sums[lane].append(self._sums[lane][-1] + deliveries)
        self._records[lane].append(self._records[lane][-1] + records)


def chunks(count: int, size: int) -> Iterator[range]:
    """0 to `count`, in stretches."""
    for start in range(0, count, size):
        yield range(start, min(start + size, count))


def _part(fields: list[dict[str, Any]]) -> Parsed:
    """Some fields as a record of their own: records are their fields' bytes one after another."""
    return parse({"type": "record", "name": "Part", "fields": fields})


_FAMILY = ("Abel", "Brook", "Carver", "Dale", "Eastman", "Fisher", "Grove", "Hill", "Ivers", "Jarvis", "Keller", "Lund")
_MIDDLE = ("Ada", "Ben", "Cora", "Dan", "Élise", "Finn", "Greta", "Hugo")
_GIVEN = (
    "Ann",
    "Bert",
    "Clara",
    "David",
    "Eva",
    "Frank",
    "Grace",
    "Hans",
    "Ida",
    "Jörg",
    "Kate",
    "Liam",
    "Mia",
    "Noah",
)
_STREETS = ("Bridge Street", "Castle Road", "Harbour Lane", "Lake Street", "Mill Road", "Park Row", "Station Road")
