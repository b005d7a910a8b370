"""The rows of a chunk: how they are asked for by key, and read."""

from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg import sql

from bus.connect.cells import read_or_text
from bus.connect.postgres.catalog import Table
from bus.connect.postgres.values import reader
from bus.connect.source import Row


def casts(key: Sequence[tuple[str, str]]) -> sql.Composable:
    """A parameter for each column of a key, of its type."""
    return sql.SQL(", ").join(sql.SQL("%s::{}").format(sql.SQL(kind)) for _, kind in key)


def where_of(table: Table, after_key: Any) -> tuple[sql.Composable, list[Any]]:
    """The rows after a key; those of a part lie between its bounds."""
    bounds = after_key if isinstance(after_key, dict) else {"after": after_key}
    names = sql.SQL(", ").join(sql.Identifier(name) for name, _ in table.key)
    tests, values = [], []
    for word, sign in (("after", ">"), ("from", ">="), ("until", "<=")):
        if bounds.get(word) is not None:
            tests.append(sql.SQL("({}) {} ({})").format(names, sql.SQL(sign), casts(table.key)))
            values += bounds[word]
    return (sql.SQL("where {}").format(sql.SQL(" and ").join(tests)) if tests else sql.SQL("")), values


def rows_of(cursor: psycopg.AsyncCursor[Any]) -> list[Row]:
    """The result's rows, read from their text like those of the stream."""
    result = cursor.pgresult
    assert result is not None
    columns = [(str((result.fname(at) or b"").decode()), at, reader(result.ftype(at))) for at in range(result.nfields)]
    rows: list[Row] = []
    for number in range(result.ntuples):
        row: dict[str, Any] = {}
        for name, at, read in columns:
            text = result.get_value(number, at)
            row[name] = None if text is None else read_or_text(read, text.decode())
        rows.append(row)
    return rows


def last_key(cursor: psycopg.AsyncCursor[Any], key: Sequence[tuple[str, str]]) -> list[str]:
    """The key of the result's last row, in PostgreSQL's own text, which it reads back for each type."""
    result = cursor.pgresult
    assert result is not None
    names = [(result.fname(at) or b"").decode() for at in range(result.nfields)]
    return [(result.get_value(result.ntuples - 1, names.index(name)) or b"").decode() for name, _ in key]
