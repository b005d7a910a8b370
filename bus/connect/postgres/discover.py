"""The tables of a database as they are, for a proposal of datasets."""

from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import psycopg

from bus.connect.postgres.replication import SESSION
from bus.connect.postgres.trouble import MALFORMED, WRITE_SO, is_malformed, of_postgres
from bus.connect.propose import Column, Kind, Table
from bus.errors import NotFound, SourceUnfit, SourceUnreachable

_KINDS = {
    "int2": Kind.INT,
    "int4": Kind.INT,
    "int8": Kind.LONG,
    "oid": Kind.LONG,
    "float4": Kind.DOUBLE,
    "float8": Kind.DOUBLE,
    "bool": Kind.BOOLEAN,
    "bytea": Kind.BYTES,
    "date": Kind.DATE,
    "timestamptz": Kind.INSTANT,
    "timestamp": Kind.LOCAL_TIME,
    "json": Kind.NESTED,
    "jsonb": Kind.NESTED,
    "_text": Kind.TEXTS,
    "_varchar": Kind.TEXTS,
    "_bpchar": Kind.TEXTS,
    "_uuid": Kind.TEXTS,
}
"""Type of PostgreSQL → what it is to the bus. Others are read as text, as the server writes them; arrays are nested."""

_PADDED = "bpchar"
"""character(n): what is shorter than n comes with blanks behind it, which mean nothing."""

_TABLES = """
select c.oid, n.nspname, c.relname,
  case n.nspname when 'public' then '' else quote_ident(n.nspname) || '.' end || quote_ident(c.relname),
  coalesce(obj_description(c.oid, 'pg_class'), ''), current_setting('TimeZone'),
  coalesce((select array_agg(a.attname::text order by k.place) from pg_index i
    cross join unnest(i.indkey) with ordinality k(number, place)
    join pg_attribute a on a.attrelid = i.indrelid and a.attnum = k.number
    where i.indrelid = c.oid and i.indisprimary), '{}')
from pg_class c join pg_namespace n on n.oid = c.relnamespace
where c.relkind in ('r', 'p') and not c.relispartition and c.relpersistence = 'p'
  and n.nspname not in ('pg_catalog', 'information_schema') and has_table_privilege(c.oid, 'select')
order by n.nspname, c.relname
"""

_COLUMNS = """
select a.attname, coalesce(b.typname, t.typname), t.typcategory,
  not (a.attnotnull or coalesce(t.typnotnull, false)), coalesce(col_description(a.attrelid, a.attnum), '')
from pg_attribute a join pg_type t on t.oid = a.atttypid left join pg_type b on b.oid = nullif(t.typbasetype, 0)
where a.attrelid = %s and a.attnum > 0 and not a.attisdropped order by a.attnum
"""


async def tables(dsn: str, connector: str, wanted: tuple[str, ...] = ()) -> list[Table]:
    """The tables that the user may read; of those, only the `wanted` (`table` or `schema.table`), where any are named.

    Their origins are names as SQL has them: with double quotes where not all letters are small.

    Raises SourceUnreachable, SourceUnfit for a malformed address, and NotFound for a wanted table that is not there.
    """
    if is_malformed(dsn):
        raise SourceUnfit(connector=connector, reason=MALFORMED, mend=WRITE_SO)
    try:
        options = SESSION.replace("-c timezone=UTC ", "")  # the zone is asked for: it is the server's that counts
        async with await psycopg.AsyncConnection.connect(dsn, autocommit=True, options=options) as connection:
            found, known = list[Table](), dict[str, Table]()
            for oid, schema, name, origin, text, zone, key in await (await connection.execute(_TABLES)).fetchall():
                columns = await (await connection.execute(_COLUMNS, (oid,))).fetchall()
                listed = tuple(
                    Column(column, _kind(kind, category), nullable, about, padded=kind == _PADDED)
                    for column, kind, category, nullable, about in columns
                )
                found.append(Table(origin, listed, tuple(key), text, _zone(zone)))
                plain = (name, f"public.{name}", f"public.{origin}") if schema == "public" else (f"{schema}.{name}",)
                known |= dict.fromkeys((*plain, origin), found[-1])
    except psycopg.Error as error:
        if (said := of_postgres(error)) == MALFORMED:
            raise SourceUnfit(connector=connector, reason=MALFORMED, mend=WRITE_SO) from None
        raise SourceUnreachable(connector=connector, reason=said) from error
    if missing := [name for name in wanted if name not in known]:
        raise NotFound(kind="table", name=missing[0], known=", ".join(table.origin for table in found) or "none")
    return [known[name] for name in wanted] or found


def _zone(name: str) -> str:
    """The server's zone, where the world knows it by that name; else UTC, which the proposal asks about anyway."""
    try:
        return ZoneInfo(name).key
    except (ZoneInfoNotFoundError, ValueError):
        return "UTC"


def _kind(name: str, category: str) -> Kind:
    fallback = Kind.NESTED if category == "A" else Kind.TEXT
    return _KINDS.get(name, fallback)
