"""What a source holds, asked of the source itself, so that nobody has to type a schema."""

import asyncio
import re
from collections.abc import Mapping
from datetime import date, datetime
from decimal import Decimal
from itertools import islice
from pathlib import Path
from typing import Any

import httpx

from bus.connect.manifest import FilesRule
from bus.connect.postgres import discover as postgres
from bus.connect.propose import Column, Kind, Table
from bus.connect.sql_discover import sql_tables
from bus.connect.tables import ENDINGS, FileUnreadable, opened
from bus.errors import SourceUnfit, SourceUnreachable, WrongUse

SETTINGS = {"postgres": ("dsn",), "feed": ("url", "token"), "files": ("folder",), "sql": ("url",)}
"""The settings that a source of each kind cannot do without."""

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
        raise SourceUnreachable(connector=connector, reason=f"its folder cannot be read ({error.strerror})") from error
    newest: dict[str, tuple[int, Path]] = {}
    for path, found in named:
        if found["how"].lower() == "full":
            newest[found["origin"]] = max((int(found["rank"]), path), newest.get(found["origin"], (-1, path)))
    listed = [one for one in sorted(newest) if not wanted or one in wanted]
    if not listed:
        mend = "Drop one full export `<name>-full-1.csv` into the folder."
        raise SourceUnfit(connector=connector, reason="its folder holds no full export", mend=mend)
    return [_file_table(origin, newest[origin][1], key) for origin in listed]


def operation_column(folder: Path) -> str:
    """The column that a delta has and a full export lacks; a likely name where there is no delta to look at."""
    headers: dict[str, dict[str, list[str]]] = {}
    for path in sorted(folder.iterdir()):
        if found := _EXPORT.fullmatch(path.name):
            headers.setdefault(found["origin"], {})[found["how"].lower()] = _header(path)
    for both in headers.values():
        more = [name for name in both.get("delta", ()) if name not in both.get("full", ())]
        if len(more) == 1 and "full" in both:
            return more[0]
    return _DEFAULT_OPERATION


def _files(folder: str) -> list[Path]:
    return sorted(Path(folder).expanduser().iterdir())


def _header(path: Path) -> list[str]:
    """The columns of a file as the connector itself would find them; of objects, those of the first lines."""
    try:
        with opened(path, _AS_FOUND) as table:
            if table.header is not None:
                return list(table.header)
            rows = [line.row for line in islice(table.lines(), LOOKED_AT) if line is not None and line.row is not None]
    except (FileUnreadable, OSError):
        return []
    return list(dict.fromkeys(name for row in rows for name in row))


def _file_table(origin: str, path: Path, key: tuple[str, ...]) -> Table:
    """Text where the file is CSV; in a workbook or of objects, what the cells of the first rows hold."""
    header = _header(path)
    chosen = tuple(name for name in key if name in header) or tuple(header[:1])
    if path.suffix.lower() == ".csv":
        return Table(origin, tuple(Column(name, Kind.TEXT, nullable=True) for name in header), chosen)
    with opened(path, _AS_FOUND) as table:
        rows = [line.row for line in islice(table.lines(), LOOKED_AT) if line is not None and line.row is not None]
    columns = tuple(_json_column(name, [row.get(name) for row in rows]) for name in header)
    return Table(origin, columns, chosen)


async def _page(connector: str, settings: Mapping[str, str], wanted: str, key: tuple[str, ...]) -> Table:
    """The columns of a page of records: `kind of entry=path`."""
    origin, _, path = wanted.partition("=")
    if not path:
        raise WrongUse(what=f"{wanted} names no page", instead="Say --table KIND=/path/of/its/page.")
    headers = {"authorization": f"Bearer {settings['token']}"}
    try:
        async with httpx.AsyncClient(base_url=settings["url"], headers=headers, timeout=TIMEOUT_SECONDS) as client:
            answer = await client.get(path, params={"limit": "100"})
        records = answer.json()["records"] if answer.is_success else None
    except httpx.HTTPError as error:
        raise SourceUnreachable(connector=connector, reason=type(error).__name__) from error
    except (ValueError, KeyError, TypeError):
        records = None
    if not isinstance(records, list) or not records or not all(isinstance(one, dict) for one in records):
        reason = f"HTTP {answer.status_code} for {path}, or no records in it"
        raise SourceUnfit(connector=connector, reason=reason, mend="Check url, token and the page's path.")
    names = dict.fromkeys(name for record in records for name in record)
    columns = tuple(_json_column(name, [record.get(name) for record in records]) for name in names)
    chosen = tuple(name for name in key if name in names) or tuple(list(names)[:1])
    return Table(origin, columns, chosen)


def _json_column(name: str, values: list[Any]) -> Column:
    kinds = {_JSON.get(type(value), Kind.NESTED) for value in values if value is not None}
    kind = Kind.DOUBLE if kinds == {Kind.LONG, Kind.DOUBLE} else Kind.TEXT if len(kinds) != 1 else kinds.pop()
    return Column(name, kind, nullable=True)


_JSON: dict[type, Kind] = {
    str: Kind.TEXT,
    bool: Kind.BOOLEAN,
    int: Kind.LONG,
    float: Kind.DOUBLE,
    Decimal: Kind.DOUBLE,
    date: Kind.DATE,
    datetime: Kind.LOCAL_TIME,
}
