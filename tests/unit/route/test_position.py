"""What a lane's position tells: up to where everything was read that a transaction was decided under."""

from bus.route.batch import Inputs
from bus.route.rules import Rules
from bus.route.state import Position
from tests.unit.route.lanes import PARCEL, PERSON, Nutshell, give, rule, rules, value


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


def worth_writing(lane: Nutshell, now: Rules, inputs: Inputs) -> bool:
    before = lane.state.position
    outcome = lane.core.draft(lane.state, now, inputs, lane.now)
    lane.state.apply(outcome.draft)
    return outcome.worth_writing(before)


def test_what_happens_by_itself_is_written_once() -> None:
    """A transaction is written for what fell due, was caught up or is gone, and none when all of that is done."""
    lane, now = Nutshell(), rules(rule(needs_consent=True), rule("b"))
    lane.step(now, lane.change("p1", value("An")), consents=[give(agreement="a", valid_until_ms=2000), give("p2")])
    read = Inputs(consents_offset=2, input_offsets={PERSON: 1})
    assert not worth_writing(lane, now, read)
    lane.now = 2000
    assert worth_writing(lane, now, read), "what fell due"
    assert not worth_writing(lane, now, read)
    now = rules(rule(needs_consent=True), rule("b", revision="r2"), rule("c", admits=lambda _: False))
    assert worth_writing(lane, now, read), "what was caught up, though nothing came of it"
    assert not worth_writing(lane, now, read)
    lane.state.put_record(PERSON, b"p1/1", None)
    gone, _ = lane.core.gone(lane.state, now, PERSON, b"", 10)
    assert gone == [("b", b"p1/1")]
    assert worth_writing(lane, now, Inputs(consents_offset=2, input_offsets={PERSON: 1}, gone=gone)), "what is gone"
    assert not worth_writing(lane, now, read)


def test_a_due_time_of_which_nothing_comes() -> None:
    """A moment that passes for somebody of whom there is no record is past for good: no lane wakes for it again."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, consents=[give("p2", valid_until_ms=2000)])
    lane.now = 2000
    assert lane.core.wake_at_ms(lane.state, now) == 2000
    assert worth_writing(lane, now, Inputs(consents_offset=1))
    assert lane.core.wake_at_ms(lane.state, now) is None
    assert not worth_writing(lane, now, Inputs(consents_offset=1))
