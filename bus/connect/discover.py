"""What a source holds, asked of the source itself, so that nobody has to type a schema."""

import csv
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx

from bus.connect.postgres import discover as postgres
from bus.connect.propose import Column, Kind, Table
from bus.errors import SourceUnfit, SourceUnreachable, WrongUse

SETTINGS = {"postgres": ("dsn",), "feed": ("url", "token"), "files": ("folder",)}
"""The settings that a source of each kind cannot do without."""

_EXPORT = re.compile(r"(?P<origin>.+)-(?P<how>full|delta)-(?P<rank>\d+)\.csv", re.IGNORECASE)
_DEFAULT_OPERATION = "operation"
TIMEOUT_SECONDS = 15.0


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
    return [_file_table(origin, _header(newest[origin][1]), key) for origin in listed]


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
    with path.open(encoding="utf-8-sig", errors="replace", newline="") as file:
        line = file.readline()
    delimiter = max(";,\t|", key=line.count)
    return [name.strip() for name in next(csv.reader([line], delimiter=delimiter), [])]


def _file_table(origin: str, header: list[str], key: tuple[str, ...]) -> Table:
    chosen = tuple(name for name in key if name in header) or tuple(header[:1])
    return Table(origin, tuple(Column(name, Kind.TEXT, nullable=True) for name in header), chosen)


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


_JSON: dict[type, Kind] = {str: Kind.TEXT, bool: Kind.BOOLEAN, int: Kind.LONG, float: Kind.DOUBLE}
