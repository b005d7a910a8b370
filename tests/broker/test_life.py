"""The life of agreements on a real broker: what is written straight to Kafka counts only if it is signed rightly."""

from dataclasses import replace

import pytest

from bus import clock
from bus.agreements.document import revision
from bus.errors import StepRefused
from bus.model.fact import Fact, FactKind
from bus.model.record import Outgoing
from bus.register.life import Action, Refusal
from bus.register.log import fact_message
from bus.register.offices import offices_of
from bus.register.state import Standing
from bus.register.steps import drafting, step
from tests.broker.conftest import SmallBus

pytestmark = pytest.mark.broker

TAX, INSURANCE = "person-to-tax", "person-to-insurance"
PEOPLE = tuple(f"0010900000{number:02}" for number in range(5))


async def tell(bus: SmallBus, fact: Fact) -> Refusal | None:
    """Write a fact straight to Kafka; returns why the fold refused it."""
    value = bus.messages.encode("fact", fact_message(fact))
    offset = await bus.writer.append(Outgoing(bus.topics.register, 0, fact.key(), value))
    state = await bus.registrar.state()
    return next((one.refusal for one in state.refused if one.offset == offset), None)


async def passed(bus: SmallBus) -> None:
    """Wait until every lane has committed past the end of the register."""
    end = (await bus.registrar.state()).offset

    async def behind() -> bool:
        found = await bus.positions()
        return len(found) < bus.settings.lanes or any(one["register_offset"] < end for one in found.values())

    deadline = clock.monotonic() + 30
    while await behind():
        assert clock.monotonic() < deadline, "a lane has not passed the register's end"


async def test_forged_replayed_and_self_approved_facts(small_bus: SmallBus) -> None:
    """Whoever can write to the topic, but has no right key, can bring nothing into force, and nothing back."""
    bus = small_bus
    await bus.activate(TAX)
    offices = offices_of(bus.agencies, bus.registrar.home)
    desk, registry = offices.desks["social-security"], offices.registries["public-security"]
    text = bus.documents[INSURANCE]
    state = await bus.registrar.state()
    signed = [fact for fact in bus.registrar.facts if fact.kind is FactKind.AGREEMENT]

    await bus.registrar.step(TAX, "suspended", "a test")
    assert {await tell(bus, fact) for fact in signed} <= {Refusal.NOT_NEXT}
    resumed = Fact(FactKind.AGREEMENT, TAX, "resumed", {"step": 7}, "operator", "a test", clock.now_ms())
    assert await tell(bus, resumed) is Refusal.UNSIGNED
    forged = replace(resumed, signature=b"\x01" * 64, signing_key="operator")
    assert await tell(bus, forged) is Refusal.SIGNATURE_FALSE
    assert await tell(bus, desk.sign(resumed, state.bus)) is Refusal.NOT_THEIRS

    await bus.registrar.sign(drafting(text, desk, "a wish"))
    body = {"step": 3, "revision": revision(text)}
    own = Fact(FactKind.AGREEMENT, INSURANCE, "approved", body, "", "mine", clock.now_ms())
    assert await tell(bus, desk.sign(own, state.bus)) is Refusal.OWN_TEXT
    await bus.registrar.sign([step(INSURANCE, Action.APPROVED, registry, "it is right")])
    live = replace(own, action="activated", body={**body, "step": 4})
    assert await tell(bus, desk.sign(live, state.bus)) is Refusal.NOT_THEIRS

    await bus.route()
    await bus.publish(*[await bus.person(one) for one in PEOPLE])
    await passed(bus)
    assert (await bus.registrar.state()).agreements[TAX].standing is Standing.SUSPENDED
    assert INSURANCE not in (await bus.registrar.state()).agreements
    assert bus.read(bus.agency_topic(TAX)) == []
    await bus.registrar.step(TAX, "resumed", "a test")
    await bus.until(lambda: len(bus.held(TAX)) == len(PEOPLE), "the people of the resumed agreement")


async def test_a_new_revision_takes_over_at_one_offset(small_bus: SmallBus) -> None:
    """Each block of a lane that had passed the activation names the new revision, each that had not the old one."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    await bus.publish(*[await bus.person(one) for one in PEOPLE])
    await bus.until(lambda: len(bus.held(TAX)) == len(PEOPLE), "the people under the old text")
    old = bus.documents[TAX]
    bus.documents[TAX] = old.model_copy(update={"fields": old.fields[:2]})
    await bus.activate(TAX)
    took_over = (await bus.registrar.state()).agreements[TAX].since_offset
    await bus.publish(*[await bus.person(one, full_name="Trần Thị Bình") for one in PEOPLE])
    await passed(bus)
    new = revision(bus.documents[TAX])
    blocks = await bus.disclosures()
    told = [(block["register_offset"] > took_over, entry) for block in blocks for entry in block["entries"]]
    assert {after for after, _ in told} == {False, True}
    for after, entry in told:
        assert entry["revision"] == (new if after else revision(old))


async def test_two_who_act_at_once(small_bus: SmallBus) -> None:
    """A step that was overtaken by another one is refused, and its teller is told so."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.registrar.step(TAX, "suspended", "a test")
    with pytest.raises(StepRefused) as caught:
        await bus.registrar.step(TAX, "suspended", "a test")
    assert caught.value.details["refusal"] == Refusal.HELD_ALREADY.value
