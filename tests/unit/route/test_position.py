"""What a lane's position tells: up to where everything was read that a transaction was decided under."""

from bus.route.batch import Inputs
from bus.route.state import Position
from tests.unit.route.lanes import PARCEL, PERSON, Nutshell, rule, rules


def committed(lane: Nutshell, inputs: Inputs, *, facts: int) -> Position:
    outcome = lane.core.draft(lane.state, rules(rule(), offset=facts), inputs, lane.now)
    lane.state.apply(outcome.draft)
    position: Position = lane.state.position
    return position


def test_a_position_names_what_was_read() -> None:
    """Each transaction has the next number, and names where consents, register, changes and orders were read up to."""
    lane = Nutshell()
    first = committed(lane, Inputs(consents_offset=5, input_offsets={PERSON: 3, PARCEL: 8}, commands_offset=2), facts=7)
    assert first == Position(1000, 1, 5, 7, {PERSON: 3, PARCEL: 8}, 2, due_until_ms=1000)
    lane.now = 1001
    then = committed(lane, Inputs(consents_offset=6, input_offsets={PERSON: 4}, commands_offset=3), facts=9)
    assert then == Position(1001, 2, 6, 9, {PERSON: 4, PARCEL: 8}, 3, due_until_ms=1001)


def test_a_position_never_goes_back() -> None:
    """Where nothing was read of a topic, or a reader is behind, what was effective stays effective."""
    lane = Nutshell()
    committed(lane, Inputs(consents_offset=5, input_offsets={PERSON: 3}, commands_offset=2), facts=7)
    lane.now = 900
    assert committed(lane, Inputs(), facts=6) == Position(1000, 2, 5, 7, {PERSON: 3}, 2, due_until_ms=1000)
