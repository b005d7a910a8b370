"""`bus bench inside`: a lane's own work in one process, without Kafka, step by step.

For who changes the hot path: ten seconds instead of minutes, and no broker that takes turns on the same processor. The
steps are those of `bus/route/runner.py`, over records as they lie after a fetch and a store on the disk. Beside them
stands what any program in Python would spend at the least, see `least.py`.
"""

import asyncio
import gc
import tempfile
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx

from bus import clock
from bus.agreements.document import revision
from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.bench.ground import CONSENTED_AT_MS, Tell, agreements, consent_event
from bus.bench.least import Least
from bus.bench.measure import compiled
from bus.bench.workload import DATASET, Expected, Nation, Shape, chunks, dataset
from bus.errors import BenchFailed
from bus.kafka.batch import batches
from bus.model.consent import ConsentAction
from bus.model.keyring import KeyRing, RootKey
from bus.model.record import Incoming
from bus.register.entries import AgreementEntry, DatasetEntry
from bus.register.state import RegisterState, Standing
from bus.route.batch import Inputs
from bus.route.lane import LaneCore
from bus.route.load import change_of
from bus.route.outputs import Writer
from bus.route.process import collect_seldom
from bus.route.rules import RuleBook
from bus.route.store.stored import StoredState
from bus.topics import Topics

LANE, SCHEMA_ID = 0, 1
TRANSACTION = 1000
ROUND_MS = 37
"""How far the lane's time moves from one transaction to the next."""

STEPS = ("changes", "judge", "records", "batches", "store")


def bench_inside(tell: Tell, *, records: int, subjects: int) -> dict[str, Any]:
    """Run it; the figures are those of the second half. Raises BenchFailed when what came out is not what must have."""
    with tempfile.TemporaryDirectory(prefix="bus-bench-") as scratch:
        lane = _Lane(Path(scratch), subjects)
        tell(f"{lane.everybody_consents():,} consents folded")
        incoming, expected = lane.changes(records)
        half = records // 2
        with _cycles_looked_for_seldom():
            lane.route(incoming[:half], tell)
            spent, deliveries = lane.spent.copy(), lane.delivered.total()
            lane.route(incoming[half:], tell)
            least = lane.least(incoming[:half])
            begun, done = least.spent, least.delivered.total()
            lane.least(incoming[half:], least)
        for delivered in (lane.delivered, least.delivered):
            if delivered != expected.by_agreement:
                raise BenchFailed(what=f"{dict(delivered)} came out, and {dict(expected.by_agreement)} must have")
        lane.close()
    deliveries = lane.delivered.total() - deliveries
    each = {step: round((lane.spent[step] - spent[step]) * 1e6 / deliveries, 2) for step in STEPS}
    return {
        "bench": "inside",
        "records": records,
        "subjects": subjects,
        "deliveries": deliveries,
        "cpu_microseconds_per_delivery": round(sum(each.values()), 2),
        "of_which": each,
        "least_microseconds_per_delivery": round((least.spent - begun) * 1e6 / (least.delivered.total() - done), 2),
        "compiled": compiled(),
    }


class _Lane:
    """The parts of one lane. `spent` is processor time by step, in seconds; `delivered` counts by agreement."""

    def __init__(self, folder: Path, subjects: int) -> None:
        self._topics = Topics("", 1)
        keyring, messages = KeyRing(RootKey(b"\7" * 32)), asyncio.run(_own_messages())
        self._rules = RuleBook(keyring, lanes=1, pseudonymous_partitions=1).compile(_register())
        self._core = LaneCore(LANE, keyring, lambda _: {})
        self._writer = Writer(LANE, self._topics, keyring, messages)
        self._state = StoredState(folder)
        self._nation = Nation(SCHEMA_ID, shape=Shape(subjects=subjects, lanes=1))
        self._revisions = {name: rule.route.revision for name, rule in self._rules.rules.items()}
        self._now_ms, self._consents, self._offset = CONSENTED_AT_MS + 1000, 0, 0
        self.spent = dict.fromkeys(STEPS, 0.0)
        self.delivered: Counter[str] = Counter()

    def everybody_consents(self) -> int:
        """Fold what all people have consented to, and judge until nothing waits; returns how many."""
        events = [
            consent_event(person, name, self._revisions[name], ConsentAction.GIVE)
            for person in self._nation.people
            for name in sorted(person.consents)
        ]
        for part in chunks(len(events), TRANSACTION // 2):
            self._draft(Inputs(consents=events[part.start : part.stop], consents_offset=part.stop))
        self._consents = len(events)
        while self._draft(Inputs(consents_offset=self._consents)):
            pass
        return len(events)

    def changes(self, count: int) -> tuple[list[Incoming], Expected]:
        """Changes of anybody as they lie after a fetch, and what must come of them."""
        expected, topic, listed = Expected(lanes=1), self._topics.changes(DATASET), list[Incoming]()
        for offset in range(count):
            change = self._nation.change(offset)
            expected.add(change)
            listed.append(Incoming(topic, LANE, offset, self._now_ms, change.person.key, change.value))
        return listed, expected

    def route(self, incoming: list[Incoming], tell: Tell) -> None:
        """Transaction after transaction."""
        for part in chunks(len(incoming), TRANSACTION):
            self._transaction(incoming[part.start : part.stop])
            tell(f"{self._offset:,} changes routed, {self.delivered.total():,} deliveries")

    def _transaction(self, incoming: list[Incoming]) -> None:
        self._now_ms += ROUND_MS
        self._offset += len(incoming)
        offsets, has_subject = {DATASET: self._offset}, self._rules.has_subject
        moments = [clock.worked()]
        changes = [change_of(record, self._topics, has_subject) for record in incoming]
        moments.append(clock.worked())
        inputs = Inputs(changes=changes, consents_offset=self._consents, input_offsets=offsets)
        outcome = self._core.draft(self._state, self._rules, inputs, self._now_ms)
        moments.append(clock.worked())
        records = self._writer.records(outcome.draft, outcome.deliveries, (), ())
        moments.append(clock.worked())
        for listed in batches(records).values():
            for batch in listed:
                batch._build()  # noqa: SLF001 - as the client's sender does
        moments.append(clock.worked())
        self._state.apply(outcome.draft, self._offset)
        moments.append(clock.worked())
        for step, begun, ended in zip(STEPS, moments, moments[1:], strict=False):
            self.spent[step] += ended - begun
        self.delivered.update(one.rule.route.agreement for one in outcome.deliveries if one.value is not None)

    def least(self, incoming: list[Incoming], least: Least | None = None) -> Least:
        """The same by a loop that does no more than it must, or with one that has begun."""
        if least is None:
            consents = {person.key: person.consents for person in self._nation.people}
            rules, sight = self._rules.of_dataset[DATASET], self._rules.sights[DATASET]
            least = Least(rules, sight, self._core.keyring, consents)
        for part in chunks(len(incoming), TRANSACTION):
            least.transaction(incoming[part.start : part.stop])
        return least

    def close(self) -> None:
        """Let go of the store."""
        self._state.close(sync=False)

    def _draft(self, inputs: Inputs) -> bool:
        """A transaction that delivers nothing; whether more waits."""
        outcome = self._core.draft(self._state, self._rules, inputs, self._now_ms)
        self._state.apply(outcome.draft, self._offset)
        return outcome.lagging


def _register() -> RegisterState:
    """The workload's agreements in force, as a register tells it."""
    known = dataset()
    entries = [
        AgreementEntry(
            agreement=one.id,
            number=number,
            revision=revision(one),
            document=one.model_dump(mode="json", by_alias=True),
            topic=Topics("", 1).agency(one.recipient, one.id, one.major),
            view_schema_id=SCHEMA_ID + number,
            standing=Standing.ACTIVE,
            accepted_revisions=frozenset(),
            consent_basis="CONSENT",
            since_offset=0,
        )
        for number, one in enumerate(agreements(), start=1)
    ]
    return RegisterState(
        offset=1,
        datasets={DATASET: DatasetEntry(DATASET, known.registry, known.schema, SCHEMA_ID)},
        agreements={one.agreement: one for one in entries},
    )


@contextmanager
def _cycles_looked_for_seldom() -> Iterator[None]:
    """As in the router's process; afterwards as it was."""
    before = gc.get_threshold()
    collect_seldom()
    try:
        yield
    finally:
        gc.unfreeze()
        gc.set_threshold(*before)


async def _own_messages() -> OwnMessages:
    """The bus's own messages, by a schema registry that takes everything."""
    wire = httpx.MockTransport(_registered)
    async with SchemaRegistryClient(RegistryAccess("http://registry"), transport=wire) as client:
        messages = OwnMessages(client)
        await messages.prepare()
    return messages


def _registered(request: httpx.Request) -> httpx.Response:
    if request.method == "GET":
        return httpx.Response(httpx.codes.NOT_FOUND, json={"error_code": 40401})
    return httpx.Response(httpx.codes.OK, json={"id": SCHEMA_ID})
