"""Runs the core of a lane beside the model, transaction by transaction, and checks each of them."""

import asyncio
from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import replace
from functools import lru_cache, partial
from typing import Any, cast

from hypothesis.stateful import RuleBasedStateMachine

from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import decode, encode, parse
from bus.avro.frame import frame, unframe
from bus.avro.own import OwnMessages, own_schema
from bus.errors import SchemaUnknown
from bus.model.change import Change
from bus.model.consent import ConsentEvent, UnreadableConsent
from bus.route.batch import Inputs, Outcome
from bus.route.commands import Command
from bus.route.lane import LaneCore
from bus.route.outlet import Delivery
from bus.route.outputs import Writer
from bus.route.rules import Rule, Rules
from bus.route.store.memory import MemoryState
from bus.topics import Topics
from tests.unit.route.lanes import KEYRING, SCHEMA, VIEW, Nutshell, Ticks
from tests.unit.route.lanes import rule as agreement_rule
from tests.unit.route.lanes import rules as rules_of
from tests.unit.route.model.naive import DAY, FILTERS, Model, Place, Terms, pseudonym

NEWER = parse(
    {
        "type": "record",
        "name": "Note",
        "fields": [
            {"name": "colour", "type": "string", "default": "red"},
            *({"name": one, "type": kind} for one, kind in (("since", "long"), ("living", "boolean"))),
            {"name": "name", "type": "string"},
        ],
    },
    schema_id=2,
)
"""The schema of the records a version later than the one that the agreements were written for."""

SCHEMAS = {1: SCHEMA, 2: NEWER}
READ_AS = parse(VIEW)
BLOCK = parse(own_schema("disclosure_block"))


TOPICS = Topics("", 8)


class Ids:
    """Stands where a schema registry would: gives ids."""

    def __init__(self) -> None:
        self.given = 100

    async def latest(self, subject: str) -> None:
        """Nothing is there yet."""

    async def register(self, subject: str, schema: object) -> int:
        """The next id."""
        self.given += 1
        return self.given


@lru_cache(maxsize=1)
def messages() -> OwnMessages:
    """The bus's own messages, with ids."""
    own = OwnMessages(cast("SchemaRegistryClient", Ids()))
    asyncio.run(own.prepare())
    return own


def written(record: Mapping[str, Any], schema_id: int = 1) -> bytes:
    """A framed record, by either schema."""
    return frame(schema_id, encode(SCHEMAS[schema_id], {"colour": "blue", **record} if schema_id == 2 else record))


def read(framed: bytes) -> Mapping[str, Any]:
    """The decoder that the lane is given."""
    schema_id, body = unframe(framed)
    if schema_id not in SCHEMAS:
        raise SchemaUnknown(schema_id=schema_id)
    record: Mapping[str, Any] = decode(SCHEMAS[schema_id], body)
    return record


@lru_cache(maxsize=1000)
def name_in(framed: bytes) -> str:
    """The name that a view shows."""
    name: str = decode(READ_AS, unframe(framed)[1])["name"]
    return name


def oldest(allowed: int, now_ms: int) -> int:
    """From when a record must be today."""
    return now_ms // DAY * DAY - allowed


def compiled(name: str, terms: Terms) -> Rule:
    """An agreement of the model as the lane obeys it."""
    one = agreement_rule(
        name,
        dataset=terms.dataset,
        standing=terms.standing,
        admits=FILTERS[terms.filter],  # type: ignore[arg-type]  # a record is a dictionary here
        needs_consent=terms.needs_consent,
        revision=f"r{terms.revision}",
        accepted_revisions=frozenset(f"r{one}" for one in terms.accepted),
        no_wider=frozenset(f"r{one}" for one in terms.no_wider),
        keep_on_exit=terms.keep_on_exit,
        keep_on_end=terms.keep_on_end,
        retention_ms=terms.retention,
        age_field="since",
        oldest=None if terms.data_range is None else partial(oldest, terms.data_range),
        days=None if terms.data_range is None else Ticks(DAY),
        frequency=None if terms.frequency is None else Ticks(terms.frequency),
        valid_from_ms=terms.valid_from,
        valid_until_ms=terms.valid_until,
        topic=f"agency.agency-of-{name}.{name}.v{terms.major}",
        subject_shown=not terms.epoch,
        record_id_shown=not terms.epoch,
    )
    return replace(one, epoch=terms.epoch, backfill=terms.backfill, pseudonym=partial(pseudonym, epoch=terms.epoch))


class Running(RuleBasedStateMachine):
    """The lane and the model side by side."""

    lane: Nutshell
    model: Model
    limit: int
    datasets: set[str]

    def start(self, model: Model, limit: int) -> None:
        """A lane that knows nothing yet."""
        self.model, self.limit = model, limit
        self.lane = Nutshell(core=LaneCore(0, KEYRING, read), state=self.fresh_state(), now=model.now)
        self.writer = Writer(0, TOPICS, KEYRING, messages())
        self.lane_state: dict[bytes, bytes] = {}
        self.register_offset = 1
        self.pinned: Rules | None = None
        self.versions_seen: dict[tuple[str, str], int] = {}
        self.settle()

    def fresh_state(self) -> Any:
        """Where a lane keeps what it knows."""
        return MemoryState()

    def state_again(self, without: AbstractSet[Place] = frozenset()) -> Any:
        """The same after the process has died: what was committed is read back from the topics, as far as they go."""
        state = MemoryState()
        state.position = self.lane.state.position
        for key, framed in self.lane_state.items():
            state.put_entry(key, unframe(framed)[1])
        for dataset, records in self.lane.state.records.items():
            for key, framed in records.items():
                if (dataset, key.decode()) not in without:
                    state.put_record(dataset, key, framed)
        return state

    def look_for_lost(self) -> None:
        """What a lane does once it has read everything that there was when it began with nothing."""
        for dataset in sorted(self.datasets):
            then: bytes | None = b""
            while then is not None:
                gone, then = self.lane.core.gone(self.lane.state, self.rules_now(), dataset, then, self.limit)
                self.transact(gone=gone)

    def register_changed(self) -> None:
        """A fact: the rules are compiled anew."""
        self.register_offset += 1
        self.pinned = None
        self.settle()

    def rules_now(self) -> Rules:
        """The model's terms as the lane is told them."""
        if self.pinned is None:
            listed = [compiled(name, terms) for name, terms in self.model.terms.items()]
            self.pinned = rules_of(*listed, offset=self.register_offset)
        return self.pinned

    def change(self, place: Place, framed: bytes | None) -> Change:
        """The next change of a dataset."""
        dataset, key = place
        subject, record = key.split("/")
        return self.lane.change(subject, framed, record=record, dataset=dataset)

    def refuse(self, *changes: Change) -> None:
        """Draft a transaction that the broker does not take."""
        self.lane.core.draft(self.lane.state, self.rules_now(), Inputs(changes=changes), self.lane.now)

    def consent(
        self,
        *events: ConsentEvent | UnreadableConsent,
        later: Sequence[ConsentEvent | UnreadableConsent] | None = None,
    ) -> None:
        """Events in one transaction; with `later`, these wait: all but those that are told again change something."""
        for event in events:
            self.model.events.setdefault((event.subject, event.agreement), []).append(event)
        outcome = self.transact(consents=events, later=later)
        if later is None:
            self.settle()
            return
        waits = {(one.subject, one.agreement) for one in later if one not in events}
        assert not {(one.subject, one.rule.route.agreement) for one in outcome.deliveries} & waits
        for subject, agreement in {(one.subject, one.agreement) for one in events} - waits:
            self.model.judge_person(subject, agreement)

    def settle(self) -> None:
        """Run transactions as the shell does, until there is nothing to write."""
        for _ in range(300):
            before = self.lane.state.position
            if not self.transact().worth_writing(before):
                break
        else:
            raise AssertionError("the lane never comes to rest")
        self.model.judge_everything()

    def transact(
        self,
        *changes: Change,
        consents: Sequence[ConsentEvent | UnreadableConsent] = (),
        commands: Sequence[Command] = (),
        later: Sequence[ConsentEvent | UnreadableConsent] | None = None,
        gone: Sequence[tuple[str, bytes]] = (),
    ) -> Outcome:
        """One transaction, written, committed and checked."""
        outcome = self.lane.step(
            self.rules_now(),
            *changes,
            consents=consents,
            commands=commands,
            later=later,
            existing_limit=self.limit,
            gone=gone,
        )
        self.write(outcome)
        self.is_bounded(outcome)
        for delivery in outcome.deliveries:
            if delivery.value is not None:
                self.has_a_basis(delivery)
                self.comes_in_order(delivery)
        return outcome

    def write(self, outcome: Outcome) -> None:
        """Each record in an agency's topic has its entry in the blocks, in its order; and the other way round."""
        records = self.writer.records(outcome.draft, outcome.deliveries, [], [])
        told: list[tuple[str, bool, bytes]] = []
        sent: list[tuple[str, bool, bytes]] = []
        for one in records:
            if one.topic == TOPICS.lane_state and one.key is not None:
                if one.value is None:
                    self.lane_state.pop(one.key, None)
                elif one.key != b"position":
                    self.lane_state[one.key] = one.value
            elif one.topic == TOPICS.disclosures:
                block = decode(BLOCK, unframe(one.value or b"")[1])
                offsets = block["consents_offset"], block["register_offset"]
                assert offsets == (self.lane.consents_offset, self.register_offset)
                told += [
                    (entry["topic"], entry["kind"] == "RELEASE", entry["event_id"].encode())
                    for entry in block["entries"]
                ]
            elif one.topic.startswith("agency."):
                sent.append((one.topic, one.value is not None, one.stamp or b""))
        assert [entry[:2] for entry in told] == [record[:2] for record in sent]
        assert all(entry[2] in record[2] for entry, record in zip(told, sent, strict=True)), "an event id of another"

    def is_bounded(self, outcome: Outcome) -> None:
        """However much falls due or is to be judged anew, a transaction takes its share."""
        assert len(outcome.draft.due_taken) <= self.limit
        assert outcome.caught_up <= self.limit

    def has_a_basis(self, delivery: Delivery) -> None:
        """Nothing is released but under an agreement and a consent that stand as of the offsets in the block."""
        agreement = delivery.rule.route.agreement
        terms = self.model.terms[agreement]
        assert terms.within(self.model.now)
        assert delivery.where.revision == f"r{terms.revision}"
        if terms.needs_consent:
            given = self.model.consent(agreement, delivery.subject or "-")
            assert given is not None
            assert delivery.consent == given.event_id.encode()

    def comes_in_order(self, delivery: Delivery) -> None:
        """A recipient never gets a version of a record that is older than one it was given."""
        route, key = delivery.rule.route, delivery.key.decode()
        if not route.subject_shown:
            key = "/".join(part.partition(".in.")[0] for part in key.split("/"))
        versions = self.model.versions.get((route.dataset, key), [])
        told = self.versions_seen.get((route.agreement, key), 0)
        assert name_in(delivery.value or b"") in versions[told:]
        self.versions_seen[(route.agreement, key)] = versions.index(name_in(delivery.value or b""), told)
