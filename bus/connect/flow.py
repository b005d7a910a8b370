"""The core of a connector, without I/O: source events and chunks in, Kafka records and the new standing out.

After a failure the flow is thrown away and built anew from the committed standing; so what it holds is always what the
last commit said, plus what is drained into the next.
"""

from collections import deque
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Self

from bus.connect.cells import WireRow, values_of
from bus.connect.drift import Strange, Watch
from bus.connect.known import Export, Known, as_known
from bus.connect.publish import Contract, Envelope, Stamp
from bus.connect.source import (
    Chunk,
    ExportBegan,
    ExportEnded,
    Position,
    Restarted,
    Row,
    SourceChange,
    SourceEvent,
    Unreadable,
)
from bus.connect.standing import Outcome, Standing
from bus.connect.unfit import RowUnfit, original_bytes
from bus.connect.window import Window, record_id_of
from bus.model.change import Operation
from bus.model.key import RecordKey
from bus.model.record import Outgoing
from bus.telemetry import Event, emit


class Flow:
    """One connector's work between two failures.

    `known` is given for sources without old rows.
    """

    def __init__(
        self,
        envelope: Envelope,
        contracts: Mapping[str, Contract],
        standing: Standing,
        passed: Callable[[Position, Position], bool],
        known: Known | None = None,
    ) -> None:
        self._envelope = replace(envelope, epoch=standing.epoch)
        self._contracts = contracts
        self._passed = passed
        self._known = known
        self._watch: Watch | None = None
        self._window: Window | None = None
        self._out: list[Outgoing] = []
        self._gone: deque[tuple[str, RecordKey]] = deque()
        self._after_gone: Position | None = None
        self._export: Export | None = None
        self._standing = standing
        self._fresh_published = 0
        self._fresh_stream: Position | None = None

    def watched_by(self, watch: Watch) -> Self:
        """Itself, with somebody who looks at every row before anything of it is taken."""
        self._watch = watch
        return self

    # --- what the runner asks ---

    @property
    def standing(self) -> Standing:
        """Where the connector stands, what waits to be drained included.

        What every row changes is counted beside it and put into a new value only when somebody asks: a frozen value a
        row would cost as much as its Avro does.
        """
        if self._fresh_stream is not None or self._fresh_published:
            before, self._fresh_published = self._fresh_published, 0
            stream, self._fresh_stream = self._fresh_stream, None
            published = self._standing.published + before
            self._standing = replace(self._standing, published=published, stream=stream or self._standing.stream)
        return self._standing

    @standing.setter
    def standing(self, now: Standing) -> None:
        self._standing, self._fresh_published, self._fresh_stream = now, 0, None

    @property
    def wants_chunk(self) -> tuple[str, object] | None:
        """The dataset and the key after which the next chunk is to be read; None while none is due."""
        cursor = self.standing.snapshot
        if cursor is None or not cursor.waiting or self._window or self._gone:
            return None
        return cursor.waiting[0], cursor.after_key

    @property
    def wants_sweep(self) -> str | None:
        """The dataset whose records of an older epoch are to be handed to `sweep`; None while none is due."""
        cursor = self.standing.snapshot
        if cursor is None or cursor.waiting or not cursor.sweeping or self._gone:
            return None
        return cursor.sweeping[0]

    @property
    def sweeping(self) -> bool:
        """Whether tombstones wait; no event may be taken before they are drained."""
        return bool(self._gone)

    def contract(self, dataset: str) -> Contract:
        """How a dataset is published."""
        return self._contracts[dataset]

    def drain(self) -> list[Outgoing]:
        """What is to be committed together with `standing` as it is after this call."""
        if self._watch is not None and (drift := self._watch.drift()) is not self.standing.drift:
            self.standing = replace(self.standing, drift=drift)
        records, self._out = self._out, []
        return records

    # --- snapshots ---

    def begin(self, position: Position, datasets: tuple[str, ...], reason: str, *, part: object | None = None) -> None:
        """Begin a new epoch at a position of the stream; with datasets, a snapshot of them.

        A snapshot that was running begins again with it: its rows carry the old epoch and would be swept. `part` is
        where the source begins to read a range of keys; what a range did not meet is not gone. While another snapshot
        runs, a range becomes the whole.
        """
        begun = self.standing = self.standing.begun(position, datasets, part)
        self._envelope = replace(self._envelope, epoch=begun.epoch)
        self._window = None
        if (cursor := begun.snapshot) is not None:
            words = {"datasets": cursor.waiting, "reason": reason, "epoch": begun.epoch}
            emit(Event.SNAPSHOT_STARTED, connector=begun.connector, **words)

    def adopt(self, datasets: tuple[str, ...]) -> None:
        """Note which datasets the manifest has: read whole what it had not before, and not what it has no longer."""
        before, stream, cursor = self.standing.datasets, self.standing.stream, self.standing.snapshot
        self.standing = replace(self.standing, datasets=datasets, snapshot=cursor and cursor.within(datasets))
        new = tuple(one for one in datasets if one not in before)
        if before and new and stream is not None:
            self.begin(stream, new, "the manifest has more datasets than before")

    def open(self, chunk: Chunk, at_ms: int) -> None:
        """Take a chunk that was read after everything taken so far had been streamed."""
        self._window = Window(chunk, self._contracts[chunk.dataset].mapper, by_id=self._known is not None)
        if self.standing.stream is not None:
            self._close_window(self.standing.stream, at_ms)

    def interrupt(self) -> None:
        """The connection to the source was lost: the open chunk and what was gone are to be found anew."""
        self._window = self._export = self._after_gone = None
        self._gone.clear()

    def sweep(self, dataset: str, keys: list[RecordKey]) -> None:
        """The records that the finished snapshot of a dataset did not meet; drained by `sweep_some`."""
        cursor = self.standing.snapshot
        assert cursor is not None
        if (gone := cursor.gone(dataset, keys)) is None:
            emit(Event.SWEEP_HELD, connector=self.standing.connector, dataset=dataset, records=len(keys))
        self._gone.extend((dataset, key) for key in gone or ())
        if not gone:
            self._next_sweep()

    def sweep_some(self, limit: int, at_ms: int) -> None:
        """Turn up to `limit` of what a full read did not meet into tombstones."""
        for _ in range(min(limit, len(self._gone))):
            dataset, key = self._gone.popleft()
            swept = self.standing.swept + 1
            self.standing = replace(self.standing, swept=swept)
            self._publish(Stamp(dataset, f"gone.{swept}", at_ms), key, Operation.DELETED, None)
        if self._gone:
            return
        if self._after_gone is not None:
            self.standing = replace(self.standing, stream=self._after_gone)
            self._after_gone = None
        else:
            self._next_sweep()

    def _next_sweep(self) -> None:
        cursor = self.standing.snapshot
        if cursor is None:
            return
        rest = cursor.sweeping[1:]
        self.standing = replace(self.standing, snapshot=replace(cursor, sweeping=rest) if rest else None)
        if not rest:
            emit(Event.SNAPSHOT_FINISHED, connector=self.standing.connector, epoch=self.standing.epoch)

    def _close_window(self, position: Position, at_ms: int) -> None:
        window, cursor = self._window, self.standing.snapshot
        if window is None or cursor is None or not self._passed(position, window.chunk.high):
            return
        dataset, rows = window.chunk.dataset, list(window.rows())
        for row in rows:
            self._look(dataset, row)
        for number, row in enumerate(rows):
            before = self._key_before(dataset, None, row, None)  # of a source without old rows, known all the same
            self._row(Stamp(dataset, f"s{cursor.chunks}.{number}", at_ms), Operation.READ, before, row)
        self._window = None
        last, cursor = window.chunk.last_key, self.standing.snapshot or cursor
        waiting = cursor.waiting[1:] if last is None else cursor.waiting
        cursor = replace(cursor, waiting=waiting, after_key=last, chunks=cursor.chunks + 1)
        done = not waiting and not cursor.sweeping
        self.standing = replace(self.standing, snapshot=None if done else cursor)
        if done:
            emit(Event.SNAPSHOT_FINISHED, connector=self.standing.connector, epoch=self.standing.epoch)

    # --- orders ---

    def obeyed(self, offset: int, outcome: Outcome, *, paused: bool | None = None) -> None:
        """An order that lay at `offset` was taken; `paused` where it changes that."""
        standing = self.standing.with_order(outcome, offset)
        self.standing = standing if paused is None else replace(standing, paused=paused)

    def settle(self, orders_end: int) -> None:
        """Note that every order below is read, and that those are done whose snapshot is over."""
        self.standing = replace(self.standing, obeyed=orders_end).settled()

    # --- differences ---

    def freeze(self, reason: str) -> bool:
        """Stand still before a row that differs; whether that is new."""
        assert self._watch is not None
        return self._watch.freeze(reason)

    def accept(self, datasets: tuple[str, ...]) -> None:
        """Take what differs at the source for how it is to be."""
        if self._watch is not None:
            self._watch.accept(datasets)

    def news(self) -> list[Strange]:
        """What was found since the last call."""
        return [] if self._watch is None else self._watch.take_news()

    # --- the stream ---

    def take(self, event: SourceEvent, at_ms: int) -> None:
        """Take one event of the stream, in its order."""
        if isinstance(event, SourceChange):
            if not self._pass_on(event, at_ms):
                self._change(event._replace(new=values_of(event.new)), at_ms)
        else:
            self._other(event, at_ms)
        if self._after_gone is not None:
            return
        if not self._told_again(event.position):
            self._fresh_stream = event.position
        if self._window is not None:
            self._close_window(event.position, at_ms)

    def _other(self, event: SourceEvent, at_ms: int) -> None:
        match event:
            case Unreadable():
                self._unreadable(event, at_ms)
            case ExportBegan():
                self._export = Export(event.dataset)
            case ExportEnded():
                self._end_export(event)
            case Restarted():
                self.begin(event.position, event.datasets, event.reason)

    def _told_again(self, position: Position) -> bool:
        """Whether a full export that was interrupted is told again, up to where it had come."""
        stream = self.standing.stream
        return self._export is not None and stream is not None and self._passed(stream, position)

    def _unreadable(self, event: Unreadable, at_ms: int) -> None:
        if self._export is not None:
            self._export.unkeyed += 1
        if not self._told_again(event.position):
            self._dead(Stamp(event.dataset, event.change_id, at_ms), None, event.original, event.reason)

    def _look(self, dataset: str, row: Row) -> None:
        """Raises Frozen, before anything of the row is taken."""
        if self._watch is not None:
            self._watch.meet(dataset, row, learning=self._learning)

    @property
    def _learning(self) -> bool:
        """Whether rows are being read whole, and so show how they are to be."""
        return self._standing.snapshot is not None or self._export is not None

    def _pass_on(self, change: SourceChange, at_ms: int) -> bool:
        """Publish a row without making values of it; False where something about it must be looked at."""
        dataset, operation, old, new, change_id, *_ = change
        if self._window is not None or self._known is not None:
            return False
        if (found := self._contracts[dataset].straight(old, new)) is None:
            return False
        whose, key, value, nulls = found
        if isinstance(new, WireRow) and self._watch is not None:
            self._watch.glance(dataset, new, nulls, learning=self._learning)
        self._out.append(self._envelope.encoded(Stamp(dataset, change_id, at_ms), whose, key, operation, value))
        self._fresh_published += 1
        return True

    def _change(self, change: SourceChange, at_ms: int) -> None:
        if change.record_id is not None:
            change = change._replace(record_id=self._contracts[change.dataset].mapper.id_of(change.record_id))
        if change.new is not None:
            self._look(change.dataset, change.new)
        if self._window:
            self._window.overtake(change)
        if self._export is not None and change.new is not None:
            self._export.meet(self._contracts[change.dataset].mapper, change.new)
            if self._told_again(change.position):
                return
        stamp = Stamp(change.dataset, change.change_id, at_ms)
        before = self._key_before(change.dataset, change.old, change.new, change.record_id)
        if change.new is not None:
            self._row(stamp, change.operation, before, change.new)
        elif before is not None:
            self._publish(stamp, before, Operation.DELETED, None)
        elif change.old is not None and self._lost(change.dataset, change.old):
            self._dead(stamp, None, original_bytes(change.old), "a deleted row without a readable key")

    def _lost(self, dataset: str, old: Row) -> bool:
        """Whether nobody can tell which record a deleted row was."""
        named = self._known is not None and record_id_of(self._contracts[dataset].mapper, old) is not None
        return not named and not self._secret(dataset, old)

    def _row(self, stamp: Stamp, operation: Operation, before: RecordKey | None, row: Row) -> None:
        """Publish a row under its key; what lies under another key from before is erased in the same transaction."""
        contract = self._contracts[stamp.dataset or ""]
        if self._secret(contract.mapper.dataset.name, row):
            self._refuse(stamp, before)
            return
        key = None
        try:
            key = contract.mapper.key(row)
            if before != key:
                self._leave(stamp, before)
            value = contract.value(row)
        except RowUnfit as error:
            if key is None and self._known is None:  # once the row is mended, nobody could tell what it was before
                self._leave(stamp, before)
            self._dead(stamp, key or before, original_bytes(row), str(error))
            return
        if self._known is not None:
            if self._known.same(contract.mapper.dataset.name, key, value):
                return
            operation = as_known(operation, before)
        self._publish(stamp, key, operation, value)

    def _key_before(self, dataset: str, old: Row | None, new: Row | None, named: str | None) -> RecordKey | None:
        """Under which key the record lay before the change, None when it was not published."""
        mapper = self._contracts[dataset].mapper
        try:
            if self._known is None:
                return None if old is None or self._secret(dataset, old) else mapper.key(old)
            row = old if new is None else new
            record_id = named if row is None else mapper.record_id(row)
            return self._known.key(dataset, record_id) if record_id else None
        except RowUnfit:
            return None

    def _end_export(self, event: ExportEnded) -> None:
        """What is published and was not met gets its tombstones, unless the export cannot be trusted that far."""
        export, self._export = self._export, None
        assert export is not None
        assert self._known is not None
        gone = self._known.missing(event.dataset, export.met)
        if gone and (export.unkeyed or self._known.too_many(event, len(gone), met=bool(export.met))):
            emit(Event.SWEEP_HELD, connector=self.standing.connector, dataset=event.dataset, records=len(gone))
            return
        self._gone.extend((event.dataset, key) for key in gone)
        self._after_gone = event.position if gone else None

    # --- what comes out ---

    def _leave(self, stamp: Stamp, before: RecordKey | None) -> None:
        """A record is under its former key no more."""
        if before is not None:
            self._publish(stamp._replace(change_id=f"{stamp.change_id}.moved"), before, Operation.DELETED, None)

    def _publish(self, stamp: Stamp, key: RecordKey, operation: Operation, value: bytes | None) -> None:
        self._out.append(self._envelope.change(stamp, key, operation, value))
        self._fresh_published += 1
        if self._known is not None and stamp.dataset:
            self._known.put(stamp.dataset, key, value)

    def _dead(self, stamp: Stamp, key: RecordKey | None, original: bytes, reason: str) -> None:
        self._out.append(self._envelope.dead(stamp, key, original, reason))
        cursor = self.standing.snapshot and self.standing.snapshot.with_unfit(stamp.dataset, key)
        self.standing = replace(self.standing, dead=self.standing.dead + 1, snapshot=cursor)
        emit(Event.ROW_DEAD, connector=self.standing.connector, dataset=stamp.dataset, reason=reason)

    def _secret(self, dataset: str, row: Row) -> bool:
        rule = self._contracts[dataset].mapper.secret
        return rule is not None and rule.covers(row)

    def _refuse(self, stamp: Stamp, before: RecordKey | None) -> None:
        """A state secret: nothing of it goes out, and what was published before it became one is erased."""
        if before is not None:
            self._publish(stamp, before, Operation.DELETED, None)
        self.standing = replace(self.standing, refused=self.standing.refused + 1)
        emit(Event.SECRET_REFUSED, connector=self.standing.connector, dataset=stamp.dataset)
