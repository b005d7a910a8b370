"""A lane in a nutshell for tests: one dataset of notes about people, one of places, agreements made of lambdas."""

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bus.agreements.route import Route
from bus.avro.codec import decode, encode, parse
from bus.avro.frame import frame, unframe
from bus.errors import SchemaUnknown
from bus.model.change import Change
from bus.model.consent import ConsentAction, ConsentEvent, GivenBy, UnreadableConsent
from bus.model.key import RecordKey
from bus.model.keyring import KeyRing, RootKey
from bus.model.record import Incoming
from bus.register.state import Standing
from bus.route.batch import Inputs, Outcome, Unreadable
from bus.route.commands import Command
from bus.route.held import Holding, holding_of
from bus.route.lane import LaneCore
from bus.route.outlet import Delivery
from bus.route.rules import Rule, Rules
from bus.route.state import LaneState
from bus.route.store.memory import MemoryState

PERSON = "population.person"
PARCEL = "land.parcel"
SCHEMA = parse(
    {
        "type": "record",
        "name": "Note",
        "fields": [
            {"name": "name", "type": "string"},
            {"name": "living", "type": "boolean"},
            {"name": "since", "type": "long"},
        ],
    },
    schema_id=1,
)
VIEW = {"type": "record", "name": "View", "fields": [{"name": "name", "type": "string"}]}
KEYRING = KeyRing(RootKey(bytes(range(32))), lambda recipient, epoch: f"{recipient}/{epoch}".encode())


@dataclass(frozen=True)
class Ticks:
    """A calendar of short days."""

    length: int

    def begin(self, at_ms: int) -> int:
        return at_ms // self.length * self.length

    def next_ms(self, at_ms: int) -> int:
        return self.begin(at_ms) + self.length


def value(name: str, *, living: bool = True, since: int = 0) -> bytes:
    """A framed record."""
    return frame(1, encode(SCHEMA, {"name": name, "living": living, "since": since}))


def values(framed: bytes) -> Mapping[str, Any]:
    """The decoder that a lane is given: knows schema 1 and no other."""
    schema_id, body = unframe(framed)
    if schema_id != 1:
        raise SchemaUnknown(schema_id=schema_id)
    record: Mapping[str, Any] = decode(SCHEMA, body)
    return record


def rule(
    agreement: str = "a",
    *,
    dataset: str = PERSON,
    standing: Standing = Standing.ACTIVE,
    admits: Callable[[Mapping[str, Any]], bool] = lambda record: record["living"],
    **changes: Any,
) -> Rule:
    """An agreement over a dataset: statutory unless `needs_consent`."""
    route = Route(
        agreement=agreement,
        number=1,
        revision="r1",
        recipient=f"agency-of-{agreement}",
        dataset=dataset,
        purpose="test",
        legal_basis="LAW-1",
        article="",
        needs_consent=False,
        accepted_revisions=frozenset({"r1"}),
        pseudonymous=False,
        subject_shown=True,
        record_id_shown=True,
        keep_on_exit=False,
        keep_on_end=False,
        valid_from_ms=0,
        valid_until_ms=None,
        retention_ms=None,
        time_grain_ms=1,
        topic=f"agency.agency-of-{agreement}.{agreement}.v1",
        view_schema=VIEW,
        view_schema_id=7,
        admits=admits,
        view=lambda record: {"name": record["name"]},
    )
    return Rule(replace(route, **changes), standing, parse(VIEW), 8, lambda text: f"<{text}>")


def rules(*listed: Rule, offset: int = 1) -> Rules:
    """The rules of a moment."""
    of_dataset: dict[str, tuple[Rule, ...]] = {}
    for one in listed:
        of_dataset[one.route.dataset] = (*of_dataset.get(one.route.dataset, ()), one)
    return Rules(offset, {one.route.agreement: one for one in listed}, of_dataset, {PERSON: True, PARCEL: False})


def give(subject: str = "p1", agreement: str = "a", *, at: int = 10, **changes: Any) -> ConsentEvent:
    """A consent given."""
    event = ConsentEvent(
        event_id=f"give-{subject}-{agreement}-{at}",
        subject=subject,
        agreement=agreement,
        revision="r1",
        action=ConsentAction.GIVE,
        given_by=GivenBy.SELF,
        proof="test",
        valid_from_ms=0,
        valid_until_ms=None,
        at_ms=at,
    )
    return replace(event, **changes)


def withdraw(subject: str = "p1", agreement: str = "a", *, at: int = 20) -> ConsentEvent:
    """A consent withdrawn."""
    return give(
        subject, agreement, at=at, action=ConsentAction.WITHDRAW, event_id=f"withdraw-{subject}-{agreement}-{at}"
    )


@dataclass
class Nutshell:
    """Runs the core as the shell does, and keeps what each recipient would hold."""

    core: LaneCore = field(default_factory=lambda: LaneCore(0, KEYRING, values))
    state: Any = field(default_factory=MemoryState)
    now: int = 1000
    offsets: dict[str, int] = field(default_factory=dict)
    consents_offset: int = 0
    topics: dict[str, dict[bytes, bytes]] = field(default_factory=dict)
    log: list[Delivery] = field(default_factory=list)

    def change(self, subject: str | None, framed: bytes | None, *, record: str = "1", dataset: str = PERSON) -> Change:
        """The next change of a dataset."""
        offset = self.offsets.get(dataset, 0)
        self.offsets[dataset] = offset + 1
        key = RecordKey(subject, record).encode()
        return Change(dataset, key, subject, framed, Incoming(f"changes.{dataset}", 0, offset, self.now, key, framed))

    def step(
        self,
        rules_now: Rules,
        *changes: Change | Unreadable,
        consents: Sequence[ConsentEvent | UnreadableConsent] = (),
        existing_limit: int = 100,
        catch_up_limit: int | None = None,
        commands: Sequence[Command] = (),
        later: Sequence[ConsentEvent | UnreadableConsent] | None = None,
        gone: Sequence[tuple[str, bytes]] = (),
    ) -> Outcome:
        """One transaction, committed."""
        self.consents_offset += len(consents)
        inputs = Inputs(
            consents=consents,
            changes=changes,
            consents_offset=self.consents_offset,
            input_offsets=dict(self.offsets),
            commands=commands,
            later_consents=later,
            gone=gone,
            existing_limit=existing_limit,
            catch_up_limit=catch_up_limit,
        )
        outcome = self.core.draft(self.state, rules_now, inputs, self.now)
        self.state.apply(outcome.draft)
        for delivery in outcome.deliveries:
            self.deliver(delivery)
        return outcome

    def deliver(self, delivery: Delivery) -> None:
        """What a recipient's compacted topic holds after one more record."""
        held = self.topics.setdefault(delivery.where.topic, {})
        if delivery.value is None:
            assert held.pop(delivery.key, None) is not None, "an erasure of what was not held"
        else:
            assert held.get(delivery.key) != delivery.value, "a release of what was held"
            held[delivery.key] = delivery.value
        self.log.append(delivery)

    def held(self, agreement: str = "a") -> dict[str, str]:
        """Key → name of what the recipient of an agreement holds."""
        view = parse(VIEW)
        topic = self.topics.get(f"agency.agency-of-{agreement}.{agreement}.v1", {})
        return {key.decode(): decode(view, unframe(framed)[1])["name"] for key, framed in topic.items()}


def holdings(state: LaneState, dataset: str, key: bytes) -> dict[str, Holding]:
    """What recipients hold of a record, told in full, by agreement."""
    return {name: holding_of(copy, key) for name, copy in state.held(dataset, key).items()}


def story(outcome: Outcome) -> str:
    """What an outcome does, for a failing test's message."""
    told = [
        {
            "topic": one.where.topic,
            "key": one.key.decode(),
            "reason": one.reason,
            "release": one.value is not None,
        }
        for one in outcome.deliveries
    ]
    return json.dumps(told, indent=1)
