"""Whether a database can be followed, before anything is made in it: each finding with the statement that mends it."""

from collections.abc import AsyncIterator
from typing import Any

import psycopg

from bus.connect.findings import Finding, clock, error, good, warning
from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.postgres.catalog import (
    AS_SQL,
    HIDING,
    INHERITED,
    OTHER_PREFIX,
    PARTITIONS,
    about,
    seeing_all,
    slot_name,
    telling,
)
from bus.connect.postgres.replication import SESSION
from bus.connect.postgres.trouble import MALFORMED, WRITE_SO, is_malformed, of_postgres

CONNECT_SECONDS = 10
LARGE_LAG_BYTES = 1 << 30
PRIMARY = (
    "Name the primary server in the setting dsn (of several hosts, target_session_attrs=read-write finds it); if it is"
    " the primary, see default_transaction_read_only."
)
RESTART = "in postgresql.conf, and restart the server"

_SERVER = """
select current_setting('server_version_num')::int, current_setting('wal_level'),
  current_setting('max_replication_slots')::int, current_setting('max_wal_senders')::int,
  current_setting('max_slot_wal_keep_size'), (select count(*) from pg_replication_slots),
  (select count(*) from pg_stat_replication), extract(epoch from clock_timestamp()) * 1000,
  current_setting('transaction_read_only')::bool,
  rolsuper, rolsuper or rolreplication, has_database_privilege(current_database(), 'create'), rolname,
  current_database()
from pg_roles where rolname = current_user
"""

_SLOT = """
select wal_status, active, pg_wal_lsn_diff(pg_current_wal_lsn(), confirmed_flush_lsn),
  database is not distinct from current_database(), database
from pg_replication_slots where slot_name = %s
"""

_TABLE = f"""
select c.relkind::text, {HIDING}, has_table_privilege(c.oid, 'select'),
  pg_has_role(c.relowner, 'usage'), exists (select from pg_index where indrelid = c.oid and indisprimary),
  array(select attname::text from pg_attribute where attrelid = c.oid and attnum > 0 and not attisdropped),
  array(select attname::text from pg_attribute where attrelid = c.oid and not attisdropped
    and (attgenerated = 'v' or attgenerated = 's' and current_setting('server_version_num')::int < 180000)),
  quote_ident(current_user), row_security_active(c.oid), {INHERITED}
from pg_class c where c.oid = to_regclass(%s)
"""  # noqa: S608 - a constant


async def check_postgres(manifest: Manifest, place: Place) -> list[Finding]:
    """Reach, rights, log settings, slot, clocks, and each table of the manifest."""
    if is_malformed(place.setting("dsn")):
        return [error(MALFORMED, WRITE_SO)]
    try:
        connection = await psycopg.AsyncConnection.connect(
            place.setting("dsn"), autocommit=True, options=SESSION, connect_timeout=CONNECT_SECONDS
        )
    except psycopg.Error as wrong:
        remedy = "Check host, port, user, password and database in the setting dsn; does the server let this host in?"
        said = of_postgres(wrong)
        return [error(f"the database cannot be reached: {said}", WRITE_SO if said == MALFORMED else remedy)]
    async with connection:
        try:
            found = [good("the database answers")]
            found += [finding async for finding in _server(connection, place)]
            for dataset, rule in manifest.datasets.items():
                columns = {one.column for one in rule.rules().values() if one.column}
                columns |= {rule.state_secret.column} if rule.state_secret else set()
                found += [finding async for finding in _table(connection, dataset, rule.origin, columns)]
        except psycopg.Error as wrong:
            found.append(error(f"the database breaks off: {of_postgres(wrong)}", "See the server's log."))
        return found


async def _server(connection: Any, place: Place) -> AsyncIterator[Finding]:
    row = await (await connection.execute(_SERVER)).fetchone()
    version, level, slots, senders, kept, slots_used, senders_used, theirs, *rest = row
    read_only, superuser, replicates, creates, user, database = rest
    if version < 140000:
        yield error(f"the server is PostgreSQL {version // 10000}", "Upgrade it to 14 or newer.")
    else:
        yield good(f"the server is PostgreSQL {version // 10000}")
    if level == "logical":
        yield good("wal_level is logical")
    else:
        yield error(f"wal_level is {level}", f"Set wal_level = logical {RESTART}.")
    if read_only:
        yield error(f"the server lets {user} write nothing, as a standby does: no publication can be made", PRIMARY)
    if replicates:
        yield good(f"{user} may replicate")
    else:
        yield error(f"{user} may not replicate", f'As an administrator: alter role "{user}" replication;')
    if not (superuser or creates):
        remedy = f'As an administrator: grant create on database "{database}" to "{user}";'
        yield error(f"{user} may not make a publication", remedy)
    async for finding in _slot(connection, place, free=slots - slots_used):
        yield finding
    if senders_used >= senders:
        yield error("every replication connection is in use", f"Raise max_wal_senders {RESTART}.")
    if kept == "-1":
        remedy = "Set max_slot_wal_keep_size = 10GB, or what your disk can spare; then a slot gives way, not the disk."
        yield warning("the server keeps its log without a limit while the connector stands still", remedy)
    else:
        yield good(f"the server keeps at most {kept} of log for a slot")
    yield clock(float(theirs))


async def _slot(connection: Any, place: Place, *, free: int) -> AsyncIterator[Finding]:
    name = slot_name(place)
    row = await (await connection.execute(_SLOT, (name,))).fetchone()
    if row is None:
        if free <= 0:
            yield error("no replication slot is free", f"Raise max_replication_slots {RESTART}, or drop one.")
        else:
            yield good(f"the slot {name} is not made yet, and {free} are free")
        return
    status, active, lag, own, database = row
    if not own:
        yield error(f"the slot {name} on this server is that of the database {database}", OTHER_PREFIX)
    elif status == "lost":
        yield warning(f"the log that the slot {name} needs is gone", "The next start begins with a full snapshot.")
    elif (lag or 0) > LARGE_LAG_BYTES and not active:
        remedy = "Start the connector, or drop the slot if nobody needs it."
        yield warning(f"the slot {name} holds back {lag / (1 << 30):.1f} GiB of log, and nobody reads it", remedy)
    else:
        yield good(f"the slot {name} is there{', and read' if active else ''}")


async def _table(connection: Any, dataset: str, origin: str, columns: set[str]) -> AsyncIterator[Finding]:
    row = await about(connection, _TABLE, origin)
    if row is None:
        remedy = f"Mend datasets.{dataset}.origin in the manifest: {AS_SQL}; `bus connector discover` names the tables."
        yield error(f"{dataset}: there is no table {origin}", remedy)
        return
    kind, hiding, reads, owns, has_key, present, unsent, user, secured, inherited = row
    generated = sorted(columns & set(unsent))
    troubles = [
        (kind not in {"r", "p"}, f"{origin} is no table", "Name a table, not a view."),
        (not reads, f"its user may not read {origin}", f"As its owner: grant select on {origin} to {user};"),
        (
            not owns,
            f"its user does not own {origin}, which a publication needs",
            f"As an administrator: alter table {origin} owner to {user};",
        ),
        (inherited, f"{origin} shows the rows of tables that inherit from it", PARTITIONS),
        (secured, f"its user sees only some rows of {origin} (row-level security)", seeing_all(user)),
        (
            not has_key and kind in {"r", "p"},
            f"{origin} has no primary key, which a snapshot in chunks needs",
            f"Run: alter table {origin} add primary key (…);",
        ),
        (
            hiding and kind in {"r", "p"},
            f"{', '.join(hiding)} does not tell the row before a change (its replica identity is not FULL)",
            f"Run: {telling(hiding)}",
        ),
        (
            generated,
            f"{', '.join(generated)} of {origin} is generated, and this server does not send it with a change",
            "Make it in `derive` (source.py) under another name, from the columns that it is made of, and map that.",
        ),
    ]
    found = [error(f"{dataset}: {what}", remedy) for holds, what, remedy in troubles if holds]
    if missing := sorted(columns - set(present)):
        remedy = "Mend the manifest; columns that `derive` makes may stay."
        found.append(warning(f"{dataset}: {origin} has no column {', '.join(missing)}", remedy))
    for finding in found or [good(f"{dataset}: {origin} can be followed")]:
        yield finding
