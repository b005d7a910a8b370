"""What an edited agreement would release and erase: judged by the lane's own core on what each lane holds, in memory.

Nothing is written. Because the core that judges is the one that would judge after activation, what is foreseen is what
would happen, as of each lane's committed position.
"""

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from bus.agreements.document import AgreementDocument, revision
from bus.agreements.route import Route
from bus.agreements.view import view_schema
from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.codec import decode
from bus.avro.datasets import dataset_of
from bus.avro.frame import unframe
from bus.avro.own import OwnMessages
from bus.errors import AgreementUnfit, FieldMissing, FilterError, NotFound
from bus.kafka.access import KafkaAccess
from bus.model.key import subject_of
from bus.model.keyring import KeyRing
from bus.model.reasons import Reason
from bus.register.registrar import FIRST_MAJOR
from bus.register.state import AgreementEntry, RegisterState, Standing, covered
from bus.route.lane import Inputs, LaneCore
from bus.route.load import Loader
from bus.route.memory import MemoryState
from bus.route.outputs import Delivery, agency_key
from bus.route.rules import Rule, RuleBook, Rules
from bus.route.schemas import Schemas
from bus.topics import PSEUDONYMOUS_PARTITIONS, Topics

AT_ONCE = 2000
"""Records judged before others of this process get their turn."""

NOT_YET = 0x7FFFFFFF
"""Stands for the id of a schema that is not registered: no released value has it, so each would be told anew."""

Tell = Callable[[int, int], None]
"""Called with the records judged since, and with all that are known so far."""


@dataclass(frozen=True, slots=True)
class Example:
    """One record that would be told otherwise: what would happen, and the view's fields, masked."""

    what: str
    fields: Mapping[str, str]


@dataclass(slots=True)
class Foresight:
    """What would happen, counted. `keys` are kept only where they are asked for: they may name people."""

    agreement: str
    recipient: str
    lanes: int
    by: str | None = None
    """The field of the dataset by whose values records are counted, a province for instance."""

    most_examples: int = 3
    lanes_done: int = 0
    judged: int = 0
    released: int = 0
    erased: int = 0
    changed: int = 0
    unchanged: int = 0
    consents_lost: int = 0
    fields_released: Counter[str] = field(default_factory=Counter)
    fields_changed: Counter[str] = field(default_factory=Counter)
    reasons_erased: Counter[str] = field(default_factory=Counter)
    reasons_withheld: Counter[str] = field(default_factory=Counter)
    places: dict[str, Counter[str]] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    keys: dict[str, set[bytes]] | None = None
    """Keys in the agency's topic, by 'released', 'changed' and 'erased'."""

    @property
    def complete(self) -> bool:
        """Whether every record was judged; otherwise the counts are those of the part that was."""
        return self.lanes_done == self.lanes


@dataclass(frozen=True, slots=True)
class Question:
    """The edited agreement beside the one in force, and how to tell what comes of it."""

    new: Rule
    old: Rule | None
    has_subject: bool

    @property
    def route(self) -> Route:
        """The edited agreement's."""
        return self.new.route


@dataclass(frozen=True, slots=True)
class Sources:
    """Where the bus's state is read from."""

    access: KafkaAccess
    topics: Topics
    messages: OwnMessages
    client: SchemaRegistryClient
    keyring: KeyRing


async def foresee(question: Question, sources: Sources, found: Foresight, now_ms: int, tell: Tell) -> None:
    """Judge every record of every lane, adding to `found`, which may be read at any moment and after a cancellation."""
    now_ms = max(now_ms, question.route.valid_from_ms)  # a text whose first day has not come is judged as on that day
    schemas = Schemas(sources.client)
    for lane in range(sources.topics.lanes):
        reading = asyncio.ensure_future(_read(lane, question, sources, schemas))
        try:
            state = await asyncio.shield(reading)
        except asyncio.CancelledError:
            await asyncio.wait([reading])  # its connections must be closed
            raise
        await _Lane(LaneCore(lane, sources.keyring, schemas.decode), question, state, found).judge(now_ms, tell)
        found.lanes_done += 1


async def _read(lane: int, question: Question, sources: Sources, schemas: Schemas) -> MemoryState:
    loader = Loader(sources.access, sources.topics, lane)
    state = await loader.state(sources.messages)
    await loader.records(state, {question.route.dataset: question.has_subject}, schemas)
    return state


class _Lane:
    """One lane's part of the answer."""

    def __init__(self, core: LaneCore, question: Question, state: MemoryState, found: Foresight) -> None:
        self._core = core
        self._question = question
        self._state = state
        self._found = found
        name = question.route.agreement
        self._held = {(one.topic, one.key) for one in state.held_under(question.route.dataset, name)}

    async def judge(self, now_ms: int, tell: Tell) -> None:
        """Let the core catch up from the first record, and count what it drafts."""
        route, state, found = self._question.route, self._state, self._found
        rules = Rules(
            state.position.register_offset + 1,
            {route.agreement: self._question.new},
            {route.dataset: (self._question.new,)},
            {route.dataset: self._question.has_subject},
        )
        records = self._by_agency_key()
        found.consents_lost += self._consents_lost()
        state.cursors.pop(route.agreement, None)
        total = len(state.records[route.dataset])
        while True:
            outcome = self._core.draft(state, rules, Inputs(existing_limit=AT_ONCE), now_ms)
            for delivery in outcome.deliveries:
                self._count(delivery, records)
            for (_, reason), count in outcome.withheld.items():
                found.reasons_withheld[reason.value] += count
            state.apply(outcome.draft)
            step = min(AT_ONCE, total)
            found.judged, total = found.judged + step, total - step
            tell(step, self._found.judged)
            if not self._core.behind(state, rules, now_ms):
                break
            await asyncio.sleep(0)  # a Ctrl-C must find its moment
        found.unchanged += self._unchanged()

    def _by_agency_key(self) -> dict[bytes, bytes]:
        """The key of each record, by the key under which the recipient would know it."""
        rule, has_subject = self._question.new, self._question.has_subject
        keys = self._state.records[rule.route.dataset]
        return {
            agency_key(rule, key, subject_of(key, has_subject=has_subject), self._core.lane).key: key for key in keys
        }

    def _consents_lost(self) -> int:
        """People whose consent covers the agreement in force and would not cover the edited one."""
        old, new = self._question.old, self._question.route
        if old is None or not new.needs_consent:
            return 0
        lost = old.route.accepted_revisions - new.accepted_revisions
        return sum(
            consent.given is not None and consent.given.revision in lost
            for (_, agreement), consent in self._state.consents.items()
            if agreement == new.agreement
        )

    def _count(self, delivery: Delivery, records: Mapping[bytes, bytes]) -> None:
        found, holding = self._found, delivery.holding
        stored = self._state.records[self._question.route.dataset].get(records.get(holding.key, b""))
        record = None if stored is None else self._core.decode(stored)
        if delivery.value is None:
            what = "erased"
            found.erased += 1
            found.reasons_erased[(delivery.reason or Reason.DELETED).value] += 1
        elif (holding.topic, holding.key) in self._held:
            what = "changed"
            found.changed += 1
            found.fields_changed.update(self._changed_fields(delivery.value, record))
        else:
            what = "released"
            found.released += 1
            found.fields_released.update(list(self._view(delivery.value)))
        if found.by is not None:
            place = "-" if record is None else str(record.get(found.by) or "-")
            found.places.setdefault(place, Counter())[what] += 1
        if found.keys is not None:
            found.keys.setdefault(what, set()).add(holding.key)
        if delivery.value is not None and len(found.examples) < found.most_examples:
            found.examples.append(Example(what, self._masked(self._view(delivery.value))))

    def _view(self, value: bytes) -> Mapping[str, Any]:
        view: Mapping[str, Any] = decode(self._question.new.view, unframe(value)[1])
        return view

    def _changed_fields(self, value: bytes, record: Mapping[str, Any] | None) -> list[str]:
        """The fields in which the view differs from what the agreement in force would let through now."""
        after, before = self._view(value), self._old_view(record)
        missing = object()
        return [name for name in {**before, **after} if before.get(name, missing) != after.get(name, missing)]

    def _old_view(self, record: Mapping[str, Any] | None) -> Mapping[str, Any]:
        if self._question.old is None or record is None:
            return {}
        try:
            return self._question.old.route.view(record)
        except (FieldMissing, FilterError):
            return {}

    def _masked(self, view: Mapping[str, Any]) -> dict[str, str]:
        """Values that say what kind of value it is, and nothing of whom."""
        category = {one["name"]: one.get("category") for one in self._question.route.view_schema["fields"]}
        return {
            name: "-" if value is None else str(value) if category.get(name) == "public" else mask(value)
            for name, value in view.items()
        }

    def _unchanged(self) -> int:
        route = self._question.route
        now = {(one.topic, one.key) for one in self._state.held_under(route.dataset, route.agreement)}
        return len(now & self._held)


async def asked(state: RegisterState, document: AgreementDocument, consent_basis: str, sources: Sources) -> Question:
    """The edited text compiled as its activation would have it, beside the one in force.

    Raises AgreementUnfit; NotFound for a dataset that is not on the bus.
    """
    if document.dataset not in state.datasets:
        raise NotFound(kind="dataset", name=document.dataset, known=", ".join(sorted(state.datasets)) or "none")
    topics = sources.topics
    dataset = dataset_of(dict(state.datasets[document.dataset].schema), place=document.dataset)
    topic = topics.agency(document.recipient, document.id, FIRST_MAJOR)
    view = view_schema(document, dataset)
    subject = value_subject(topic.removeprefix(topics.prefix))
    schema_id = await sources.client.find(subject, view)
    broken = [] if schema_id is not None else await sources.client.compatible(subject, view)
    if broken:
        reason = f"its readers cannot follow ({'; '.join(broken)}): the flow needs a new major version"
        raise AgreementUnfit(agreement=document.id, dataset=document.dataset, reason=reason)
    entry = _proposed(state, document, topic, consent_basis)
    entry = replace(entry, view_schema_id=NOT_YET if schema_id is None else schema_id)
    book = RuleBook(sources.keyring, lanes=topics.lanes, pseudonymous_partitions=PSEUDONYMOUS_PARTITIONS)
    old = book.compile(state).rules.get(document.id)
    new = book.compile(replace(state, agreements={document.id: entry})).rules.get(document.id)
    if new is None:
        reason = "it cannot be compiled against the newest schema"
        raise AgreementUnfit(agreement=document.id, dataset=document.dataset, reason=reason)
    return Question(new, old, has_subject=dataset.subject is not None)


def _proposed(state: RegisterState, document: AgreementDocument, topic: str, consent_basis: str) -> AgreementEntry:
    """The agreement as it would stand right after the activation of this text; its schema's id is not known here."""
    known = state.agreements.get(document.id)
    if known is not None and known.standing is Standing.ENDED:
        known = None
    return AgreementEntry(
        agreement=document.id,
        number=state.next_number() if known is None else known.number,
        revision=revision(document),
        document=document.model_dump(mode="json", by_alias=True),
        topic=topic,
        view_schema_id=NOT_YET,
        standing=Standing.ACTIVE if known is None else known.standing,
        accepted_revisions=covered(document, known),
        consent_basis=consent_basis,
        epoch=1 if known is None else known.epoch,
        since_offset=state.offset,
    )


def mask(value: Any) -> str:
    """A value as it may stand in an example: its kind and its length class, no character of it."""
    if isinstance(value, bool):
        return "✓/✗"
    if isinstance(value, int | float):
        return "###"
    return "•••" if len(str(value)) < 8 else "••••••••"
