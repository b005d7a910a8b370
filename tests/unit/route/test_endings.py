"""What ends a copy ends it too where something else holds the record up: a filter that fails, a suspension."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pytest

from bus.errors import FilterError
from bus.model.reasons import Reason
from bus.register.state import Standing
from tests.unit.route.lanes import Nutshell, Ticks, rule, rules, value


def fails_on_ba(record: Mapping[str, Any]) -> bool:
    if record["name"] == "Ba":
        raise FilterError(agreement="a", reason="a test")
    return True


@pytest.mark.parametrize(("keep", "held"), [(False, {}), (True, {"p1/1": "An"})], ids=["erased", "kept as agreed"])
def test_a_record_grows_too_old_on_which_the_filter_fails(*, keep: bool, held: dict[str, str]) -> None:
    """A copy is stale where the filter says nothing of its record; but the record's age is known, and counts."""
    lane = Nutshell()
    now = rules(
        rule(
            admits=fails_on_ba,
            age_field="since",
            oldest=lambda now_ms: now_ms - 500,
            days=Ticks(25),
            keep_on_exit=keep,
        )
    )
    lane.step(now, lane.change("p1", value("An", since=900)))
    outcome = lane.step(now, lane.change("p1", value("Ba", since=900)))
    assert (outcome.withheld, lane.held()) == ({("a", Reason.FILTER_ERROR): 1}, {"p1/1": "An"})
    lane.now = 1425
    lane.step(now)
    lane.step(now)
    assert (lane.held(), lane.log[-1].reason) == (held, None if keep else Reason.TOO_OLD)


@pytest.mark.parametrize(
    ("then", "reason"),
    [
        ({"revision": "r2", "no_wider": frozenset({"r2"})}, Reason.CANNOT_FOLLOW),
        ({"revision": "r2", "no_wider": frozenset({"r1", "r2"}), "topic": "agency.b.a.v2"}, Reason.CANNOT_FOLLOW),
        ({"revision": "r2", "no_wider": frozenset({"r1", "r2"})}, Reason.FILTER_ERROR),
    ],
    ids=["narrower", "another topic", "allows as much"],
)
def test_a_text_whose_filter_fails_on_a_record(then: dict[str, Any], reason: Reason) -> None:
    """What an older text allowed does not stay under a narrower one because the filter says nothing of the record."""
    lane = Nutshell()
    lane.step(rules(rule()), lane.change("p1", value("Ba")))
    lane.step(rules(rule(admits=fails_on_ba, **then), offset=2))
    assert (lane.held(), lane.state.cursor("a").done) == (
        {} if reason is Reason.CANNOT_FOLLOW else {"p1/1": "Ba"},
        True,
    )
    assert (lane.log[-1].reason is reason) == (reason is Reason.CANNOT_FOLLOW)


@pytest.mark.parametrize("standing", [Standing.SUSPENDED, Standing.PAUSED])
def test_validity_is_over_while_held_up(standing: Standing) -> None:
    """On the day after its last an agreement's copies are erased or kept as agreed, suspended and paused ones' too."""
    lane = Nutshell()
    both = (rule(valid_until_ms=3000), rule("k", valid_until_ms=3000, keep_on_end=True))
    lane.step(rules(*both), lane.change("p1", value("An")))
    held_up = rules(*(replace(one, standing=standing) for one in both), offset=2)
    lane.step(held_up)
    assert (lane.held(), lane.core.wake_at_ms(lane.state, held_up)) == ({"p1/1": "An"}, 3000)
    lane.now = 3000
    lane.step(held_up)
    assert (lane.held(), lane.held("k"), lane.log[-1].reason) == ({}, {"p1/1": "An"}, Reason.AGREEMENT_OVER)
