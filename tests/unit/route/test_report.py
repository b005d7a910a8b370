"""What a router tells of its lanes."""

import asyncio
import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest
from structlog.testing import capture_logs

from bus.kafka.log import LogWriter, Place
from bus.kafka.unended import Unended
from bus.model.record import Outgoing
from bus.model.waits import MEND_HELD_BACK, MEND_WAIT, Wait
from bus.route.batch import Unreadable
from bus.route.report import LaneReport, Progress, Reporter, Teller, waiting_message
from bus.route.state import Position
from bus.route.waits import HeldLog, WaitLog, long_unended
from bus.telemetry.loop import LoopWatch
from tests.unit.route.lanes import PERSON, Nutshell, rule, rules, value
from tests.unit.route.model.running import TOPICS, messages


class Told:
    """In place of `status` and of the group: keeps what was written and committed."""

    def __init__(self) -> None:
        self.records: list[Outgoing] = []
        self.offsets: list[int] = []

    async def append_all(self, records: Iterable[Outgoing]) -> None:
        """Keep them."""
        self.records += records

    async def commit(self, offsets: Mapping[Place, int]) -> None:
        """Keep where the first lane stands in the one dataset."""
        self.offsets.append(offsets[Place(TOPICS.changes(PERSON), 0)])


@dataclass
class OneLane:
    """A lane that stands where it is put."""

    inputs: dict[str, int]
    report: LaneReport = field(default_factory=lambda: LaneReport(0))
    beginning: bool = False
    loaded: int = 0
    unended: dict[Place, Unended] = field(default_factory=dict)

    @property
    def held_back(self) -> dict[Place, Unended]:
        """See `Lane`."""
        return long_unended(self.unended)

    def progress(self) -> Progress | None:
        """See `Lane`."""
        if self.beginning:
            return None
        return Progress(Position(inputs=self.inputs), self.inputs, None, (), self.held_back)


@pytest.fixture
def teller() -> Teller:
    """Made outside of the test's loop."""
    return Teller(TOPICS, messages(), "route", LoopWatch())


async def test_a_lane_never_goes_back(teller: Teller) -> None:
    """A lane that had passed a marker at rest is not told as behind it when it only looks around, nor is there news."""
    told, lane = Told(), OneLane({PERSON: 7})
    reporter = Reporter(cast("LogWriter", told), teller, commit=told.commit)
    for offset in (7, 6, 9, 8):
        lane.inputs = {PERSON: offset}
        await reporter._tell([lane])
    assert told.offsets == [7, 7, 9, 9]
    assert len(told.records) == 2


@pytest.fixture
def clocked(monkeypatch: pytest.MonkeyPatch) -> Callable[[float], None]:
    """Lets so many seconds pass."""
    now = [1000.0]

    def passes(seconds: float) -> None:
        now[0] += seconds

    monkeypatch.setattr("bus.clock.monotonic", lambda: now[0])
    monkeypatch.setattr("bus.clock.now_ms", lambda: int(now[0] * 1000))
    return passes


async def waiting(lane: OneLane, wait: Wait, ended: asyncio.Event, sent: asyncio.Event | None = None) -> None:
    """A step of a lane that lasts until it is ended; its records are taken when `sent` is set."""

    async def step() -> None:
        if sent is not None:
            await sent.wait()
            lane.report.sent(lambda _: None)(None)
        await ended.wait()

    await lane.report.at_broker(wait, step())


async def test_a_long_wait_is_told(teller: Teller, clocked: Callable[[float], None]) -> None:
    """A commit that does not come to its end is in the log once and in each report, with its step; so is its end."""
    told, lane, log = Told(), OneLane({PERSON: 7}), WaitLog()
    reporter = Reporter(cast("LogWriter", told), teller, commit=told.commit)
    ended, sent = asyncio.Event(), asyncio.Event()
    with capture_logs() as lines:
        task = asyncio.create_task(waiting(lane, Wait.RECORDS, ended, sent))
        await asyncio.sleep(0)
        for seconds in (0, 4, 2, 10):
            clocked(seconds)
            log.look([lane.report])
        assert [line["event"] for line in lines] == ["lane-waits"]
        assert (lines[0]["reason"], lines[0]["remedy"]) == (Wait.RECORDS.meaning, MEND_WAIT)
        sent.set()
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert waiting_message(lane.report) == {"waiting_for": "end", "waiting_since": 1_000_000}
        await reporter._tell([lane])
        ended.set()
        await task
        log.look([lane.report])
        assert [line["event"] for line in lines] == ["lane-waits", "lane-goes-on"]
        assert lines[1]["waited_seconds"] == 16
    assert waiting_message(lane.report) == {"waiting_for": None, "waiting_since": None}
    assert (await messages().decode(told.records[0].value or b""))["waiting_for"] == "end"


async def test_a_lane_that_may_not_begin_again(teller: Teller, clocked: Callable[[float], None]) -> None:
    """A lane that began anew, and that the broker keeps from it, is told as waiting and not as given up."""
    told, lane = Told(), OneLane({PERSON: 7})
    reporter = Reporter(cast("LogWriter", told), teller, commit=told.commit)
    await reporter._tell([lane])
    lane.beginning, ended = True, asyncio.Event()
    task = asyncio.create_task(waiting(lane, Wait.START, ended))
    await asyncio.sleep(0)
    clocked(6)
    with contextlib.suppress(KeyError):  # where it stands is not told to the group meanwhile
        await reporter._tell([lane])
    message = await messages().decode(told.records[-1].value or b"")
    assert (message["waiting_for"], message["waiting_since"], message["stopped"]) == ("start", 1_000_000, False)
    ended.set()
    await task


async def test_a_lane_that_starts(teller: Teller) -> None:
    """How far a start has come is told, again as it goes on, with where the lane stood if this process knows it."""
    told, lane = Told(), OneLane({PERSON: 7}, beginning=True)
    reporter = Reporter(cast("LogWriter", told), teller, commit=told.commit)
    for lane.loaded in (0, 2000, 2000):
        with contextlib.suppress(KeyError):
            await reporter._tell([lane])
    lane.beginning = False
    await reporter._tell([lane])
    lane.beginning, lane.report = True, lane.report.again(5, fenced=True)
    with contextlib.suppress(KeyError):
        await reporter._tell([lane])
    found = [await messages().decode(one.value or b"") for one in told.records]
    assert [(one["read_back"], one["inputs"]) for one in found] == [
        (0, {}),
        (2000, {}),
        (None, {PERSON: 7}),
        (2000, {PERSON: 7}),
    ]
    assert (found[-1]["restarts"], found[-1]["fences"], found[-1]["stopped"]) == (1, 1, False)


async def test_a_transaction_that_is_not_ended(teller: Teller) -> None:
    """One that has been open for long is in the log once and in each report; a short one, and one after it, is not."""
    told, lane, log = Told(), OneLane({PERSON: 7}), HeldLog()
    reporter = Reporter(cast("LogWriter", told), teller, commit=told.commit)
    place = Place(TOPICS.changes(PERSON), 0)
    open_for = [(7, 9, 9.0), (7, 12, 11.0), (7, 12, 14.0), (13, 15, 2.0)]
    with capture_logs() as lines:
        for stable, end, seconds in open_for:
            lane.unended = {place: Unended(stable, end, 1_000, 0.0, seconds)}
            log.look({0: lane.held_back})
            await reporter._tell([lane])
    found = [(await messages().decode(one.value or b""))["held_back"] for one in told.records]
    where = {"topic": place.topic, "partition": 0, "since": 1_000, "stable_offset": 7, "end_offset": 12}
    assert found == [[], [where], []]
    assert [line["event"] for line in lines] == ["input-held-back", "input-goes-on"]
    held = {name: lines[0][name] for name in ("lane", "topic", "partition", "offset", "unread", "seconds", "remedy")}
    assert held == {
        "lane": 0,
        "topic": place.topic,
        "partition": 0,
        "offset": 7,
        "unread": 5,
        "seconds": 11.0,
        "remedy": MEND_HELD_BACK,
    }


async def test_a_lane_that_was_given_up(teller: Teller, clocked: Callable[[float], None]) -> None:
    """A lane of which nothing is new is told of now and then; one that was given up, once, as such, and anew later."""
    told, lane = Told(), OneLane({PERSON: 7})
    reporter = Reporter(cast("LogWriter", told), teller, commit=told.commit)

    async def tell(*lanes: OneLane, after: float = 0) -> list[bool]:
        clocked(after)
        known = len(told.records)
        with contextlib.suppress(KeyError):
            await reporter._tell(lanes)
        return [(await messages().decode(one.value or b""))["stopped"] for one in told.records[known:]]

    assert await tell(lane) == [False]
    assert await tell(lane, after=9.9) == []
    assert await tell(lane, after=0.1) == [False]
    assert await tell() == [True]
    assert await tell() == []
    assert await tell(lane) == [False]
    assert {one.key for one in told.records} == {b"lane/0"}


def test_where_lanes_stand_for_lag_tools(teller: Teller) -> None:
    """The group's offsets are those up to which each lane has come, of its consents and of each dataset."""
    progress = Progress(Position(consents_offset=4), {PERSON: 7}, None, ())
    assert teller.offsets([(LaneReport(3), progress)]) == {
        Place(TOPICS.consents, 3): 4,
        Place(TOPICS.changes(PERSON), 3): 7,
    }


def test_what_a_lane_has_done(clocked: Callable[[float], None]) -> None:
    """Releases, erasures, what was withheld and set aside are counted; times are told by their share."""
    report, now = LaneReport(0), rules(rule(), rule("b", admits=lambda _: False))
    lane = Nutshell()
    poison = Unreadable(lane.change("p9", b"x").origin, "no-frame")
    report.count(lane.step(now, lane.change("p1", value("An")), lane.change("p2", value("Bo")), poison))
    report.count(lane.step(now, lane.change("p1", None)))
    told = (report.transactions, report.released, report.erased, report.dead_letters, report.withheld.total())
    assert told == (2, 2, 1, 1, 2)
    assert (report.time_ms(0.5), report.latency_ms) == (None, None)
    for seconds in (4, 1, 3, 2):
        began = 1000.0 + sum(report.times_ms) / 1000
        clocked(seconds)
        report.measure(began, [poison.record._replace(timestamp_ms=int(began * 1000) - age) for age in (5, 70, 6)])
    assert [report.time_ms(share) for share in (0, 0.5, 0.99, 1)] == [1000, 3000, 4000, 4000]
    assert (report.transaction_ms, report.latency_ms) == (2000, 2070)
    report.measure(1010.0, [])
    assert report.latency_ms == 2070
