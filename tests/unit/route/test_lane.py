"""The core of a lane, case by case."""

from dataclasses import replace

import pytest

from bus.errors import FieldMissing, FilterError
from bus.model.consent import ConsentEvent, UnreadableConsent
from bus.model.reasons import Reason
from bus.register.state import Standing
from bus.route.batch import Inputs
from bus.route.lane import LaneCore
from bus.route.store.memory import MemoryState
from tests.unit.route.lanes import PARCEL, Nutshell, give, holdings, rule, rules, value, values, withdraw


def reasons(lane: Nutshell) -> list[str]:
    return [delivery.reason.value for delivery in lane.log if delivery.reason is not None]


def test_statutory_release() -> None:
    """A record goes to the recipient of a statutory agreement without anybody's consent."""
    lane = Nutshell()
    lane.step(rules(rule()), lane.change("p1", value("An")))
    assert lane.held() == {"p1/1": "An"}


def test_nothing_without_agreement() -> None:
    """Without an agreement nothing is released, whatever is consented to."""
    lane = Nutshell()
    outcome = lane.step(rules(), lane.change("p1", value("An")), consents=[give()])
    assert not outcome.deliveries


def test_consent_is_needed() -> None:
    """Where consent is the basis, a record waits for it and is delivered when it comes."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    outcome = lane.step(now, lane.change("p1", value("An")))
    assert outcome.withheld == {("a", Reason.CONSENT_MISSING): 1}
    lane.step(now, consents=[give()])
    assert lane.held() == {"p1/1": "An"}


def test_withdrawal_erases() -> None:
    """A withdrawal erases what the recipient holds, and later changes do not flow."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give()])
    lane.step(now, consents=[withdraw()])
    lane.step(now, lane.change("p1", value("An II")))
    assert lane.held() == {}
    assert reasons(lane) == ["consent-withdrawn"]


def test_change_and_withdrawal_together() -> None:
    """A change read in the same batch as a withdrawal is judged after it."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, consents=[give()])
    outcome = lane.step(now, lane.change("p1", value("An")), consents=[withdraw()])
    assert not outcome.deliveries


def test_given_and_withdrawn_in_one_batch() -> None:
    """Between a giving and a withdrawal of one batch nothing is released."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")))
    outcome = lane.step(now, consents=[give(), withdraw()])
    assert not outcome.deliveries


def test_given_again() -> None:
    """A consent given again after a withdrawal delivers again."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(at=10)])
    lane.step(now, consents=[withdraw(at=20)])
    lane.step(now, consents=[give(at=30)])
    assert lane.held() == {"p1/1": "An"}


@pytest.mark.parametrize("late", [give(at=10), give(at=20, event_id="other"), give(at=15, event_id="other")])
def test_older_giving_changes_nothing(late: object) -> None:
    """A giving seen before, or not later than the last withdrawal, changes nothing."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(at=10)])
    lane.step(now, consents=[withdraw(at=20)])
    lane.step(now, consents=[late])  # type: ignore[list-item]  # parametrised
    assert lane.held() == {}


def test_repeated_withdrawal_changes_nothing() -> None:
    """A withdrawal that is seen again after a new giving does not undo it."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(at=10), withdraw(at=20), give(at=30)])
    lane.step(now, consents=[withdraw(at=20)])
    assert lane.held() == {"p1/1": "An"}


def test_unreadable_consent_is_a_withdrawal() -> None:
    """A consent event that cannot be read stops what its key names."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give()])
    lane.step(now, consents=[UnreadableConsent("p1", "a", 50)])
    assert lane.held() == {}
    assert reasons(lane) == ["consent-unreadable"]


def test_consent_to_an_earlier_revision() -> None:
    """A consent to another revision counts only where that revision is accepted."""
    lane = Nutshell()
    now = rules(rule(needs_consent=True, revision="r2", accepted_revisions=frozenset({"r2"})))
    outcome = lane.step(now, lane.change("p1", value("An")), consents=[give()])
    assert outcome.withheld == {("a", Reason.CONSENT_REVISION): 1}
    wider = rules(rule(needs_consent=True, revision="r3", accepted_revisions=frozenset({"r1", "r3"})), offset=2)
    lane.step(wider)
    assert lane.held() == {"p1/1": "An"}


def test_consent_before_its_agreement() -> None:
    """A consent for an agreement that does not exist yet counts when it does."""
    lane = Nutshell()
    lane.step(rules(), lane.change("p1", value("An")), consents=[give()])
    lane.step(rules(rule(needs_consent=True), offset=2))
    assert lane.held() == {"p1/1": "An"}


def test_consent_expires_by_itself() -> None:
    """A consent that is over erases at its moment, with no record in sight."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(valid_until_ms=2000)])
    assert lane.core.wake_at_ms(lane.state, now) == 2000
    lane.now = 1999
    lane.step(now)
    assert lane.held() == {"p1/1": "An"}
    lane.now = 2000
    lane.step(now)
    assert reasons(lane) == ["consent-expired"]


def test_consent_begins_later() -> None:
    """A consent that begins later delivers at its moment."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(valid_from_ms=2000)])
    assert lane.held() == {}
    lane.now = 2000
    lane.step(now)
    assert lane.held() == {"p1/1": "An"}


def test_leaving_and_entering_the_filter() -> None:
    """A record that leaves the filter is erased, one that enters it again is released again."""
    lane, now = Nutshell(), rules(rule())
    lane.step(now, lane.change("p1", value("An")))
    lane.step(now, lane.change("p1", value("An", living=False)))
    assert lane.held() == {}
    lane.step(now, lane.change("p1", value("An")))
    assert lane.held() == {"p1/1": "An"}
    assert reasons(lane) == ["outside-filter"]


def test_keep_on_exit() -> None:
    """Where a statutory agreement keeps what left the filter, nothing is erased; deletion still erases."""
    lane, now = Nutshell(), rules(rule(keep_on_exit=True))
    lane.step(now, lane.change("p1", value("An")))
    lane.step(now, lane.change("p1", value("An", living=False)))
    assert lane.held() == {"p1/1": "An"}
    lane.step(now, lane.change("p1", None))
    assert lane.held() == {}


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (FilterError(agreement="a"), Reason.FILTER_ERROR),
        (FieldMissing(agreement="a", field="name"), Reason.FIELD_MISSING),
    ],
)
def test_errors_withhold_and_keep(error: Exception, reason: Reason) -> None:
    """An error in a filter or a missing field withholds; the copy held stays, stale."""

    def fails(record: object) -> bool:
        raise error

    lane = Nutshell()
    lane.step(rules(rule()), lane.change("p1", value("An")))
    outcome = lane.step(rules(rule(admits=fails)), lane.change("p1", value("An II")))
    assert outcome.withheld == {("a", reason): 1}
    assert lane.held() == {"p1/1": "An"}


def test_unchanged_view_sends_nothing() -> None:
    """A change that leaves the view as it was is not sent again."""
    lane, now = Nutshell(), rules(rule())
    lane.step(now, lane.change("p1", value("An")))
    outcome = lane.step(now, lane.change("p1", value("An")), lane.change("p1", value("An")))
    assert not outcome.deliveries


def test_deleted_and_made_again() -> None:
    """Deletion erases; the record made again is released again; in one batch as well."""
    lane, now = Nutshell(), rules(rule())
    lane.step(now, lane.change("p1", value("An")), lane.change("p1", None), lane.change("p1", value("An")))
    assert [delivery.value is not None for delivery in lane.log] == [True, False, True]
    assert lane.held() == {"p1/1": "An"}


def test_erasure_only_of_what_is_held() -> None:
    """Who holds nothing gets no tombstone."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    outcome = lane.step(now, lane.change("p1", None), consents=[withdraw()])
    assert not outcome.deliveries


def test_suspended_keeps_ended_erases() -> None:
    """Suspension stops at once and keeps; the end erases, unless a statutory agreement keeps."""
    lane = Nutshell()
    both = (rule(), rule("k", keep_on_end=True))
    lane.step(rules(*both), lane.change("p1", value("An")))
    suspended = [replace(one, standing=Standing.SUSPENDED) for one in both]
    lane.step(rules(*suspended, offset=2), lane.change("p1", value("An II")))
    assert (lane.held(), lane.held("k")) == ({"p1/1": "An"}, {"p1/1": "An"})
    lane.step(rules(*both, offset=3))
    assert (lane.held(), lane.held("k")) == ({"p1/1": "An II"}, {"p1/1": "An II"})
    ended = [replace(one, standing=Standing.ENDED) for one in both]
    lane.step(rules(*ended, offset=4))
    assert (lane.held(), lane.held("k")) == ({}, {"p1/1": "An II"})


def test_deletion_under_suspension_erases() -> None:
    """What the registry deletes is erased under a suspended agreement too."""
    lane = Nutshell()
    lane.step(rules(rule()), lane.change("p1", value("An")))
    lane.step(rules(rule(standing=Standing.SUSPENDED), offset=2), lane.change("p1", None))
    assert lane.held() == {}


def test_validity_by_itself() -> None:
    """An agreement delivers when its validity begins and erases when it is over, with no record in sight."""
    lane, now = Nutshell(), rules(rule(valid_from_ms=2000, valid_until_ms=3000))
    lane.step(now, lane.change("p1", value("An")))
    assert lane.held() == {}
    assert lane.core.wake_at_ms(lane.state, now) == 2000
    lane.now = 2000
    lane.step(now)
    assert lane.held() == {"p1/1": "An"}
    lane.now = 3000
    lane.step(now)
    assert reasons(lane) == ["agreement-over"]


def test_retention() -> None:
    """What may be kept for a time is erased when it is over, and not sent again by itself."""
    lane, now = Nutshell(), rules(rule(retention_ms=500))
    lane.step(now, lane.change("p1", value("An")))
    lane.now = 1500
    lane.step(now)
    assert reasons(lane) == ["retention-over"]
    outcome = lane.step(now)
    assert not outcome.deliveries


def test_catch_up_in_parts() -> None:
    """A new agreement is caught up in bounded parts, each record once."""
    lane = Nutshell()
    lane.step(rules(), *(lane.change(f"p{number}", value("An")) for number in range(10)))
    now = rules(rule(), offset=2)
    sizes = [len(lane.step(now, existing_limit=4).deliveries) for _ in range(4)]
    assert sizes == [4, 4, 2, 0]
    assert not lane.core.behind(lane.state, now, lane.now)


def test_catch_up_waits_for_its_turn() -> None:
    """Without a turn nothing is caught up and the lane says that it lags, while live changes flow; with one it does."""
    lane = Nutshell()
    lane.step(rules(), *(lane.change(f"p{number}", value("An")) for number in range(6)))
    now = rules(rule(), offset=2)
    waiting = lane.step(now, lane.change("p9", value("Bình")), catch_up_limit=0)
    assert (len(waiting.deliveries), waiting.caught_up, waiting.lagging) == (1, 0, True)
    parts = [lane.step(now, catch_up_limit=4) for _ in range(3)]
    assert [(one.caught_up, one.lagging) for one in parts] == [(4, True), (3, False), (0, False)]
    assert len(lane.held()) == 7


def test_live_change_beats_catch_up() -> None:
    """A change that arrives while its record waits to be caught up is delivered at once, and not overtaken later."""
    lane = Nutshell()
    lane.step(rules(), *(lane.change(f"p{number}", value("An")) for number in range(10)))
    now = rules(rule(), offset=2)
    lane.step(now, lane.change("p9", value("Bình")), existing_limit=2)
    assert lane.held()["p9/1"] == "Bình"
    while lane.core.behind(lane.state, now, lane.now):
        lane.step(now, existing_limit=2)
    assert lane.held()["p9/1"] == "Bình"
    assert len(lane.log) == 10


def test_new_revision_sends_what_changed() -> None:
    """A new revision releases what changes, erases what falls out, and leaves the rest alone."""
    lane = Nutshell()
    lane.step(rules(rule()), lane.change("p1", value("An")), lane.change("p2", value("Bình")))
    lane.log.clear()
    narrower = rule(revision="r2", admits=lambda record: record["name"] == "An")
    lane.step(rules(narrower, offset=2))
    assert lane.held() == {"p1/1": "An"}
    assert [delivery.key for delivery in lane.log] == [b"p2/1"]
    assert holdings(lane.state, "population.person", b"p1/1")["a"].revision == "r2"


def test_two_agreements_for_one_recipient() -> None:
    """Two agreements over the same dataset release and erase each for itself."""
    lane = Nutshell()
    now = rules(rule("a"), rule("b", needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(agreement="b")])
    lane.step(now, consents=[withdraw(agreement="b")])
    assert (lane.held("a"), lane.held("b")) == ({"p1/1": "An"}, {})


def test_parcel_without_subject() -> None:
    """A dataset about nobody flows without consent, keyed by its record id; under a consent it never flows."""
    lane = Nutshell()
    now = rules(rule("a", dataset=PARCEL), rule("b", dataset=PARCEL, needs_consent=True))
    outcome = lane.step(now, lane.change(None, value("w3gv2"), record="w3gv2", dataset=PARCEL))
    assert lane.held("a") == {"w3gv2": "w3gv2"}
    assert outcome.withheld == {("b", Reason.SUBJECT_UNKNOWN): 1}


def test_key_shows_only_what_the_view_shows() -> None:
    """Where the view hides the person, the key holds a pseudonym and the partition follows from it."""
    lane = Nutshell()
    lane.step(rules(rule(subject_shown=False, record_id_shown=False)), lane.change("p1", value("An")))
    (delivery,) = lane.log
    assert delivery.key == b"<p1>/<1>"


def test_poison_is_kept_and_the_flow_goes_on() -> None:
    """A record that cannot be read becomes a dead letter; what comes after it flows; the older version stays known."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give()])
    poison = [lane.change("p1", b"no frame"), lane.change("p1", b"\0\0\0\0\x09x"), lane.change("p1", b"\0\0\0\0\x01")]
    outcome = lane.step(now, *poison, lane.change("p2", value("Bình")))
    assert [letter.reason for letter in outcome.dead] == ["RecordUnreadable", "SchemaUnknown", "RecordUnreadable"]
    assert outcome.withheld == {("a", Reason.CONSENT_MISSING): 1}
    lane.step(now, consents=[withdraw()])
    assert lane.held() == {}


def test_withdrawal_erases_even_when_the_record_is_lost() -> None:
    """What a recipient holds is erased on withdrawal although the lane no longer has the record itself."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give()])
    lane.state.records.clear()
    lane.step(now, consents=[withdraw()])
    assert lane.held() == {}


def test_time_never_goes_back() -> None:
    """A clock that jumps back does not revive what was over."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give(valid_until_ms=2000)])
    lane.now = 2500
    lane.step(now)
    lane.now = 1500
    outcome = lane.step(now, lane.change("p1", value("An II")))
    assert outcome.withheld == {("a", Reason.CONSENT_EXPIRED): 1}


def test_draft_leaves_the_state_alone() -> None:
    """A transaction that is not committed leaves nothing behind."""
    lane, now = Nutshell(), rules(rule())
    change = lane.change("p1", value("An"))
    core, state = LaneCore(0, lane.core.keyring, values), MemoryState()
    outcome = core.draft(state, now, Inputs(changes=[change], input_offsets={"population.person": 1}), 5)
    assert len(outcome.deliveries) == 1
    assert state.record("population.person", b"p1/1") is None
    assert not state.held("population.person", b"p1/1")
    assert state.position.block == 0


def test_waiting_consents_hold_back_changes() -> None:
    """While consent events wait that did not fit, no change is judged, nor a pair that a later event is about."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), lane.change("p2", value("Bình")))
    inputs = Inputs(consents=[give("p1"), give("p2")], consents_offset=2, later_consents=[withdraw("p1")], changes=())
    outcome = lane.core.draft(lane.state, now, inputs, lane.now)
    assert [delivery.key for delivery in outcome.deliveries] == [b"p2/1"]


@pytest.mark.parametrize("later", [withdraw(), give(at=15)], ids=["told again", "an older giving"])
def test_what_a_later_event_leaves_as_it_is_is_judged_now(later: ConsentEvent) -> None:
    """A withdrawal erases though many events wait and a later one is about its pair, which that one does not change."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give()])
    lane.step(now, consents=[withdraw()], later=[later])
    lane.step(now, consents=[later])
    assert lane.held() == {}
