"""Provinces and communes: what they are called, where they lie, and what became of the old ones.

The data are public facts (Decision 19/2025/QĐ-TTg and the resolutions on communes of June 2025): all 34 provinces, all
63 of before July 2025, and about 500 of the 3,321 communes. `data/province_changes.csv` says the same of provinces in
the form that a connector's manifest takes (`units`): their two-digit codes since August 2008, and what became of each.
"""

import csv
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from pathlib import Path

from seeds.dice import Weighted

REFORM = date(2025, 7, 1)
"""The first day of the 34 provinces."""

_DATA = Path(__file__).parent / "data"


@dataclass(frozen=True, slots=True)
class Province:
    """A province or a city of that rank; `weight` is its share of people, in thousands."""

    code: str
    kind: str
    name: str
    weight: int


@dataclass(frozen=True, slots=True)
class Commune:
    """A commune, ward or special zone; `former_province` is the three-digit code of the province it came from."""

    code: str
    province: str
    former_province: str
    kind: str
    name: str
    latitude: float
    longitude: float

    @property
    def urban(self) -> bool:
        """Whether people live in streets rather than hamlets."""
        return self.kind == "ward"


@dataclass(frozen=True)
class Units:
    """The country's map."""

    provinces: Mapping[str, Province]
    communes: Mapping[str, Commune]
    province_of_former: Mapping[str, str]

    @cached_property
    def drawn(self) -> Weighted[Province]:
        """Provinces, drawn as often as people live there."""
        return Weighted([(province, province.weight) for province in self.provinces.values()])

    @cached_property
    def communes_of(self) -> Mapping[str, tuple[Commune, ...]]:
        """The communes that we know of each province."""
        found: dict[str, list[Commune]] = defaultdict(list)
        for commune in self.communes.values():
            found[commune.province].append(commune)
        return {province: tuple(communes) for province, communes in found.items()}


def _rows(name: str) -> list[dict[str, str]]:
    with (_DATA / name).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def _read() -> Units:
    provinces = [
        Province(row["code"], row["kind"], row["name"], int(row["population_thousands"]))
        for row in _rows("provinces.csv")
    ]
    communes = [
        Commune(
            code=row["code"],
            province=row["province"],
            former_province=row["former_province"],
            kind=row["kind"],
            name=row["name"],
            latitude=float(row["latitude"]),
            longitude=float(row["longitude"]),
        )
        for row in _rows("communes.csv")
    ]
    return Units(
        provinces={province.code: province for province in provinces},
        communes={commune.code: commune for commune in communes},
        province_of_former={row["code"]: row["province"] for row in _rows("former_provinces.csv")},
    )


UNITS = _read()
