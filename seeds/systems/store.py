"""What the tax and the insurance system share: records in a SQLite file, and a journal of what changed.

The journal's sequence is the order of commits, for SQLite has one writer at a time. Records loaded before the system
served anyone are not in the journal.
"""

import json
import sqlite3
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from seeds.systems.codes import Record

MADE = "made"
"""The note that says from what the registry was filled; without it, it is not filled yet."""

_TABLES = """
create table if not exists record (
    kind text not null, key text not null, personal_id text not null, body text not null,
    primary key (kind, key)
) without rowid;
create index if not exists record_person on record (kind, personal_id);
create table if not exists journal (
    seq integer primary key autoincrement, kind text not null, key text not null, op text not null, body text
);
create table if not exists note (name text primary key, value text not null) without rowid;
"""


@dataclass(frozen=True, slots=True)
class Entry:
    """One journal entry; `record` is None for a delete."""

    seq: int
    kind: str
    key: str
    op: str
    record: Record | None


@dataclass(frozen=True, slots=True)
class Page:
    """Records in the order of their keys; `head` is the newest sequence that they show."""

    records: list[Record]
    next_key: str | None
    head: int


class Store:
    """Opens, or makes, the file. Every method is one transaction; several processes may use the file at once."""

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self._db = sqlite3.connect(path, isolation_level=None, timeout=30)
        self._db.execute("pragma journal_mode = wal")
        self._db.execute("pragma synchronous = normal")
        self._db.executescript(_TABLES)

    def close(self) -> None:
        """Close the file."""
        self._db.close()

    @contextmanager
    def writing(self) -> Iterator[None]:
        """All that is done inside, or nothing."""
        self._db.execute("begin immediate")
        try:
            yield
        except BaseException:
            self._db.execute("rollback")
            raise
        self._db.execute("commit")

    def note(self, name: str) -> str | None:
        """A remembered word, or None."""
        row = self._db.execute("select value from note where name = ?", (name,)).fetchone()
        return None if row is None else str(row[0])

    def remember(self, name: str, value: str) -> None:
        """Keep a word beside the records."""
        self._db.execute("insert or replace into note values (?, ?)", (name, value))

    def load(self, kind: str, records: Iterable[tuple[str, str, Record]]) -> None:
        """Put in (key, personal id, record) without a journal entry: what was there before the system served anyone."""
        rows = ((kind, key, person, _text(record)) for key, person, record in records)
        self._db.executemany("insert into record values (?, ?, ?, ?)", rows)

    def get(self, kind: str, key: str) -> Record | None:
        """One record, or None."""
        row = self._db.execute("select body from record where kind = ? and key = ?", (kind, key)).fetchone()
        return None if row is None else _record(row[0])

    def put(self, kind: str, key: str, personal_id: str, record: Record) -> int:
        """Write a record and its journal entry; answers the sequence."""
        with self.writing():
            row = kind, key, personal_id, _text(record)
            self._db.execute("insert or replace into record values (?, ?, ?, ?)", row)
            return self._journal(kind, key, "upsert", record)

    def delete(self, kind: str, key: str) -> int:
        """Remove a record that exists; answers the sequence."""
        with self.writing():
            self._db.execute("delete from record where kind = ? and key = ?", (kind, key))
            return self._journal(kind, key, "delete", None)

    def page(self, kind: str, *, after_key: str, limit: int) -> Page:
        """The records of a kind after a key; `next_key` is None on the last page."""
        with self._reading():
            rows = self._db.execute(
                "select key, body from record where kind = ? and key > ? order by key limit ?", (kind, after_key, limit)
            ).fetchall()
            head = self.head()
        return Page([_record(body) for _, body in rows], rows[-1][0] if len(rows) == limit else None, head)

    def of_person(self, kind: str, personal_id: str) -> Page:
        """The records of one person."""
        with self._reading():
            rows = self._db.execute(
                "select body from record where kind = ? and personal_id = ? order by key", (kind, personal_id)
            ).fetchall()
            head = self.head()
        return Page([_record(body) for (body,) in rows], None, head)

    def entries(self, *, after: int, limit: int, until: int | None = None) -> list[Entry]:
        """Journal entries after a sequence, oldest first, up to and including `until`."""
        bound = self.head() if until is None else until
        rows = self._db.execute(
            "select seq, kind, key, op, body from journal where seq > ? and seq <= ? order by seq limit ?",
            (after, bound, limit),
        )
        return [Entry(seq, kind, key, op, _record(body) if body else None) for seq, kind, key, op, body in rows]

    def head(self) -> int:
        """The newest sequence; 0 when nothing has changed yet."""
        return int(self._db.execute("select coalesce(max(seq), 0) from journal").fetchone()[0])

    def count(self, kind: str) -> int:
        """How many records of a kind there are."""
        return int(self._db.execute("select count(*) from record where kind = ?", (kind,)).fetchone()[0])

    def now(self) -> str:
        """The database's own time, RFC 3339 in UTC with milliseconds."""
        return str(self._db.execute("select strftime('%Y-%m-%dT%H:%M:%fZ', 'now')").fetchone()[0])

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """One state of the file for several reads."""
        self._db.execute("begin")
        try:
            yield
        finally:
            self._db.execute("commit")

    def _journal(self, kind: str, key: str, op: str, record: Record | None) -> int:
        body = None if record is None else _text(record)
        row = self._db.execute(
            "insert into journal (kind, key, op, body) values (?, ?, ?, ?) returning seq", (kind, key, op, body)
        ).fetchone()
        return int(row[0])


def _text(record: Record) -> str:
    return json.dumps(record, ensure_ascii=False, separators=(",", ":"))


def _record(body: str) -> Record:
    record: Record = json.loads(body)
    return record
