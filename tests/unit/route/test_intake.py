"""What a lane makes of the records that it took: changes, consents and orders, and what cannot be any of these."""

from collections.abc import Iterable
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from bus.avro.codec import encode, parse
from bus.avro.frame import BODY_START, frame
from bus.avro.own import own_schema
from bus.consent.messages import consent_message
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place
from bus.model.change import Change
from bus.model.command import CommandKind, Ending
from bus.model.consent import UnreadableConsent
from bus.model.key import lane_of
from bus.model.record import Incoming
from bus.route import orders
from bus.route.batch import Unreadable
from bus.route.commands import Command, Completion
from bus.route.intake import Intake, Taken
from bus.route.outputs import Writer
from bus.route.state import Position
from tests.unit.route.lanes import KEYRING, PARCEL, PERSON, Nutshell, give, rule, rules, value
from tests.unit.route.model.running import TOPICS, messages

LANE = lane_of("p1", TOPICS.lanes)
HAS_SUBJECT = {PERSON: True, PARCEL: False}


class Schemas:
    """Knows one schema."""

    def __init__(self) -> None:
        self.asked: list[bytes] = []

    async def know_all(self, values: Iterable[bytes]) -> dict[bytes, str]:
        listed = list(values)
        self.asked += listed
        return {one[:BODY_START]: "SchemaUnknown" for one in listed if one[4] != 1}


@pytest.fixture
def schemas() -> Schemas:
    return Schemas()


@pytest.fixture
def intake(schemas: Schemas) -> Intake:
    parts: Any = SimpleNamespace(access=KafkaAccess("nowhere:1"), topics=TOPICS, schemas=schemas, messages=messages())
    return Intake(LANE, parts)


def change(offset: int, framed: bytes | None, key: bytes = b"p1/1", dataset: str = PERSON) -> Incoming:
    return Incoming(TOPICS.changes(dataset), LANE, offset, 5, key, framed)


def consent(framed: bytes | None, key: bytes | None = b"p1/a") -> Incoming:
    return Incoming(TOPICS.consents, LANE, 3, 55, key, framed)


async def test_changes(intake: Intake) -> None:
    """A change is one, unless its schema is not to be had, its key is none, or the broker refused what it led to."""
    good, gone, refused, unknown, keyless = (
        change(4, value("An")),
        change(5, None),
        change(6, value("An"), b"p1/2"),
        change(8, b"\0\0\0\0\x09x", b"p1/3"),
        change(9, value("An"), b"p1"),
    )
    taken = Taken([], [good, gone, refused, unknown, keyless], 7, None)
    inputs = await intake.inputs(taken, HAS_SUBJECT, {(refused.topic, 6), (refused.topic, 99)})
    assert inputs.changes == [
        Change(PERSON, b"p1/1", "p1", good.value, good),
        Change(PERSON, b"p1/1", "p1", None, gone),
        Unreadable(refused, "refused-by-broker", (PERSON, b"p1/2")),
        Unreadable(unknown, "SchemaUnknown", (PERSON, b"p1/3")),
        Unreadable(keyless, "key-unreadable"),
    ]
    assert (inputs.input_offsets, inputs.consents_offset) == ({PERSON: 10}, 7)
    assert (inputs.commands, inputs.commands_offset, inputs.later_consents) == ([], 0, None)


async def test_consents(intake: Intake) -> None:
    """An event that cannot be read counts for the person and the agreement of its key; without a key, for nobody."""
    events = [
        consent(messages().encode("consent", consent_message(one)), key)
        for one, key in ((give(), b"p1/a"), (give("p2"), b"p1/a"), (give(agreement="b"), b"p1/a"))
    ]
    events += [consent(None), consent(b""), consent(b"no frame"), consent(None, None), consent(None, b"p1")]
    unreadable = UnreadableConsent("p1", "a", 55)
    inputs = await intake.inputs(Taken(events[:1], [], 7, events), HAS_SUBJECT, frozenset())
    assert inputs.consents == [give()]
    assert inputs.later_consents == [give(), *[unreadable] * 5]


KINDS = {"string": "1", "double": 1.5, "long": 1, "boolean": True, "null": None}


def written(name: str, field: str, kind: str, message: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> bytes:
    """A message by somebody's own schema, in which one field is of another type."""
    of_now = own_schema(name)["fields"]
    fields = [{"name": field, "type": kind} if one["name"] == field else one for one in of_now]
    schema = parse({"type": "record", "name": "Own", "fields": fields})
    monkeypatch.setitem(messages()._by_id, 999, schema)
    return frame(999, encode(schema, message | {field: KINDS[kind]}))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", [one["name"] for one in own_schema("consent")["fields"]])
async def test_a_consent_of_other_types(field: str, kind: str, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """An event by somebody's own schema, with a field of another type, is read or unreadable: it stops no lane."""
    framed = written("consent", field, kind, consent_message(give()), monkeypatch)
    inputs = await intake.inputs(Taken([consent(framed)], [], 7, None), HAS_SUBJECT, frozenset())
    outcome = Nutshell().step(rules(rule(needs_consent=True)), consents=inputs.consents)
    assert Writer(LANE, TOPICS, KEYRING, messages()).records(outcome.draft, [], [], [])


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("field", [one["name"] for one in own_schema("command")["fields"]])
async def test_an_order_of_other_types(field: str, kind: str, intake: Intake, monkeypatch: pytest.MonkeyPatch) -> None:
    """An order by somebody's own schema is taken or passed over: what became of it can be told."""

    async def nothing(_access: KafkaAccess, _place: Place, offsets: Iterable[int]) -> dict[int, Incoming]:
        assert all(isinstance(offset, int) for offset in offsets)
        return {}

    monkeypatch.setattr(orders, "records_at", nothing)
    message = {"command_id": "id", "kind": CommandKind.RELEASE.value, "offset": 4, "by": "me", "reason": "why", "at": 5}
    framed = written("command", field, kind, {"lane": 3, "connector": "", **message}, monkeypatch)
    taken = Taken([], [Incoming(TOPICS.commands, LANE, 1, 5, b"lane/3", framed)], 7, None)
    inputs = await intake.inputs(taken, HAS_SUBJECT, frozenset())
    writer = Writer(LANE, TOPICS, KEYRING, messages())
    assert all(writer.completion(Completion(one, Ending.NOT_FOUND), Position()) for one in inputs.commands)


async def test_orders(intake: Intake, schemas: Schemas, monkeypatch: pytest.MonkeyPatch) -> None:
    """Orders stand apart from changes; one that cannot be read is passed, and one that was refused says so."""
    letter = Change(PERSON, b"p1/1", "p1", value("An"), change(2, value("An")))
    order = Command("id", CommandKind.RELEASE, 4, "me", "why", 5, letter)
    unknown = replace(order, change=letter._replace(value=b"\0\0\0\0\x09x"))
    bare = replace(order, change=None)
    found = {10: order, 11: None, 12: order, 13: unknown, 14: bare, 15: None}

    async def commands(records: Iterable[Incoming], _: Any) -> list[Command | None]:
        return [found[record.offset] for record in records]

    monkeypatch.setattr(intake._orders, "commands", commands)
    given = [Incoming(TOPICS.commands, LANE, offset, 5, b"lane/3", b"") for offset in found]
    taken = Taken([], [given[0], change(4, value("An")), *given[1:]], 7, None)
    inputs = await intake.inputs(taken, HAS_SUBJECT, {(TOPICS.commands, 12)})
    assert inputs.commands == [order, replace(order, trouble=Ending.REFUSED), unknown, bare]
    assert (inputs.commands_offset, inputs.input_offsets, len(inputs.changes)) == (16, {PERSON: 5}, 1)
    assert {letter.value, b"\0\0\0\0\x09x"} <= set(schemas.asked)
