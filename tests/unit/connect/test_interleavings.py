"""The truth test of snapshot and stream: random histories of a source, against what the topic then holds."""

from dataclasses import dataclass, field
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from bus.avro.codec import decode
from bus.avro.frame import unframe
from bus.connect.flow import Flow
from bus.connect.publish import Contract, Envelope, epoch_of
from bus.connect.source import Chunk, Position, Row, Seen, SourceChange
from bus.connect.standing import OrderState, Outcome, Standing, from_message, to_message
from bus.model.change import Operation
from bus.model.key import RecordKey
from bus.model.record import Outgoing
from tests.unit.connect.conftest import headers_of

DATASET = "test.right"
IDS = st.sampled_from([f"r{n}" for n in range(6)])
HOLDERS = st.sampled_from(["p1", "p2", "p3"])


def position(commit: int, row: int = 0) -> Position:
    """As of PostgreSQL: commits before `commit` are read, and `row` rows of that one."""
    return {"lsn": commit, "row": row}


def passed(at: Position, goal: Position) -> bool:
    return bool((at["lsn"], at["row"]) >= (goal["lsn"], goal["row"]))


@dataclass
class Database:
    """A table with a log. A commit enters the log first and becomes visible later, in any order of transactions."""

    visible: dict[str, Row] = field(default_factory=dict)
    current: dict[str, Row] = field(default_factory=dict)
    log: list[list[tuple[Row | None, Row | None]] | None] = field(default_factory=list)
    unseen: list[int] = field(default_factory=list)

    def commit(self, writes: list[tuple[str, str | None, int]]) -> None:
        """Append a transaction to the log; later ones build on it, as row locks would have made them wait."""
        rows: list[tuple[Row | None, Row | None]] = []
        for record_id, holder, worth in writes:
            old = self.current.get(record_id)
            new = None if holder is None else {"ma": record_id, "chu": holder, "gia": worth, "mat": ""}
            if old is None and new is None:
                continue
            rows.append((old, new))
            self.current = {**self.current, record_id: new} if new else _without(self.current, record_id)
        self.log.append(rows)
        self.unseen.append(len(self.log) - 1)

    def show(self, which: int) -> None:
        """Make one committed transaction visible, and what it builds on: rows are seen in the order of their locks."""
        number = self.unseen[which % len(self.unseen)]
        touched = {_id(row) for row in self.log[number] or []}
        grew = True
        needed = {number}
        while grew:
            grew = False
            for earlier in self.unseen:
                if earlier < max(needed) and earlier not in needed:
                    ids = {_id(row) for row in self.log[earlier] or []}
                    if ids & touched:
                        needed.add(earlier)
                        touched |= ids
                        grew = True
        for one in sorted(needed):
            for old, new in self.log[one] or []:
                record_id = _id((old, new))
                self.visible = {**self.visible, record_id: new} if new else _without(self.visible, record_id)
            self.unseen.remove(one)

    def mark(self) -> int:
        """A mark in the log; what follows has a later place."""
        self.log.append(None)
        return len(self.log)


def _id(row: tuple[Row | None, Row | None]) -> str:
    found = row[1] or row[0]
    assert found is not None
    return str(found["ma"])


def _without(rows: dict[str, Row], record_id: str) -> dict[str, Row]:
    return {key: row for key, row in rows.items() if key != record_id}


class Interleaving(RuleBasedStateMachine):
    """A database, a flow over it, and a topic; any of them may stop at any moment."""

    contract: Contract
    envelope: Envelope

    def __init__(self) -> None:
        super().__init__()
        self.database = Database()
        self.topic: list[Outgoing] = []
        self.committed: dict[str, Any] | None = None
        self.orders = 0

    @initialize(writes=st.lists(st.tuples(IDS, HOLDERS, st.integers(0, 9)), max_size=6))
    def begin(self, writes: list[tuple[str, str, int]]) -> None:
        """A table with some rows, all of them visible before the connector starts for the first time."""
        self.database.commit(list(writes))
        while self.database.unseen:
            self.database.show(0)
        self.restart()

    @rule(writes=st.lists(st.tuples(IDS, st.none() | HOLDERS, st.integers(0, 9)), min_size=1, max_size=4))
    def write(self, writes: list[tuple[str, str | None, int]]) -> None:
        """A transaction commits; nobody sees it yet."""
        self.database.commit(writes)

    @precondition(lambda self: self.database.unseen)
    @rule(which=st.integers(0, 9))
    def show(self, which: int) -> None:
        """A committed transaction becomes visible."""
        self.database.show(which)

    @rule(bounds=st.none() | st.tuples(st.none() | IDS, st.none() | IDS))
    def order_a_snapshot(self, bounds: tuple[str | None, str | None] | None) -> None:
        """Everything is to be read anew, or a range of keys; what was read and not published is published with it."""
        stream = self.flow.standing.stream
        assert stream is not None
        part = None if bounds is None else {"from": bounds[0], "until": bounds[1]}
        self._order("snapshot", None)
        self.flow.begin(stream, (DATASET,), "ordered", part=part)
        self.flow.interrupt()
        self.publish()

    @rule()
    def pause(self) -> None:
        """The connector stands still, whatever it was at; nothing is read until it is resumed."""
        self._order("pause", paused=True)
        self.flow.interrupt()
        self.publish()

    @rule()
    def resume(self) -> None:
        """It goes on where it stood."""
        self._order("resume", paused=False)
        self.publish()

    def _order(self, kind: str, paused: bool | None) -> None:  # noqa: FBT001 - as the flow takes it
        done = Outcome(f"o{self.orders}", kind, OrderState.DONE, "")
        self.flow.obeyed(self.orders, done, paused=paused)
        self.orders += 1

    @rule()
    def catch_up(self) -> None:
        """All becomes visible, and the connector reads until nothing is left: what comes next begins from rest."""
        while self.database.unseen:
            self.database.show(0)
        self.resume()
        for _ in range(1000):
            self.stream(100)
            if self.flow.wants_chunk:
                self.chunk(2)
            elif self.flow.wants_sweep:
                self.sweep(2)
            elif self.at >= len(self.database.log):
                break

    @precondition(lambda self: self.flow.wants_sweep and not self.flow.standing.paused)
    @rule(limit=st.integers(1, 3), crash=st.none() | st.integers(1, 3))
    def sweep(self, limit: int, crash: int | None = None) -> None:
        """What a whole snapshot did not meet is erased, in several transactions; after any of them it may crash."""
        self.publish()
        epoch, old = self.flow.standing.epoch, dict[bytes, None]()
        for record in self.topic:
            assert record.key is not None
            old.pop(record.key, None)
            if record.value is not None and epoch_of(headers_of(record)["ce_id"].decode()) < epoch:
                old[record.key] = None
        self.flow.sweep(DATASET, [RecordKey.decode(key, has_subject=True) for key in old])
        while self.flow.sweeping:
            self.flow.sweep_some(limit, 0)
            self.publish()
            crash = crash and crash - 1
            if crash == 0:
                self.restart()
                return

    @precondition(lambda self: not self.flow.standing.paused)
    @rule(rows=st.integers(1, 5))
    def stream(self, rows: int) -> None:
        """The connector takes some rows of the stream, perhaps only a part of a transaction."""
        for _ in range(rows):
            event = self._next_event()
            if event is None:
                return
            if isinstance(event, SourceChange):
                self.streamed.add(self.at)
            self.flow.take(event, 0)

    @precondition(
        lambda self: (
            self.flow.wants_chunk and not self.flow.standing.paused and not self.streamed & set(self.database.unseen)
        )
    )
    @rule(limit=st.integers(1, 3))
    def chunk(self, limit: int) -> None:
        """The connector reads a chunk; the source holds it back until everything streamed is visible."""
        wanted = self.flow.wants_chunk
        assert wanted is not None
        part: Any = wanted[1] if isinstance(wanted[1], dict) else {"after": wanted[1]}
        after, first, until = (part.get(word) or "" for word in ("after", "from", "until"))
        rows = [
            row
            for key, row in sorted(self.database.visible.items())
            if key > after and key >= first and (not until or key <= until)
        ][:limit]
        last: Any = str(rows[-1]["ma"]) if len(rows) == limit else None
        if last is not None and until:
            last = {"after": last, "until": until}
        self.flow.open(Chunk(DATASET, tuple(rows), last, position(self.database.mark())), 0)

    @rule()
    def publish(self) -> None:
        """Records and standing are committed as one."""
        self.topic += self.flow.drain()
        self.committed = to_message(self.flow.standing, 0)

    @rule()
    def crash(self) -> None:
        """The process dies: what was not committed is gone."""
        self.restart()

    def restart(self) -> None:
        """Go on from the committed standing; the source still knows which transactions it streamed last."""
        standing = from_message(self.committed) if self.committed else Standing("test")
        self.flow = Flow(self.envelope, {DATASET: self.contract}, standing, passed)
        if standing.stream is None:
            self.flow.begin(position(len(self.database.log)), (DATASET,), "first start")
            self.topic += self.flow.drain()
            self.committed = to_message(self.flow.standing, 0)
        stream = self.flow.standing.stream
        assert stream is not None
        self.at, self.row = int(stream["lsn"]), int(stream["row"])
        self.streamed = set(range(self.at + 1 if self.row else self.at))

    def _next_event(self) -> SourceChange | Seen | None:
        while self.at < len(self.database.log):
            rows = self.database.log[self.at]
            if rows is None or self.row >= len(rows):
                self.at, self.row = self.at + 1, 0
                return Seen(position(self.at))
            old, new = rows[self.row]
            self.row += 1
            kind = Operation.DELETED if new is None else Operation.UPDATED if old else Operation.CREATED
            place = position(self.at, self.row)
            return SourceChange(DATASET, kind, old, new, f"{self.at}.{self.row}", place)
        return None

    @invariant()
    def nothing_is_published_twice(self) -> None:
        """Every id in the topic is there once."""
        ids = [headers_of(record)["ce_id"] for record in self.topic]
        assert len(ids) == len(set(ids))

    @invariant()
    def a_record_never_goes_back(self) -> None:
        """For each record the states in the topic, in order, are states that it had, in their order."""
        for record_id in {f"r{n}" for n in range(6)}:
            published = [self._state(record) for record in self.topic if self._of(record) == record_id]
            history = self._history(record_id)
            place = 0
            for state in published:
                place = next((at for at in range(place, len(history)) if history[at] == state), -1)
                assert place >= 0, (record_id, published, history)

    def teardown(self) -> None:
        """When all is visible and read, the topic holds what the table holds."""
        if not hasattr(self, "flow"):
            return
        self.catch_up()
        self.publish()
        self.nothing_is_published_twice()
        self.a_record_never_goes_back()
        live: dict[bytes, Any] = {}
        for record in self.topic:
            assert record.key is not None
            live.pop(record.key, None)
            if record.value is not None:
                live[record.key] = decode(self.contract.parsed, unframe(record.value)[1])
        assert live == {
            f"{row['chu']}/{row['ma']}".encode(): {"id": row["ma"], "holder": row["chu"], "worth": row["gia"]}
            for row in self.database.visible.values()
        }

    def _of(self, record: Outgoing) -> str:
        assert record.key is not None
        return record.key.decode().partition("/")[2]

    def _state(self, record: Outgoing) -> Any:
        """Holder and worth; a tombstone is the absence under that holder."""
        assert record.key is not None
        holder = record.key.decode().partition("/")[0]
        if record.value is None:
            return (holder, None)
        return (holder, decode(self.contract.parsed, unframe(record.value)[1])["worth"])

    def _history(self, record_id: str) -> list[Any]:
        """What the table's log says of one record; leaving a holder is the absence under that holder."""
        states: list[Any] = []
        for rows in self.database.log:
            for old, new in rows or []:
                if _id((old, new)) != record_id:
                    continue
                if old and (new is None or new["chu"] != old["chu"]):
                    states.append((old["chu"], None))
                if new:
                    states.append((new["chu"], new["gia"]))
        return states


def test_any_interleaving_ends_as_the_source_without_loss_repetition_or_regress(
    contract: Contract, envelope: Envelope
) -> None:
    """Whatever the order of commits, visibility, chunks, pauses, orders, crashes: the topic ends as the table does."""
    machine = type("Bound", (Interleaving,), {"contract": contract, "envelope": envelope})
    limits = settings(max_examples=150, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck))
    run_state_machine_as_test(machine, settings=limits)
