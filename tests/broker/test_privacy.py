"""What recipients can learn together of one change, and what becomes of pseudonyms when their epoch ends."""

import asyncio
import itertools
import sys
from asyncio.subprocess import PIPE
from collections import defaultdict
from collections.abc import Iterable
from typing import Any

import pytest
from cloudevents.core.bindings.kafka import KafkaMessage, from_binary_event

from bus import clock
from bus.connect.publish import Envelope, Stamp
from bus.errors import EpochHeld, RootKeyWrong
from bus.model.change import Operation
from bus.model.consent import ConsentAction
from bus.model.key import RecordKey
from bus.model.record import Incoming, Outgoing
from bus.platform.home import Home
from bus.platform.salts import Salts
from bus.route.foresight.found import Foresight
from bus.watch.epochs import COPIES_HELD, NOT_FOLLOWED, EpochState, require_free, survey_epochs
from bus.watch.reach import looking
from bus.watch.verify import verify
from bus.wiring import preview_agreement
from tests.broker.conftest import PERSON, SmallBus

pytestmark = pytest.mark.broker

TAX, INSURANCE, STATISTICS = "person-to-tax", "person-to-insurance", "person-to-statistics"
BANK, PORTAL = "person-address-to-bank", "person-to-portal"
ALL = (TAX, INSURANCE, STATISTICS, BANK, PORTAL)
OFFICE = "statistics-office"

SAID_OF_THE_FLOW = frozenset(
    {"content-type", "ce_specversion", "ce_type", "ce_purpose", "ce_legalbasis", "ce_erasurereason"}
)
"""Headers that say what kind of flow or event it is, the same for every record of it."""

SOURCE = {
    "ce_id": "population.1.0000000042",
    "ce_source": "/registries/population",
    "ce_time": "2026-03-01T08:00:00.123Z",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}
"""What a connector wrote beside the record."""

SHORT, SMALL = 5, 10_000
"""Texts and numbers below are too common to join two tables by."""


def people(count: int) -> list[str]:
    return [f"0010900{number:05d}" for number in range(count)]


async def published(bus: SmallBus, ids: Iterable[str]) -> None:
    headers = tuple((name, text.encode()) for name, text in SOURCE.items())
    changes = [await bus.person(one, full_name=f"Nguyễn Thị {one[-4:]}") for one in ids]
    await bus.publish(*[change._replace(headers=(*change.headers, *headers)) for change in changes])


def released_as_is(bus: SmallBus, agreement: str) -> frozenset[str]:
    """The fields that an agreement lets its recipient see as they are."""
    return frozenset(rule.name for rule in bus.documents[agreement].fields if rule.transform is None)


def tells(record: Incoming, view: dict[str, Any], shown: frozenset[str]) -> set[str]:
    """Everything in a record by which it could be joined, but for the data that both sides are to have."""
    data = {str(value) for name, value in view.items() if name in shown}
    parts = {*(record.key or b"").decode().split("/"), str(record.timestamp_ms)}
    for name, text in record.header_texts().items():
        parts |= set() if name in SAID_OF_THE_FLOW else {text or ""}
        parts |= set((text or "").split("-")) if name == "traceparent" else set()
    for value in view.values():
        told = isinstance(value, str) and len(value) >= SHORT
        told = told or (isinstance(value, int | float) and abs(value) >= SMALL)
        parts |= {str(value)} if told else set()
    return {part for part in parts - data if len(part) >= SHORT}


async def test_two_recipients_have_nothing_to_join_by(small_bus: SmallBus) -> None:
    """Records that go to two recipients have no value in common but the fields that both agreements release."""
    bus = small_bus
    await bus.activate(*ALL)
    await bus.route()
    ids = people(10)
    await published(bus, ids)
    for agreement, one in itertools.product((BANK, PORTAL), ids):
        await bus.consent(one, agreement, ConsentAction.GIVE, event_id=f"{agreement}-{one}")
    await bus.until(lambda: all(len(bus.held(name)) == len(ids) for name in ALL), "ten people at five recipients")
    for agreement in (BANK, PORTAL):
        await bus.consent(ids[0], agreement, ConsentAction.WITHDRAW, event_id=f"{agreement}-stop")
    await bus.publish(bus.change(PERSON, ids[1], None))
    await bus.until(lambda: len(bus.held(BANK)) == len(bus.held(PORTAL)) == len(ids) - 2, "two erasures by consent")
    await bus.until(
        lambda: len(bus.held(STATISTICS)) == len(bus.held(INSURANCE)) == len(ids) - 1, "and one by deletion"
    )

    records = {name: bus.read(bus.agency_topic(name)) for name in ALL}
    views = {name: await bus.values(records[name]) for name in ALL}
    for one, other in itertools.combinations(ALL, 2):
        shown = released_as_is(bus, one) & released_as_is(bus, other)
        ids_shown = set(ids) if {"personal_id"} <= shown else set()
        found: list[set[str]] = [
            set().union(*(tells(record, view, shown) for record, view in zip(records[name], views[name], strict=True)))
            for name in (one, other)
        ]
        assert not (found[0] & found[1]) - ids_shown, (one, other)
        assert min(map(len, found)) > len(ids), "there was something to join by"
    _ends_here(records)
    await _traces_are_known_inside(bus, records)


def _ends_here(records: dict[str, list[Incoming]]) -> None:
    """Nothing that a connector wrote beside the record goes further than the bus; a recipient's trace begins anew."""
    for record in itertools.chain.from_iterable(records.values()):
        values = {text or "" for text in record.header_texts().values()}
        assert values.isdisjoint(SOURCE.values())
        assert not [value for value in values if SOURCE["traceparent"].split("-")[1] in value]
        assert record.header("traceparent")
        assert clock.parse_iso(record.header("ce_time") or "") == record.timestamp_ms


async def _traces_are_known_inside(bus: SmallBus, records: dict[str, list[Incoming]]) -> None:
    """The blocks of disclosures name each trace that a recipient was given, and so the transaction behind it."""
    told: dict[str, set[str]] = defaultdict(set)
    for block in await bus.disclosures():
        for agreement, trace in block["traces"].items():
            told[agreement].add(trace)
    for name, listed in records.items():
        assert told[name] == {(record.header("traceparent") or "").split("-")[1] for record in listed}


async def test_records_are_cloud_events(small_bus: SmallBus) -> None:
    """The public SDK of CloudEvents reads a release, an erasure, and what a connector publishes, as valid events."""
    bus = small_bus
    await bus.activate(TAX)
    await bus.route()
    (one,) = people(1)
    value = (await bus.person(one)).value
    envelope = Envelope(bus.topics, "population", "population", 1)
    key = RecordKey(one, one)
    stamp = Stamp(PERSON, "17", 1_772_352_000_123)
    await bus.publish(envelope.change(stamp, key, Operation.CREATED, value))
    await bus.until(lambda: len(bus.held(TAX)) == 1, "the release")
    await bus.publish(envelope.change(stamp, key, Operation.DELETED, None))
    await bus.until(lambda: not bus.held(TAX), "the erasure")
    created, deleted = [event_of(record) for record in bus.read(bus.topics.changes(PERSON))]
    assert (created["id"], created["type"], created["source"]) == (
        "population.1.17",
        "population.person.created",
        "/registries/population",
    )
    assert (created["datacontenttype"], deleted["type"]) == ("application/avro", "population.person.deleted")
    released, erased = [event_of(record) for record in bus.read(bus.agency_topic(TAX))]
    assert (released["type"], released["datacontenttype"]) == ("population.person.released", "application/avro")
    assert (erased["type"], erased["erasurereason"]) == ("population.person.erased", "deleted-at-source")
    assert "datacontenttype" not in erased
    for event in (released, erased):
        assert (event["source"], event["agreementid"]) == (f"/agreements/{TAX}", TAX)
    assert released["id"] != erased["id"]


def event_of(record: Incoming) -> dict[str, Any]:
    """The attributes of a valid event. The SDK raises for one that is not."""
    message = KafkaMessage(dict(record.headers), record.key, record.value)  # type: ignore[arg-type]  # None: a tombstone
    assert len(record.headers) == len(dict(record.headers)), "a header stands twice"
    event = from_binary_event(message)
    assert event.get_time() is not None
    assert event.get_specversion() == "1.0"
    return dict(event.get_attributes())


async def test_an_epoch_of_pseudonyms_ends(small_bus: SmallBus) -> None:
    """Renewed pseudonyms take the old ones' place record by record; the old key goes when nothing is held under it."""
    bus, salts = small_bus, Salts(Home.from_settings(small_bus.settings))
    await bus.activate(STATISTICS)
    await bus.route()
    ids = people(12)
    await bus.publish(*[await bus.person(one) for one in ids])
    await bus.until(lambda: len(bus.held(STATISTICS)) == len(ids), "twelve people under their first pseudonyms")
    first, salt = bus.held(STATISTICS), salts.salt(OFFICE, 1)
    await bus.registrar.step_route(STATISTICS, "paused", "so that nothing moves yet")
    epoch, offset = await bus.registrar.rotate(OFFICE, "a test")
    assert (epoch, salts.salt(OFFICE, 2) != salt) == (2, True)
    await _passed(bus, offset)
    assert await _refusal(bus, 1) == f"{COPIES_HELD} 12"
    await bus.registrar.step_route(STATISTICS, "resumed", "now they may")
    await bus.until(lambda: len(bus.held(STATISTICS).keys() - first.keys()) == len(ids), "twelve new pseudonyms")
    assert first.keys().isdisjoint(bus.held(STATISTICS))
    for block in await bus.disclosures():
        erased = {one["subject"] for one in block["entries"] if one["reason"] == "pseudonyms-renewed"}
        assert erased <= {one["subject"] for one in block["entries"] if one["kind"] == "RELEASE"}
    assert await _refusal(bus, 2) == NOT_FOLLOWED
    assert await _refusal(bus, 1) is None
    await bus.registrar.destroy_epoch(OFFICE, 1, "nothing is held under it")
    assert not Home.from_settings(bus.settings).has_secret(f"pseudonyms/{OFFICE}/1")
    async with looking(bus.settings, "admin") as look:
        shown = [(one.epoch, one.state, one.copies) for one in await survey_epochs(look)]
    assert shown == [(1, EpochState.DESTROYED, 0), (2, EpochState.CURRENT, 12)]
    await bus.publish(*[Outgoing(*(await bus.person(one, sex="FEMALE"))) for one in ids])
    await bus.until(lambda: len(set(bus.held(STATISTICS).values())) == 12, "that the flow goes on")


async def test_another_root_key_is_refused(bus: SmallBus) -> None:
    """With another bus's root key no router starts, no epoch begins, nothing is verified, and no preview is shown."""
    await bus.activate(STATISTICS)
    home = Home.from_settings(bus.settings)
    home.forget_secret("root.key")
    home.begin_root_key()
    router = await asyncio.create_subprocess_exec(sys.executable, "-m", "bus", "serve", "route", stderr=PIPE)
    _, told = await router.communicate()
    assert (router.returncode, b"is not the root key of this bus" in told) == (RootKeyWrong.exit_code, True), told
    with pytest.raises(RootKeyWrong):
        await bus.registrar.rotate(OFFICE, "a test")
    assert not home.has_secret(f"pseudonyms/{OFFICE}/2")
    text, found = bus.documents[STATISTICS], Foresight(STATISTICS, OFFICE, bus.settings.lanes)
    with pytest.raises(RootKeyWrong):
        await preview_agreement(bus.settings, text, bus.agencies.consent_basis, found, lambda *_: None)
    async with looking(bus.settings, "admin") as look:
        with pytest.raises(RootKeyWrong):
            await verify(look, [look.register.state.agreements[STATISTICS]], print)


async def _passed(bus: SmallBus, offset: int) -> None:
    """Until every lane has committed a position past a fact."""
    deadline = clock.monotonic() + 60
    while min([one["register_offset"] for one in (await bus.positions()).values()], default=0) <= offset:
        assert clock.monotonic() < deadline
        await asyncio.sleep(0.05)


async def _refusal(bus: SmallBus, epoch: int) -> str | None:
    async with looking(bus.settings, "admin") as look:
        try:
            await require_free(look, OFFICE, epoch)
        except EpochHeld as error:
            return str(error.details["reason"])
    return None
