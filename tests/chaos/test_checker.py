"""The checker can fail: each fault planted into what is otherwise in order makes its own count rise."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from tests.chaos.checker import FAULTS, HEADERS, Flow, judge
from tests.chaos.evidence import Change, ConsentSeen, Copy, Entry, Evidence, Stand

LAW, CONSENT = "law", "consent"
FLOWS = [
    Flow(agreement, f"agency.{agreement}", frozenset({"full_name"}), agreement == CONSENT, lambda one: one["alive"])
    for agreement in (LAW, CONSENT)
]
CHANGES = "t.changes.a.b"


def change(offset: int, key: str, number: int | None, *, alive: bool = True, readable: bool = True) -> Change:
    record = None if number is None or not readable else {"full_name": f"#{number}#", "alive": alive}
    return Change(0, offset, key, record, 100, readable, CHANGES)


class History:
    """A bus in order, of one lane: what is written into it is disclosed, and its position goes along."""

    def __init__(self) -> None:
        self.evidence = Evidence()

    def transaction(self, inputs: int, consents: int, *outputs: tuple[str, str, int | None, str | None]) -> None:
        """Outputs are agreement, key, number (None erases) and consent."""
        found, block = self.evidence, len(self.evidence.positions) + 1
        stand = Stand(0, block, consents, (("a.b", inputs),))
        found.positions.append(stand)
        found.blocks.append(stand)
        for number, (agreement, key, released, consent) in enumerate(outputs):
            record = None if released is None else {"full_name": f"#{released}#"}
            where, event = f"agency.{agreement}", f"{block}-{number}"
            found.copies.append(Copy(where, 0, len(found.copies), key, event, HEADERS, record))
            kind = "ERASE" if released is None else "RELEASE"
            found.entries.append(Entry(0, block, consents, kind, where, 0, event, consent))


def in_order() -> Evidence:
    """Two people under law, of whom one is deleted; one gives consent and withdraws it, the other keeps to it."""
    history = History()
    found = history.evidence
    found.changes += [
        change(0, "p/p", 1),
        change(1, "q/q", 2),
        change(2, "p/p", 3),
        change(3, "x/x", 9, readable=False),
    ]
    found.changes += [
        change(4, "q/q", None),
        change(5, "q/q", 4),
        change(6, "p/p", 5, alive=False),
        change(7, "p/p", 6),
    ]
    found.dead.append(f"{CHANGES}/0/3")
    for offset, (subject, gives) in enumerate([("p", True), ("q", True), ("p", False)]):
        found.consents.append(ConsentSeen(0, offset, subject, CONSENT, f"c{offset}", gives))
    history.transaction(2, 0, (LAW, "p/p", 1, None), (LAW, "q/q", 2, None))
    history.transaction(2, 2, (CONSENT, "p/p", 1, "c0"), (CONSENT, "q/q", 2, "c1"))
    history.transaction(3, 2, (LAW, "p/p", 3, None), (CONSENT, "p/p", 3, "c0"))
    history.transaction(5, 2, (LAW, "q/q", None, None), (CONSENT, "q/q", None, None))
    history.transaction(6, 3, (CONSENT, "p/p", None, None), (LAW, "q/q", 4, None), (CONSENT, "q/q", 4, "c1"))
    history.transaction(8, 3, (LAW, "p/p", None, None), (LAW, "p/p", 6, None))
    return found


def counts(evidence: Evidence) -> dict[str, int]:
    return dict(judge(evidence, FLOWS).counts)


def test_what_is_in_order_is_clean() -> None:
    """A history without a fault must have none found in it."""
    assert counts(in_order()) == {}


def without(evidence: Evidence, agreement: str, number: int | None) -> None:
    """Drop an output and its disclosure, as if it had never been."""
    [copy, *_] = [one for one in evidence.copies if (one.topic, one.number) == (f"agency.{agreement}", number)]
    evidence.copies.remove(copy)
    [entry] = [one for one in evidence.entries if one.event_id == copy.event_id]
    evidence.entries.remove(entry)


def again(evidence: Evidence, index: int, **changes: Any) -> None:
    """Write an output once more, disclosed as it should be."""
    copy = evidence.copies[index]
    entry = next(one for one in evidence.entries if one.event_id == copy.event_id)
    event = f"again-{index}"
    at = len(evidence.copies)
    evidence.copies.append(replace(copy, event_id=event, offset=at, **changes))
    evidence.entries.append(replace(entry, event_id=event))


def lose_a_release_by_law(found: Evidence) -> None:
    without(found, LAW, 3)


def lose_the_last_release_by_consent(found: Evidence) -> None:
    without(found, CONSENT, 4)


def lose_a_dead_letter(found: Evidence) -> None:
    found.dead.clear()


def bury_what_can_be_read(found: Evidence) -> None:
    found.dead.append(f"{CHANGES}/0/2")


def stop_before_the_end(found: Evidence) -> None:
    found.changes.append(change(8, "r/r", 7, alive=False))


def double_a_release(found: Evidence) -> None:
    again(found, len(found.copies) - 1)


def double_a_dead_letter(found: Evidence) -> None:
    found.dead *= 2


def double_an_event_id(found: Evidence) -> None:
    found.copies.append(replace(found.copies[-1], offset=99))
    found.entries.append(found.entries[-1])


def hide_a_release(found: Evidence) -> None:
    found.entries.pop()


def disclose_what_never_was(found: Evidence) -> None:
    found.entries.append(replace(found.entries[0], event_id="nothing"))


def leave_a_block_without_its_position(found: Evidence) -> None:
    found.blocks.append(replace(found.blocks[-1], block=99))


def let_two_own_the_lane(found: Evidence) -> None:
    found.positions.append(found.positions[-1])


def go_back_in_consents(found: Evidence) -> None:
    last = found.positions[-1]
    found.positions.append(replace(last, block=last.block + 1, consents_offset=0))
    found.positions.append(replace(last, block=last.block + 2))


def swap_two_releases(found: Evidence) -> None:
    where = [index for index, one in enumerate(found.copies) if one.topic.endswith(LAW) and one.key == "p/p"]
    first, second = where[0], where[1]
    found.copies[first], found.copies[second] = found.copies[second], found.copies[first]


def release_after_a_withdrawal(found: Evidence) -> None:
    index = next(i for i, one in enumerate(found.copies) if one.topic.endswith(CONSENT) and one.number == 3)
    entry = next(i for i, one in enumerate(found.entries) if one.event_id == found.copies[index].event_id)
    found.entries[entry] = replace(found.entries[entry], consents_offset=3)


def release_by_another_consent(found: Evidence) -> None:
    index = next(i for i, one in enumerate(found.entries) if one.consent == "c0")
    found.entries[index] = replace(found.entries[index], consent="c1-of-somebody-else")


def keep_after_a_withdrawal(found: Evidence) -> None:
    without(found, CONSENT, None)
    without(found, CONSENT, None)


def add_a_field(found: Evidence) -> None:
    last = found.copies[-1]
    found.copies[-1] = replace(last, record={**(last.record or {}), "religion": "-"})


def add_a_header(found: Evidence) -> None:
    found.copies[-1] = replace(found.copies[-1], headers=HEADERS | {"x-source"})


def let_a_secret_through(found: Evidence) -> None:
    found.copies[-1] = replace(found.copies[-1], raw=b"..SECRET..")


PLANTED: list[tuple[Callable[[Evidence], None], str]] = [
    (lose_a_release_by_law, "lost"),
    (lose_the_last_release_by_consent, "lost"),
    (lose_a_dead_letter, "lost"),
    (bury_what_can_be_read, "lost"),
    (stop_before_the_end, "lost"),
    (double_a_release, "duplicated"),
    (double_a_dead_letter, "duplicated"),
    (double_an_event_id, "duplicated"),
    (hide_a_release, "torn"),
    (disclose_what_never_was, "torn"),
    (leave_a_block_without_its_position, "torn"),
    (let_two_own_the_lane, "torn"),
    (go_back_in_consents, "out-of-order"),
    (swap_two_releases, "out-of-order"),
    (release_after_a_withdrawal, "after-withdrawal"),
    (release_by_another_consent, "after-withdrawal"),
    (keep_after_a_withdrawal, "kept"),
    (add_a_field, "leaked"),
    (add_a_header, "leaked"),
    (let_a_secret_through, "leaked"),
]


@pytest.mark.parametrize(("plant", "fault"), PLANTED, ids=[plant.__name__ for plant, _ in PLANTED])
def test_a_planted_fault_is_seen(plant: Callable[[Evidence], None], fault: str) -> None:
    """A planted fault must make its own count rise."""
    evidence = in_order()
    plant(evidence)
    assert counts(evidence).get(fault), counts(evidence)


def test_every_fault_is_planted() -> None:
    """No kind of fault may be counted that no test has seen counted."""
    assert {fault for _, fault in PLANTED} == set(FAULTS)
