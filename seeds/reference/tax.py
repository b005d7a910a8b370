"""What is shared of the tax service's taxpayers and obligations, said by hand."""

from seeds.reference.agreement import band, there
from seeds.reference.pseudonyms import Hide
from seeds.reference.readings import Row, View

TAXED_AS = {"EMP": "EMPLOYEE", "HKD": "HOUSEHOLD_BUSINESS", "TDO": "SELF_EMPLOYED", "DAT": "LAND_HOLDER"}


def taxpayer_to_portal(row: Row, _hide: Hide) -> View | None:
    """Codes in use; of the tax office only the province, the first two digits."""
    if row["status"] != "00" or row["registeredOn"] > "2027-12-31":
        return None
    return {
        "tax_code": row["taxCode"],
        "personal_id": row["personalId"],
        "kind": TAXED_AS[row["kind"]],
        "tax_province": row["office"][:2],
    }


def obligation_to_land_office(row: Row, _hide: Hide) -> View | None:
    """Land tax that is overdue on a parcel; the amount only as a band."""
    if row["tax"] != "SDDPNN" or row["overdue"] <= 0 or not there(row["parcel"]):
        return None
    return {
        "obligation_id": row["id"],
        "personal_id": row["personalId"],
        "parcel_code": row["parcel"],
        "period": row["period"],
        "overdue": band(row["overdue"], (1_000_000, 10_000_000, 100_000_000)),
    }


def taxpayer_key(row: Row, _hide: Hide) -> str:
    """The person and the code."""
    return f"{row['personalId']}/{row['taxCode']}"


def obligation_key(row: Row, _hide: Hide) -> str:
    """The person and the obligation."""
    return f"{row['personalId']}/{row['id']}"
