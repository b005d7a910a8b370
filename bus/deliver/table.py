"""A recipient's copy of what was released to it, as one table of its own PostgreSQL.

Rows and the places up to which they were read are written in one transaction. So a repetition changes nothing, two
readers of one partition can't overtake each other, and a table that was restored from a backup goes on where it stands.
"""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from psycopg import AsyncConnection
from psycopg.sql import SQL, Composable, Composed, Identifier

from bus.deliver.arrival import Arrival, Release
from bus.kafka.log import Place


class Table:
    """A table with these columns: field of the view → PostgreSQL type. `bus_topic` and `bus_key` are its primary key.

    A field that a record does not have is null; one that has no column is left out. The places are in `<name>_place`.
    """

    def __init__(self, database: AsyncConnection[Any], name: str, columns: Mapping[str, str]) -> None:
        self._database = database
        self._columns = dict(columns)
        self._rows, self._places = Identifier(name), Identifier(f"{name}_place")

    async def prepare(self) -> None:
        """Make the tables where they are not there yet; columns that are new are added."""
        typed = [(Identifier(name), _type(kind)) for name, kind in self._columns.items()]
        async with self._database.transaction():
            await self._database.execute(
                SQL("CREATE TABLE IF NOT EXISTS {} (bus_topic text, bus_key text, PRIMARY KEY (bus_topic, bus_key))")
                .format(self._rows)
            )  # fmt: skip
            for name, kind in typed:
                await self._database.execute(
                    SQL("ALTER TABLE {} ADD COLUMN IF NOT EXISTS {} {}").format(self._rows, name, kind)
                )
            await self._database.execute(
                SQL(
                    "CREATE TABLE IF NOT EXISTS {} (topic text, part int, next bigint NOT NULL,"
                    " PRIMARY KEY (topic, part))"
                ).format(self._places)
            )

    async def begin(self, places: Iterable[Place]) -> dict[Place, int]:
        """Where this table has come to: what `subscribe` takes as `begin`. A place that it has not seen is at 0."""
        async with self._database.transaction():
            found = await self._database.execute(SQL("SELECT topic, part, next FROM {}").format(self._places))
            known = {Place(topic, part): offset async for topic, part, offset in found}
        return {place: known.get(place, 0) for place in places}

    async def apply(self, arrivals: Sequence[Arrival]) -> int:
        """Keep what was released and delete what was erased, as one transaction; answers how many were new to it."""
        async with self._database.transaction():
            known = {place: await self._locked(place) for place in sorted({_place(one) for one in arrivals})}
            fresh = [one for one in arrivals if one.offset >= known[_place(one)]]
            newest = {(one.topic, one.key): one for one in fresh}.values()
            async with self._database.cursor() as cursor:
                await cursor.executemany(
                    SQL("DELETE FROM {} WHERE bus_topic = %s AND bus_key = %s").format(self._rows),
                    [(one.topic, one.key) for one in newest],
                )
                await cursor.executemany(self._insert(), [self._row(one) for one in newest if isinstance(one, Release)])
                await cursor.executemany(
                    SQL("UPDATE {} SET next = greatest(next, %s) WHERE topic = %s AND part = %s").format(self._places),
                    [(one.offset + 1, one.topic, one.partition) for one in fresh],
                )
        return len(fresh)

    async def _locked(self, place: Place) -> int:
        """The next offset of a place; whoever else writes rows of it waits until this transaction is over."""
        found = await self._database.execute(
            SQL(
                "INSERT INTO {0} AS here VALUES (%s, %s, 0)"
                " ON CONFLICT (topic, part) DO UPDATE SET next = here.next RETURNING next"
            ).format(self._places),
            place,
        )
        row = await found.fetchone()
        assert row is not None
        return int(row[0])

    def _insert(self) -> Composed:
        names = SQL(", ").join(map(Identifier, ("bus_topic", "bus_key", *self._columns)))
        values = SQL(", ").join([SQL("%s")] * (len(self._columns) + 2))
        return SQL("INSERT INTO {} ({}) VALUES ({})").format(self._rows, names, values)

    def _row(self, one: Release) -> tuple[Any, ...]:
        return one.topic, one.key, *(one.fields.get(name) for name in self._columns)


def _place(one: Arrival) -> Place:
    return Place(one.topic, one.partition)


def _type(kind: str) -> Composable:
    """A type's name as the integrator wrote it, such as `numeric(12, 2)`; it is code, not data."""
    return SQL(kind)
