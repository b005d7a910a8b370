"""Any database that SQLAlchemy reaches, asked by queries: for those whose log cannot be read.

A row that changed is found by its version column, from a little before the newest version that was seen: a transaction
may take its version first and commit last. What no version tells (a deletion, a row changed without one) is found
when the whole table is read and compared, from time to time. What is as it was published is not published again.

Position: `full`, how many whole readings began; `rows`, how far the last one has come, None when it is done; `attempt`,
how often it was begun; `polls`; `versions`, the newest by dataset; `compared_at`, when the last one was done (ms).
"""

import asyncio
import hashlib
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Any, ClassVar

from bus.clock import now_ms
from bus.connect.manifest import Manifest, SqlTable
from bus.connect.place import Place
from bus.connect.source import (
    Chunk,
    ExportBegan,
    ExportEnded,
    Position,
    Row,
    Seen,
    SourceChange,
    SourceEvent,
    as_it_came,
)
from bus.connect.sql_discover import engine
from bus.connect.trouble import of_sql
from bus.connect.version import as_json, as_value, earlier, reached
from bus.errors import SourceUnfit, SourceUnreachable
from bus.model.change import Operation

if TYPE_CHECKING:
    from sqlalchemy import Engine

ROWS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class _Query:
    """A table and the columns by which it is asked."""

    dataset: str
    origin: str
    table: SqlTable


class SqlSource:
    """Setting: `url`, as SQLAlchemy writes it (`postgresql+psycopg://…`). A subclass names its manifest."""

    manifest: ClassVar[Manifest]
    snapshots: ClassVar[bool] = False
    old_rows: ClassVar[bool] = False

    def __init__(self, place: Place) -> None:
        rule = self.manifest.sql
        assert rule is not None, "the manifest of a database has a section `sql`"
        self._rule = rule
        self._connector = place.connector
        self._url = place.setting("url")
        self._key = place.key()
        self._queries = [_Query(name, one.origin, rule.tables[name]) for name, one in self.manifest.datasets.items()]
        self._engine: Engine | None = None

    derive = as_it_came

    async def open(self, after: Position | None) -> Position:
        """History begins with a reading of everything; one that was under way begins anew. Raises SourceUnfit."""
        await _in_thread(self._check)
        if after is None:
            return {"full": 0, "rows": None, "attempt": 0, "polls": 0, "versions": {}, "compared_at": 0}
        return after

    async def changes(self, after: Position) -> AsyncIterator[Sequence[SourceEvent]]:
        """Whole readings when they are due; between them, what has a new version."""
        position, told = dict(after), _Told()
        while True:
            if position["rows"] is not None or self._due(position):
                told = _Told()
                async for events in self._whole(position):
                    yield events
            async for events in self._poll(position, told):
                yield events
            yield [Seen(dict(position))]  # also after rows: those within the safety are told at every asking
            await asyncio.sleep(self._rule.poll_seconds)

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        """Never asked for: `snapshots` is false."""
        raise NotImplementedError

    async def confirm(self, position: Position) -> None:
        """A database keeps its rows."""

    async def head(self) -> Position:
        """The newest version of each table; a deletion has none."""
        return {"newest": await _in_thread(self._newest)}

    def passed(self, position: Position, goal: Position) -> bool:
        """By reading and row; or, against a head, by the versions that were read or that it names itself."""
        if "newest" in goal:
            seen = position.get("newest", position.get("versions", {}))
            done = "newest" in position or (position["full"] > 0 and position["rows"] is None)
            return done and all(reached(seen.get(name), version) for name, version in goal["newest"].items())
        return _order(position) >= _order(goal)

    async def close(self) -> None:
        """Let go of the connections."""
        if self._engine is not None:
            self._engine.dispose()
            self._engine = None

    def _due(self, position: Position) -> bool:
        """Also where the last one is dated far ahead: our clock was wrong, and nothing would be compared until then."""
        return bool(abs(now_ms() - position["compared_at"]) >= self._rule.compare_seconds * 1000)

    async def _whole(self, position: dict[str, Any]) -> AsyncIterator[Sequence[SourceEvent]]:
        """Every row of every table, page after page by key. Mutates the position."""
        again = position["rows"] is not None
        position |= {"attempt": position["attempt"] + 1} if again else {"full": position["full"] + 1, "attempt": 0}
        position["rows"] = 0
        newest = await _in_thread(self._newest)  # before reading: what comes meanwhile is polled afterwards
        for query in self._queries:
            yield [ExportBegan(query.dataset, dict(position))]
            async for rows in self._pages(query, query.table.key, None):
                events: list[SourceEvent] = []
                for row in rows:
                    position["rows"] += 1
                    events.append(self._change(query, Operation.READ, row, position))
                yield events
            position["rows"] += 1
            yield [ExportEnded(query.dataset, dict(position), self._rule.may_lose_percent / 100)]
        position |= {"rows": None, "versions": newest, "compared_at": now_ms()}

    async def _poll(self, position: dict[str, Any], told: "_Told") -> AsyncIterator[Sequence[SourceEvent]]:
        """Rows from a little before the newest version that was seen, if the last asking did not tell the same of them.

        Mutates the position, page by page, once its last row is told: before any other the connector may have to stop.
        """
        for query in self._queries:
            version = query.table.version
            if version is None:
                continue
            seen = position["versions"].get(query.dataset)
            low = None if seen is None else (version, earlier(as_value(seen), query.table.safety))
            async for rows in self._pages(query, (version, *query.table.key), low):
                position["polls"] += 1
                changes = [self._change(query, Operation.UPDATED, row, position) for row in rows]
                events: list[SourceEvent] = [one for one in changes if told.anew(one)]
                newest = as_json(rows[-1][version])
                if not reached(position["versions"].get(query.dataset), newest):
                    position["versions"] = position["versions"] | {query.dataset: newest}
                if events:
                    yield [*events, Seen(dict(position))]
            told.asked(query.dataset)

    def _change(self, query: _Query, operation: Operation, row: Row, position: Position) -> SourceChange:
        """The asking is part of its id, for a row may be again what it was; a reading begun anew tells the same ids."""
        content = repr(sorted(row.items(), key=lambda cell: cell[0])).encode()
        digest = hashlib.blake2b(query.dataset.encode() + content, key=self._key, digest_size=12).hexdigest()
        change_id = f"{position['full']}.{position['polls']}.{digest}"
        return SourceChange(query.dataset, operation, None, row, change_id, dict(position))

    async def _pages(
        self, query: _Query, columns: tuple[str, ...], low: tuple[str, Any] | None
    ) -> AsyncIterator[list[dict[str, Any]]]:
        """Rows in the order of the columns, from `low` on; each page is a query of its own, and nothing is locked."""
        after: tuple[Any, ...] | None = None
        while rows := await _in_thread(self._page, query, columns, low, after):
            self._require_keys(query, rows)
            yield rows
            if len(rows) < ROWS_AT_ONCE:
                return
            after = tuple(rows[-1][name] for name in columns)

    def _require_keys(self, query: _Query, rows: Sequence[Row]) -> None:
        """Each row must have a key of its own, or a page could end before one that is never asked for again.

        Raises SourceUnfit.
        """
        keys = [tuple(row[name] for name in query.table.key) for row in rows]
        named = ", ".join(query.table.key)
        mend = f"Name columns in sql.tables.{query.dataset}.key that are never null and tell all rows apart."
        if any(None in key for key in keys):
            raise self._unfit(f"{query.origin} has rows without a key ({named})", mend)
        if any(one == other for one, other in pairwise(keys)):
            raise self._unfit(f"{query.origin} has several rows of one key ({named})", mend)

    # --- what runs in a thread ---

    def _page(
        self, query: _Query, columns: tuple[str, ...], low: tuple[str, Any] | None, after: tuple[Any, ...] | None
    ) -> list[dict[str, Any]]:
        from sqlalchemy import and_, column, literal_column, or_, select  # noqa: PLC0415 - see `_connected`

        listed: list[Any] = [column(name) for name in columns]
        question: Any = (
            select(literal_column("*")).select_from(_table(query.origin)).order_by(*listed).limit(ROWS_AT_ONCE)
        )
        if low is not None:
            question = question.where(column(low[0]) >= low[1])
        elif columns[0] == query.table.version:
            question = question.where(listed[0].is_not(None))
        if after is not None:
            further = [
                and_(*(one == value for one, value in zip(listed[:n], after[:n], strict=True)), listed[n] > after[n])
                for n in range(len(listed))
            ]
            question = question.where(or_(*further))
        return list(self._rows(question))

    def _newest(self) -> dict[str, Any]:
        from sqlalchemy import column, func, select  # noqa: PLC0415 - see `_connected`

        found = {}
        for query in self._queries:
            if query.table.version is not None:
                question: Any = select(func.max(column(query.table.version)).label("newest")).select_from(
                    _table(query.origin)
                )
                (row,) = self._rows(question)
                found[query.dataset] = as_json(row["newest"])
        return found

    def _rows(self, question: Any) -> Iterator[dict[str, Any]]:
        from sqlalchemy.exc import SQLAlchemyError  # noqa: PLC0415 - see `_connected`

        try:
            with self._connected().connect() as connection:
                found = [dict(row) for row in connection.execute(question).mappings()]
        except SQLAlchemyError as error:  # its text may quote values
            raise SourceUnreachable(connector=self._connector, reason=of_sql(error, self._url)) from None
        return iter(found)

    def _check(self) -> None:
        """Every table and the columns by which it is asked must be there."""
        from sqlalchemy import inspect  # noqa: PLC0415 - see `_connected`
        from sqlalchemy.exc import NoSuchTableError, SQLAlchemyError  # noqa: PLC0415

        for query in self._queries:
            schema, _, name = query.origin.rpartition(".")
            try:
                columns = {one["name"] for one in inspect(self._connected()).get_columns(name, schema or None)}
            except NoSuchTableError:
                mend = f"Mend `origin` of {query.dataset} in the manifest, or grant the user the right to read it."
                raise self._unfit(f"there is no table {query.origin} that its user sees", mend) from None
            except SQLAlchemyError as error:
                raise SourceUnreachable(connector=self._connector, reason=of_sql(error, self._url)) from None
            asked = {*query.table.key} | ({query.table.version} if query.table.version else set())
            if lacking := ", ".join(sorted(asked - columns)):
                mend = f"Mend `key` and `version` of sql.tables.{query.dataset} in the manifest."
                raise self._unfit(f"{query.origin} has no column {lacking}", mend)

    def _connected(self) -> "Engine":
        """The engine; SQLAlchemy is loaded by those alone whose source needs it."""
        if self._engine is None:
            self._engine = engine(self._connector, self._url, pool_pre_ping=True)
        return self._engine

    def _unfit(self, reason: str, mend: str) -> SourceUnfit:
        return SourceUnfit(connector=self._connector, reason=reason, mend=mend)


class _Told:
    """What one asking after another tells: within the safety it is the same rows, also those that do not fit."""

    def __init__(self) -> None:
        self._last: dict[str, set[str]] = {}
        self._now: set[str] = set()

    def anew(self, change: SourceChange) -> bool:
        """Whether the last asking did not tell of this row as it is now."""
        digest = change.change_id.rpartition(".")[2]
        self._now.add(digest)
        return digest not in self._last.get(change.dataset, ())

    def asked(self, dataset: str) -> None:
        """An asking has come to its end."""
        self._last[dataset], self._now = self._now, set()


async def _in_thread(ask: Callable[..., Any], *given: Any) -> Any:
    """What `ask` answers. Who is cancelled waits for it: a connection still in use could not be closed."""
    asked = asyncio.ensure_future(asyncio.to_thread(ask, *given))
    try:
        return await asyncio.shield(asked)
    except asyncio.CancelledError:
        await asyncio.gather(asked, return_exceptions=True)
        raise


def _table(origin: str) -> Any:
    from sqlalchemy import table  # noqa: PLC0415 - see `SqlSource._connected`

    schema, _, name = origin.rpartition(".")
    return table(name, schema=schema or None)


def _order(position: Position) -> tuple[int, int, int, int, int]:
    whole = position["rows"] is None
    return position["full"], int(whole), position["attempt"], 0 if whole else position["rows"], position["polls"]
