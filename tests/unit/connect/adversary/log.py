"""A database with a log, and its source: as that of PostgreSQL, in memory."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from pathlib import Path
from random import Random
from typing import Any, ClassVar

from bus.connect.manifest import Manifest
from bus.connect.source import Chunk, Position, Restarted, Seen, Source, SourceChange, SourceEvent
from bus.connect.standing import Standing
from bus.errors import PositionLost, SourceUnreachable
from bus.model.change import Operation
from tests.unit.connect.adversary.registry import manifest_of
from tests.unit.connect.adversary.table import DATASETS, Row, Table, Write


class Log:
    """A database with a log, in which a commit lies before it can be seen; rows come with what they were before."""

    compares: ClassVar[bool] = False

    def __init__(self, random: Random, _: Path) -> None:
        self.table = Table(random, own_ids=False)
        self.random = random
        self.log: list[list[Write] | str | None] = []
        self.states = [self._state()]
        self.seen = 0
        self.lost = 0
        self.broken = False
        self.calm = False
        self.skipped = False
        self.datasets: tuple[str, ...] = DATASETS
        self.drift = random.choice(("freeze", "discard"))

    def _state(self) -> dict[str, dict[str, Row]]:
        return {dataset: dict(rows) for dataset, rows in self.table.rows.items()}

    def write(self, entry: list[Write] | str | None) -> None:
        """Append to the log: a transaction, the name of a truncated table, or a mark."""
        self.log.append(entry)
        self.states.append(self._state())

    def act(self) -> None:
        luck = self.random.random()
        self.table.grown = self.table.grown or luck < 0.06
        if luck < 0.75:
            self.write(self.table.transaction())
        elif luck < 0.92:
            self.seen = self.random.randint(self.seen, len(self.log))
        elif luck < 0.96:
            self.broken = True
        elif luck < 0.98:
            dataset = self.random.choice(DATASETS)
            self.table.truncate(dataset)
            self.write(dataset)
        else:
            self.lost, self.broken, self.skipped = len(self.log) + 1, True, True

    def settle(self) -> None:
        self.calm, self.broken, self.seen, self.datasets = True, False, len(self.log), DATASETS

    def source(self) -> tuple[Source, Manifest]:
        if not self.calm and self.random.random() < 0.2:
            self.datasets = self.random.choice((DATASETS, DATASETS[:1], DATASETS[1:]))
        self.skipped = self.skipped or self.datasets != DATASETS
        return LogSource(self), manifest_of("postgres", self.datasets, drift=self.drift)

    def read(self, standing: Standing) -> bool:
        return standing.stream is not None and standing.stream["lsn"] >= len(self.log)

    def require(self) -> None:
        """Raises SourceUnreachable where the connection has just broken off."""
        broken, self.broken = self.broken, False
        if broken and not self.calm:
            raise SourceUnreachable(connector="test", reason="trouble")


class LogSource:
    """As the source of PostgreSQL: positions within transactions, marks, and chunks that wait to see what was told."""

    snapshots: ClassVar[bool] = True
    old_rows: ClassVar[bool] = True

    def __init__(self, followed: Log) -> None:
        self._followed = followed
        self._told = 0
        self._datasets = followed.datasets

    def derive(self, dataset: str, row: Any) -> Any:
        return row

    async def open(self, after: Position | None) -> Position:
        followed = self._followed
        await asyncio.sleep(0)
        followed.require()
        if after is None:
            self._told = len(followed.log)
            return {"lsn": self._told, "row": 0}
        if after["lsn"] < followed.lost:
            followed.lost = 0
            raise PositionLost(connector="test", reason="lost")
        self._told = int(after["lsn"]) + bool(after["row"])
        return after

    async def changes(self, after: Position) -> AsyncIterator[Sequence[SourceEvent]]:
        followed, at, row = self._followed, int(after["lsn"]), int(after["row"])
        while True:
            await asyncio.sleep(0)
            followed.require()
            events: list[SourceEvent] = []
            for _ in range(followed.random.randrange(1, 9)):
                if at >= len(followed.log):
                    break
                entry = followed.log[at]
                rows: Sequence[Any] = [entry] if isinstance(entry, str) else entry or []
                if row < len(rows):
                    self._told = max(self._told, at + 1)
                    row += 1
                    place = {"lsn": at, "row": row}
                    events += self._event(rows[row - 1], f"{at}.{row}", place)
                else:
                    at, row = at + 1, 0
                    events.append(Seen({"lsn": at, "row": 0}))
            yield events or [Seen({"lsn": at, "row": row})]

    def _event(self, told: Write | str, change_id: str, place: Position) -> list[SourceEvent]:
        if isinstance(told, str):
            return [Restarted((told,), "truncated", place)] if told in self._datasets else []
        if told.dataset not in self._datasets:
            return []
        kind = Operation.CREATED if told.old is None else Operation.UPDATED if told.new else Operation.DELETED
        return [SourceChange(told.dataset, kind, told.old, told.new, change_id, place)]

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        followed = self._followed
        assert dataset in self._datasets, f"{dataset} is not in the manifest"
        await asyncio.sleep(0)
        followed.require()
        followed.seen = followed.random.randint(max(followed.seen, self._told), len(followed.log))
        part = after_key if isinstance(after_key, dict) else {"after": after_key}
        after, first, until = (part.get(word) or "" for word in ("after", "from", "until"))
        rows = [
            row
            for so, row in sorted(followed.states[followed.seen][dataset].items())
            if so > after and so >= first and (not until or so <= until)
        ][:limit]
        await asyncio.sleep(0)
        followed.write(None)
        last: Any = rows[-1]["so"] if len(rows) == limit else None
        if last is not None and isinstance(after_key, dict):
            last = {"after": last, "until": part.get("until")}
        return Chunk(dataset, tuple(rows), last, {"lsn": len(followed.log), "row": 0})

    async def part(self, dataset: str, first: Sequence[str] | None, last: Sequence[str] | None) -> Any:
        await asyncio.sleep(0)
        self._followed.require()
        if self._followed.random.random() < 0.2:
            raise ValueError("no key")
        return {"from": first and first[0], "until": last and last[0]}

    async def confirm(self, position: Position) -> None:
        await asyncio.sleep(0)
        self._followed.require()

    async def head(self) -> Position:
        return {"lsn": len(self._followed.log), "row": 0}

    def passed(self, position: Position, goal: Position) -> bool:
        return bool((position["lsn"], position["row"]) >= (goal["lsn"], goal["row"]))

    async def close(self) -> None:
        await asyncio.sleep(0)
