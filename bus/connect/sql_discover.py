"""The tables of a database that SQLAlchemy reaches, for a proposal of datasets; and what its clock says."""

import re
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from bus.connect.cells import text_of
from bus.connect.propose import Column, Kind, Table
from bus.connect.trouble import of_sql
from bus.errors import NotFound, SourceUnfit, SourceUnreachable

if TYPE_CHECKING:
    from sqlalchemy import Engine

_VERSION = re.compile(r"updated|modified|changed|version|sua_luc|timestamp|rowversion", re.IGNORECASE)
_NO_CLOCK = {"sqlite"}
"""Databases that are a file: their clock is that of the machine that asks."""


def sql_tables(connector: str, url: str, wanted: tuple[str, ...], key: tuple[str, ...]) -> list[Table]:
    """The tables that the user sees (`table`, or `schema.table`); of those, only the `wanted`.

    `key` names the columns that tell rows apart where a table has no primary key. Raises SourceUnreachable,
    SourceUnfit, NotFound.
    """
    from sqlalchemy import inspect  # noqa: PLC0415 - those alone load it whose source needs it
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    made = engine(connector, url)
    try:
        seen = inspect(made)
        known: dict[str, tuple[str, str | None]] = {name: (name, None) for name in sorted(seen.get_table_names())}
        for one in wanted:
            schema, _, name = one.rpartition(".")
            if schema and seen.has_table(name, schema):
                known[one] = (name, schema)
        if missing := [one for one in wanted if one not in known]:
            raise NotFound(kind="table", name=missing[0], known=", ".join(known) or "none")
        return [_table(seen, origin, *known[origin], key) for origin in wanted or known]
    except SQLAlchemyError as error:  # its text may quote the address
        raise SourceUnreachable(connector=connector, reason=of_sql(error, url)) from None
    finally:
        made.dispose()


def version_column(table: Table) -> str | None:
    """The column that looks as if it grew with each change; None where none does, and only whole readings find one."""
    orderly = {Kind.INT, Kind.LONG, Kind.INSTANT, Kind.LOCAL_TIME, Kind.TEXT}
    likely = [one.name for one in table.columns if one.kind in orderly and one.name not in table.key]
    return next((name for name in likely if _VERSION.search(name)), None)


def server_clock(url: str) -> float | None:
    """What a database's clock says (ms); None where it has none of its own, or does not say."""
    from sqlalchemy import func, select  # noqa: PLC0415 - as above
    from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415

    made = engine("", url)
    try:
        if made.dialect.name in _NO_CLOCK:
            return None
        with made.connect() as connection:
            found = connection.execute(select(func.current_timestamp())).scalar_one()
    except SQLAlchemyError:
        return None
    finally:
        made.dispose()
    if not isinstance(found, datetime) or found.tzinfo is None:
        return None  # a time without its zone says nothing of the difference
    return found.astimezone(UTC).timestamp() * 1000


def _table(seen: Any, origin: str, name: str, schema: str | None, key: tuple[str, ...]) -> Table:
    columns = tuple(_column(one) for one in seen.get_columns(name, schema))
    own = tuple(seen.get_pk_constraint(name, schema).get("constrained_columns") or ())
    there = {column.name for column in columns}
    return Table(origin, columns, own or tuple(one for one in key if one in there), _text(seen, name, schema))


def _column(found: Any) -> Column:
    """A column as SQLAlchemy reflects it; character(n), by whatever name, may come filled up with blanks."""
    from sqlalchemy import types  # noqa: PLC0415 - as above

    kind, padded = found["type"], isinstance(found["type"], types.CHAR | types.NCHAR)
    nullable, text = bool(found.get("nullable", True)), found.get("comment") or ""
    return Column(found["name"], _kind(kind), nullable, text, padded=padded)


def _text(seen: Any, name: str, schema: str | None) -> str:
    try:
        return seen.get_table_comment(name, schema).get("text") or ""
    except NotImplementedError:  # SQLite knows no comments
        return ""


def _kind(found: Any) -> Kind:
    """By SQLAlchemy's own families of types; what belongs to none is read as text."""
    from sqlalchemy import types  # noqa: PLC0415 - as above

    if isinstance(found, types.DateTime):
        return Kind.INSTANT if getattr(found, "timezone", False) else Kind.LOCAL_TIME
    families = (
        ((types.ARRAY, types.JSON), Kind.NESTED),
        ((types.Boolean,), Kind.BOOLEAN),
        ((types.Integer,), Kind.LONG),  # SQLite keeps 64 bits under the name INTEGER
        ((types.Float,), Kind.DOUBLE),
        ((types.LargeBinary,), Kind.BYTES),
        ((types.Date,), Kind.DATE),
    )
    return next((kind for family, kind in families if isinstance(found, family)), Kind.TEXT)


def engine(connector: str, url: str, **words: Any) -> "Engine":
    """An engine whose statements are transactions of their own.

    Raises SourceUnfit, which quotes nothing of the url, and SourceUnreachable.
    """
    try:
        import sqlalchemy  # noqa: PLC0415 - as above
    except ImportError:
        reason, mend = "the package sqlalchemy is missing", "Install it: pip install sqlalchemy."
        raise SourceUnfit(connector=connector, reason=reason, mend=mend) from None
    try:
        made = sqlalchemy.create_engine(url, isolation_level="AUTOCOMMIT", **words)
    except sqlalchemy.exc.NoSuchModuleError:
        reason = f"SQLAlchemy knows no dialect {url.partition('://')[0]}"
        mend = "Begin the url with one that it knows, as postgresql+psycopg:// or sqlite:///; some are packages."
        raise SourceUnfit(connector=connector, reason=reason, mend=mend) from None
    except ImportError as error:
        reason, mend = f"the driver {error.name} is missing", "Install the package of the driver that the url names."
        raise SourceUnfit(connector=connector, reason=reason, mend=mend) from None
    except (sqlalchemy.exc.ArgumentError, ValueError):
        reason, mend = "the url is none of SQLAlchemy", "Write it as dialect+driver://user:password@host:port/database."
        raise SourceUnfit(connector=connector, reason=reason, mend=mend) from None
    if made.dialect.name == "sqlite":
        _require_file(connector, made.url.database)
        sqlalchemy.event.listen(made, "connect", _take_any_text)
    return made


def _require_file(connector: str, file: str | None) -> None:
    """Raises SourceUnreachable for a database that is not there: SQLite would make an empty one of that name."""
    if file and not file.startswith((":", "file:")) and not Path(file).exists():
        reason = f"sqlite:///{Path(file).absolute()}: unable to open database file, for there is none"
        raise SourceUnreachable(connector=connector, reason=reason)


def _take_any_text(connection: Any, _: Any) -> None:
    """SQLite keeps texts of any bytes: one that is none is for the contract to judge, and must not stop the others."""
    connection.text_factory = text_of
