"""What a source holds, asked of the source itself, so that nobody has to type a schema."""

import asyncio
import contextlib
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path

import httpx

from bus.connect.login import login
from bus.connect.manifest import FilesRule
from bus.connect.place import Place
from bus.connect.postgres import discover as postgres
from bus.connect.propose import Column, Kind, Table
from bus.connect.source import Row
from bus.connect.sql_discover import sql_tables
from bus.connect.tables import ENDINGS, FileUnreadable, opened
from bus.connect.tables import Table as FileTable
from bus.connect.trouble import address, of_http
from bus.errors import NotFound, SourceUnfit, SourceUnreachable, WrongUse

SETTINGS = {"postgres": ("dsn",), "feed": ("url", "token"), "files": ("folder",), "sql": ("url",)}
"""The settings that a source of each kind cannot do without."""

OAUTH = ("token_url", "client_id", "client_secret")
"""What a feed may have in the place of a token."""

_EXPORT = re.compile(r"(?P<origin>.+)-(?P<how>full|delta)-(?P<rank>\d+)\.(" + "|".join(ENDINGS) + ")", re.IGNORECASE)
_DEFAULT_OPERATION = "operation"
_AS_FOUND = FilesRule.model_validate({"operation_column": _DEFAULT_OPERATION, "deleted": ["D"]})
TIMEOUT_SECONDS = 15.0
LOOKED_AT = 200
"""Rows of a file whose cells tell what its columns hold."""


async def discover(
    connector: str, kind: str, settings: Mapping[str, str], wanted: tuple[str, ...], key: tuple[str, ...] = ()
) -> list[Table]:
    """The tables, file stems or pages (`kind of entry=path`) of a source; of those, only the `wanted`.

    `key` names the columns that tell rows apart, where the source itself doesn't say. Raises SourceUnreachable,
    SourceUnfit, NotFound, and WrongUse for a kind that cannot be asked.
    """
    if kind == "postgres":
        return await postgres.tables(settings["dsn"], connector, wanted)
    if kind == "files":
        return file_tables(connector, settings["folder"], wanted, key)
    if kind == "sql":
        return await asyncio.to_thread(sql_tables, connector, settings["url"], wanted, key)
    if kind == "feed":
        return [await _page(connector, settings, one, key) for one in wanted]
    raise WrongUse(what=f"a source of the kind {kind} cannot be asked what it holds", instead="Write its manifest.")


def file_tables(connector: str, folder: str, wanted: tuple[str, ...], key: tuple[str, ...]) -> list[Table]:
    """A table for each stem of file names, with the columns of its newest full file."""
    try:
        named = [(path, found) for path in _files(folder) if (found := _EXPORT.fullmatch(path.name))]
    except OSError as error:
        reason = f"the folder {folder} cannot be read ({error.strerror})"
        raise SourceUnreachable(connector=connector, reason=reason) from error
    newest: dict[str, tuple[int, Path]] = {}
    for path, found in named:
        if found["how"].lower() == "full":
            newest[found["origin"]] = max((int(found["rank"]), path), newest.get(found["origin"], (-1, path)))
    if not newest:
        mend = "Drop one full export into it, named <what it holds>-full-1.csv, and call the same again."
        raise SourceUnfit(connector=connector, reason=f"the folder {folder} holds no full export", mend=mend)
    if missing := [one for one in wanted if one not in newest]:
        raise NotFound(kind="full export", name=missing[0], known=", ".join(sorted(newest)))
    try:
        return [_file_table(origin, newest[origin][1], key) for origin in wanted or sorted(newest)]
    except FileUnreadable as error:
        mend = "Look at the file, and have it written anew."
        raise SourceUnfit(connector=connector, reason=str(error), mend=mend) from None


def operation_column(folder: Path) -> str:
    """The column that a delta has and a full export lacks; a likely name where there is no delta to look at."""
    headers: dict[str, dict[str, list[str]]] = {}
    for path in sorted(folder.iterdir()):
        if found := _EXPORT.fullmatch(path.name):
            with contextlib.suppress(FileUnreadable):
                headers.setdefault(found["origin"], {})[found["how"].lower()] = _header(path)
    for both in headers.values():
        more = [name for name in both.get("delta", ()) if name not in both.get("full", ())]
        if len(more) == 1 and "full" in both:
            return more[0]
    return _DEFAULT_OPERATION


def _files(folder: str) -> list[Path]:
    return sorted(Path(folder).expanduser().iterdir())


def _header(path: Path) -> list[str]:
    """The columns of a file as the connector itself would find them; of objects, those of the first lines.

    Raises FileUnreadable.
    """
    with _read(path) as table:
        if table.header is not None:
            return list(table.header)
        return _members(_rows(table))


def _members(rows: Sequence[Row]) -> list[str]:
    """The columns of objects; an object that is null in some and has members in others is none by itself."""
    held = dict.fromkeys(name for row in rows for name in row)
    outer = {name for name in held if any(other.startswith(f"{name}.") for other in held)}
    return [name for name in held if name not in outer or any(row.get(name) is not None for row in rows)]


def _rows(table: FileTable) -> list[Row]:
    """The first rows that can be read."""
    return [line.row for line in islice(table.lines(), LOOKED_AT) if line is not None and line.row is not None]


@contextmanager
def _read(path: Path) -> Iterator[FileTable]:
    """An open file; whatever is wrong with it is told with its name. Raises FileUnreadable."""
    try:
        with opened(path, _AS_FOUND) as table:
            yield table
    except FileUnreadable as error:
        raise FileUnreadable(f"{path} is no table: {error}") from None
    except OSError as error:
        raise FileUnreadable(f"{path} ({error.strerror})") from None


def _file_table(origin: str, path: Path, key: tuple[str, ...]) -> Table:
    """Text where the file is CSV; in a workbook or of objects, what the cells of the first rows hold."""
    header = _header(path)
    chosen = tuple(name for name in key if name in header) or tuple(header[:1])
    if path.suffix.lower() == ".csv":
        return Table(origin, tuple(Column(name, Kind.TEXT, nullable=True) for name in header), chosen)
    with _read(path) as table:
        rows = _rows(table)
    columns = tuple(_json_column(name, rows) for name in header)
    return Table(origin, columns, chosen)


async def _page(connector: str, settings: Mapping[str, str], wanted: str, key: tuple[str, ...]) -> Table:
    """The columns of a page of records: `kind of entry=path`."""
    origin, _, path = wanted.partition("=")
    if not path:
        raise WrongUse(what=f"{wanted} names no page", instead="Say --table KIND=/path/of/its/page.")
    who = login(Place(connector, "", settings))
    try:
        async with httpx.AsyncClient(base_url=settings["url"], auth=who, timeout=TIMEOUT_SECONDS) as client:
            answer = await client.get(path, params={"limit": "100"})
        records = answer.json()["records"] if answer.is_success else None
    except (httpx.UnsupportedProtocol, httpx.InvalidURL) as error:
        mend = "Write it as https://host:port, and the page's path behind the = of --table."
        raise SourceUnfit(connector=connector, reason=of_http(error, settings["url"]), mend=mend) from None
    except httpx.HTTPError as error:
        raise SourceUnreachable(connector=connector, reason=of_http(error, settings["url"])) from error
    except (ValueError, KeyError, TypeError):
        records = None
    if answer.is_server_error:
        reason = f"{address(settings['url'])}{path} answers HTTP {answer.status_code}"
        raise SourceUnreachable(connector=connector, reason=reason)
    if not isinstance(records, list) or not records or not all(isinstance(one, dict) for one in records):
        where, status = f"{address(settings['url'])}{path}", answer.status_code
        reason = f"{where} answers with no records" if answer.is_success else f"{where} answers HTTP {status}"
        raise SourceUnfit(connector=connector, reason=reason, mend=_MEND_PAGE.get(status, _NO_PAGE))
    names = dict.fromkeys(name for record in records for name in record)
    columns = tuple(_json_column(name, records) for name in names)
    chosen = tuple(name for name in key if name in names) or tuple(list(names)[:1])
    return Table(origin, columns, chosen)


def _json_column(name: str, rows: Sequence[Row]) -> Column:
    values = [row.get(name) for row in rows]
    kinds = {_JSON.get(type(value), Kind.NESTED) for value in values if value is not None}
    kind = Kind.DOUBLE if kinds == {Kind.LONG, Kind.DOUBLE} else Kind.TEXT if len(kinds) != 1 else kinds.pop()
    odd = kinds - {Kind.TEXT, Kind.LONG}  # of a whole number the digits are taken
    mixed = kind is Kind.TEXT and bool(odd)
    return Column(name, kind, nullable=True, mixed=mixed, partial=any(_lacks(row, name) for row in rows))


def _lacks(row: Row, name: str) -> bool:
    """Whether it leaves a column out; one within an object that is null is null too."""
    try:
        row[name]
    except KeyError:
        return True
    return False


_NO_PAGE = 'It must answer {"records": [{…}, …], …} with at least one record; check the path behind the = of --table.'
_MEND_PAGE = dict.fromkeys((401, 403), "Check the token, or the client's id and secret, and that it may read the page.")
_JSON: dict[type, Kind] = {
    str: Kind.TEXT,
    bool: Kind.BOOLEAN,
    int: Kind.LONG,
    float: Kind.DOUBLE,
    Decimal: Kind.DOUBLE,
    date: Kind.DATE,
    datetime: Kind.LOCAL_TIME,
}
