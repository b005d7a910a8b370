"""The figures of a day, their words, and when a bus counts as quiet."""

import json
from collections.abc import AsyncIterator
from io import StringIO
from typing import Any

import pytest
from rich.console import Console

from bus.demo.checker import checker_module
from bus.demo.lanes import Goals, LaneWatch
from bus.demo.report import closing_line, print_report
from bus.demo.result import ZERO, Result, Timings, percentile
from bus.demo.show import Display
from bus.demo.withdrawals import Given, spread
from bus.errors import NotQuiet
from bus.kafka.access import KafkaAccess
from bus.model.record import Incoming
from bus.topics import Topics


def verdict(**other: Any) -> dict[str, Any]:
    """What the checker says of a faultless day."""
    tally = {"agreement": "a", "agency": "bank", "released": 5, "erased": 2, "held": 3, "expected": 3}
    return {
        "agreements": [
            {**tally, "withheld": {"consent-missing": 7, "outside-filter": 1}},
            {**tally, "agreement": "b", "withheld": {"consent-missing": 1}},
            {**tally, "agency": "tax", "withheld": {}},
        ],
        "released": 15,
        "erased": 6,
        "held": 9,
        "dead_letters": 1,
        **dict.fromkeys(ZERO, 0),
        "findings": [],
        **other,
    }


def result(timings: Timings | None = None, **other: Any) -> Result:
    """A day of 100 people."""
    return Result(100, 1, 400, timings or Timings([1.0, 2.0], [9.0]), 12.3, verdict(**other))


def test_figures_are_added_up_by_agency_and_reason() -> None:
    """An agency's row holds all its agreements; reasons are added over all agencies."""
    told = result().as_json()
    assert told["agencies"] == {
        "bank": {"released": 10, "erased": 4, "held": 6, "withheld": {"consent-missing": 8, "outside-filter": 1}},
        "tax": {"released": 5, "erased": 2, "held": 3, "withheld": {}},
    }
    assert told["withheld"] == {"consent-missing": 8, "outside-filter": 1}
    assert told["passed"] is True
    assert json.loads(json.dumps(told)) == told


@pytest.mark.parametrize("name", ZERO)
def test_one_fault_of_any_kind_fails_the_day(name: str) -> None:
    """A single finding is enough, whatever its kind."""
    fault: dict[str, Any] = {name: 1}
    assert not result(**fault).passed


@pytest.mark.parametrize(
    "other",
    [{"released": 0}, {"erased": 0}, {"dead_letters": 0}, {"dead_letters": 2}, {"timings": Timings([], [1.0])}],
    ids=str,
)
def test_a_day_on_which_nothing_happened_proves_nothing(other: dict[str, Any]) -> None:
    """Zeros that come of an empty bus do not pass, and the closing line says why."""
    day = result(**other)
    assert not day.passed
    assert day.trivial[0] in closing_line(day)


@pytest.mark.parametrize(
    ("values", "percent", "found"),
    [([], 50, None), ([3.0], 99, 3.0), ([4.0, 1.0, 2.0, 3.0], 50, 2.0), (list(map(float, range(1, 201))), 99, 198.0)],
)
def test_a_percentile_is_a_measured_value(values: list[float], percent: int, found: float | None) -> None:
    """It is the smallest value that so many percent do not exceed, and nothing where nothing was measured."""
    assert percentile(values, percent) == found


def test_the_report_ends_with_what_was_found() -> None:
    """Findings are told with place and masked record, then the line that counts them."""
    shown = StringIO()
    finding = {"kind": "lost", "place": "agency.tax/1/2", "record": "001…", "what": "it must be there, and is not"}
    print_report(result(lost=1, findings=[finding]), Console(file=shown, width=160))
    text = shown.getvalue()
    assert "lost: agency.tax/1/2 (001…): it must be there, and is not" in text
    assert text.strip().splitlines()[-1].startswith("lost 1, doubled 0")


def test_without_a_terminal_each_thing_is_a_line_of_its_own() -> None:
    """A log shows what began, what happened and what ended, in order."""
    shown = StringIO()
    display = Display(Console(file=shown))
    with display.shown(), display.phase("One"):
        display.say("something")
    begun, said, done = shown.getvalue().splitlines()
    assert (begun[8:], said.split()) == ("  One …", [*said.split()[:2], "something"])
    assert "One: done in 0.0 s" in done


@pytest.mark.parametrize(("count", "shown"), [(0, 0), (3, 3), (10, 10), (50, 10)])
def test_those_who_withdraw_are_spread_over_all(count: int, shown: int) -> None:
    """As many as were asked for, at most all, the first and far ones among them."""
    given = [Given(str(number), "a") for number in range(10)]
    chosen = spread(given, count)
    assert len(chosen) == shown
    assert len(set(chosen)) == shown


def test_the_checker_is_a_package_of_its_own() -> None:
    """It is found by its entry point, and runs as a process outside the bus."""
    assert not checker_module().startswith("bus")


class Told:
    """Messages that need no schema registry."""

    async def decode(self, data: bytes) -> dict[str, Any]:
        """JSON instead of Avro."""
        found: dict[str, Any] = json.loads(data)
        return found


@pytest.fixture
async def watch() -> AsyncIterator[LaneWatch]:
    """A watch over one lane, fed by hand."""
    fed = LaneWatch(KafkaAccess("nowhere:1"), Topics("", 1), Told())  # type: ignore[arg-type] # decodes, as asked
    yield fed
    await fed.stop()


async def step(watch: LaneWatch, key: str, **message: Any) -> None:
    """One record of `lane-state`."""
    await watch._take(Incoming("lane-state", 0, 0, 0, key.encode(), json.dumps(message).encode()))


async def test_a_lane_is_behind_until_it_has_passed_every_goal(watch: LaneWatch) -> None:
    """Consents, facts, the last change of each dataset and every agreement's cursor: each one missing is named."""
    goals = Goals({0: 5}, 3, {("a.b", 0): 7}, {"tax": "1.r1.active."})
    assert watch.behind(goals) == ["lane 0: has not begun"]
    await step(watch, "position", consents_offset=4, register_offset=2, inputs={"a.b": 7})
    await step(watch, "cursor/tax", done=True, standing="1.r0.active.within")
    assert watch.behind(goals) == [
        "lane 0: consents to be read",
        "lane 0: facts to be read",
        "lane 0: changes of a.b to be judged",
        "lane 0: records to be judged anew under tax",
    ]
    await step(watch, "position", consents_offset=5, register_offset=3, inputs={"a.b": 8})
    await step(watch, "cursor/tax", done=True, standing="1.r1.active.within")
    assert watch.behind(goals) == []


async def test_waiting_in_vain_says_what_was_waited_for(watch: LaneWatch) -> None:
    """The error names the lane and what it lacks."""
    with pytest.raises(NotQuiet, match="lane 0 to pass consent event 9"):
        await watch.until_effective(0, 9, 0.01)
