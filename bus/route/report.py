"""What a router tells of its lanes: reports in `status`, and the group's offsets for ordinary lag tools.

Told from outside the transactions, about once a second: it costs them nothing, and says only what is committed.
"""

import asyncio
from collections import Counter, deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol, TypeVar

from bus import clock
from bus.avro.own import Message, OwnMessages
from bus.errors import BusError
from bus.kafka.log import KafkaError, LogWriter, Place
from bus.kafka.unended import Unended
from bus.model.reasons import Reason
from bus.model.record import Incoming, Outgoing
from bus.model.waits import OF_A_START, Wait
from bus.route.batch import Outcome
from bus.route.state import Position
from bus.route.waits import HeldLog, WaitLog, long_wait
from bus.telemetry import Event, emit, told_of
from bus.telemetry.loop import LoopWatch
from bus.topics import Topics

T = TypeVar("T")

LAST_WORDS_SECONDS = 0.5
"""How long a process that ends waits for a broker to take that its lanes were given up."""

PERIOD_SECONDS = 1.0
HEARTBEAT_SECONDS = 10.0
"""A lane of which there is nothing new to tell is told of again after this long."""

NO_NEWS = {"loop_max_ms"}
"""Changes all the time, and says nothing of a lane."""


TIMES_KEPT = 500
"""Transactions of which the durations are told."""


@dataclass(slots=True)
class LaneReport:
    """What a lane has done since this process serves it. `latency_ms`: from a change's publishing to its commit."""

    lane: int
    started_ms: int = 0
    restarts: int = 0
    fences: int = 0
    transactions: int = 0
    released: int = 0
    erased: int = 0
    dead_letters: int = 0
    withheld: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    transaction_ms: float | None = None
    latency_ms: int | None = None
    times_ms: deque[float] = field(default_factory=lambda: deque(maxlen=TIMES_KEPT))
    passed: dict[str, int] = field(default_factory=dict)
    """How far the lane was said to be, by dataset."""
    waiting: tuple[Wait, float] | None = None
    """What it waits for at the broker now, and since when by the monotonic clock."""

    async def at_broker(self, wait: Wait, step: Awaitable[T]) -> T:
        """Take a step that waits for the broker."""
        self.waiting = (wait, clock.monotonic())
        try:
            return await step
        finally:
            self.waiting = None

    def sent(self, then: Callable[[T], object]) -> Callable[[T], object]:
        """`then`, with a note that the records of the transaction are taken and only its end is waited for."""

        def noted(written: T) -> object:
            if self.waiting is not None:
                self.waiting = (Wait.END, self.waiting[1])
            return then(written)

        return noted

    def again(self, now_ms: int, *, fenced: bool) -> "LaneReport":
        """The report of the lane after a failure: it counts from there on, but for the failures themselves."""
        return LaneReport(self.lane, now_ms, restarts=self.restarts + 1, fences=self.fences + fenced)

    def count(self, outcome: Outcome) -> None:
        """Add a transaction that was committed."""
        self.transactions += 1
        self.released += sum(delivery.value is not None for delivery in outcome.deliveries)
        self.erased += sum(delivery.value is None for delivery in outcome.deliveries)
        self.withheld.update(outcome.withheld)
        self.dead_letters += len(outcome.dead)

    def measure(self, began: float, changes: Sequence[Incoming]) -> None:
        """How long the commit took that began then, by the monotonic clock, and how old its oldest change was."""
        self.transaction_ms = (clock.monotonic() - began) * 1000
        self.times_ms.append(self.transaction_ms)
        if changes:
            self.latency_ms = max(0, clock.now_ms() - min(record.timestamp_ms for record in changes))

    def onward(self, progress: "Progress") -> "Progress":
        """The same, but nowhere behind what was told before.

        A lane that looks around cannot say whether the markers behind its position are all there is; one at rest had.
        """
        self.passed = {name: max(offset, self.passed.get(name, 0)) for name, offset in progress.inputs.items()}
        return replace(progress, inputs=self.passed)

    def time_ms(self, share: float) -> float | None:
        """Below this lie so many of the last transactions; None before the first."""
        ordered = sorted(self.times_ms)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else None


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a lane stands; `inputs` counts transaction markers as passed when nothing waits behind them."""

    position: Position
    inputs: Mapping[str, int]
    oldest_waiting_ms: int | None
    catching_up: tuple[str, ...]
    held_back: Mapping[Place, Unended] = field(default_factory=dict)
    """Inputs in which somebody's transaction has not been ended for too long."""


NOWHERE = Progress(Position(), {}, None, ())


class Reported(Protocol):
    """A lane, as far as reports go."""

    report: LaneReport

    @property
    def loaded(self) -> int:
        """Records read back since its start."""
        ...

    @property
    def held_back(self) -> Mapping[Place, Unended]:
        """See `Progress`."""
        ...

    def progress(self) -> Progress | None:
        """Where it stands; None before it serves."""
        ...


class Reporter:
    """Tells of the lanes of one process until stopped."""

    def __init__(
        self, writer: LogWriter, teller: "Teller", *, commit: Callable[[Mapping[Place, int]], Awaitable[None]]
    ) -> None:
        self._writer = writer
        self._teller = teller
        self._commit = commit
        self._told: dict[int, tuple[Message, int]] = {}
        self._waits, self._held = WaitLog(), HeldLog()
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self, lanes: Callable[[], Sequence[Reported]]) -> None:
        """Connect, and tell of these lanes from now on."""
        await self._writer.start()
        self._tasks = [
            asyncio.create_task(self._run(lanes), name="report"),
            asyncio.create_task(self._look(lanes), name="waits"),  # it must not wait for the broker itself
        ]

    async def stop(self) -> None:
        """Say of every lane that it was given up, and close the connection."""
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        try:
            async with asyncio.timeout(LAST_WORDS_SECONDS):
                await self._tell(())
        except (KafkaError, BusError, TimeoutError) as error:
            emit(Event.REPORT_FAILED, reason=told_of(error))
        await self._writer.stop()

    async def _run(self, lanes: Callable[[], Sequence[Reported]]) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            try:
                await self._tell(lanes())
            except (KafkaError, BusError) as error:
                emit(Event.REPORT_FAILED, reason=told_of(error))

    async def _look(self, lanes: Callable[[], Sequence[Reported]]) -> None:
        while True:
            await asyncio.sleep(PERIOD_SECONDS)
            self._waits.look(lane.report for lane in lanes())
            self._held.look({lane.report.lane: lane.held_back for lane in lanes()})

    async def _tell(self, lanes: Sequence[Reported]) -> None:
        now_ms = clock.now_ms()
        found = [(lane.report, progress) for lane in lanes if (progress := lane.progress()) is not None]
        standing = [(report, report.onward(progress)) for report, progress in found]
        messages = {report.lane: self._teller.message(report, progress) for report, progress in standing}
        messages |= {lane.report.lane: self._starting(lane) for lane in lanes if lane.report.lane not in messages}
        gone = {lane: told | {"stopped": True} for lane, (told, _) in self._told.items() if lane not in messages}
        news = {lane: message for lane, message in messages.items() if self._is_news(lane, message, now_ms)}
        await self._writer.append_all(self._teller.record(message, now_ms) for message in (news | gone).values())
        self._told = {lane: told for lane, told in self._told.items() if lane not in gone}
        self._told |= {lane: (message, now_ms) for lane, message in news.items()}
        await self._commit(self._teller.offsets(standing))

    def _starting(self, lane: Reported) -> Message:
        """Of a lane that does not serve yet: where it stood is told by who served it last, this process or another."""
        new = self._teller.message(lane.report, NOWHERE) | {"read_back": lane.loaded}
        told, _ = self._told.get(lane.report.lane, (new, 0))
        return told | {name: new[name] for name in OF_A_START}

    def _is_news(self, lane: int, message: Message, now_ms: int) -> bool:
        told, at_ms = self._told.get(lane, ({}, 0))
        changed = {name for name, value in message.items() if told.get(name) != value} - NO_NEWS
        return bool(changed) or now_ms - at_ms >= HEARTBEAT_SECONDS * 1000


@dataclass(frozen=True, slots=True)
class Teller:
    """Puts into words for operators how the lanes of one process fare."""

    topics: Topics
    messages: OwnMessages
    instance: str
    loop: LoopWatch

    def message(self, report: LaneReport, progress: Progress) -> Message:
        """A lane's report as `status` keeps it; `at` is put in when it is written."""
        return report_message(report, progress, self.instance) | {"loop_max_ms": self.loop.longest_ms()}

    def record(self, message: Message, now_ms: int) -> Outgoing:
        """The report, ready to be written."""
        value = self.messages.encode("lane_report", message | {"at": now_ms})
        return Outgoing(self.topics.status, 0, f"lane/{message['lane']}".encode(), value)

    def offsets(self, standing: Sequence[tuple[LaneReport, Progress]]) -> dict[Place, int]:
        """Where the lanes stand, in the words of a consumer group."""
        offsets: dict[Place, int] = {}
        for report, progress in standing:
            offsets[Place(self.topics.consents, report.lane)] = progress.position.consents_offset
            for dataset, offset in progress.inputs.items():
                offsets[Place(self.topics.changes(dataset), report.lane)] = offset
        return offsets


def report_message(report: LaneReport, progress: Progress, instance: str) -> Message:
    """A lane's report but for what its process adds."""
    position = progress.position
    return {
        "lane": report.lane,
        "instance": instance,
        "started_at": report.started_ms,
        "lane_time": position.lane_time_ms,
        "block": position.block,
        "consents_offset": position.consents_offset,
        "register_offset": position.register_offset,
        "commands_offset": position.commands_offset,
        "inputs": dict(progress.inputs),
        "oldest_waiting": progress.oldest_waiting_ms,
        "catching_up": list(progress.catching_up),
        "transaction_ms": report.transaction_ms,
        "transaction_p50_ms": report.time_ms(0.5),
        "transaction_p99_ms": report.time_ms(0.99),
        "latency_ms": report.latency_ms,
        "transactions": report.transactions,
        "released": report.released,
        "erased": report.erased,
        "withheld": report.withheld.total(),
        "dead_letters": report.dead_letters,
        "restarts": report.restarts,
        "fences": report.fences,
        "read_back": None,
        "held_back": [_held_back_message(place, one) for place, one in progress.held_back.items()],
        "stopped": False,
        **waiting_message(report),
    }


def _held_back_message(place: Place, one: Unended) -> Message:
    where = {"topic": place.topic, "partition": place.partition}
    return where | {"since": one.since_ms, "stable_offset": one.stable, "end_offset": one.end}


def waiting_message(report: LaneReport) -> Message:
    """What a lane's report says of a wait for the broker, once that has lasted; `waiting_since` keeps to whole seconds.

    The clock is read anew each time, and a difference of a millisecond would be news.
    """
    long = long_wait(report)
    if long is None:
        return {"waiting_for": None, "waiting_since": None}
    return {"waiting_for": long[0].value, "waiting_since": round((clock.now_ms() - long[1] * 1000) / 1000) * 1000}
