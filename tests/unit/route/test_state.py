"""What a lane knows, kept and read back."""

from bus.route.store.memory import MemoryState
from tests.unit.route.lanes import PERSON, Nutshell, give, rule, rules, value


def read_back(before: MemoryState) -> MemoryState:
    """The state as a start would find it in the topics."""
    after = MemoryState()
    after.position = before.position
    for (subject, agreement), consent in before.consents.items():
        after.put_consent(subject, agreement, consent)
    for dataset, held in before.holdings.items():
        for key, copies in held.items():
            after.put_held(dataset, key, copies)
    for agreement, cursor in before.cursors.items():
        after.put_cursor(agreement, cursor)
    for (dataset, key), version in before.dead.items():
        after.put_dead(dataset, key, version)
    for dataset, records in before.records.items():
        for key, record in records.items():
            after.put_record(dataset, key, record)
    return after


def test_what_falls_due_survives_a_restart() -> None:
    """Consents that expired together and are worked off in bounded batches are worked off to the end after a start."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    people = [f"p{number}" for number in range(7)]
    lane.step(now, *(lane.change(one, value("An")) for one in people), consents=[give(one) for one in people])
    lane.step(now, consents=[give(one, at=20, valid_until_ms=2000) for one in people])
    lane.now = 2500
    lane.step(now, existing_limit=2)
    assert len(lane.held()) == 5
    lane.state = read_back(lane.state)
    for _ in range(5):
        lane.step(now, existing_limit=2)
    assert lane.held() == {}
    assert lane.state.next_due_ms() is None


def test_keys_of_a_person_are_those_of_no_other() -> None:
    """A person's keys are found without those of people whose number begins alike."""
    lane, now = Nutshell(), rules(rule())
    lane.step(now, *(lane.change(one, value("An"), record="x") for one in ("p", "p1", "p-", "p0")))
    assert list(lane.state.keys_of_person(PERSON, "p")) == [b"p/x"]
