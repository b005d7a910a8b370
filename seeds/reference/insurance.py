"""What is shared of the insurance system's covers, said by hand. There everything is text, days as 31/12/2025."""

from datetime import date

from seeds.reference.agreement import band, last, text, there
from seeds.reference.pseudonyms import Hide
from seeds.reference.readings import Row, View

SCHEME = {"BB": "COMPULSORY", "TN": "VOLUNTARY", "YT": "HEALTH", "TH": "UNEMPLOYMENT"}
PENSION = {"0": "NONE", "1": "RECEIVING", "2": "SUSPENDED"}


def to_portal(row: Row, _hide: Hide) -> View | None:
    """Health cards, their numbers all but hidden."""
    if row["loai"] != "YT" or not there(row["so_the_bhyt"]):
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "health_card_number": last(row["so_the_bhyt"], 4),
        "covered_from": _day(row["tu_ngay"]),
        "covered_until": _day(row["den_ngay"]),
    }


def to_tax(row: Row, _hide: Hide) -> View | None:
    """Employees from two million dong a month; the income as a band, times as months."""
    base = int(row["muc_dong"])
    if row["loai"] != "BB" or not there(row["mst_don_vi"]) or base < 2_000_000:
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "employer_tax_code": row["mst_don_vi"],
        "contribution_base": band(base, (5_000_000, 10_000_000, 20_000_000, 46_800_000)),
        "covered_from": _month(row["tu_ngay"]),
        "covered_until": _month(row["den_ngay"]),
    }


def to_statistics(row: Row, hide: Hide) -> View | None:
    """Everything but health cover, under pseudonyms; the employer only as there or not."""
    if row["loai"] == "YT":
        return None
    begun = _day(row["tu_ngay"])
    return {
        "person": hide(row["so_dinh_danh"]),
        "scheme": SCHEME[row["loai"]],
        "income_band": band(int(row["muc_dong"]), (5_000_000, 10_000_000, 20_000_000)),
        "covered_from": None if begun is None else begun.year,
        "has_employer": text(row["don_vi"]) is not None,
        "pension_state": PENSION[row["luong_huu"]],
    }


def key(row: Row, hide: Hide) -> str:
    """The person is shown, and the cover's own number is not."""
    return f"{row['so_dinh_danh']}/{hide(_cover(row))}"


def hidden_key(row: Row, hide: Hide) -> str:
    """Neither is shown."""
    return f"{hide(row['so_dinh_danh'])}/{hide(_cover(row))}"


def _cover(row: Row) -> str:
    return f"{row['ma_so_bhxh']}-{SCHEME[row['loai']]}"


def _day(written: str) -> date | None:
    if not written:
        return None
    day, month, year = map(int, written.split("/"))
    return date(year, month, day)


def _month(written: str) -> str | None:
    day = _day(written)
    return None if day is None else f"{day:%Y-%m}"
