"""What becomes of a lane that fails."""

from types import SimpleNamespace
from typing import cast

import pytest

from bus.errors import LaneKeepsFailing, TransactionTooLong, TwoOfOneName
from bus.route.parts import Parts
from bus.route.report import LaneReport
from bus.route.router import Router
from bus.route.trouble import FENCES_COUNT_SECONDS, LONGEST_PAUSE_SECONDS, Trouble, bear
from bus.settings import RouteSettings


def after(failures: int) -> Trouble:
    trouble = Trouble()
    for _ in range(failures):
        trouble = trouble.failed(healthy=False)
    return trouble


def test_pauses_grow_up_to_a_limit() -> None:
    """A lane that keeps failing waits twice as long each time, up to the longest pause, and never overflows."""
    assert [after(number).pause_seconds() for number in (1, 2, 3, 4)] == [0.2, 0.4, 0.8, 1.6]
    assert after(1000).pause_seconds() == LONGEST_PAUSE_SECONDS


def test_what_got_somewhere_begins_anew() -> None:
    """A failure after something was done counts as the first one."""
    assert after(7).failed(healthy=True) == Trouble(1)


def test_a_fence_is_no_failure_and_waits_for_the_group() -> None:
    """Who was fenced waits until the group has had time to say whether the lane is still its own."""
    fenced = Trouble().fenced(100.0)
    assert fenced.failures == 0
    assert fenced.pause_seconds(at_least=2.5) == 2.5
    assert after(9).fenced(100.0).pause_seconds(at_least=2.5) == LONGEST_PAUSE_SECONDS


def test_the_process_gives_up_after_failures_in_a_row() -> None:
    """It goes on until the last failure allowed, and then says which lane failed, how often, and of what."""
    bear(3, after(4), failures=5, fences=9, last="no broker")
    with pytest.raises(LaneKeepsFailing, match=r"lane 3 failed 5 times.*no broker") as raised:
        bear(3, after(5), failures=5, fences=9, last="no broker")
    assert raised.value.exit_code == 5


@pytest.mark.parametrize(("apart", "gives_up"), [(1.0, True), (FENCES_COUNT_SECONDS / 2, False)])
def test_the_process_gives_up_when_fenced_time_and_again(apart: float, gives_up: bool) -> None:  # noqa: FBT001 - a case
    """Fences in quick succession mean that a second process has the name; fences far apart are lanes that move."""
    trouble = Trouble()
    for number in range(5):
        trouble = trouble.fenced(number * apart)
    if not gives_up:
        bear(0, trouble, failures=20, fences=5, last="fenced")
        return
    with pytest.raises(TwoOfOneName, match="5 times") as raised:
        bear(0, trouble, failures=20, fences=5, last="fenced")
    assert raised.value.exit_code == 4


def test_a_report_goes_on_after_a_failure() -> None:
    """Failures and fences are counted on; what was done is counted from the new start, as the report says."""
    report = LaneReport(2, 1000, restarts=1, fences=1, transactions=9, released=5)
    again = report.again(2000, fenced=True)
    assert (again.lane, again.started_ms, again.restarts, again.fences) == (2, 2000, 2, 2)
    assert (again.transactions, again.released, again.time_ms(0.5)) == (0, 0, None)


def test_times_of_transactions() -> None:
    """The median and the tail of the last transactions are told."""
    report = LaneReport(0)
    report.times_ms.extend(float(number) for number in range(1, 101))
    assert (report.time_ms(0.5), report.time_ms(0.99)) == (51.0, 100.0)


async def test_what_trying_again_cannot_mend_ends_the_router_at_once() -> None:
    """A broker that allows no transaction so long must be told of at the first failure, not after twenty."""
    router = Router(cast("Parts", SimpleNamespace(settings=RouteSettings())))
    assert router._judge(0, TransactionTooLong(bootstrap="kafka:1", ms=10_000), healthy=False) is None
    with pytest.raises(TransactionTooLong):
        await router.failed()
