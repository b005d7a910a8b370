"""The four agencies' clerks: how they find, record, change and strike out records in their own systems."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Any, LiteralString

import httpx
import psycopg
from psycopg import sql
from psycopg.rows import dict_row

from seeds.site import Site
from seeds.systems.codes import Record

Row = dict[str, Any]
Connection = psycopg.AsyncConnection[Row]


class TableOffice:
    """Clerks at a PostgreSQL registry. `key` is the primary key's column."""

    def __init__(self, connection: Connection, table: str, key: str) -> None:
        self.connection = connection
        self._table = sql.Identifier(table)
        self._key = sql.Identifier(key)

    async def find(self, condition: LiteralString, limit: int, salt: str, *values: Any) -> list[Row]:
        """Rows that meet a condition, in an order that only `salt` decides; reads the whole table."""
        query = sql.SQL("select * from {} where {} order by md5({} || {}) limit {}").format(
            self._table, sql.SQL(condition), self._key, sql.Literal(salt), sql.Literal(limit)
        )
        return await (await self.connection.execute(query, values or None)).fetchall()

    async def near(self, condition: LiteralString, start: str, *values: Any) -> Row | None:
        """The first row from the key `start` on that meets a condition: quick in a large table."""
        query = sql.SQL("select * from {} where {} >= {} and {} order by {} limit 1").format(
            self._table, self._key, sql.Literal(start), sql.SQL(condition), self._key
        )
        return await (await self.connection.execute(query, values or None)).fetchone()

    async def get(self, key: str) -> Row | None:
        """One row, or None."""
        query = sql.SQL("select * from {} where {} = %s").format(self._table, self._key)
        return await (await self.connection.execute(query, (key,))).fetchone()

    async def record(self, row: Row) -> None:
        """Insert a row."""
        query = sql.SQL("insert into {} ({}) values ({})").format(
            self._table,
            sql.SQL(", ").join(map(sql.Identifier, row)),
            sql.SQL(", ").join([sql.Placeholder()] * len(row)),
        )
        await self.connection.execute(query, list(row.values()))

    async def change(self, key: str, fields: Row) -> None:
        """Set fields of a row, and when it was changed."""
        marks = sql.SQL(", ").join(sql.SQL("{} = %s").format(sql.Identifier(name)) for name in fields)
        query = sql.SQL("update {} set {}, sua_luc = now() where {} = %s").format(self._table, marks, self._key)
        await self.connection.execute(query, [*fields.values(), key])

    async def strike(self, key: str) -> None:
        """Delete a row."""
        await self.connection.execute(sql.SQL("delete from {} where {} = %s").format(self._table, self._key), (key,))


class CitizenOffice(TableOffice):
    """The population registry's clerks, who also count the versions of a record."""

    def __init__(self, connection: Connection) -> None:
        super().__init__(connection, "citizen", "so_dinh_danh")

    async def change(self, key: str, fields: Row) -> None:
        """Set fields of a row, its version, and when it was changed."""
        row = await self.get(key)
        await super().change(key, fields | {"lan_sua": (row["lan_sua"] if row else 0) + 1})


class ServiceOffice:
    """Clerks at a registry that is reached over HTTP."""

    def __init__(self, client: httpx.AsyncClient) -> None:
        self._client = client

    async def of_person(self, kind: str, personal_id: str) -> list[Record]:
        """The records of one person."""
        return await self._records(kind, {"personal_id": personal_id})

    async def after(self, kind: str, key: str, limit: int = 200) -> list[Record]:
        """Records whose keys follow `key`."""
        return await self._records(kind, {"after_key": key, "limit": str(limit)})

    async def record(self, kind: str, record: Record) -> None:
        """Record a new one."""
        (await self._client.post(f"/{kind}", json=record)).raise_for_status()

    async def change(self, kind: str, key: str, fields: Record) -> None:
        """Set fields of one."""
        (await self._client.put(f"/{kind}/{key}", json=fields)).raise_for_status()

    async def strike(self, kind: str, key: str) -> None:
        """Delete one."""
        (await self._client.delete(f"/{kind}/{key}")).raise_for_status()

    async def pending(self) -> int:
        """Changes that no file shows yet; only of a registry that writes files."""
        answer = await self._client.get("/exports")
        return int(answer.raise_for_status().json()["pending"])

    async def _records(self, kind: str, query: dict[str, str]) -> list[Record]:
        answer = await self._client.get(f"/{kind}", params=query)
        answer.raise_for_status()
        records: list[Record] = answer.json()["records"]
        return records


@dataclass(frozen=True, slots=True)
class Offices:
    """All clerks of the country."""

    citizens: CitizenOffice
    parcels: TableOffice
    rights: TableOffice
    tax: ServiceOffice
    insurance: ServiceOffice


@asynccontextmanager
async def open_offices(site: Site) -> AsyncIterator[Offices]:
    """The clerks at their desks, as long as the block lasts."""
    async with AsyncExitStack() as stack:
        population = await stack.enter_async_context(await _connect(site.database("population")))
        land = await stack.enter_async_context(await _connect(site.database("land")))
        yield Offices(
            citizens=CitizenOffice(population),
            parcels=TableOffice(land, "parcel", "ma_thua"),
            rights=TableOffice(land, "land_right", "ma_quyen"),
            tax=ServiceOffice(await stack.enter_async_context(_client(site, "tax"))),
            insurance=ServiceOffice(await stack.enter_async_context(_client(site, "insurance"))),
        )


async def _connect(address: str) -> Connection:
    return await psycopg.AsyncConnection.connect(address, autocommit=True, row_factory=dict_row)


def _client(site: Site, system: str) -> httpx.AsyncClient:
    headers = {"Authorization": f"Bearer {site.token(system)}"}
    return httpx.AsyncClient(base_url=site.url(system), headers=headers, timeout=10, trust_env=False)
