"""The core of a lane against a model of dictionaries, over random histories.

The model keeps every input whole and judges every record under every agreement again at each step, in the plainest
words; the lane judges only what an input touches. Both must end with the same records at each recipient.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import invariant, run_state_machine_as_test

from tests.unit.route.model.machine import LaneAgainstModel

STEPS = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much])


HISTORIES_AT_ONCE = 500
"""Hypothesis remembers the histories of a round: a million steps in one round took five gigabytes."""


def hold(steps: int, *, in_a_history: int) -> None:
    """Let the lane and the model live through histories until that many steps are taken."""
    taken = 0

    class Counted(LaneAgainstModel):
        """Hypothesis is told how many steps a history may have; it often takes fewer."""

        @invariant()
        def count(self) -> None:
            nonlocal taken
            taken += 1

    while taken < steps:
        histories = min(HISTORIES_AT_ONCE, max(10, (steps - taken) // in_a_history))
        shape = settings(STEPS, max_examples=histories, stateful_step_count=in_a_history)
        run_state_machine_as_test(Counted, settings=shape)


@pytest.mark.timeout(600)
def test_lane_against_model() -> None:
    """Over 20,000 steps recipients hold what the model says, as logged, in order, each release with a basis."""
    hold(20_000, in_a_history=50)


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_lane_against_model_at_length() -> None:
    """The same over a million steps."""
    hold(1_000_000, in_a_history=100)
