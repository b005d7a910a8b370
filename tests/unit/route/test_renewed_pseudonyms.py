"""An epoch of pseudonyms that begins: each copy goes and comes again under its new name, in one transaction."""

from dataclasses import replace
from typing import Any

import pytest

from bus.agreements.compile import compile_route, hides_ids
from bus.agreements.document import AgreementDocument
from bus.model.reasons import Reason
from bus.register.state import Standing
from bus.route.rules import Rule
from tests.country import AGREEMENTS, DATASETS
from tests.unit.route.lanes import PERSON, Nutshell, Ticks, holdings, rule, rules, value

HIDING = [document for document in AGREEMENTS if document.pseudonymous]


def hidden(epoch: int, *, standing: Standing = Standing.ACTIVE, retention_ms: int | None = None) -> Rule:
    """An agreement that hides person and record, in an epoch of its recipient's pseudonyms."""
    one = rule(standing=standing, subject_shown=False, record_id_shown=False, retention_ms=retention_ms)
    return replace(one, epoch=epoch, pseudonym=lambda text: f"{text}-in-{epoch}")


def test_old_and_new_in_one_transaction() -> None:
    """A copy is erased under its old name in the transaction that releases it under its new one, batch by batch."""
    lane = Nutshell()
    before, after = rules(hidden(1)), rules(hidden(2), offset=2)
    lane.step(before, *[lane.change(f"p{number}", value("An")) for number in range(5)])
    moved = 0
    for _ in range(5):
        outcome = lane.step(after, existing_limit=2)
        erased = {one.key for one in outcome.deliveries if one.value is None}
        released = {one.key for one in outcome.deliveries if one.value is not None}
        assert {key.replace(b"in-1", b"in-2") for key in erased} == released
        assert {one.reason for one in outcome.deliveries if one.value is None} <= {Reason.PSEUDONYMS_RENEWED}
        assert len(erased) <= 2
        moved += len(erased)
    assert moved == 5
    assert lane.held().keys() == {f"p{number}-in-2/1-in-2" for number in range(5)}
    assert holdings(lane.state, PERSON, b"p0/1")["a"].epoch == 2


def test_renewed_time_and_again() -> None:
    """Each epoch renews every name, not the second alone."""
    lane = Nutshell()
    lane.step(rules(hidden(1)), lane.change("p1", value("An")))
    for epoch in (2, 3, 4):
        lane.step(rules(hidden(epoch), offset=epoch))
        assert lane.held() == {f"p1-in-{epoch}/1-in-{epoch}": "An"}


def test_a_renewed_name_is_not_a_new_copy() -> None:
    """How long a copy may be kept is counted from its release, not from the renewal of its name."""
    lane = Nutshell()
    lane.step(rules(hidden(1, retention_ms=100)), lane.change("p1", value("An")))
    lane.now += 60
    lane.step(rules(hidden(2, retention_ms=100), offset=2))
    assert holdings(lane.state, PERSON, b"p1/1")["a"].due_ms == 1100


def in_the_view(epoch: int, **changes: Any) -> Rule:
    """An agreement that shows person and record, and beside them a pseudonym of an epoch."""
    return replace(rule(view=lambda record: {"name": f"{record['name']}-in-{epoch}"}, **changes), epoch=epoch)


def test_a_pseudonym_in_the_view_alone() -> None:
    """Where the key stays, a renewed pseudonym waits for no span of the frequency, and retention counts on as well."""
    lane = Nutshell()
    lane.step(rules(in_the_view(1, retention_ms=100, frequency=Ticks(10_000))), lane.change("p1", value("An")))
    lane.now += 60
    lane.step(rules(in_the_view(2, retention_ms=100, frequency=Ticks(10_000)), offset=2))
    copy = holdings(lane.state, PERSON, b"p1/1")["a"]
    assert (lane.held(), copy.epoch, copy.due_ms) == ({"p1/1": "An-in-2"}, 2, 1100)


def test_a_copy_in_which_no_pseudonym_stands() -> None:
    """Where neither key nor view holds one, nothing is sent when they are renewed, and the copy is of the new epoch."""
    lane = Nutshell()
    lane.step(rules(replace(rule(), epoch=1)), lane.change("p1", value("An")))
    lane.step(rules(replace(rule(), epoch=2), offset=2))
    assert (len(lane.log), holdings(lane.state, PERSON, b"p1/1")["a"].epoch) == (1, 2)


def test_what_is_held_up_keeps_its_epoch() -> None:
    """While a flow is held up its copies stay under their old names, and name the epoch whose key must stay."""
    lane = Nutshell()
    lane.step(rules(hidden(1)), lane.change("p1", value("An")))
    lane.step(rules(hidden(2, standing=Standing.PAUSED), offset=2))
    assert holdings(lane.state, PERSON, b"p1/1")["a"].epoch == 1
    lane.step(rules(hidden(2), offset=3))
    assert holdings(lane.state, PERSON, b"p1/1")["a"].epoch == 2


@pytest.mark.parametrize("document", HIDING, ids=lambda one: one.id)
def test_nothing_that_identifies_is_shown(document: AgreementDocument) -> None:
    """In a pseudonymous flow of the pretend country neither key nor view shows a person's id or a record's."""
    dataset = DATASETS[document.dataset]
    route = compile_route(
        document, dataset, number=1, topic="t", view_schema_id=1, pseudonym=lambda one: one, consent_basis_code="c"
    )
    assert hides_ids(document, dataset)
    assert (route.pseudonymous, route.subject_shown, route.record_id_shown) == (True, False, False)
    assert not [one["name"] for one in route.view_schema["fields"] if one.get("identifies")]
    as_it_is = {one.name for one in document.fields if one.transform is None}
    assert as_it_is.isdisjoint(one.name for one in dataset.fields if one.identifies)
    assert not as_it_is.issuperset(dataset.record_id), "a part of it that says nothing by itself may be shown"
