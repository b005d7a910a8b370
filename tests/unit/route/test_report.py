"""What a router tells of its lanes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import cast

import pytest

from bus.kafka.log import LogWriter, Place
from bus.model.record import Outgoing
from bus.route.report import LaneReport, Progress, Reporter, Teller
from bus.route.state import Position
from bus.telemetry.loop import LoopWatch
from tests.unit.route.lanes import PERSON
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

    def progress(self) -> Progress:
        """See `Lane`."""
        return Progress(Position(inputs=self.inputs), self.inputs, None, ())


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
