"""The shell of a lane: fence, read back, serve. It moves bytes; what they mean is decided in the core."""

import asyncio
import contextlib
from collections.abc import Mapping, Sequence
from dataclasses import replace
from itertools import chain

from bus import clock
from bus.consent.messages import pair_of
from bus.errors import RecordRefused, StateOutdated, StoreBroken
from bus.kafka.log import Place
from bus.kafka.pump import Pump
from bus.kafka.rights import router_group
from bus.kafka.transactions import TransactionalWriter
from bus.kafka.unended import Unended
from bus.model.record import Incoming, Outgoing
from bus.model.waits import Wait
from bus.route.batch import Inputs, Outcome
from bus.route.intake import Intake, Taken
from bus.route.lane import LaneCore
from bus.route.load import Loader
from bus.route.outputs import Writer
from bus.route.parts import Parts
from bus.route.report import LaneReport, Progress
from bus.route.rules import Rules
from bus.route.share import Pace
from bus.route.state import LaneState
from bus.route.store.memory import MemoryState
from bus.route.store.resume import resume, take_shelf
from bus.route.store.shelf import Shelf
from bus.route.waits import long_unended
from bus.telemetry import Event, emit

CONSENTS_AT_ONCE = 500
"""Consent events of one transaction at the most; a batch of changes is only judged when none wait."""

CONSENTS_KNOWN = 5000
"""Consent events that wait and are known all the same: none of them releases what a later one withdraws."""

LOOKED_AT_ONCE = 2000
"""Held records that are looked for without a pause, when a lane has started."""

LARGE_SECONDS = 0.005
"""Work after which a lane lets others have their turn. A smaller batch goes on: its records leave the sooner."""

NONSENSE = (StoreBroken, IndexError, KeyError, TypeError, ValueError)
"""What may come of a store whose bytes are not what was put there: it is not used again."""

IDLE_SECONDS = 5.0
"""A lane with nothing to do looks again after this long even if nothing woke it."""

SETTLE_SECONDS = 0.2
"""After this long without work a lane writes to its store what waits in memory."""


class Lane:
    """One lane, served by this process from `start` until `stop` is set."""

    def __init__(self, lane: int, parts: Parts, report: LaneReport | None = None) -> None:
        self.report = report or LaneReport(lane, started_ms=clock.now_ms())
        self.serving, self.stopping = asyncio.Event(), asyncio.Event()
        self._lane = lane
        self._parts = parts
        self._core = LaneCore(lane, parts.keyring, parts.schemas.decode)
        self._writer_of_records = Writer(lane, parts.topics, parts.keyring, parts.messages)
        self._wake = asyncio.Event()
        self._loader = Loader(parts.access, parts.topics, lane, parts.messages, parts.identities)
        self._register_place = Place(parts.topics.register, 0)
        self._consents_place = Place(parts.topics.consents, lane)
        self._pace = Pace(parts.settings.batch_records, parts.settings.batch_ms / 1000)
        self._state_place = Place(parts.topics.lane_state, lane)
        self._batch_limit = parts.settings.batch_records
        self._refused: set[tuple[str, int]] = set()
        self._cut: set[tuple[str, int]] = set()
        self._transactions = self._new_transactions()
        self._state: LaneState = MemoryState()
        self._shelf: Shelf | None = None
        self._unlooked: list[tuple[str, bytes]] = []
        self._ends_at_start: dict[Place, int] = {}
        self._read_to: int | None = None
        self._rules = Rules()
        self._compiled_from = -1
        self._changes: Pump | None = None
        self._resting, self._ending, self._aborted = False, False, 0
        self._seconds_each = 0.0
        self._ahead: asyncio.Task[Taken | None] | None = None
        self._more: list[Incoming] = []
        self._intake = Intake(lane, parts)

    def stop(self) -> None:
        """Ask the lane to finish its transaction and end."""
        self.stopping.set()
        self._wake.set()

    def again(self, *, fenced: bool) -> "Lane":
        """The lane anew after a failure: nothing is taken over but what operators count."""
        return Lane(self._lane, self._parts, self.report.again(clock.now_ms(), fenced=fenced))

    @property
    def loaded(self) -> int:
        """Records read back since its start."""
        return self._loader.loaded

    @property
    def topics(self) -> Mapping[str, str]:
        """The ids of the topics that it reads, as its position has them."""
        return self._state.position.topics

    @property
    def held_back(self) -> dict[Place, Unended]:
        """Inputs in which somebody's transaction has not been ended for too long."""
        return {} if self._changes is None else long_unended(self._changes.unended())

    def progress(self) -> Progress | None:
        """Where the lane stands now, for operators; None before it serves."""
        if self._changes is None or not self.serving.is_set():
            return None
        inputs = dict(self._state.position.inputs)
        if self._resting and not len(self._changes):  # then what was fetched beyond the position holds no record
            inputs |= {dataset: self._changes.reached(place) for dataset, place in self._input_places().items()}
        first = next(chain(self._more, self._changes.waiting()), None)
        return Progress(
            position=self._state.position,
            inputs=inputs,
            oldest_waiting_ms=None if first is None else first.timestamp_ms,
            catching_up=tuple(self._core.behind(self._state, self._rules, self._state.position.lane_time_ms)),
            held_back=self.held_back,
        )

    def wake(self) -> None:
        """Let the lane look for news now."""
        self._wake.set()

    async def run(self) -> None:
        """Fence, read back, serve until stopped. Raises what ended it; then start a new Lane."""
        consents = Pump(self._parts.access, self._wake, committed=False, limit=CONSENTS_KNOWN)
        changes = Pump(self._parts.access, self._wake, committed=True, eager=False)
        good = True
        try:
            await self.report.at_broker(Wait.START, self._transactions.start())  # what is read from here on is final
            await self._read_back()
            await consents.start({self._consents_place: self._state.position.consents_offset})
            await changes.start(self._change_places())
            self._changes = changes
            emit(Event.LANE_STARTED, lane=self._lane, block=self._state.position.block)
            self.serving.set()
            await self._serve(consents, changes)
            emit(Event.LANE_STOPPED, lane=self._lane, block=self._state.position.block)
        except NONSENSE:
            good = False
            raise
        finally:
            self._parts.share.forget(self._lane)
            if self._ahead is not None:
                self._ahead.cancel()
                await asyncio.gather(self._ahead, return_exceptions=True)
            if self._shelf is not None:
                await asyncio.to_thread(self._shelf.put_back, good=good, synced=self.stopping.is_set())
            await asyncio.gather(self._transactions.stop(), consents.stop(), changes.stop(), return_exceptions=True)

    async def _read_back(self) -> None:
        parts, lane, now_ms = self._parts, self._lane, clock.now_ms()
        await self._newest_rules((await parts.ends.ends([self._register_place]))[self._register_place])
        self._shelf = await take_shelf(parts.stores, f"{parts.register.state.bus}/{parts.topics.prefix}", lane)
        trusted = range(now_ms - parts.settings.store_trusted_seconds * 1000, now_ms + 1)
        state = await resume(self._shelf, self._loader, self._rules.has_subject, parts.schemas, trusted)
        self._state = state
        await self._identify()
        self._aborted, self._read_to = int(self._loader.left_open), self._loader.end
        if (gone := self._loader.first_order - state.position.commands_offset) > 0:
            emit(Event.COMMANDS_GONE, lane=lane, orders=gone)
        if not state.caught_up_ms:
            self._unlooked = [(dataset, b"") for dataset in self._rules.has_subject]
        self._ends_at_start = await self._parts.ends.ends(self._change_places())

    async def _serve(self, consents: Pump, changes: Pump) -> None:
        def ahead(written: Mapping[Place, int]) -> None:
            """The next records and what they are judged by: asked for while the end of a transaction is on its way."""
            self._require_newest(written.get(self._state_place), records)
            self._ahead = asyncio.create_task(self._take(consents, changes))

        while not self.stopping.is_set():
            taken = await (self._ahead or self._take(consents, changes))
            self._ahead, self._more = None, []
            if taken is None:
                if not self._unlooked:
                    await self._rest(changes)
                continue
            if changes.places != self._change_places().keys():
                await self._identify()
                changes.assign(self._change_places())
            inputs = await self._intake.inputs(taken, self._rules.has_subject, self._refused)
            inputs = replace(inputs, existing_limit=self._batch_limit, gone=await self._gone(taken, changes))
            outcome, records = await self._drafted(inputs)
            began = clock.monotonic()
            self._ending = True
            try:
                commit = self._transactions.commit(records, self.report.sent(ahead))
                written = await self.report.at_broker(Wait.RECORDS, commit)
            except RecordRefused as refused:
                await self._try_smaller(refused, taken, consents, changes)
                continue
            finally:
                self._ending = False
                changes.content()
                self._end_turn(outcome)
            if not records:
                await self._rest(changes)
                continue
            self._applied(outcome, written.get(self._state_place))
            self._note_caught_up(changes)
            self.report.measure(began, taken.changes)
            self._batch_limit = self._pace.limit()

    def _require_newest(self, last: int | None, records: Sequence[Outgoing]) -> None:
        """What a lane writes first must follow what it has read, or that was not all. Raises StateOutdated.

        A broker that hung while another one took its place tells old ends for a moment; but it can take nothing.
        """
        end, self._read_to = self._read_to, None
        if last is not None and end is not None:
            missing = last + 1 - sum(record.topic == self._state_place.topic for record in records) - end
            if missing:
                raise StateOutdated(lane=self._lane, missing=missing)

    async def _drafted(self, inputs: Inputs) -> tuple[Outcome, list[Outgoing]]:
        """A transaction and its records; none when there is nothing to write."""
        granted, began = self._parts.share.granted(self._lane), clock.worked()
        outcome = self._core.draft(self._state, self._rules, replace(inputs, catch_up_limit=granted), clock.now_ms())
        drafted = clock.worked()
        if drafted - began > LARGE_SECONDS:
            await asyncio.sleep(0)  # it is followed by as large a writing: others have their turn in between
        writing = clock.worked()
        records = self._records(outcome) if outcome.worth_writing(self._state.position) else []
        worked, judged = drafted - began + clock.worked() - writing, len(inputs.changes) + outcome.caught_up
        self._seconds_each = worked / max(1, judged)
        self._pace.judged(judged, worked)
        return outcome, records

    def _end_turn(self, outcome: Outcome) -> None:
        """What was judged anew beside live changes is committed, or has failed: give others their turn."""
        share = self._parts.share
        if share.granted(self._lane):
            share.done(self._lane, records=outcome.caught_up, seconds=outcome.caught_up * self._seconds_each)
        if outcome.lagging:
            share.ask(self._lane, self._wake.set)

    def _passed_start(self, changes: Pump) -> bool:
        """Whether everything is read that was there at the start."""
        return all(changes.reached(place) >= end for place, end in self._ends_at_start.items())

    def _note_caught_up(self, changes: Pump) -> None:
        if not self._unlooked and not self._more and not len(changes) and self._passed_start(changes):
            self._state.caught_up(clock.now_ms())

    async def _gone(self, taken: Taken, changes: Pump) -> list[tuple[str, bytes]]:
        """Copies of records that were deleted while no lane read, and whose tombstones are compacted away by now.

        Looked for once, when everything is read that was there at the start.
        """
        waits = taken.changes or len(changes) or taken.later_consents is not None
        if waits or not self._passed_start(changes):
            return []
        while self._unlooked:
            dataset, after = self._unlooked.pop()
            found, then = self._core.gone(self._state, self._rules, dataset, after, LOOKED_AT_ONCE)
            if then is not None:
                self._unlooked.append((dataset, then))
            if found:
                return found
            await asyncio.sleep(0)
        return []

    async def _try_smaller(self, refused: RecordRefused, taken: Taken, consents: Pump, changes: Pump) -> None:
        """Nothing was committed: halve the batch until the record that the broker refuses stands alone, then bury it.

        Where even the dead letter is refused, its beginning is buried. Raises what it is given when there is no change
        to blame, or when that was refused too: the lane then stands, for a record is never dropped.
        """
        alone = {(record.topic, record.offset) for record in taken.changes} if len(taken.changes) == 1 else set()
        if not taken.changes or alone & self._cut:
            raise refused
        self._aborted += 1
        self._read_to = None  # of what was aborted something may lie there
        consents.put_back(taken.consents)
        changes.put_back(taken.changes)
        self._cut |= alone & self._refused
        self._refused |= alone
        self._batch_limit = max(1, len(taken.changes) // 2)
        await self._transactions.stop()  # its sequence has a gap
        self._transactions = self._new_transactions()
        await self._transactions.start()

    def _new_transactions(self) -> TransactionalWriter:
        return TransactionalWriter(
            self._parts.access,
            f"{router_group(self._parts.topics)}-{self._lane}",
            timeout_ms=self._parts.settings.transaction_timeout_ms,
        )

    async def _newest_rules(self, end: int) -> None:
        """The rules as of the facts below `end`, or of newer ones."""
        state = self._parts.register.state
        if state.offset < end:
            state = await self._parts.register.newest()
        if state.offset != self._compiled_from:
            self._rules = self._parts.book.compile(state)
            self._compiled_from = state.offset

    def _change_places(self) -> dict[Place, int]:
        """What is read besides consents: the changes of each dataset, and operators' commands."""
        position = self._state.position
        changes = {place: position.inputs.get(dataset, 0) for dataset, place in self._input_places().items()}
        orders = max(position.commands_offset, self._loader.first_order)
        return changes | {Place(self._parts.topics.commands, self._lane): orders}

    async def _identify(self) -> None:
        """Let the position say of which topics its offsets are."""
        places = (*self._change_places(), self._consents_place, self._register_place)
        topics = await self._parts.identities.learn(place.topic for place in places)
        self._state.position = replace(self._state.position, topics={**topics, **self._state.position.topics})

    def _input_places(self) -> dict[str, Place]:
        return {dataset: Place(self._parts.topics.changes(dataset), self._lane) for dataset in self._rules.has_subject}

    async def _take(self, consents: Pump, changes: Pump) -> Taken | None:
        """Changes, and then the rules and consents up to their ends as of now: none is judged by older ones.

        None where nothing came while a transaction ended: what else there may be to do wakes who rests.
        """
        if self._ending:
            await changes.news(self._batch_limit)
            if not len(changes) and not len(consents):
                return None
        self._wake.clear()
        self._more = changes_taken = changes.take(self._batch_limit)
        if not (ends := changes.told()):
            ends = await self._parts.ends.ends((self._register_place, self._consents_place))
            changes.watch(ends)
        await self._newest_rules(ends[self._register_place])
        await consents.until(self._consents_place, ends[self._consents_place])
        events = consents.take(CONSENTS_AT_ONCE)
        about = (pair_of(record.key) for record in events)
        fit = self._core.fitting(self._state, self._rules, about, self._batch_limit)
        consents.put_back(events[fit:])
        events = events[:fit]
        pairs = {record.key for record in events}
        later = [record for record in consents.waiting() if record.key in pairs]
        if len(consents):
            changes.put_back(changes_taken)
            changes_taken = []
        offset = events[-1].offset + 1 if events else consents.reached(self._consents_place)
        return Taken(events, changes_taken, offset, later if len(consents) else None)

    def _records(self, outcome: Outcome) -> list[Outgoing]:
        withheld = [
            {"agreement": agreement, "reason": reason.value, "count": count}
            for (agreement, reason), count in outcome.withheld.items()
        ]
        writer = self._writer_of_records
        dead = [
            writer.dead_letter(one.record, one.reason, cut=(one.record.topic, one.record.offset) in self._cut)
            for one in outcome.dead
        ]
        done = [writer.completion(one, outcome.draft.position) for one in outcome.completions]
        return writer.records(outcome.draft, outcome.deliveries, withheld, [*dead, *done], aborted=self._aborted)

    def _applied(self, outcome: Outcome, stood_at: int | None) -> None:
        self._aborted = 0  # it stands in the block of this transaction
        self._state.apply(outcome.draft, stood_at)
        self.report.count(outcome)
        for letter in outcome.dead:
            where = {"topic": letter.record.topic, "offset": letter.record.offset}
            emit(Event.RECORD_DEAD, lane=self._lane, **where, reason=letter.reason)
        for done in outcome.completions:
            emit(Event.COMMAND_DONE, lane=self._lane, command=done.command.command_id, outcome=done.ending.value)

    async def _rest(self, changes: Pump) -> None:
        """Until something arrives or falls due."""
        self._note_caught_up(changes)
        changes.more()
        due = self._core.wake_at_ms(self._state, self._rules)
        seconds = IDLE_SECONDS if due is None else min(IDLE_SECONDS, max(0.0, (due - clock.now_ms()) / 1000))
        self._resting = True
        try:
            if seconds > SETTLE_SECONDS and not await self._woken(SETTLE_SECONDS):
                self._state.settle()
            await self._woken(seconds)
        finally:
            self._resting = False

    async def _woken(self, seconds: float) -> bool:
        """Whether something arrived within so many seconds."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                return await self._wake.wait()
        return False
