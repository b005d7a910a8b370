"""What the registries hold, as plain values: the words are the country's own, not an agency's codes."""

from dataclasses import dataclass
from datetime import date, datetime


@dataclass(frozen=True, slots=True)
class Stay:
    """An address: codes of province and commune since July 2025, a line of text, and the first day there."""

    province: str
    commune: str
    address: str
    since: date


@dataclass(frozen=True, slots=True)
class Person:
    """A person. `birth_province` is a three-digit code of before July 2025; `rank` is the place in the country."""

    personal_id: str
    rank: int
    full_name: str
    birth_date: date
    sex: str
    ethnicity: str | None
    birth_province: str
    residence: Stay | None
    temporary_residence: Stay | None
    marital_status: str
    father_id: str | None
    mother_id: str | None
    spouse_id: str | None
    phone: str | None
    status: str
    death_date: date | None
    eid_level: int
    record_version: int
    updated_at: datetime
    nationality: str = "VN"

    @property
    def alive(self) -> bool:
        """Whether the person lives in the country."""
        return self.status == "ALIVE"


@dataclass(frozen=True, slots=True)
class Parcel:
    """A parcel of land; `secret` marks a state secret, which no one holds a right to."""

    parcel_code: str
    map_sheet: int
    parcel_number: int
    province: str
    commune: str
    area_m2: float
    purposes: tuple[str, ...]
    latitude: float
    longitude: float
    plan_status: str
    secret: bool
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Right:
    """One holder's right to a parcel; `mortgagee` is the lender of a mortgage."""

    right_id: str
    parcel_code: str
    personal_id: str
    kind: str
    share_numerator: int
    share_denominator: int
    certificate_number: str
    registered_on: date
    ended_on: date | None
    restrictions: tuple[str, ...]
    mortgagee: str | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Taxpayer:
    """A person as taxpayer; the tax code is the personal number since July 2025."""

    tax_code: str
    former_tax_code: str | None
    personal_id: str
    kind: str
    tax_office: str
    status: str
    registered_on: date
    deregistered_on: date | None
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Obligation:
    """What is owed for one tax and one period; money in dong."""

    obligation_id: str
    tax_code: str
    personal_id: str
    tax_kind: str
    period: str
    parcel_code: str | None
    declared: int | None
    assessed: int
    paid: int
    overdue: int
    due_date: date
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class Coverage:
    """A person's cover under one scheme; `contribution_base` in dong a month."""

    social_insurance_number: str
    personal_id: str
    scheme: str
    employer: str | None
    employer_tax_code: str | None
    contribution_base: int
    covered_from: date
    covered_until: date | None
    months_paid: int
    health_card_number: str | None
    registered_hospital: str | None
    pension_state: str
