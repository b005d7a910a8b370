"""The tax registry's own service: taxpayers and what they owe.

`python -m seeds.systems.tax --data DIR --port P --token-file FILE`
"""

from pathlib import Path

from starlette.applications import Starlette

from seeds.systems import feed
from seeds.systems.feed import Kind
from seeds.systems.serving import arguments, serve
from seeds.systems.store import Store

TAXPAYER = Kind(
    "taxpayer",
    "taxCode",
    frozenset({"taxCode", "formerTaxCode", "personalId", "kind", "office", "status", "registeredOn", "closedOn"}),
)
_OWED = {"tax", "period", "parcel", "declared", "assessed", "paid", "overdue", "due"}
OBLIGATION = Kind("obligation", "id", frozenset({"id", "taxCode", "personalId"} | _OWED))
KINDS = {"taxpayers": TAXPAYER, "obligations": OBLIGATION}


def state_path(data: Path) -> Path:
    """Where the system keeps its records."""
    return data / "tax.sqlite"


def application(store: Store, token: str) -> Starlette:
    """The service over a store; closes it when it ends."""
    return feed.application(store, token, KINDS)


def main() -> None:
    """Serve until told to end."""
    given = arguments("The pretend tax registry.").parse_args()
    token = given.token_file.read_text(encoding="utf-8").strip()
    serve(application(Store(state_path(given.data)), token), given)


if __name__ == "__main__":
    main()
