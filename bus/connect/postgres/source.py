"""PostgreSQL 14 or newer as a source of changes."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from typing import Any, ClassVar

import psycopg
from psycopg import sql

from bus.clock import monotonic
from bus.connect.cells import NULL, WireRow
from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.postgres import catalog
from bus.connect.postgres.catalog import Connection, Table, cut_name, reader_name, slot_name
from bus.connect.postgres.chunks import casts, last_key, rows_of, where_of
from bus.connect.postgres.decoder import Begin, Commit, Decoder, Message, Relation, RowChanged, Truncated
from bus.connect.postgres.replication import SESSION, Frames, Replication
from bus.connect.postgres.trouble import MALFORMED, WRITE_SO, is_malformed, of_postgres
from bus.connect.postgres.visibility import Snapshot
from bus.connect.source import Chunk, Position, Restarted, Row, Seen, SourceChange, SourceEvent, as_it_came
from bus.errors import PositionLost, SourceUnfit, SourceUnreachable
from bus.model.change import Operation

IDLE_SECONDS = 0.5
FRAMES_AT_ONCE = 1000
RECENT_KEPT = 32
"""Of more transactions than these it is asked which can be seen by now; the others are awaited before a chunk."""

VISIBLE_PAUSE_SECONDS = 0.02

TABLES_SECONDS = 5.0
"""It is looked so often whether what is published are still the tables of these names."""


class PostgresSource:
    """A database followed by logical replication. Setting: `dsn`. A subclass names its manifest.

    Position: every transaction that commits before `lsn` is read, and of the one that commits there the first `row`
    rows; `recent` are the numbers of transactions that may not be visible yet, `tables` the oids of the tables,
    `made` is where in the log the slot was made.
    """

    manifest: ClassVar[Manifest]
    snapshots: ClassVar[bool] = True
    old_rows: ClassVar[bool] = True

    def __init__(self, place: Place) -> None:
        self._connector = place.connector
        self._dsn = place.setting("dsn")
        self._slot = slot_name(place)
        self._cut = cut_name(place)
        self._tables: dict[str, Table] = {}
        self._connection: Connection | None = None
        self._replication: Replication | None = None
        self._recent: list[int] = []
        self._made: int | None = None
        self._asking = asyncio.Lock()  # no question stands within the transaction of another

    # --- the contract of a source ---

    derive = as_it_came

    async def open(self, after: Position | None) -> Position:
        """Check the database, make publication and slot where they are missing."""
        with self._reachable():
            connection = await self._connected()
            await catalog.check_server(connection, self._connector)
            for dataset, rule in self.manifest.datasets.items():
                self._tables[dataset] = await catalog.find_table(connection, self._connector, dataset, rule.origin)
            if after is not None:
                self._made = after.get("made", 0)
            await catalog.require_own(connection, self._connector, self._slot, self._made)
            if after is not None:
                await self._check_tables(connection, after)
            await catalog.ensure_publication(connection, self._slot, list(self._tables.values()))
            if after is None:
                if self._cut is not None:  # nobody would read it any more, and the server would keep its log
                    await catalog.drop(connection, self._cut)
                self._made = await catalog.make_slot(connection, self._connector, self._slot)
                self._recent = []  # a new slot begins when all that ran can be seen; of another server nothing ever is
                return {**_position(self._made, 0, ()), "tables": _oids(self._tables), "made": self._made}
            if reason := await catalog.why_lost(connection, self._slot, after["lsn"]):
                raise PositionLost(connector=self._connector, reason=reason)
            self._recent = list(after.get("recent", ()))
            return after

    async def changes(self, after: Position) -> AsyncIterator[Sequence[SourceEvent]]:
        """The replication stream, by transaction."""
        reading = _Reading(after, self._tables, self._recent)
        with self._reachable():
            connection = await self._connected()
            await catalog.require_own(connection, self._connector, self._slot, self._made)
            await catalog.release_slot(connection, self._slot)
            name = reader_name(self._slot, self._made)
            self._replication = await Replication.start(self._dsn, self._slot, reading.start_lsn, name)
            async with self._replication as replication:
                looked = monotonic()
                while True:
                    if monotonic() - looked > TABLES_SECONDS:
                        await self._look(connection)
                        looked = monotonic()
                    frames = await replication.frames(FRAMES_AT_ONCE, IDLE_SECONDS)
                    events = reading.read(frames)
                    if len(self._recent) > RECENT_KEPT:
                        async with self._asking:
                            reading.forget(await self._snapshot(connection))
                    unfit = await self._unfit(connection, reading, events)
                    yield events or [Seen(reading.position)]
                    if unfit is not None:
                        raise unfit

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        """One statement's worth of rows under one snapshot, then a mark in the log that the stream will meet."""
        with self._reachable():
            connection = await self._connected()
            streamed = tuple(self._recent)
            while True:
                snapshot, rows, last = await self._select(connection, self._tables[dataset], after_key, limit)
                if all(snapshot.sees(xid) for xid in streamed):
                    break
                await asyncio.sleep(VISIBLE_PAUSE_SECONDS)  # committed in the log, not yet visible: it will be
            mark = await self._mark(connection)
        if last is not None and isinstance(after_key, dict):
            last = {"after": last, "until": after_key.get("until")}
        return Chunk(dataset, tuple(rows), last, _position(mark, 0, ()))

    async def part(self, dataset: str, first: Sequence[str] | None, last: Sequence[str] | None) -> Any:
        """The `after_key` with which `chunk` reads the rows from `first` to `last`, both included, None for no bound.

        Raises ValueError for keys that are none of this table's.
        """
        key = self._tables[dataset].key
        with self._reachable():
            connection = await self._connected()
            for bound in (first, last):
                if bound is not None and len(bound) != len(key):
                    names = ", ".join(name for name, _ in key)
                    how = "give one value for each, of several as a JSON array"
                    raise ValueError(f"a key of {dataset} is made of {names}: {how}")
                try:
                    await connection.execute(sql.SQL("select {}").format(casts(key)), bound or (None,) * len(key))
                except psycopg.DataError:
                    kinds = ", ".join(f"{name} is of type {kind}" for name, kind in key)
                    raise ValueError(f"that is no key of {dataset}: {kinds}") from None
        return {"from": first and list(first), "until": last and list(last)}

    async def confirm(self, position: Position) -> None:
        """The server keeps every transaction whose commit lies at this place or after it."""
        if self._replication is not None:
            with self._reachable():
                self._replication.confirm(position["lsn"])

    async def head(self) -> Position:
        """The end of the log now."""
        with self._reachable():
            async with await self._connect() as connection:
                return _position(await self._mark(connection), 0, ())

    def passed(self, position: Position, goal: Position) -> bool:
        """By place in the log; inside a transaction, by row."""
        return bool((position["lsn"], position["row"]) >= (goal["lsn"], goal["row"]))

    async def close(self) -> None:
        """Both connections."""
        if self._connection is not None:
            await self._connection.close()
        self._connection = self._replication = None

    @staticmethod
    def traces(place: Place) -> str:
        """What `forget` removes, for those who have to do it by hand."""
        slot = slot_name(place)
        return f"the replication slot {slot}, for which a server keeps its log, and the publication {slot}"

    async def forget(self, after: Position | None = None) -> None:
        """Remove slot and publication of a connector that stood `after`. Raises SourceUnfit where another reads it."""
        made = self._made if after is None else after.get("made", 0)
        with self._reachable():
            connection = await self._connected()
            await catalog.require_own(connection, self._connector, self._slot, made, catalog.LEAVE_IT)
            await catalog.drop(connection, self._slot)

    # --- how ---

    async def _unfit(
        self, connection: Connection, reading: "_Reading", events: list[SourceEvent]
    ) -> SourceUnfit | None:
        """Where rows came without those before them: have their datasets read anew, and end with what mends it.

        Whose such a record was is not known, and a copy of it might stay for ever; a snapshot and its sweep find out.
        """
        unfit = None
        for dataset in sorted(reading.hidden | reading.doubtful):
            try:
                origin = self.manifest.datasets[dataset].origin
                await catalog.find_table(connection, self._connector, dataset, origin)
            except SourceUnfit as error:
                unfit = error
                reading.hidden.add(dataset)
        if reading.hidden:
            events.append(
                Restarted(tuple(sorted(reading.hidden)), "rows before a change were hidden", reading.position)
            )
        reading.hidden, reading.doubtful = set(), set()
        return unfit

    async def _look(self, connection: Connection) -> None:
        """Raises SourceUnreachable where rows go into tables that are not published: `open` then says what follows."""
        if left := await self._left(connection, _oids(self._tables)):
            raise SourceUnreachable(
                connector=self._connector, reason=f"{left} is another table now, or not wholly published"
            )

    async def _check_tables(self, connection: Connection, after: Position) -> None:
        """What went into a table while it was not published is in no log. The slot goes first: a kill changes nothing.

        A dataset that the position does not know is new, and is read whole anyway.
        """
        known = after.get("tables", {})
        if left := await self._left(connection, {name: known[name] for name in self._tables if name in known}):
            await catalog.drop_slot(connection, self._slot)
            reason = (
                f"{left} was put in the place of the table that was followed, or was not wholly published for a while"
            )
            raise PositionLost(connector=self._connector, reason=reason)

    async def _left(self, connection: Connection, oids: Mapping[str, int]) -> str:
        """Which tables are no more those with these oids (by dataset), or not wholly published."""
        by_origin = {self.manifest.datasets[name].origin: oid for name, oid in oids.items()}
        async with self._asking:
            return ", ".join(await catalog.unpublished(connection, self._slot, by_origin))

    async def _connected(self) -> Connection:
        if self._connection is None or self._connection.closed:
            self._connection = await self._connect()
        return self._connection

    async def _connect(self) -> Connection:
        """An address that cannot be right is not tried: what is said of it might quote its password."""
        if is_malformed(self._dsn):
            raise SourceUnfit(connector=self._connector, reason=MALFORMED, mend=WRITE_SO)
        return await psycopg.AsyncConnection.connect(
            self._dsn, autocommit=True, options=SESSION, application_name=f"bus {self._slot}"
        )

    async def _select(
        self, connection: Connection, table: Table, after_key: Any, limit: int
    ) -> tuple[Snapshot, list[Row], Any]:
        """What is seen, the rows, and the key of the last one where there may be more."""
        names = [sql.Identifier(name) for name, _ in table.key]
        where, values = where_of(table, after_key)
        query = sql.SQL("select * from {} {} order by {} limit {}").format(
            table.identifier, where, sql.SQL(", ").join(names), sql.Literal(limit)
        )
        async with self._asking, connection.transaction():
            await connection.execute("set transaction isolation level repeatable read, read only")
            snapshot = await self._snapshot(connection)
            cursor = await connection.execute(query, values)
            rows = rows_of(cursor)
            return snapshot, rows, last_key(cursor, table.key) if len(rows) == limit else None

    async def _snapshot(self, connection: Connection) -> Snapshot:
        found = await (await connection.execute("select pg_current_snapshot()::text")).fetchone()
        assert found is not None
        return Snapshot.parse(str(found[0]))

    async def _mark(self, connection: Connection) -> int:
        """Transactional, so that it is written out at once; anyone may, and no table is needed."""
        found = await (
            await connection.execute("select pg_logical_emit_message(true, 'bus', %s) - '0/0'::pg_lsn", (self._slot,))
        ).fetchone()
        assert found is not None
        return int(found[0])

    @contextlib.contextmanager
    def _reachable(self) -> Any:
        try:
            yield
        except psycopg.Error as error:
            if (said := of_postgres(error)) == MALFORMED:
                raise SourceUnfit(connector=self._connector, reason=MALFORMED, mend=WRITE_SO) from None
            raise SourceUnreachable(connector=self._connector, reason=said) from error


class _Reading:
    """Where in the stream the reader is: turns messages into events with their positions.

    `hidden` are the datasets of which a change came without the row before it, `doubtful` those of which it may have.
    """

    def __init__(self, after: Position, tables: Mapping[str, Table], recent: list[int]) -> None:
        self.hidden: set[str] = set()
        self.doubtful: set[str] = set()
        self._parted = {name: {column for column, _ in one.key} for name, one in tables.items() if one.parted}
        self.start_lsn = int(after["lsn"])
        self.position = after
        self._skip_rows = int(after["row"])
        self._datasets = {(table.schema, table.name): name for name, table in tables.items()}
        self._tables = _oids(tables)
        self._made = after.get("made", 0)
        self._of_oid = {oid: name for name, oid in self._tables.items()}
        self._recent = recent
        self._decoder = Decoder()
        self._begin: Begin | None = None
        self._row = 0
        self._before = ""
        self._of_table: dict[int, str | None] = {}
        self._numbers: tuple[int, ...] = tuple(recent)

    def read(self, frames: Frames) -> list[SourceEvent]:
        """The events of some frames; an empty frame says up to where the log is read."""
        events: list[SourceEvent] = []
        for lsn, data in frames:
            if not data:
                if self._begin is None and lsn > self.position["lsn"]:
                    events.append(self._seen(lsn))
                continue
            message = self._decoder.decode(data)
            if type(message) is RowChanged:
                if (change := self._changed(message)) is not None:
                    events.append(change)
            elif message is not None:
                events += self._told(message)
        return events

    def forget(self, snapshot: Snapshot) -> None:
        """Transactions that can be seen by now need not be waited for."""
        self._recent[:] = [xid for xid in self._recent if not snapshot.sees(xid)]
        self._numbers = tuple(self._recent)

    def _told(self, message: Message) -> Iterator[SourceEvent]:
        """What a message says that is about no single row."""
        match message:
            case Begin() as begin:
                self._begin, self._row = begin, 0
                self._before = f"{begin.commit_lsn:x}."
                self._recent.append(begin.xid)
                self._numbers = tuple(self._recent)
            case Relation() as relation:
                self._of_table[relation.oid] = self._dataset(relation)
            case Truncated() as truncated:
                yield from self._truncated(truncated)
            case Commit() as commit:
                self._begin = None
                yield self._seen(commit.end_lsn)

    def _changed(self, changed: RowChanged) -> SourceChange | None:
        relation, old, new, old_whole = changed
        dataset = self._of_table[relation.oid]
        if not self._next_row() or dataset is None:
            return None
        if not old_whole:
            self.hidden.add(dataset)
            return None
        if dataset in self._parted and old is not None and self._bare(old, self._parted[dataset]):
            self.doubtful.add(dataset)
        operation = Operation.DELETED if new is None else Operation.CREATED if old is None else Operation.UPDATED
        return SourceChange(dataset, operation, old, new, self._before + str(self._row), self.position)

    def _bare(self, old: WireRow, key: set[str]) -> bool:
        """Whether nothing stands in an old row but its key: so it comes where a partition's identity is not FULL."""
        cells, _ = old.layout.cells(old.data, old.at)
        return all(old.data[cells[at]] == NULL for name, at in old.layout.places.items() if name not in key)

    def _truncated(self, truncated: Truncated) -> Iterator[SourceEvent]:
        datasets = tuple(name for relation in truncated.relations if (name := self._dataset(relation)) is not None)
        if self._next_row() and datasets:
            yield Restarted(datasets, "its table was truncated", self.position)

    def _dataset(self, relation: Relation) -> str | None:
        """By oid, for a table may get another name in mid-stream; by name what was written before it got its oid."""
        return self._of_oid.get(relation.oid) or self._datasets.get((relation.schema, relation.name))

    def _next_row(self) -> bool:
        """Count a row of the transaction; False when it was read before the restart."""
        begin = self._begin
        assert begin is not None
        self._row = row = self._row + 1
        lsn = begin.commit_lsn
        if lsn == self.start_lsn and row <= self._skip_rows:
            return False
        self.position = {"lsn": lsn, "row": row, "recent": self._numbers, "tables": self._tables, "made": self._made}
        return True

    def _seen(self, lsn: int) -> Seen:
        self.position = {**_position(lsn, 0, self._numbers), "tables": self._tables, "made": self._made}
        return Seen(self.position)


def _oids(tables: Mapping[str, Table]) -> dict[str, int]:
    return {name: table.oid for name, table in tables.items()}


def _position(lsn: int, row: int, recent: Sequence[int]) -> Position:
    return {"lsn": lsn, "row": row, "recent": recent}
