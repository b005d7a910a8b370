"""What is shared of the land registry's tables `parcel` and `land_right`, said by hand."""

from seeds.reference.agreement import last
from seeds.reference.pseudonyms import Hide
from seeds.reference.readings import Row, View

USE = {
    "ONT": "RURAL_RESIDENTIAL",
    "ODT": "URBAN_RESIDENTIAL",
    "LUC": "RICE",
    "HNK": "ANNUAL_CROP",
    "CLN": "PERENNIAL_CROP",
    "RSX": "PRODUCTION_FOREST",
    "NTS": "AQUACULTURE",
    "TMD": "COMMERCIAL",
    "TSC": "PUBLIC",
    "CQP": "DEFENCE",
}
PLAN = {0: "UNCHANGED", 1: "PLANNED", 2: "RECOVERY_ANNOUNCED", 3: "RECOVERED"}
RIGHT = {"SDD": "LAND_USE", "SHN": "HOUSE_OWNERSHIP", "TC": "MORTGAGE"}
LIMIT = {"TC": "MORTGAGED", "TT": "DISPUTED", "KB": "SEIZED", "CN": "NO_TRANSFER"}


def parcel_to_tax(row: Row, _hide: Hide) -> View | None:
    """Parcels of some size that are not for defence; about nobody."""
    if row["dien_tich"] <= 0 or "CQP" in row["muc_dich"]:
        return None
    return {
        "parcel_code": row["ma_thua"],
        "province": row["tinh"],
        "commune": row["xa"],
        "area_m2": float(row["dien_tich"]),
        "purposes": [USE[code] for code in row["muc_dich"]],
        "plan_status": PLAN[row["quy_hoach"]],
    }


def right_to_tax(row: Row, _hide: Hide) -> View | None:
    """Land-use rights that stand."""
    if row["loai_quyen"] != "SDD" or row["ngay_cham_dut"] is not None:
        return None
    return {
        "right_id": row["ma_quyen"],
        "personal_id": row["so_dinh_danh"],
        "parcel_code": row["ma_thua"],
        "share_numerator": row["tu_so"],
        "share_denominator": row["mau_so"],
        "registered_on": row["ngay_dang_ky"],
    }


def right_to_bank(row: Row, _hide: Hide) -> View | None:
    """What a customer can offer as collateral: standing rights that are not seized."""
    if row["loai_quyen"] not in {"SDD", "SHN"} or row["ngay_cham_dut"] is not None or "KB" in row["han_che"]:
        return None
    return {
        "personal_id": row["so_dinh_danh"],
        "right_id": row["ma_quyen"],
        "parcel_code": row["ma_thua"],
        "kind": RIGHT[row["loai_quyen"]],
        "share_numerator": row["tu_so"],
        "share_denominator": row["mau_so"],
        "certificate_number": last(row["so_gcn"], 3),
        "registered_on": row["ngay_dang_ky"].year,
        "restrictions": [LIMIT[code] for code in row["han_che"]],
    }


def parcel_key(row: Row, _hide: Hide) -> str:
    """The parcel's code."""
    return str(row["ma_thua"])


def right_key(row: Row, _hide: Hide) -> str:
    """The holder and the right."""
    return f"{row['so_dinh_danh']}/{row['ma_quyen']}"
