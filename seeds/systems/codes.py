"""The agencies' codes for the country's words, and their records as they write them."""

from datetime import date, datetime
from typing import Any

from seeds.records import Coverage, Obligation, Taxpayer

Record = dict[str, Any]
"""A record as an agency writes it: plain JSON values."""

SEX = {"MALE": 1, "FEMALE": 2}
MARITAL = {"SINGLE": 0, "MARRIED": 1, "WIDOWED": 2, "DIVORCED": 3}
PERSON_STATUS = {"ALIVE": 1, "DEAD": 2, "MISSING": 3, "EMIGRATED": 4}
PURPOSE = {
    "RURAL_RESIDENTIAL": "ONT",
    "URBAN_RESIDENTIAL": "ODT",
    "RICE": "LUC",
    "ANNUAL_CROP": "HNK",
    "PERENNIAL_CROP": "CLN",
    "PRODUCTION_FOREST": "RSX",
    "AQUACULTURE": "NTS",
    "COMMERCIAL": "TMD",
    "PUBLIC": "TSC",
    "DEFENCE": "CQP",
}
PLAN = {"UNCHANGED": 0, "PLANNED": 1, "RECOVERY_ANNOUNCED": 2, "RECOVERED": 3}
RIGHT_KIND = {"LAND_USE": "SDD", "HOUSE_OWNERSHIP": "SHN", "MORTGAGE": "TC"}
RESTRICTION = {"MORTGAGED": "TC", "DISPUTED": "TT", "SEIZED": "KB", "NO_TRANSFER": "CN"}
TAXPAYER_KIND = {"EMPLOYEE": "EMP", "HOUSEHOLD_BUSINESS": "HKD", "SELF_EMPLOYED": "TDO", "LAND_HOLDER": "DAT"}
TAXPAYER_STATUS = {"ACTIVE": "00", "SUSPENDED": "05", "DEREGISTERED": "03"}
TAX_KIND = {"PERSONAL_INCOME": "TNCN", "NON_AGRICULTURAL_LAND": "SDDPNN", "HOUSEHOLD_BUSINESS": "HKD"}
SCHEME = {"COMPULSORY": "BB", "VOLUNTARY": "TN", "HEALTH": "YT", "UNEMPLOYMENT": "TH"}
PENSION = {"NONE": 0, "RECEIVING": 1, "SUSPENDED": 2}


def taxpayer_record(taxpayer: Taxpayer) -> Record:
    """As the tax service writes it."""
    return {
        "taxCode": taxpayer.tax_code,
        "formerTaxCode": taxpayer.former_tax_code,
        "personalId": taxpayer.personal_id,
        "kind": TAXPAYER_KIND[taxpayer.kind],
        "office": taxpayer.tax_office,
        "status": TAXPAYER_STATUS[taxpayer.status],
        "registeredOn": taxpayer.registered_on.isoformat(),
        "closedOn": _day(taxpayer.deregistered_on),
        "modified": _moment(taxpayer.updated_at),
    }


def obligation_record(obligation: Obligation) -> Record:
    """As the tax service writes it."""
    return {
        "id": obligation.obligation_id,
        "taxCode": obligation.tax_code,
        "personalId": obligation.personal_id,
        "tax": TAX_KIND[obligation.tax_kind],
        "period": obligation.period,
        "parcel": obligation.parcel_code,
        "declared": obligation.declared,
        "assessed": obligation.assessed,
        "paid": obligation.paid,
        "overdue": obligation.overdue,
        "due": obligation.due_date.isoformat(),
        "modified": _moment(obligation.updated_at),
    }


def coverage_record(cover: Coverage) -> Record:
    """As the insurance files write it: everything is text, days as 31/12/2025, nothing for what is absent."""
    return {
        "ma_so_bhxh": cover.social_insurance_number,
        "loai": SCHEME[cover.scheme],
        "so_dinh_danh": cover.personal_id,
        "don_vi": cover.employer or "",
        "mst_don_vi": cover.employer_tax_code or "",
        "muc_dong": str(cover.contribution_base),
        "tu_ngay": written(cover.covered_from),
        "den_ngay": written(cover.covered_until),
        "so_thang": str(cover.months_paid),
        "so_the_bhyt": cover.health_card_number or "",
        "noi_kcb": cover.registered_hospital or "",
        "luong_huu": str(PENSION[cover.pension_state]),
    }


def written(day: date | None) -> str:
    """A day as Vietnamese offices write it."""
    return f"{day:%d/%m/%Y}" if day else ""


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _moment(moment: datetime) -> str:
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
