"""What must be true in the database before it can be a source, and what the connector makes there for itself."""

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import psycopg
from psycopg import sql

from bus.connect.place import Place
from bus.errors import SourceUnfit

HIDING = """
array(select (case s.nspname when 'public' then '' else quote_ident(s.nspname) || '.' end) || quote_ident(leaf.relname)
      from pg_class leaf join pg_namespace s on s.oid = leaf.relnamespace
      where leaf.relreplident <> 'f' and leaf.oid in (
        select relid from pg_partition_tree(c.oid) where isleaf union select c.oid)
      order by 1)
"""
"""Of a table `c`: which of it and its partitions hide the row before a change.

Each partition has an identity of its own, by which the log is written; by that of the root the stream tells it.
"""

NAME_BYTES = 63
"""PostgreSQL takes no longer names."""

READER_LOOKS = 10
READER_PAUSE_SECONDS = 0.2
"""So often, and after such pauses, it is looked whether another reader of a slot stays."""

OTHER_PREFIX = "Give one of the two buses another BUS_PREFIX, or one of the connectors another name."

AS_SQL = 'a name that is not all small letters stands in double quotes, as in "Person"'

LEAVE_IT = "With --force this connector goes, and slot and publication stay to the other."

INHERITED = "c.relkind = 'r' and exists (select from pg_inherits where inhparent = c.oid)"
"""Of a table `c`: whether others inherit from it. Queries of it show their rows; the stream tells them as theirs."""

PARTITIONS = "Make the tables that inherit from it partitions of it, or name one of those, which nothing inherits from."

Connection = psycopg.AsyncConnection[tuple[Any, ...]]


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the manifest as the database has it: the columns of its primary key, each with its type's name.

    `parted`: its rows lie in partitions, and more of them may be made at any time. `oid` stays the same when it gets
    another name, and is another one where another table has got its name.
    """

    oid: int
    dataset: str
    schema: str
    name: str
    key: tuple[tuple[str, str], ...]
    parted: bool = False

    @property
    def identifier(self) -> sql.Identifier:
        """Its whole name, quoted."""
        return sql.Identifier(self.schema, self.name)


@dataclass(frozen=True, slots=True)
class SlotState:
    """A replication slot: up to where it is confirmed, whether its log is gone, which backend reads it."""

    confirmed_lsn: int
    lost: bool
    active_pid: int | None


def slot_name(place: Place) -> str:
    """How a connector's replication slot and publication are called; what is too long ends in a digest of the whole."""
    name = _whole_name(place)
    if len(name) <= NAME_BYTES:
        return name
    digest = hashlib.blake2b(name.encode(), digest_size=5).hexdigest()
    return f"{name[: NAME_BYTES - len(digest) - 1]}_{digest}"


def cut_name(place: Place) -> str | None:
    """How they were called before where that was too long: as any other connector's whose name begins so."""
    name = _whole_name(place)
    return name[:NAME_BYTES] if len(name) > NAME_BYTES else None


def _whole_name(place: Place) -> str:
    return f"bus_{place.prefix}{place.connector}".replace(".", "_").replace("-", "_")


async def find_table(connection: Connection, connector: str, dataset: str, origin: str) -> Table:
    """The table named `table` or `schema.table`. Raises SourceUnfit where it can't be followed, with what to do."""
    found = await about(
        connection,
        f"""select c.oid, n.nspname, c.relname, c.relkind = 'p', {HIDING}, row_security_active(c.oid),
             quote_ident(current_user), {INHERITED}
           from pg_class c join pg_namespace n on n.oid = c.relnamespace
           where c.oid = to_regclass(%s)""",  # noqa: S608 - a constant
        origin,
    )
    if found is None:
        mend = (
            f"Mend datasets.{dataset}.origin in the manifest: {AS_SQL}; `bus connector check {connector}` looks again."
        )
        raise SourceUnfit(connector=connector, reason=f"there is no table {origin}", mend=mend)
    oid, schema, name, parted, hiding, secured, user, inherited = found
    if inherited:
        reason = f"table {origin} shows the rows of tables that inherit from it, whose changes are not told as its own"
        raise SourceUnfit(connector=connector, reason=reason, mend=PARTITIONS)
    if secured:
        reason = f"table {origin} shows its user only some of the rows (row-level security)"
        raise SourceUnfit(connector=connector, reason=reason, mend=seeing_all(user))
    if hiding:
        reason = f"table {hiding[0]} does not tell the row before a change (its replica identity is not FULL)"
        raise SourceUnfit(connector=connector, reason=reason, mend=f"Run: {telling(hiding)}")
    cursor = await connection.execute(
        """select a.attname, format_type(a.atttypid, a.atttypmod)
           from pg_index i cross join unnest(i.indkey) with ordinality k(number, place)
           join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
           where i.indrelid = %s and i.indisprimary order by k.place""",
        (oid,),
    )
    key = tuple((str(column), str(kind)) for column, kind in await cursor.fetchall())
    if not key:
        raise SourceUnfit(
            connector=connector,
            reason=f"table {origin} has no primary key, which a snapshot in chunks needs",
            mend=f"Run: alter table {origin} add primary key (…);",
        )
    return Table(int(oid), dataset, schema, name, key, parted)


async def about(connection: Connection, query: str, origin: str) -> tuple[Any, ...] | None:
    """What is known of the table with that name; None where there is none, or it is no name at all."""
    try:
        return await _one(connection, query, origin)
    except (psycopg.errors.InvalidName, psycopg.errors.SyntaxError, psycopg.errors.FeatureNotSupported):
        return None


def telling(tables: list[str]) -> str:
    """The statements by which these tables tell the row before a change."""
    return " ".join(f"alter table {table} replica identity full;" for table in tables)


def seeing_all(user: str) -> str:
    """The statement by which a user sees all rows: what a snapshot does not see would be erased as gone."""
    return f"As an administrator: alter role {user} bypassrls;"


async def check_server(connection: Connection, connector: str) -> None:
    """The server must write a log that can be decoded. Raises SourceUnfit."""
    found = await _one(connection, "select current_setting('wal_level'), current_setting('server_version_num')::int")
    assert found is not None
    if found[0] != "logical":
        raise SourceUnfit(
            connector=connector,
            reason=f"the server's wal_level is {found[0]}",
            mend="Set wal_level = logical in postgresql.conf and restart the server.",
        )
    if found[1] < 140000:
        raise SourceUnfit(connector=connector, reason="the server is older than PostgreSQL 14", mend=_UPGRADE)


_UPGRADE = "Upgrade it to 14 or newer, or choose the kind sql: see connectors/SOURCES.md."
_WHOLLY = sql.SQL("publish = 'insert, update, delete, truncate', publish_via_partition_root = true")


async def ensure_publication(connection: Connection, name: str, tables: list[Table]) -> None:
    """Make the publication, or give it these tables. Partitions are published as the table that they are parts of.

    From PostgreSQL 18 on a publication without the generated columns of a table whose replica identity is FULL would
    make the registry's own updates fail; so they are published.
    """
    listed = sql.SQL(", ").join(table.identifier for table in tables)
    publication = sql.Identifier(name)
    if await _one(connection, "select 1 from pg_publication where pubname = %s", name):
        await connection.execute(sql.SQL("alter publication {} set table {}").format(publication, listed))
        await connection.execute(sql.SQL("alter publication {} set ({})").format(publication, _WHOLLY))
        return
    generated = connection.info.server_version >= 180000
    options = sql.SQL("{}, publish_generated_columns = stored" if generated else "{}").format(_WHOLLY)
    await connection.execute(
        sql.SQL("create publication {} for table {} with ({})").format(publication, listed, options)
    )


async def unpublished(connection: Connection, publication: str, tables: Mapping[str, int]) -> list[str]:
    """Which of these tables (name: oid) are another one by now, or gone, or not in the publication with all changes.

    Somebody may have it leave out operations, rows or columns; PostgreSQL 14 does not know all of these, hence as JSON.
    """
    cursor = await connection.execute(
        """select origin from unnest(%s::text[], %s::oid[]) listed(origin, oid)
           where to_regclass(origin)::oid is distinct from oid or not exists (
             select from pg_publication_rel r join pg_publication p on p.oid = r.prpubid
             where p.pubname = %s and r.prrelid = listed.oid
               and p.pubinsert and p.pubupdate and p.pubdelete and p.pubtruncate and p.pubviaroot
               and to_jsonb(r) ->> 'prqual' is null and to_jsonb(r) ->> 'prattrs' is null)""",
        (list(tables), list(tables.values()), publication),
    )
    return [str(origin) for (origin,) in await cursor.fetchall()]


async def slot_state(connection: Connection, slot: str) -> SlotState | None:
    """How the slot stands in this database; None when there is none."""
    found = await _one(
        connection,
        """select confirmed_flush_lsn - '0/0'::pg_lsn, coalesce(wal_status = 'lost', false), active_pid
           from pg_replication_slots where slot_name = %s and database = current_database()""",
        slot,
    )
    return None if found is None else SlotState(int(found[0] or 0), bool(found[1]), found[2])


def reader_name(slot: str, made: int | None) -> str:
    """How the reader of a slot is called: by where it made it, two connectors whose slots have one name differ."""
    return f"bus {made or 0:x} {slot}"[:NAME_BYTES]


async def require_own(
    connection: Connection, connector: str, slot: str, made: int | None, mend: str = OTHER_PREFIX
) -> None:
    """Raises SourceUnfit where another connector reads the slot than the one that made it there.

    `made` None: this one has made none yet; 0: nobody can tell, for its position is from before that was noted. Who has
    just let go of the slot may still be listed for a moment.
    """
    for _ in range(READER_LOOKS):
        found = await _one(
            connection,
            """select application_name from pg_replication_slots join pg_stat_activity on pid = active_pid
               where slot_name = %s and database = current_database()""",
            slot,
        )
        if found is None or made == 0 or (made is not None and found[0] == reader_name(slot, made)):
            return
        await asyncio.sleep(READER_PAUSE_SECONDS)
    reason = f"the slot {slot} is read by another connector"
    raise SourceUnfit(connector=connector, reason=reason, mend=mend)


async def log_end(connection: Connection) -> int:
    """Where the server's log ends now."""
    found = await _one(connection, "select pg_current_wal_insert_lsn() - '0/0'::pg_lsn")
    assert found is not None
    return int(found[0])


async def why_lost(connection: Connection, slot: str, after_lsn: int) -> str | None:
    """Why what follows a place in the log cannot be had by the slot any more; None where it can."""
    state = await slot_state(connection, slot)
    if after_lsn > await log_end(connection):
        return "the server's log ends before it: another database, or one that was restored"
    if state is None:
        return "its replication slot is gone"
    if state.lost:
        return "the server dropped the log that its replication slot needs"
    if state.confirmed_lsn > after_lsn:
        return "its replication slot stands past the published position: it was made anew, or read by another"
    return None


async def make_slot(connection: Connection, connector: str, slot: str) -> int:
    """A new slot, in the place of one of that name; returns the log position from which it has everything.

    A server has one slot of a name, whatever the database: that of another is left alone. Raises SourceUnfit.
    """
    await drop_slot(connection, slot)
    if other := await _one(connection, "select database from pg_replication_slots where slot_name = %s", slot):
        reason = f"the slot {slot} on its server is that of the database {other[0]}"
        raise SourceUnfit(connector=connector, reason=reason, mend=OTHER_PREFIX)
    found = await _one(
        connection, "select lsn - '0/0'::pg_lsn from pg_create_logical_replication_slot(%s, 'pgoutput')", slot
    )
    assert found is not None
    return int(found[0])


async def drop(connection: Connection, name: str) -> None:
    """Remove the slot and the publication of that name."""
    await drop_slot(connection, name)
    await connection.execute(sql.SQL("drop publication if exists {}").format(sql.Identifier(name)))


async def drop_slot(connection: Connection, slot: str) -> None:
    """Remove this database's slot if it is there, ending whoever reads it."""
    await release_slot(connection, slot)
    await connection.execute(
        """select pg_drop_replication_slot(slot_name) from pg_replication_slots
           where slot_name = %s and database = current_database()""",
        (slot,),
    )


async def release_slot(connection: Connection, slot: str) -> None:
    """End the backend that reads the slot: a predecessor that was fenced, or died without closing its connection."""
    await connection.execute(
        """select pg_terminate_backend(active_pid, 5000) from pg_replication_slots
           where slot_name = %s and active and database = current_database()""",
        (slot,),
    )


async def _one(connection: Connection, query: str, *values: object) -> tuple[Any, ...] | None:
    cursor = await connection.execute(query, values)
    return await cursor.fetchone()
