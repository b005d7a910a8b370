"""What is shared of the population registry's table `citizen`, said by hand."""

from datetime import date

from seeds.reference.agreement import last, text, there
from seeds.reference.pseudonyms import Hide
from seeds.reference.readings import Row, View

SEX = {1: "MALE", 2: "FEMALE"}
MARITAL = {0: "SINGLE", 1: "MARRIED", 2: "WIDOWED", 3: "DIVORCED"}
ALIVE, DEAD, MISSING, EMIGRATED = 1, 2, 3, 4
LIFE = {ALIVE: "ALIVE", DEAD: "DEAD", MISSING: "MISSING", EMIGRATED: "EMIGRATED"}

WARD = "00025"
"""The ward whose people's committee is on the bus."""

_AWAY = ("tam_tru_tinh", "tam_tru_xa", "tam_tru_dia_chi", "tam_tru_tu")


def to_tax(row: Row, _hide: Hide) -> View | None:
    """The living who have a residence."""
    if row["tinh_trang"] != ALIVE or not there(row["thuong_tru_tinh"]):
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "full_name": row["ho_ten"],
        "birth_date": row["ngay_sinh"].year,
        "residence_province": row["thuong_tru_tinh"],
    }


def address_to_tax(row: Row, _hide: Hide) -> View | None:
    """Where a notice can be sent; the missing too may get one."""
    if (
        row["tinh_trang"] in {DEAD, EMIGRATED}
        or not there(row["thuong_tru_dia_chi"])
        or not there(row["thuong_tru_xa"])
    ):
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "residence_province": row["thuong_tru_tinh"],
        "residence_commune": row["thuong_tru_xa"],
        "residence_address": row["thuong_tru_dia_chi"],
    }


def to_insurance(row: Row, _hide: Hide) -> View | None:
    """Everybody who has not left the country; deaths with their day."""
    if row["tinh_trang"] == EMIGRATED:
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "full_name": row["ho_ten"],
        "birth_date": row["ngay_sinh"],
        "sex": SEX[row["gioi_tinh"]],
        "status": LIFE[row["tinh_trang"]],
        "death_date": row["ngay_chet"],
    }


def to_land_office(row: Row, _hide: Hide) -> View | None:
    """Those who were of age when the agreement began, with their spouses."""
    if row["tinh_trang"] == EMIGRATED or row["ngay_sinh"] >= date(2008, 1, 2):
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "full_name": row["ho_ten"],
        "birth_date": row["ngay_sinh"].year,
        "marital_status": MARITAL[row["hon_nhan"]],
        "spouse_id": text(row["so_dinh_danh_vc"]),
        "status": LIFE[row["tinh_trang"]],
    }


def to_portal(row: Row, _hide: Hide) -> View | None:
    """The living who have an electronic identity."""
    if row["tinh_trang"] != ALIVE or row["muc_dinh_danh"] < 1:
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "full_name": row["ho_ten"],
        "birth_date": row["ngay_sinh"],
        "sex": SEX[row["gioi_tinh"]],
        "nationality": row["quoc_tich"],
        "residence_province": text(row["thuong_tru_tinh"]),
        "residence_commune": text(row["thuong_tru_xa"]),
        "residence_address": text(row["thuong_tru_dia_chi"]),
        "temporary_residence": _away(row),
        "phone": text(row["so_dien_thoai"]),
    }


def to_commune(row: Row, _hide: Hide) -> View | None:
    """The living who reside in the ward, or stay there for a time."""
    if row["tinh_trang"] != ALIVE or WARD not in {row["thuong_tru_xa"], row["tam_tru_xa"]}:
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "full_name": row["ho_ten"],
        "birth_date": f"{row['ngay_sinh']:%Y-%m}",
        "sex": SEX[row["gioi_tinh"]],
        "residence_address": text(row["thuong_tru_dia_chi"]),
        "residence_since": row["thuong_tru_tu"],
        "away_or_guest": _away(row) is not None,
        "can_be_called": there(row["so_dien_thoai"]),
    }


def address_to_bank(row: Row, _hide: Hide) -> View | None:
    """The living who have a residence; whether they were of age when the agreement began."""
    if row["tinh_trang"] != ALIVE or not there(row["thuong_tru_xa"]):
        return None
    born = row["ngay_sinh"]
    return {
        "personal_id": row["so_dinh_danh"],
        "full_name": row["ho_ten"],
        "is_adult": (born.year + 18, born.month, born.day) <= (2026, 1, 1),
        "residence_province": row["thuong_tru_tinh"],
        "residence_commune": row["thuong_tru_xa"],
        "residence_address": text(row["thuong_tru_dia_chi"]),
        "phone": last(row["so_dien_thoai"], 3),
    }


def to_statistics(row: Row, hide: Hide) -> View | None:
    """The living and the dead, under pseudonyms."""
    if row["tinh_trang"] not in {ALIVE, DEAD}:
        return None
    return {
        "person": hide(row["so_dinh_danh"]),
        "birth_year": row["ngay_sinh"].year,
        "sex": SEX[row["gioi_tinh"]],
        "marital_status": MARITAL[row["hon_nhan"]],
        "residence_province": text(row["thuong_tru_tinh"]),
        "status": LIFE[row["tinh_trang"]],
    }


def key(row: Row, _hide: Hide) -> str:
    """Person and record are one: the number stands twice."""
    return f"{row['so_dinh_danh']}/{row['so_dinh_danh']}"


def hidden_key(row: Row, hide: Hide) -> str:
    """The same under a pseudonym."""
    return f"{hide(row['so_dinh_danh'])}/{hide(row['so_dinh_danh'])}"


def _away(row: Row) -> View | None:
    if not any(there(row[column]) for column in _AWAY):
        return None
    province, commune, address, since = (row[column] for column in _AWAY)
    return {"province": province, "commune": commune, "address": address, "since": since}
