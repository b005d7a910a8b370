"""Cases of a lane in which several things happen together, or at a moment when nothing comes."""

from dataclasses import replace

import pytest

from bus.model.consent import ConsentEvent
from bus.model.reasons import Reason
from bus.register.state import Standing
from tests.unit.route.lanes import Nutshell, give, holdings, rule, rules, value, withdraw


def test_a_corrected_number() -> None:
    """Gone from the old number and there under the new one in one transaction; a consent is for one number."""
    lane, now = Nutshell(), rules(rule(), rule("b", needs_consent=True))
    lane.step(now, lane.change("p1", value("An")), consents=[give("p1", "b")])
    lane.step(now, lane.change("p1", None), lane.change("p2", value("An")))
    assert (lane.held(), lane.held("b")) == ({"p2/1": "An"}, {})
    assert [one.reason for one in lane.log if one.value is None] == [Reason.DELETED] * 2


def test_a_midnight_on_which_many_expire() -> None:
    """From the moment on nothing is released, and the copies are erased in bounded batches."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    people = [f"p{number}" for number in range(20)]
    consents = [give(one, valid_until_ms=2000) for one in people]
    lane.step(now, *(lane.change(one, value("An")) for one in people), consents=consents)
    lane.now = 2000
    outcome = lane.step(now, lane.change("p19", value("Bình")), existing_limit=6)
    assert outcome.withheld[("a", Reason.CONSENT_EXPIRED)] == 7
    assert [one.value for one in outcome.deliveries] == [None] * 7
    sizes = [len(lane.step(now, existing_limit=6).deliveries) for _ in range(4)]
    assert (sum(sizes), max(sizes), lane.held()) == (13, 6, {})


def test_people_with_many_records() -> None:
    """What is judged at once is counted in records, not in people, of consents that come and of those that expire."""
    lane, now = Nutshell(), rules(rule(needs_consent=True))
    people = [f"p{number}" for number in range(5)]
    consents = [give(one, valid_until_ms=2000) for one in people]
    lane.step(
        now, *(lane.change(one, value("An"), record=str(n)) for one in people for n in range(4)), consents=consents
    )
    pairs = [None, *((one, "a") for one in people), ("p1", "unknown")]
    fits = [lane.core.fitting(lane.state, now, pairs, limit) for limit in (0, 4, 8, 9, 20)]
    assert fits == [1, 2, 3, 3, 7]
    assert lane.core.fitting(lane.state, now, [("p1", "a"), ("p1", "a")], 1) == 1, "one in any case"
    lane.now = 2000
    sizes = [len(lane.step(now, existing_limit=9).deliveries) for _ in range(4)]
    assert (sizes, lane.held()) == ([8, 8, 4, 0], {})


def test_a_dataset_registered_later() -> None:
    """Consents that came before their dataset and agreement count when both are there."""
    lane = Nutshell()
    lane.step(rules(rule()), consents=[give(agreement="later")])
    later = rule("later", dataset="tax.payer", needs_consent=True)
    lane.step(rules(rule(), later, offset=2), lane.change("p1", value("An"), dataset="tax.payer"))
    assert (lane.held(), lane.held("later")) == ({}, {"p1/1": "An"})


def test_a_record_of_another_schema() -> None:
    """One that has the fields in name only is withheld, whatever they hold; the copy stays, and what follows flows."""
    lane, now = Nutshell(), rules(rule(view=lambda record: {"name": record["name"] if record["since"] else {"a": 1}}))
    lane.step(now, lane.change("p1", value("An", since=1)))
    outcome = lane.step(now, lane.change("p1", value("An II")), lane.change("p2", value("Ba", since=1)))
    assert outcome.withheld == {("a", Reason.FIELD_MISSING): 1}
    assert lane.held() == {"p1/1": "An", "p2/1": "Ba"}


def test_what_retention_erased_comes_back_when_judged_again() -> None:
    """Retention ends a copy, not the right to one: a new text or a backfill delivers what exists, counted anew."""
    lane = Nutshell()
    lane.step(rules(rule(retention_ms=500)), lane.change("p1", value("An")))
    lane.now = 1500
    lane.step(rules(rule(retention_ms=500)))
    assert lane.held() == {}
    lane.step(rules(replace(rule(retention_ms=500), backfill=2), offset=2))
    assert holdings(lane.state, "population.person", b"p1/1")["a"].due_ms == 2000


@pytest.mark.parametrize(
    ("reason", "until", "events"), [(Reason.CONSENT_WITHDRAWN, None, [withdraw()]), (Reason.CONSENT_EXPIRED, 2000, [])]
)
def test_what_ends_a_consent_erases_under_suspension(
    reason: Reason, until: int | None, events: list[ConsentEvent]
) -> None:
    """A person's withdrawal, and a consent that expires, erase under a suspended agreement as under any other."""
    lane = Nutshell()
    lane.step(rules(rule(needs_consent=True)), lane.change("p1", value("An")), consents=[give(valid_until_ms=until)])
    suspended = rules(rule(needs_consent=True, standing=Standing.SUSPENDED), offset=2)
    lane.step(suspended)
    assert lane.held() == {"p1/1": "An"}
    lane.now = 2000
    lane.step(suspended, consents=events)
    assert (lane.held(), lane.log[-1].reason) == ({}, reason)


@pytest.mark.parametrize("before", [5000, None])
def test_a_shorter_retention_counts_for_what_is_held(before: int | None) -> None:
    """A new text that lets copies be kept for less time shortens that of a copy whose view stays as it is."""
    lane, now = Nutshell(), rules(rule(retention_ms=500, revision="r2"), offset=2)
    lane.step(rules(rule(retention_ms=before)), lane.change("p1", value("An")))
    lane.now = 1400
    lane.step(now)
    lane.now = 1500
    lane.step(now)
    assert (lane.held(), lane.log[-1].reason) == ({}, Reason.RETENTION_OVER)


def test_a_longer_retention_counts_for_what_is_released_then() -> None:
    """A new text that lets copies be kept for longer leaves those that are held their time."""
    lane = Nutshell()
    lane.step(rules(rule(retention_ms=500)), lane.change("p1", value("An")), lane.change("p2", value("An")))
    lane.now = 1400
    lane.step(rules(rule(retention_ms=5000, revision="r2"), offset=2), lane.change("p1", value("Bình")))
    assert holdings(lane.state, "population.person", b"p1/1")["a"].due_ms == 6400
    assert holdings(lane.state, "population.person", b"p2/1")["a"].due_ms == 1500
