"""Registries without old rows, each behind the real source of its kind: a feed, files, a database by queries."""

import csv
import sqlite3
from pathlib import Path
from random import Random
from typing import Any, ClassVar

import httpx

from bus.connect.feed import FeedSource
from bus.connect.files import FilesSource
from bus.connect.manifest import Manifest
from bus.connect.place import Place
from bus.connect.source import Source
from bus.connect.sql import SqlSource
from bus.connect.standing import Standing
from tests.unit.connect.adversary.registry import ORIGINS, manifest_of
from tests.unit.connect.adversary.table import DATASETS, Row, Table, Write

COLUMNS = ("so", "ma", "chu", "gia", "mat")
WRITES = {
    "test.right": ("delete from right where so = ?", "insert into right values (?, ?, ?, ?, ?, ?)"),
    "test.other": ("delete from other where so = ?", "insert into other values (?, ?, ?, ?, ?, ?)"),
}


class Feed:
    """An HTTP service with a change feed; its pages come from copies that may lag behind, and it fails in every way."""

    compares: ClassVar[bool] = False

    def __init__(self, random: Random, _: Path) -> None:
        self.table = Table(random, own_ids=True)
        self.skipped = True
        self._random = random
        self._calm = False
        self._entries: list[dict[str, Any]] = []
        self._states: list[dict[str, dict[str, Row]]] = [{dataset: {} for dataset in DATASETS}]
        self._history, self._first = 1, 1
        self._each_kind = random.random() < 0.5
        self._says_gone = random.random() < 0.5
        self._drift = random.choice(("freeze", "discard"))
        self._datasets: tuple[str, ...] = DATASETS

    def act(self) -> None:
        luck = self._random.random()
        self.table.grown = self.table.grown or luck < 0.06
        if luck < 0.97:
            for write in self.table.transaction():
                self._tell(write)
        elif luck < 0.98:
            self._first = len(self._entries) + 1  # the older ones are forgotten
        else:
            self._entries, self._states = [], [self._states[-1]]
            self._history, self._first = self._history + 1, 1

    def _tell(self, write: Write) -> None:
        dataset, old, new = write
        so = (new or old or {})["so"]
        state = {name: dict(rows) for name, rows in self._states[-1].items()}
        if new is None:
            del state[dataset][so]
        else:
            state[dataset][so] = new
        self._states.append(state)
        entry = {"seq": len(self._entries) + 1, "kind": ORIGINS[dataset], "id": so}
        self._entries.append(entry | ({"op": "delete"} if new is None else {"op": "upsert", "record": new}))

    def settle(self) -> None:
        self._calm, self._datasets = True, DATASETS

    def source(self) -> tuple[Source, Manifest]:
        if not self._calm and self._random.random() < 0.2:
            self._datasets = self._random.choice((DATASETS, DATASETS[:1], DATASETS[1:]))
        pages = {dataset: f"/{ORIGINS[dataset]}" for dataset in DATASETS}
        manifest = manifest_of("feed", self._datasets, path="/feed", pages=pages, page_rows=4, drift=self._drift)
        transport = httpx.MockTransport(self._answer)

        class Served(FeedSource):
            def _client(self) -> httpx.AsyncClient:
                return httpx.AsyncClient(base_url="http://feed.test", transport=transport)

        made = type("Served", (Served,), {"manifest": manifest})
        return made(Place("test", "", {"url": "http://feed.test", "token": "t"})), manifest

    def _answer(self, request: httpx.Request) -> httpx.Response:
        if not self._calm and self._random.random() < 0.05:
            return self._trouble()
        limit, head = int(request.url.params["limit"]), len(self._entries)
        words: dict[str, Any] = {"head": head, "first": self._first, "history": str(self._history)}
        if request.url.path == "/feed":
            after = max(asked := int(request.url.params["after"]), self._first - 1)
            if asked < after and self._says_gone:
                return httpx.Response(410, json=words)
            return httpx.Response(200, json=words | {"entries": self._entries[after : after + limit]})
        kind = request.url.path[1:]
        lag = self._random.choice((0, 0, 0, 1, 3)) if not self._calm else 0
        head = max(head - lag, self._first - 1)  # no copy lags behind what the feed has forgotten
        rows = self._states[head][f"test.{kind}"]
        if self._each_kind:
            head = max((one["seq"] for one in self._entries[:head] if one["kind"] == kind), default=0)
        after_key = request.url.params.get("after_key", "")
        found = [row for so, row in sorted(rows.items()) if so > after_key][:limit]
        next_key = found[-1]["so"] if len(found) == limit else None
        return httpx.Response(200, json={"records": found, "next_key": next_key, "head": head})

    def _trouble(self) -> httpx.Response:
        """Raises httpx.ReadError."""
        status = self._random.choice((500, 503, 429, None))
        if status is None:
            raise httpx.ReadError("trouble")
        return httpx.Response(status, headers={"retry-after": "0"})

    def read(self, standing: Standing) -> bool:
        stream = standing.stream
        return stream is not None and (stream["seq"], stream["history"]) == (len(self._entries), str(self._history))


class Files:
    """A folder into which full exports and deltas are dropped; a full export may be replaced while it is read."""

    compares: ClassVar[bool] = True

    def __init__(self, random: Random, folder: Path) -> None:
        self.table = Table(random, own_ids=True)
        self.skipped = True
        self._random = random
        self._folder = folder
        self._rank = 0
        self._waiting: dict[str, list[Write]] = {dataset: [] for dataset in DATASETS}
        self._newest: Path | None = None

    def act(self) -> None:
        for write in self.table.transaction():
            self._waiting[write.dataset].append(write)
        luck, dataset = self._random.random(), self._random.choice(DATASETS)
        if luck < 0.12:
            self._full(dataset)
        elif luck < 0.3:
            self._delta(dataset)

    def _full(self, dataset: str) -> None:
        self._rank += 1
        self._waiting[dataset] = []
        path = self._folder / f"{ORIGINS[dataset]}-full-{self._rank}.csv"
        path.with_name(f"{path.name}.confirmed").touch()
        self._write(path, [row | {"op": "I"} for row in self.table.rows[dataset].values()])

    def _delta(self, dataset: str) -> None:
        """The newest of each record, in the order in which they were first touched."""
        self._rank += 1
        rows = {(write.new or write.old or {})["so"]: write for write in self._waiting[dataset]}
        self._waiting[dataset] = []
        listed = [one.new | {"op": "U"} if one.new else (one.old or {}) | {"op": "D"} for one in rows.values()]
        self._write(self._folder / f"{ORIGINS[dataset]}-delta-{self._rank}.csv", listed)

    def _write(self, path: Path, rows: list[Row]) -> None:
        """Whole at once, under its name."""
        begun = path.with_name(f".{path.name}")
        with begun.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, (*COLUMNS, "op"))
            writer.writeheader()
            writer.writerows(rows)
        begun.rename(path)

    def settle(self) -> None:
        for dataset in DATASETS:
            self._random.choice((self._full, self._delta))(dataset)

    def source(self) -> tuple[Source, Manifest]:
        words: dict[str, Any] = {"operation_column": "op", "deleted": ["D"], "rest_seconds": 0, "unended_seconds": 0}
        manifest = manifest_of("files", **words)
        made = type("Dropped", (FilesSource,), {"manifest": manifest})
        return made(Place("test", "", {"folder": str(self._folder)})), manifest

    def read(self, standing: Standing) -> bool:
        stream = standing.stream
        return stream is not None and (stream["rank"], stream["line"]) == (self._rank, None)


class Database:
    """A database that is asked by queries; a version stands for several transactions."""

    compares: ClassVar[bool] = True

    def __init__(self, random: Random, folder: Path) -> None:
        self.table = Table(random, own_ids=True)
        self.skipped = True
        self.wholes = 0
        self._random = random
        self._file = folder / "registry.sqlite"
        self._version = 0
        self._now_ms = 1
        self._calm_from = 0
        self._connection = sqlite3.connect(self._file, isolation_level=None, check_same_thread=False)
        self._connection.execute("pragma journal_mode = memory")
        self._connection.execute("pragma synchronous = off")
        for origin in ORIGINS.values():
            self._connection.execute(f"create table {origin} (so text primary key, ma, chu, gia, mat, v int)")

    def act(self) -> None:
        self._now_ms += self._random.choice((1, 1, 1, 30_000))
        self._version += self._random.choice((0, 0, 1))
        self._connection.execute("begin")
        for dataset, old, new in self.table.transaction():
            delete, insert = WRITES[dataset]
            self._connection.execute(delete, ((new or old or {})["so"],))
            if new is not None:
                self._connection.execute(insert, (*(new[name] for name in COLUMNS), self._version))
        self._connection.execute("commit")

    def settle(self) -> None:
        self._now_ms += 10_000_000

    def source(self) -> tuple[Source, Manifest]:
        tables = {dataset: {"key": ["so"], "version": "v", "safety": 2} for dataset in DATASETS}
        words: dict[str, Any] = {
            "tables": tables,
            "poll_seconds": 0.0001,
            "compare_seconds": 100,
            "may_lose_percent": 100,
        }
        manifest = manifest_of("sql", **words)
        made = type("Asked", (SqlSource,), {"manifest": manifest})
        return made(Place("test", "", {"url": f"sqlite:///{self._file}"})), manifest

    def now_ms(self) -> int:
        """The time there."""
        return self._now_ms

    def read(self, standing: Standing) -> bool:
        stream = standing.stream
        return stream is not None and stream["rows"] is None and stream["compared_at"] == self._now_ms
