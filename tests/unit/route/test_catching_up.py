"""What exists is judged under rules that changed: all of it, in bounded parts, and whatever becomes of a draft."""

from bus.model.consent import UnreadableConsent
from bus.model.reasons import Reason
from bus.route.batch import Inputs, Unreadable
from tests.unit.route.lanes import PERSON, Nutshell, Ticks, give, rule, rules, value, withdraw


def many(lane: Nutshell, count: int) -> Nutshell:
    lane.step(rules(), *(lane.change(f"p{number}", value("An")) for number in range(count)))
    return lane


def test_agreements_share_the_room_of_a_transaction() -> None:
    """Two new agreements are caught up one after the other, together no more at once than a transaction may have."""
    lane, now = many(Nutshell(), 6), rules(rule("a"), rule("b"), offset=2)
    assert lane.core.behind(lane.state, now, lane.now) == ["a", "b"]
    parts = [lane.step(now, existing_limit=8) for _ in range(3)]
    assert [(one.caught_up, one.lagging) for one in parts] == [(8, True), (4, False), (0, False)]
    assert len(lane.held("a")) == len(lane.held("b")) == 6


def test_one_agreement_more() -> None:
    """A second agreement is caught up although the first was long ago."""
    lane = many(Nutshell(), 2)
    lane.step(rules(rule("a"), offset=2))
    lane.step(rules(rule("a"), rule("b"), offset=3))
    assert len(lane.held("b")) == 2


def test_many_changes_leave_little_room() -> None:
    """Live changes come first: the more there are, the fewer records are caught up beside them, but always some."""
    now, rooms = rules(rule(), offset=2), []
    for changes in (0, 4, 20):
        lane = many(Nutshell(), 20)
        live = [lane.change(f"q{number}", value("Ba")) for number in range(changes)]
        rooms.append(lane.step(now, *live, existing_limit=10).caught_up)
    assert rooms == [10, 6, 2]


def test_a_new_text_waits_for_its_turn() -> None:
    """A lane says that it lags while a changed text waits for a turn, though all was judged under the one before."""
    lane = many(Nutshell(), 1)
    lane.step(rules(rule(), offset=2))
    later = rules(rule(revision="r2", admits=lambda _: False), offset=3)
    assert lane.step(later, catch_up_limit=0).lagging
    assert not lane.step(later).lagging
    assert lane.held() == {}


def test_a_sweep_in_parts() -> None:
    """A lane says that it lags until every copy has been looked at in a new span, a few in each transaction."""
    lane, now = many(Nutshell(), 5), rules(rule(frequency=Ticks(100)), offset=2)
    lane.step(now)
    lane.now = 1100
    assert lane.step(now, catch_up_limit=0).lagging
    parts = [lane.step(now, existing_limit=2) for _ in range(4)]
    assert [(one.caught_up, one.lagging) for one in parts] == [(2, True), (2, True), (1, False), (0, False)]


def test_what_was_drafted_is_drafted_again() -> None:
    """The end of a catch-up that was never committed is no end: the next draft brings the same."""
    lane, now = many(Nutshell(), 3), rules(rule(), offset=2)
    drafts = [lane.core.draft(lane.state, now, Inputs(), lane.now) for _ in range(2)]
    assert [len(one.deliveries) for one in drafts] == [3, 3]


def test_an_event_that_changes_nothing_brings_nothing_back() -> None:
    """What a retention erased stays away when the person's event is told again, or names what needs no consent."""
    lane, now = Nutshell(), rules(rule("a", retention_ms=500), rule("b", retention_ms=500, needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(agreement="b")])
    lane.now = 1500
    lane.step(now)
    lane.step(now, consents=[give(agreement="b"), give(agreement="a")])
    assert (lane.held("a"), lane.held("b")) == ({}, {})


def test_an_event_that_changes_nothing_and_a_later_one() -> None:
    """Where more events wait, one that is told again leaves its pair to the later one."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give()])
    lane.step(now, consents=[give()], later=[withdraw()])
    assert lane.held() == {"p1/1": "An"}
    lane.step(now, consents=[withdraw()])
    assert lane.held() == {}


def test_an_older_version_goes_on_being_judged() -> None:
    """While the newest version of a record is a dead letter, the one before is what a new consent delivers."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), lane.change("p1", b"no frame"))
    lane.step(now, consents=[give()])
    assert lane.held() == {"p1/1": "An"}
    lane.step(now, consents=[UnreadableConsent("p1", "a", 50)])
    assert (lane.held(), lane.log[-1].reason) == ({}, Reason.CONSENT_UNREADABLE)


def test_a_change_without_a_key() -> None:
    """A record of which nobody can say whose it is becomes a dead letter; what lies beside it flows."""
    lane = Nutshell()
    bad = Unreadable(lane.change("p1", value("An")).origin, "key-unreadable")
    outcome = lane.step(rules(rule()), lane.change("p2", value("Ba")), bad, lane.change("p3", value("Chi")))
    assert (outcome.dead, lane.held()) == ([bad], {"p2/1": "Ba", "p3/1": "Chi"})
    assert not outcome.draft.dead, "nothing is remembered of a letter that is no version of a record"


def test_a_change_and_the_catch_up_of_its_record() -> None:
    """A record that changes in the transaction that catches it up is released once, as it is then."""
    lane = many(Nutshell(), 1)
    lane.step(rules(rule(), offset=2), lane.change("p0", value("Ba")))
    assert (lane.held(), len(lane.log)) == ({"p0/1": "Ba"}, 1)


def test_two_consents_in_one_batch() -> None:
    """A person who consents to two agreements at once has consented to both."""
    lane, now = Nutshell(), rules(rule("a", needs_consent=True), rule("b", needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(agreement="a"), give(agreement="b")])
    assert lane.held("a") == lane.held("b") == {"p1/1": "An"}


def test_two_sweeps() -> None:
    """Two agreements with spans of their own each look at all their copies, together no more at once than may be."""
    lane = many(Nutshell(), 3)
    now = rules(rule("a", frequency=Ticks(100)), rule("b", frequency=Ticks(100)), offset=2)
    lane.step(now)
    lane.step(now, *(lane.change(f"p{number}", value("Ba")) for number in range(3)))
    lane.now = 1100
    parts = [lane.step(now, existing_limit=4) for _ in range(3)]
    assert [(one.caught_up, one.lagging) for one in parts] == [(4, True), (2, False), (0, False)]
    assert set(lane.held("a").values()) == set(lane.held("b").values()) == {"Ba"}


def test_a_sweep_passes_over_what_nobody_holds() -> None:
    """Where few of many records are held, each transaction of a sweep looks at a bounded number of them, to the end."""
    lane, now = Nutshell(), rules(rule(admits=lambda record: record["since"] > 0, frequency=Ticks(100)))
    lane.step(now, *(lane.change(f"p{number:02}", value("An", since=int(number == 79))) for number in range(80)))
    lane.step(now, lane.change("p79", value("Ba", since=1)))
    lane.now = 1100
    steps = 0
    while lane.step(now, existing_limit=1).lagging:
        steps += 1
    assert (steps, lane.held()) == (4, {"p79/1": "Ba"})


def test_what_stays_as_it_was_is_not_written() -> None:
    """A change that leaves a copy as it was leaves no entry about it among what the lane writes."""
    lane, now = Nutshell(), rules(rule())
    assert [place for place, _ in lane.step(now, lane.change("p1", value("An"))).draft.moved()] == [(PERSON, b"p1/1")]
    assert list(lane.step(now, lane.change("p1", value("An", since=1))).draft.moved()) == []


def test_due_in_parts() -> None:
    """A position says up to which moment all that fell due was judged: short of one of which some still waits."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    ends = {"p1": 2000, "p2": 3000, "p3": 3000}
    lane.step(now, consents=[give(subject, valid_until_ms=end) for subject, end in ends.items()])
    lane.now = 4000
    untils = []
    for _ in range(4):
        lane.step(now, existing_limit=1)
        untils.append(lane.state.position.due_until_ms)
    assert untils == [1999, 2999, 2999, 4000]


def test_two_validities() -> None:
    """A lane wakes when the first of several agreements is over, and then for the next."""
    lane, now = Nutshell(), rules(rule("a", valid_until_ms=2000), rule("b", valid_until_ms=3000))
    lane.step(now, lane.change("p1", value("An")))
    held = []
    for moment in (2000, 3000):
        assert lane.core.wake_at_ms(lane.state, now) == moment
        lane.now = moment
        lane.step(now)
        held.append((len(lane.held("a")), len(lane.held("b"))))
    assert held == [(0, 1), (0, 0)]
