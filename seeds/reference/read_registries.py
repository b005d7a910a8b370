"""Reading the registries where they keep their records: two databases, a service, and the insurance system."""

from collections.abc import Iterator
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg.rows import dict_row

from seeds.reference.readings import Registries, Row

PAGE = 1000


def read_registries(population: str, land: str, tax: dict[str, str], insurance: dict[str, str]) -> Registries:
    """Every row. `population` and `land` are addresses of databases; `tax` and `insurance` hold `url` and `token`.

    State secrets are left out: they are nobody's business.
    """
    return Registries(
        {
            "citizen": _table(population, "select * from citizen"),
            "parcel": _table(land, "select * from parcel where not mat"),
            "land_right": _table(land, "select * from land_right"),
            "taxpayer": tuple(_pages(tax, "taxpayers")),
            "obligation": tuple(_pages(tax, "obligations")),
            "coverage": tuple(_pages(insurance, "coverage")),
        }
    )


def _table(dsn: str, query: LiteralString) -> tuple[Row, ...]:
    with psycopg.connect(dsn, row_factory=dict_row) as connection:
        connection.execute("set time zone 'UTC'")
        return tuple(connection.execute(query).fetchall())


def _pages(service: dict[str, str], kind: str) -> Iterator[dict[str, Any]]:
    headers = {"Authorization": f"Bearer {service['token']}"}
    with httpx.Client(base_url=service["url"], headers=headers, timeout=30, trust_env=False) as client:
        after: str | None = ""
        while after is not None:
            answer = client.get(f"/{kind}", params={"after_key": after, "limit": str(PAGE)})
            page = answer.raise_for_status().json()
            yield from page["records"]
            after = page["next_key"]
