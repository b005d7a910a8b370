"""A connector's life under an adversary: its real runner over a registry and a Kafka in which everything happens.

A process is killed at any of its awaits; the next one begins from what is committed. In the end the trouble stops, and
what is left in the topics must be what the registry's tables hold.
"""

import asyncio
from collections.abc import Callable, Mapping
from pathlib import Path
from random import Random
from typing import Any

import pytest

from bus.connect import feed, files, flow, recall, runner, sql
from bus.connect.publish import Contract
from bus.connect.recall import Reach
from bus.connect.runner import Runner
from bus.connect.source import Source
from bus.errors import Fenced
from tests.unit.connect.adversary.kafka import TOPICS, Kafka, Nothing, Own, Writer, orders_of
from tests.unit.connect.adversary.registry import Registry
from tests.unit.connect.adversary.table import DATASETS, key_of, worth_of

PATIENCE = 20_000
"""So many turns of the loop a connector has at most to catch up once all is calm."""


class Play:
    """One history, which follows from its number."""

    def __init__(
        self,
        number: int,
        kind: Callable[[Random, Path], Registry],
        folder: Path,
        contracts: Mapping[str, Contract],
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        self.random = Random(number)  # noqa: S311 - a history is to be had again by its number
        self.registry = kind(self.random, folder)
        self.kafka = Kafka(self.random, self.registry.table, contracts)
        self.kafka.compares = self.registry.compares
        self._contracts = contracts
        self._began: int | None = None
        self._pace = self.random.choice((0.01, 0.04, 0.12))
        self._living: list[tuple[asyncio.Task[None], Source]] = []
        self._stage(monkeypatch)

    def _stage(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """Put the two in the place of what lies outside; nothing waits by the clock."""

        async def nothing(*_: object) -> None:
            await asyncio.sleep(0)

        async def contracts_of(_: object, __: object, manifest: Any, ___: object) -> dict[str, Contract]:
            return {name: self._contracts[name] for name in manifest.datasets}

        async def inline(function: Callable[..., Any], *given: Any) -> Any:
            await asyncio.sleep(0)
            return function(*given)

        stand_ins: dict[str, Any] = {
            "require_same_bus": nothing,
            "take_over": nothing,
            "SchemaRegistryClient": Nothing,
            "OwnMessages": lambda _: Own(self.kafka),
            "contracts_of": contracts_of,
            "TransactionalWriter": Writer,
            "Orders": orders_of(self.kafka),
            "CHUNK_ROWS": 2,
            "CHANGES_AT_ONCE": 5,
        }
        for name, one in stand_ins.items():
            monkeypatch.setattr(runner, name, one)
        for name in ("IDLE_COMMIT", "REST", "FROZEN", "FIRST_PAUSE"):
            monkeypatch.setattr(runner, f"{name}_SECONDS", 0)
        monkeypatch.setattr(recall, "whole", self.kafka.whole)
        for module in (runner, flow, files):
            monkeypatch.setattr(module, "emit", lambda *_, **__: None)
        monkeypatch.setattr(feed, "POLL_SECONDS", 0)
        monkeypatch.setattr(files, "POLL_SECONDS", 0)
        monkeypatch.setattr(files, "LINES_AT_ONCE", 3)
        monkeypatch.setattr(sql, "ROWS_AT_ONCE", 2)
        if (now_ms := getattr(self.registry, "now_ms", None)) is not None:
            monkeypatch.setattr(sql, "now_ms", now_ms)
        monkeypatch.setattr(asyncio, "to_thread", inline)

    async def go(self, turns: int) -> None:
        """Live through that many turns of the loop with trouble, then in calm to the end."""
        try:
            await self._go(turns)
        finally:
            await self._kill_all()

    async def _go(self, turns: int) -> None:
        for _ in range(self.random.randrange(6)):
            self.registry.act()
        left = turns
        while left > 0:
            life = self.random.choice((20, 80, 300))
            await self._live(life)
            left -= life
        await self._kill_all()
        self.kafka.calm = True
        self.registry.settle()
        self._order("resume")
        await self._live(PATIENCE, until_caught_up=True)
        self._judge()

    async def _live(self, turns: int, *, until_caught_up: bool = False) -> None:
        """One process, from its start to its death; one from before may live on, and learn that it is fenced."""
        source, manifest = self.registry.source()
        reach = Reach(self.kafka, None, TOPICS)  # type: ignore[arg-type] # nobody is reached by it
        task = asyncio.create_task(Runner(source, manifest, reach).run())
        self._living.append((task, source))
        try:
            for _ in range(turns):
                await asyncio.sleep(0)
                if task.done():
                    break
                if until_caught_up:
                    if self._caught_up():
                        return
                    self._accept()
                else:
                    self._trouble()
            assert not until_caught_up, ("it does not catch up", self.kafka.standing(), self.kafka.orders)
        finally:
            if until_caught_up or self.random.random() < 0.8:
                await self._kill_all()

    async def _kill_all(self) -> None:
        """At whatever they are. Raises what one of them has ended with before."""
        living, self._living = self._living, []
        for task, source in living:
            while not task.done():  # one that ends just then may not notice the first
                task.cancel()
                await asyncio.wait({task}, timeout=0)
            await source.close()
        ended = [task.exception() for task, _ in living if not task.cancelled()]
        for error in ended:
            if error is not None and not isinstance(error, Fenced):
                raise error

    def _trouble(self) -> None:
        luck = self.random.random()
        if luck < self._pace:
            self.registry.act()
        elif luck < self._pace + 0.015:
            self._order(self.random.choice(("pause", "resume", "resume", "snapshot", "snapshot", "reset", "accept")))
        if self._began is None and (standing := self.kafka.standing()) is not None and standing.stream is not None:
            self._began = standing.stream.get("lsn", 0)

    def _accept(self) -> None:
        """Somebody looks at what the connector stands before, and takes it for how it is to be."""
        standing = self.kafka.standing()
        if standing is not None and standing.drift.frozen and standing.obeyed == len(self.kafka.orders):
            self._order("accept")

    def _order(self, kind: str) -> None:
        random = self.random
        self.registry.skipped = self.registry.skipped or kind == "reset"
        datasets = random.choice(([], [], [DATASETS[0]], [DATASETS[1]], ["test.strange"]))
        bounds: list[str | None] = [None, None]
        if kind == "snapshot" and random.random() < 0.5:
            bounds = [random.choice((None, f'["r{random.randrange(6)}"]')) for _ in range(2)]
        self.kafka.orders.append({
            "order_id": f"o{len(self.kafka.orders)}", "connector": "test", "kind": kind, "datasets": datasets,
            "from_key": bounds[0], "to_key": bounds[1], "by": "", "at": 0,
        })  # fmt: skip

    def _caught_up(self) -> bool:
        standing = self.kafka.standing()
        return (
            standing is not None
            and standing.obeyed == len(self.kafka.orders)
            and not standing.paused
            and standing.snapshot is None
            and set(standing.datasets or DATASETS) == set(DATASETS)
            and self.registry.read(standing)
        )

    def _judge(self) -> None:
        """What is left when all is read is what the tables hold, and nothing has been lost on the way."""
        table = self.registry.table
        for dataset in DATASETS:
            rows = table.rows[dataset].values()
            live = self.kafka.live(dataset)
            due = {key_of(row): worth for row in rows if (worth := worth_of(row)) is not None}
            assert {key: live.get(key or "") for key in due} == due, (dataset, "is not what the table holds")
            doubtful = {row["ma"] for row in rows if worth_of(row) is None and row["mat"] == ""}
            strange = {key for key in live.keys() - due.keys() if key.partition("/")[2] not in doubtful}
            assert not strange, (dataset, "should be erased", strange)
            for row in rows:
                if worth_of(row) is None and row["mat"] == "":
                    assert self.kafka.dead.get(row["gia"]), (dataset, "is told nowhere", row)
        first = min((int(one[1:]) for one in self.kafka.outcomes), default=0)
        lost = [one for one in self.kafka.orders[first:] if one["order_id"] not in self.kafka.outcomes]
        assert not lost, ("orders are lost", lost)
        if not self.registry.skipped:
            self._judge_stream()

    def _judge_stream(self) -> None:
        """Every row of the log since the beginning is published, or a dead letter."""
        for at, entry in enumerate(getattr(self.registry, "log", ())):
            if at < (self._began or 0) or isinstance(entry, str):
                continue
            for row, write in enumerate(entry or (), 1):
                if write.new is not None and worth_of(write.new) is not None:
                    assert f"{write.dataset}.{at}.{row}" in self.kafka.changes, (at, row, write)
