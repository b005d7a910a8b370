"""The core of a lane against a model of dictionaries, over random histories.

The model keeps every input whole and judges every record under every agreement again at each step, in the plainest
words; the lane judges only what an input touches. Both must end with the same records at each recipient.
"""

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.unit.route.model.machine import LaneAgainstModel

STEPS = settings(
    max_examples=400,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


def test_lane_against_model() -> None:
    """Over 20,000 steps recipients hold what the model says, as logged, in order, each release with a basis."""
    run_state_machine_as_test(LaneAgainstModel, settings=STEPS)


@pytest.mark.long
@pytest.mark.timeout(3 * 3600)
def test_lane_against_model_at_length() -> None:
    """The same over a million steps."""
    run_state_machine_as_test(LaneAgainstModel, settings=settings(STEPS, max_examples=10_000, stateful_step_count=100))
