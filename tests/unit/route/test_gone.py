"""Copies of records that the log has forgotten, tombstone and all."""

from bus.model.reasons import Reason
from bus.route.batch import Inputs
from tests.unit.route.lanes import PERSON, Nutshell, rule, rules, value


def test_a_copy_without_a_record_is_erased() -> None:
    """A recipient's copy of a record that is gone from the log altogether is erased as deleted, and only that one."""
    lane, now = Nutshell(), rules(rule())
    lane.step(now, lane.change("p1", value("An")), lane.change("p2", value("Ba")))
    assert lane.core.gone(lane.state, now, PERSON, b"", 10) == ([], None)
    lane.state.put_record(PERSON, b"p1/1", None)  # as after a start from a log that was compacted meanwhile
    gone, _ = lane.core.gone(lane.state, now, PERSON, b"", 10)
    outcome = lane.core.draft(lane.state, now, Inputs(gone=gone), lane.now)
    [erasure] = outcome.deliveries
    assert (erasure.key, erasure.value, erasure.reason) == (b"p1/1", None, Reason.DELETED)
    lane.state.apply(outcome.draft)
    assert lane.core.gone(lane.state, now, PERSON, b"", 10) == ([], None)
