"""Of several reasons to withhold a record the one that counts is told; none of them lets it through."""

from typing import Any

import pytest

from bus.errors import FieldMissing
from bus.model.reasons import Reason
from bus.register.state import Standing
from tests.unit.route.lanes import Nutshell, Ticks, give, rule, rules, value


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        ({"standing": Standing.ENDED}, Reason.AGREEMENT_ENDED),
        ({"valid_until_ms": 1000}, Reason.AGREEMENT_OVER),
        ({"valid_from_ms": 1001}, Reason.AGREEMENT_NOT_YET),
        ({"standing": Standing.SUSPENDED}, Reason.CONSENT_MISSING),
        ({"standing": Standing.PAUSED}, Reason.CONSENT_MISSING),
    ],
    ids=["ended", "over", "not yet", "suspended", "paused"],
)
def test_nobody_is_asked_to_consent_to_what_does_not_stand(words: dict[str, Any], reason: Reason) -> None:
    """Where an agreement has ended, is over or not yet valid, that is told, and not that consent is missing."""
    lane = Nutshell()
    outcome = lane.step(rules(rule(needs_consent=True, **words)), lane.change("p1", value("An")))
    assert (lane.held(), outcome.withheld) == ({}, {("a", reason): 1})


def test_nobody_can_consent_for_whom_a_record_does_not_name() -> None:
    """A record of an unknown person is withheld whatever event names that nobody, and flows by law."""
    lane, now = Nutshell(), rules(rule(), rule("b", needs_consent=True))
    outcome = lane.step(now, lane.change("-", value("An")), consents=[give("-", "b")])
    assert (lane.held(), lane.held("b")) == ({"-/1": "An"}, {})
    assert outcome.withheld == {("b", Reason.SUBJECT_UNKNOWN): 1}


def test_age_counts_without_a_filter() -> None:
    """An agreement that lets every record through, but none that is too old, withholds one that is."""
    aged = rule(filtered=False, age_field="since", oldest=lambda now_ms: now_ms - 500, days=Ticks(25))
    lane = Nutshell()
    outcome = lane.step(
        rules(aged), lane.change("p1", value("An", since=499)), lane.change("p2", value("Ba", since=500))
    )
    assert (lane.held(), outcome.withheld) == ({"p2/1": "Ba"}, {("a", Reason.TOO_OLD): 1})


@pytest.mark.parametrize(
    ("no_wider", "held", "reason"),
    [({"r2"}, {}, Reason.CANNOT_FOLLOW), ({"r1", "r2"}, {"p1/1": "An"}, Reason.FIELD_MISSING)],
    ids=["narrower", "allows as much"],
)
def test_a_text_that_releases_a_field_that_is_missing(no_wider: set[str], held: dict[str, str], reason: Reason) -> None:
    """What an older text allowed does not stay under a narrower one because a field of that one is missing."""

    def lacks(_: object) -> dict[str, Any]:
        raise FieldMissing(agreement="a", field="house")

    lane = Nutshell()
    lane.step(rules(rule()), lane.change("p1", value("An")))
    later = rule(revision="r2", no_wider=frozenset(no_wider), view=lacks)
    outcome = lane.step(rules(later, offset=2))
    assert (lane.held(), outcome.withheld) == (held, {("a", reason): 1})
