"""Ordered tables of bytes in one LMDB file: the embedded store's floor. Knows nothing of records or consents.

One task uses it. Writes land together (`land`) or not at all; in between, reads see what has landed. Most of what lands
waits in memory at first and is written many together, in the order of keys, which costs a third: a process that is
killed loses what waited, all of it from one landing on. Nothing is synced to the disk before `close`: what was written,
the kernel holds; a machine that stops may tear the file.
"""

import contextlib
import errno
from collections.abc import Callable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from hashlib import blake2b
from itertools import chain, islice
from pathlib import Path
from typing import Any

import lmdb

from bus.errors import DiskFull, StoreBroken

FIRST_MAP_BYTES = 1 << 26
"""The map grows to twice its size whenever it is full."""

MOST_TABLES = 4096
PAGE_BYTES = 4096

LONGEST_SLOT = 480
"""LMDB takes keys of up to 511 bytes; of longer ones the beginning and a hash stand for the rest."""

HASH_BYTES = 16

_Puts = Mapping[str, Mapping[bytes, bytes | None]]
"""By table and key; None removes."""

WRITTEN_AT_ONCE = 4096
"""When so many puts wait, they are written: eight to thirty milliseconds of work, the more the larger the file is."""

FEW, WRITTEN_AFTER_FEW = 256, 512
"""After a landing of few puts so many are enough. A lane whose batches are small has time, and what comes meanwhile
must not wait for the work of seconds: these take two to six milliseconds, and a put of them up to twice as long."""


class Tables:
    """Opens the file in a folder that nobody else has open. Raises StoreBroken for one that cannot be what it was.

    Any method raises StoreBroken where the file cannot be read, and DiskFull where it cannot grow.
    """

    def __init__(
        self, folder: Path, *, map_bytes: int = FIRST_MAP_BYTES, prompt: AbstractSet[str] = frozenset()
    ) -> None:
        """`prompt` are tables whose puts never wait, for they are asked in order all the time."""
        self._folder = folder
        self._prompt = prompt
        self._tables: dict[str, Any] = {}
        self._landing: dict[str, dict[bytes, bytes | None]] = {}
        self._waiting: dict[str, dict[bytes, bytes | None]] = {}
        """What has landed and is not yet in the file, by table and key."""

        with self._guarded():
            self._env = lmdb.open(
                str(folder),
                map_size=map_bytes,
                max_dbs=MOST_TABLES,
                sync=False,
                metasync=False,
                lock=False,  # the folder is locked as a whole, and no reader outlasts the next write
                readahead=False,
                mode=0o600,
            )
            self._whole()
            self._learn()
            self._read = self._env.begin()

    def get(self, table: str, key: bytes) -> bytes | None:
        """The value of a key, None where there is none."""
        waiting = self._waiting.get(table)
        if waiting is not None and key in waiting:
            return waiting[key]
        at = self._tables.get(table)
        if at is None:
            return None
        slot = key if len(key) < LONGEST_SLOT else _slot(key)
        try:
            value: bytes | None = self._read.get(slot, db=at)
        except lmdb.Error as error:
            raise self._broken(error) from error
        return value if value is None or slot is key else _split(value)[1]

    def has(self, table: str) -> bool:
        """Whether anything was ever put into a table, this landing's puts included."""
        return table in self._tables or table in self._landing or table in self._waiting

    def after(self, table: str, key: bytes, limit: int) -> list[bytes]:
        """The next keys after one, at most `limit`; from the first one when it is empty.

        In byte order, but for keys that are longer than a slot and begin alike.
        """
        self._settle(table)
        slot = _slot(key)
        with self._cursor(table) as cursor:
            if cursor is None or not cursor.set_range(slot):
                return []
            if key and cursor.key() == slot and not cursor.next():
                return []  # asked on, it would begin anew
            return [_key(cursor, one) for one in islice(cursor.iternext(values=False), limit)]

    def after_in(self, tables: Sequence[str], key: bytes, limit: int) -> list[bytes]:
        """The same of several tables together, in the same order."""
        found = [some for table in tables if (some := self.after(table, key, limit))]
        return found[0] if len(found) == 1 else sorted(set(chain(*found)), key=_slot)[:limit]

    def beginning(self, table: str, start: bytes) -> list[bytes]:
        """All keys that begin so."""
        self._settle(table)
        known = start[: LONGEST_SLOT - HASH_BYTES]  # of longer keys no more than this stands in the slot
        with self._cursor(table) as cursor:
            if cursor is None or not cursor.set_range(known):
                return []
            found: list[bytes] = []
            for slot in cursor.iternext(values=False):
                if not slot.startswith(known):
                    break
                found.append(_key(cursor, slot))
            return [key for key in found if key.startswith(start)]

    def first(self, table: str, limit: int) -> list[tuple[bytes, bytes]]:
        """The first keys with their values, at most `limit`. For tables of short keys."""
        self._settle(table)
        with self._cursor(table) as cursor:
            return [] if cursor is None else list(islice(cursor, limit))

    def put(self, table: str, key: bytes, value: bytes | None) -> None:
        """Put or, with None, remove; it may wait before it is written. Only within a landing."""
        landing = self._landing.get(table)
        if landing is None:
            landing = self._landing[table] = {}
        landing[key] = value

    def landing(self, table: str, key: bytes) -> bytes | None:
        """As `get`, with the puts of this landing."""
        landing = self._landing.get(table)
        return landing[key] if landing is not None and key in landing else self.get(table, key)

    def swap(self, table: str, key: bytes, value: bytes | None) -> bytes | None:
        """As `put`, and returns what was there. Only within a landing."""
        before = self.landing(table, key)
        self.put(table, key, value)
        return before

    def land(self, puts: Callable[[], None]) -> None:
        """Do puts as one."""
        self._landing = {}
        puts()
        prompt = {table: self._landing.pop(table) for table in self._prompt & self._landing.keys()}
        if prompt:
            self._write(prompt)
        landed = sum(map(len, self._landing.values()))
        for table, puts_of_table in self._landing.items():
            self._waiting.setdefault(table, {}).update(puts_of_table)
        self._landing = {}
        enough = WRITTEN_AT_ONCE if landed > FEW else WRITTEN_AFTER_FEW
        if sum(map(len, self._waiting.values())) >= enough:
            self.settle()

    def settle(self) -> None:
        """Write what waits, as one."""
        if self._waiting:
            self._write(self._waiting)
            self._waiting = {}

    def close(self, *, sync: bool) -> None:
        """Close, with `sync` after everything has reached the disk. What waits is not written; see `settle`."""
        with self._guarded():
            self._read.abort()
            if sync:
                self._env.sync(True)  # noqa: FBT003 - the library takes it by position
            self._env.close()

    def _settle(self, table: str) -> None:
        if self._waiting.get(table):
            self.settle()

    def _write(self, tables: _Puts) -> None:
        while not self._written(tables):
            with self._guarded():
                self._env.set_mapsize(self._env.info()["map_size"] * 2)
                self._read = self._env.begin()

    def _written(self, tables: _Puts) -> bool:
        """False when the map was full, and nothing was written."""
        known = dict(self._tables)
        self._read.abort()
        try:
            with self._guarded(), self._env.begin(write=True) as txn:
                for table, puts in tables.items():
                    self._put(txn, table, puts)
        except lmdb.MapFullError:
            self._tables = known  # those that were made meanwhile are no more
            return False
        except BaseException:
            self._tables = known
            self._read = self._env.begin()
            raise
        self._read = self._env.begin()
        return True

    def _put(self, txn: Any, table: str, puts: Mapping[bytes, bytes | None]) -> None:
        """In the order of keys: neighbours lie in one page."""
        at = self._tables.get(table)
        if at is None:
            at = self._tables[table] = self._env.open_db(table.encode(), txn=txn)
        for key in [key for key, value in puts.items() if value is None]:
            txn.delete(_slot(key), db=at)
        with txn.cursor(at) as cursor:
            cursor.putmulti(sorted(_pair(key, value) for key, value in puts.items() if value is not None))

    def _whole(self) -> None:
        """LMDB would meet the end of a file that was cut short in the midst of its map, and the process would die."""
        needed = (self._env.info()["last_pgno"] + 1) * PAGE_BYTES
        if (self._folder / "data.mdb").stat().st_size < needed and self._env.info()["last_txnid"] > 0:
            raise StoreBroken(reason="its file is cut short")

    def _learn(self) -> None:
        with self._env.begin(write=True) as txn:  # what a reading transaction opens ends with it
            names = [bytes(key) for key, _ in txn.cursor()]
            self._tables = {name.decode(): self._env.open_db(name, txn=txn, create=False) for name in names}

    @contextlib.contextmanager
    def _cursor(self, table: str) -> Iterator[Any]:
        """A cursor, or None where there is no such table."""
        at = self._tables.get(table)
        with self._guarded():
            if at is None:
                yield None
                return
            with self._read.cursor(at) as cursor:
                yield cursor

    @contextlib.contextmanager
    def _guarded(self) -> Iterator[None]:
        try:
            yield
        except lmdb.MapFullError:
            raise
        except lmdb.Error as error:
            raise self._broken(error) from error

    def _broken(self, error: lmdb.Error) -> DiskFull | StoreBroken:
        if isinstance(error, lmdb.DiskError) or f"[Errno {errno.ENOSPC}]" in str(error):
            return DiskFull(folder=self._folder, what="writing what a lane knows")
        return StoreBroken(reason=type(error).__name__)


def _slot(key: bytes) -> bytes:
    """What stands for a key in its table: itself, unless it is too long."""
    if len(key) < LONGEST_SLOT:
        return key
    return key[: LONGEST_SLOT - HASH_BYTES] + blake2b(key, digest_size=HASH_BYTES).digest()


def _pair(key: bytes, value: bytes) -> tuple[bytes, bytes]:
    slot = _slot(key)
    return slot, value if slot is key else len(key).to_bytes(4) + key + value


def _key(cursor: Any, slot: bytes) -> bytes:
    return slot if len(slot) < LONGEST_SLOT else _split(cursor.value())[0]


def _split(value: bytes) -> tuple[bytes, bytes]:
    """Key and value where the slot does not hold the whole key."""
    end = 4 + int.from_bytes(value[:4])
    return value[4:end], value[end:]
