"""The life of agreements on a real broker: what is written straight to Kafka counts only if it is signed rightly."""

import asyncio
from collections.abc import Iterable
from dataclasses import replace
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from click.testing import CliRunner
from confluent_kafka import Producer
from confluent_kafka.admin import AdminClient, AlterConfigOpType, ConfigEntry, ConfigResource

from bus import clock
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.moments import midnight_ms
from bus.agreements.view import view_schema
from bus.avro.client import value_subject
from bus.cli import cli
from bus.errors import BusLost, StepRefused
from bus.kafka.log import Place, Reader
from bus.model.fact import Fact, FactKind
from bus.model.record import Outgoing
from bus.model.signature import Role, SigningKey
from bus.platform.home import Home
from bus.register.days import facts_of_the_day, scheduled
from bus.register.grounds import Grounds
from bus.register.life import Action, Refusal
from bus.register.log import Register, fact_message
from bus.register.offices import offices_of
from bus.register.registrar import Registrar
from bus.register.state import REFUSED_KEPT, Standing
from bus.register.steps import Ground, activation, drafting, signed_facts, step
from bus.topics import Topics
from bus.wiring import environment
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
    """Wait until every lane has committed past the end of the register, and past each change that is there."""
    state = await bus.registrar.state()
    changes = {
        (name, record.partition): record.offset
        for name in state.datasets
        for record in await asyncio.to_thread(bus.read, bus.topics.changes(name))
    }

    async def behind() -> bool:
        found = await bus.positions()
        return (
            len(found) < bus.settings.lanes
            or any(one["register_offset"] < state.offset for one in found.values())
            or any(found[lane]["inputs"].get(name, 0) <= offset for (name, lane), offset in changes.items())
        )

    deadline = clock.monotonic() + 60
    while await behind():
        assert clock.monotonic() < deadline, "a lane has not passed the register's end, or a change"


async def test_forged_replayed_and_self_approved_facts(small_bus: SmallBus) -> None:
    """Whoever can write to the topic, but has no right key, can bring nothing into force, and nothing back."""
    bus = small_bus
    await bus.activate(TAX)
    offices = offices_of(bus.agencies, bus.registrar.home)
    desk, registry = offices.desks["social-security"], offices.registries["public-security"]
    text = bus.documents[INSURANCE]
    state = await bus.registrar.state()
    signed = [one.fact for one in bus.registrar.counted if one.fact.kind is FactKind.AGREEMENT]

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


async def test_a_refused_step_behind_many_is_told(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever was overtaken hears it, though so many refused facts follow that theirs is remembered by nobody."""
    bus = small_bus
    await bus.activate(TAX)
    append = bus.registrar._writer.append

    async def overtaken(*facts: Fact) -> list[int]:
        return (await append(*facts, *facts, *facts * REFUSED_KEPT))[len(facts) : 2 * len(facts)]

    monkeypatch.setattr(bus.registrar._writer, "append", overtaken)
    with pytest.raises(StepRefused):
        await bus.registrar.step(TAX, "suspended", "a test")
    for name, value in environment(bus.settings).items():
        monkeypatch.setenv(name, value)
    shown = await asyncio.to_thread(CliRunner().invoke, cli, ["register", "refused"])
    assert len(shown.stdout.splitlines()) == REFUSED_KEPT
    assert f"{REFUSED_KEPT + 1} facts were ignored: above are the newest {REFUSED_KEPT}" in shown.stderr


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


def narrower(text: AgreementDocument, first: date) -> AgreementDocument:
    """The same with two fields, from a day on."""
    return text.model_copy(update={"fields": text.fields[:2], "valid": text.valid.model_copy(update={"from_": first})})


async def approved(bus: SmallBus, text: AgreementDocument) -> None:
    """A changed text of TAX, with both approvals."""
    offices = offices_of(bus.agencies, bus.registrar.home)
    registry, recipient = offices.registries["public-security"], offices.recipients[text.recipient]
    wishes = [step(TAX, Action.APPROVED, one, "a test") for one in (registry, recipient)]
    await bus.registrar.sign([*drafting(text, offices.author(text), "a test"), *wishes])


async def test_a_day_that_has_not_come(small_bus: SmallBus) -> None:
    """A text activated before its day waits, and whoever says that the day has come cannot hurry it."""
    bus = small_bus
    await bus.activate(TAX)
    old = bus.documents[TAX]
    tomorrow = datetime.now(ZoneInfo(old.timezone)).date() + timedelta(days=2)
    later = narrower(old, tomorrow)
    await approved(bus, later)
    await bus.registrar.activate(TAX, bus.agencies.consent_basis, "a test")
    state = await bus.registrar.state()
    assert scheduled(state) == {TAX: midnight_ms(tomorrow, old.timezone)}
    [day] = facts_of_the_day(state, midnight_ms(tomorrow, old.timezone), "a liar")
    assert await tell(bus, day) is Refusal.NOT_DUE
    assert (await bus.registrar.state()).agreements[TAX].revision == revision(old)


async def test_a_text_takes_over_by_itself_under_load(small_bus: SmallBus) -> None:
    """On its day, told by routers alone, a text takes over at one offset for every lane, while changes flow."""
    bus = small_bus
    await bus.activate(TAX)
    old = bus.documents[TAX]
    new = narrower(old, datetime.now(ZoneInfo(old.timezone)).date())
    await approved(bus, new)
    await asyncio.gather(bus.route(), bus.route("route-2"))
    await bus.publish(*[await bus.person(one) for one in PEOPLE])
    await bus.until(lambda: len(bus.held(TAX)) == len(PEOPLE), "the people under the old text")
    names: list[str] = []
    enough = asyncio.Event()

    async def load() -> None:
        while not enough.is_set():
            names.append(f"Trần Thị {len(names)}")
            await bus.publish(*[await bus.person(one, full_name=names[-1]) for one in PEOPLE])

    loading = asyncio.create_task(load())
    await bus.until(lambda: len(names) > 3, "changes under the old text")
    await tell_yesterday(bus, await activated_yesterday(bus, new))
    took_over = await took_effect(bus)
    await passed(bus)
    told = len(names)
    await bus.until(lambda: len(names) > told + 3, "changes under the new text")
    enough.set()
    await loading
    last = names[-1].encode()
    await bus.until(lambda: all(last in view for view in bus.held(TAX).values()), "the last of the changes")
    blocks = await bus.disclosures()
    entries = [(block["register_offset"] > took_over, entry) for block in blocks for entry in block["entries"]]
    assert {after for after, _ in entries} == {False, True}
    for after, entry in entries:
        assert entry["revision"] == revision(new if after else old)
    revisions = {entry["event_id"]: entry["revision"] for _, entry in entries}
    released = bus.read(bus.agency_topic(TAX))
    assert {one.header("ce_id"): one.header("ce_agreementrevision") for one in released} == revisions
    assert (await bus.registrar.state()).refused_count == 0
    views = await bus.values([one for one in released if one.header("ce_agreementrevision") == revision(new)])
    assert {tuple(view) for view in views} == {tuple(rule.view_name for rule in new.fields)}


async def activated_yesterday(bus: SmallBus, text: AgreementDocument) -> Fact:
    """The operator's signature under a text whose day had not come then."""
    topic = bus.agency_topic(TAX)
    subject = value_subject(topic)
    ground = Ground(topic, await bus.client.register(subject, view_schema(text, bus.datasets[text.dataset])))
    operator = await bus.registrar.operator()
    wish = activation(text, ground, bus.agencies.consent_basis, operator, "a test")
    yesterday = midnight_ms(text.valid.from_, text.timezone) - 3_600_000
    [fact] = signed_facts([wish], await bus.registrar.state(), yesterday)
    return fact


async def tell_yesterday(bus: SmallBus, fact: Fact) -> None:
    """Write a fact as if the broker had taken it when it was signed: for once, the broker takes the writer's word."""

    def write() -> None:
        resource = ConfigResource(
            ConfigResource.Type.TOPIC,
            bus.topics.register,
            incremental_configs=[
                ConfigEntry("message.timestamp.type", "CreateTime", incremental_operation=AlterConfigOpType.SET)
            ],
        )
        admin = AdminClient(bus.access.for_confluent())
        for future in admin.incremental_alter_configs([resource]).values():
            future.result()
        producer = Producer(bus.access.for_confluent())
        value = bus.messages.encode("fact", fact_message(fact))
        producer.produce(bus.topics.register, value, fact.key(), partition=0, timestamp=fact.at_ms)
        assert producer.flush(10) == 0

    await asyncio.to_thread(write)


async def took_effect(bus: SmallBus) -> int:
    """The offset at which a router told of the day."""
    deadline = clock.monotonic() + 60
    while True:
        entry = (await bus.registrar.state()).agreements[TAX]
        if entry.revision != revision(bus.documents[TAX]):
            return entry.since_offset
        assert clock.monotonic() < deadline, "no router told of the day"
        await asyncio.sleep(0.05)


async def test_every_kind_of_forged_fact(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever kind of fact somebody without a key writes to Kafka changes nothing, and the operator is shown it."""
    bus = small_bus
    await bus.activate(TAX)
    before = await bus.registrar.state()
    founding, *signed = [one.fact for one in bus.registrar.counted]
    assert {FactKind.AGENCY, FactKind.DATASET, FactKind.KEY, FactKind.AGREEMENT} <= {fact.kind for fact in signed}
    now = clock.now_ms()
    mine = SigningKey.of(b"\7" * 32, key="mine", holder="operator", agency="", role=Role.OPERATOR)
    forged = {kind: Fact(kind, "one", "enrolled", {"step": 1}, "operator", "a lie", now) for kind in FactKind}
    forged[FactKind.BUS] = replace(founding, body={**founding.body, "lanes": 1})
    forged[FactKind.KEY] = replace(forged[FactKind.KEY], action="added", body=mine.public.body(), subject_id="mine")
    forged[FactKind.ROUTE] = replace(forged[FactKind.ROUTE], action="resumed", subject_id=TAX)
    for kind, fact in forged.items():
        unsigned, stranger = await tell(bus, fact), await tell(bus, mine.sign(fact, before.bus))
        expected = {Refusal.FOUNDED} if kind is FactKind.BUS else {Refusal.UNSIGNED, Refusal.KEY_UNKNOWN}
        assert {unsigned, stranger} == expected, kind
    assert {await tell(bus, fact) for fact in signed} <= {Refusal.NOT_NEXT, Refusal.KEY_KNOWN}
    after = await bus.registrar.state()
    assert replace(after, refused=(), refused_count=0, offset=before.offset) == before
    for name, value in environment(bus.settings).items():
        monkeypatch.setenv(name, value)
    shown = await asyncio.to_thread(CliRunner().invoke, cli, ["register", "refused"])
    assert shown.exit_code == 0, shown.output
    for kind in set(FactKind) - {FactKind.BUS}:
        assert f"{kind.value} " in shown.stdout
    assert "the register knows no such key" in shown.stdout


async def test_two_who_act_at_once(small_bus: SmallBus) -> None:
    """A step that was overtaken by another one is refused, and its teller is told so."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.registrar.step(TAX, "suspended", "a test")
    with pytest.raises(StepRefused) as caught:
        await bus.registrar.step(TAX, "suspended", "a test")
    assert caught.value.details["refusal"] == Refusal.HELD_ALREADY.value


async def test_a_start_asks_once_where_the_register_ends(small_bus: SmallBus, monkeypatch: pytest.MonkeyPatch) -> None:
    """Who begins to follow the register knows all of it after one question, and asks anew for what is newest."""
    bus, asked, ends = small_bus, list[Place](), Reader.ends
    await bus.activate(TAX)

    async def counted(reader: Reader, places: Iterable[Place]) -> dict[Place, int]:
        asked.extend(found := await ends(reader, places))
        return found

    monkeypatch.setattr(Reader, "ends", counted)
    register = Register(bus.access, bus.topics, bus.messages)
    try:
        started = await register.start()
        assert len(asked) == 1
        assert (started, await register.newest()) == (register.state, started)
        assert len(asked) == 2
    finally:
        await register.stop()
    assert started == await bus.registrar.state()


async def test_a_bus_that_is_lost_is_not_founded_anew(bus: SmallBus) -> None:
    """A Kafka without its disk is not taken for one that is new; where a bus was thrown away on purpose, one is."""
    home, topics = Home.from_settings(bus.settings), Topics(f"{bus.settings.prefix}lost.", 1)
    grounds = Grounds(bus.access, topics, home)
    await grounds.lay()
    home.note_founded(bus.access.bootstrap, topics.prefix, "a bus of before")
    for lost in (True, False, False):
        registrar = Registrar(grounds, bus.access, home, bus.client, by="a test")
        if lost:
            with pytest.raises(BusLost, match=rf"no register, and a bus of prefix {topics.prefix} was founded there"):
                await registrar.start()
            home.founded.unlink()
        else:
            assert (await registrar.start()).bus
        await registrar.stop()
    assert len(await asyncio.to_thread(bus.read, topics.register)) == 1
    await grounds.clear()
