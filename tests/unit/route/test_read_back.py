"""What a lane reads back from its topics at its start, and from where on; the topics lie in memory."""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from copy import deepcopy
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pytest

from bus.avro.codec import encode, parse
from bus.avro.frame import frame
from bus.errors import OffsetsGone, RecordUnreadable, SchemaUnknown, TopicReplaced
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place
from bus.model.change import Change
from bus.model.key import lane_of
from bus.model.record import Incoming
from bus.route import load
from bus.route.batch import Outcome, Unreadable
from bus.route.identity import Identities
from bus.route.load import Loader, Stood
from bus.route.outputs import Writer
from bus.route.state import DeadVersion, Position
from bus.route.store.memory import MemoryState
from tests.unit.route.lanes import KEYRING, PARCEL, PERSON, Nutshell, give, rule, rules, value, values, withdraw
from tests.unit.route.model.running import TOPICS, messages

LANE = lane_of("p1", TOPICS.lanes)
AN, BO, CHI, DUNG, *_ = (one for one in (f"p{number}" for number in range(1, 200)) if lane_of(one, 8) == LANE)
STATE, PEOPLE = Place(TOPICS.lane_state, LANE), Place(TOPICS.changes(PERSON), LANE)
POISON = b"\0\0\0\0\x09x"


@dataclass
class Log:
    """A partition: what is committed there, and how far it reaches; markers and what was aborted take offsets too."""

    records: list[Incoming] = field(default_factory=list)
    begin: int = 0
    end: int = 0


class Kafka:
    """Partitions, in place of a broker and of who reads what is committed there."""

    def __init__(self) -> None:
        self.logs: defaultdict[Place, Log] = defaultdict(Log)
        self.ids: dict[str, str] = {}
        self.connections = 0

    def append(self, place: Place, key: bytes | None, value: bytes | None) -> int:
        """A record; returns its offset."""
        log = self.logs[place]
        log.records.append(Incoming(*place, log.end, 0, key, value))
        log.end += 1
        return log.end - 1

    async def topic_ids(self, topics: Iterable[str]) -> dict[str, str]:
        """As an administrator is told them."""
        return {topic: self.ids[topic] for topic in topics if topic in self.ids}

    async def start(self) -> None:
        """One more connection."""
        self.connections += 1

    async def stop(self) -> None:
        """One less."""
        self.connections -= 1

    async def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        """The oldest offsets."""
        assert self.connections == 1
        return {place: self.logs[place].begin for place in places}

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offsets after the newest records."""
        return {place: self.logs[place].end for place in places}

    def assign(self, positions: Mapping[Place, int]) -> None:
        """What is read from where on. A broker refuses what it no longer has."""
        assert all(offset >= self.logs[place].begin for place, offset in positions.items())
        self.positions = dict(positions)

    async def to_ends(self, ends: Mapping[Place, int], *, max_records: int) -> AsyncIterator[list[Incoming]]:
        """Three at a time; the last of them may lie beyond the end."""
        assert max_records
        for place, begin in self.positions.items():
            listed = [record for record in self.logs[place].records if record.offset >= begin]
            for some in (listed[at : at + 3] for at in range(0, len(listed), 3)):
                if some[0].offset < ends[place]:
                    yield some


class Decoder:
    """Can have one schema, and knows it once it was asked to."""

    def __init__(self) -> None:
        self.known = False

    async def know(self, framed: bytes) -> None:
        """See `load.Decoder`."""
        if framed[0]:
            raise RecordUnreadable(schema_id="unknown", reason="it has no frame")
        if framed[4] != 1:
            raise SchemaUnknown(schema_id=framed[4])
        self.known = True

    def decode(self, framed: bytes) -> Mapping[str, Any]:
        """See `load.Decoder`."""
        if not self.known:
            raise SchemaUnknown(schema_id=1)
        return values(framed)


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Kafka]:
    """Empty; whoever reads from it asks for what is committed, and closes the connection."""
    one = Kafka()

    def reader(access: KafkaAccess, *, committed: bool) -> Kafka:
        assert (access, committed) == (KafkaAccess("nowhere:1"), True)
        return one

    monkeypatch.setattr(load, "Reader", reader)
    yield one
    assert one.connections == 0


@pytest.fixture
def loader(cluster: Kafka) -> Loader:
    """Of the lane."""
    return Loader(KafkaAccess("nowhere:1"), TOPICS, LANE, messages(), Identities(cast("Any", cluster)))


@dataclass
class Story:
    """A lane whose transactions are written, and what it knew after each."""

    cluster: Kafka
    lane: Nutshell = field(default_factory=Nutshell)
    known: list[MemoryState] = field(default_factory=lambda: [MemoryState()])

    def change(self, subject: str, framed: bytes | None) -> Change:
        """A connector's transaction: the record, and its marker behind it."""
        one = self.lane.change(subject, framed)
        self.lane.offsets[PERSON] += 1
        assert self.cluster.append(PEOPLE, one.key, framed) == one.origin.offset
        self.cluster.logs[PEOPLE].end += 1
        return one

    def poison(self, subject: str, framed: bytes = POISON) -> Unreadable:
        """The same, of a record that cannot be read."""
        one = self.change(subject, framed)
        return Unreadable(one.origin, "schema-unknown", (PERSON, one.key))

    def step(self, *changes: Change | Unreadable, consents: Iterable[Any] = ()) -> None:
        """A transaction of the lane."""
        now = rules(rule(needs_consent=True), rule("b"))
        self.commit(self.lane.step(now, *changes, consents=list(consents)))

    def commit(self, outcome: Outcome) -> None:
        """Its records, its position as the last, and the marker."""
        written = Writer(LANE, TOPICS, KEYRING, messages()).records(outcome.draft, outcome.deliveries, [], [])
        offsets = [self.cluster.append(STATE, one.key, one.value) for one in written if one.topic == STATE.topic]
        self.cluster.logs[STATE].end += 1
        self.lane.state.stood_at = offsets[-1]
        self.known.append(deepcopy(self.lane.state))


def told(state: MemoryState) -> tuple[Any, ...]:
    """All that a state knows."""
    held = {(dataset, key): one for dataset, of in state.holdings.items() for key, one in of.items()}
    records = {dataset: of for dataset, of in state.records.items() if of}
    return state.position, state.stood_at, records, held, state.consents, state.cursors, state.dead


@pytest.fixture
def story(cluster: Kafka) -> Story:
    """Copies, a consent withdrawn, a record deleted, one that is poison, and one that a newer version followed."""
    one = Story(cluster)
    cluster.logs[STATE].end = 70_000  # of transactions that were aborted, or compacted away
    one.step(one.change(AN, value("An")), one.change(BO, value("Bo")), consents=[give(AN), give(BO)])
    one.step(one.change(BO, None), one.poison(CHI), one.change(AN, value("Anh")), consents=[withdraw(AN)])
    one.step(one.change(CHI, value("Chi")), one.change(DUNG, value("Dung")), one.poison(DUNG))
    one.step(consents=[give(AN, at=30)])
    one.step()
    one.step()
    return one


async def test_whatever_a_store_has_of_it(story: Story, loader: Loader) -> None:
    """A lane knows after its start what it knew before, and reads no more than the store on its machine lacks."""
    stood = await loader.stood()
    assert stood == Stood(story.lane.state.position, story.lane.state.stood_at)
    counts = []
    for state in story.known:
        loader.loaded = 0
        await loader.fill(state, stood, {PERSON: True, PARCEL: False}, Decoder())
        assert told(state) == told(story.lane.state)
        counts.append(loader.loaded)
    assert counts[0] == len(story.cluster.logs[STATE].records) + len(story.cluster.logs[PEOPLE].records)
    assert counts == sorted(set(counts), reverse=True)
    assert counts[-1] == 0


async def test_what_lies_beyond(story: Story, loader: Loader) -> None:
    """What came after the last committed transaction is left for the lane to judge, and an older end is believed."""
    old = story.known[2]
    story.change(AN, value("Anna"))
    state = MemoryState()
    assert old.stood_at is not None
    await loader.fill(state, Stood(old.position, old.stood_at), {PERSON: True}, Decoder())
    assert told(state) == told(old)


async def test_what_came_before_a_dead_letter(cluster: Kafka, loader: Loader) -> None:
    """The version before a dead letter counts, a deletion too; letters before it do not, readable or not."""
    story, broken = Story(cluster), [b"no frame", frame(1, b"\xff"), POISON]
    story.step(story.change(AN, value("An")), story.change(BO, value("Bo")))
    story.step(story.change(AN, None), story.poison(AN), *(story.poison(BO, one) for one in broken))
    stood, state = await loader.stood(), MemoryState()
    assert stood is not None
    await loader.fill(state, stood, {PERSON: True}, Decoder())
    assert told(state) == told(story.lane.state)
    assert state.records[PERSON] == {f"{BO}/1".encode(): value("Bo")}


async def test_strays_and_an_earlier_release(story: Story, loader: Loader, monkeypatch: pytest.MonkeyPatch) -> None:
    """What has no proper key or lies in the wrong lane is no record; an entry that an earlier release wrote counts."""
    elsewhere = next(one for one in (f"p{number}" for number in range(1, 99)) if lane_of(one, 8) != LANE)
    for key in (None, b"no slash", f"{elsewhere}/1".encode()):
        story.cluster.append(PEOPLE, key, value("An"))
    for key in (None, b"other/kind"):
        story.cluster.append(STATE, key, b"anything")
    old = {"type": "record", "name": "LaneDead", "namespace": "bus", "fields": [{"name": "offset", "type": "long"}]}
    monkeypatch.setitem(messages()._by_id, 999, parse(old))
    letter = frame(999, encode(parse(old), {"offset": 3}))
    where = story.cluster.append(STATE, b"dead/" + PERSON.encode() + b"/p1/9", letter)
    before, state = story.lane.state, MemoryState()
    position = replace(before.position, inputs={PERSON: story.cluster.logs[PEOPLE].end})
    await loader.fill(state, Stood(position, where), {PERSON: True}, Decoder())
    assert state.records == {PERSON: before.records[PERSON]}
    assert state.dead == before.dead | {(PERSON, b"p1/9"): DeadVersion(3)}


async def test_what_is_compacted_away(story: Story, loader: Loader) -> None:
    """A start reads what topics still have, and of no dataset that the register does not name."""
    for place, begin in ((STATE, 70_002), (PEOPLE, 3)):
        log = story.cluster.logs[place]
        log.begin, log.records = begin, [record for record in log.records if record.offset >= begin]
    state, stood = MemoryState(), await loader.stood()
    assert stood is not None
    await loader.fill(state, stood, {PERSON: True}, Decoder())
    assert state.records[PERSON] == {f"{AN}/1".encode(): value("Anh"), f"{CHI}/1".encode(): value("Chi")} | {
        f"{DUNG}/1".encode(): value("Dung")
    }
    other = MemoryState()
    await loader.fill(other, stood, {PARCEL: False}, Decoder())
    assert not other.records[PERSON]


async def test_a_letter_that_was_released(story: Story, loader: Loader) -> None:
    """A dead letter that was released since the store was left is a version: it is read again, where it lies."""
    key, state = f"{DUNG}/1".encode(), story.known[-1]
    letter = state.dead[PERSON, key]
    log = story.cluster.logs[PEOPLE]
    log.records = [one._replace(value=value("Dũng")) if one.offset == letter.offset else one for one in log.records]
    story.cluster.append(STATE, b"dead/" + PERSON.encode() + b"/" + key, None)
    story.cluster.append(STATE, b"dead/" + PERSON.encode() + b"/unknown/1", None)
    where = story.cluster.append(STATE, b"position", None)
    await loader.fill(state, Stood(state.position, where), {PERSON: True}, Decoder())
    assert (state.record(PERSON, key), state.dead) == (value("Dũng"), {})
    assert loader.loaded == 3 + 1


async def test_a_letter_that_was_discarded(story: Story, loader: Loader) -> None:
    """A dead letter that can be read by now stays out as long as nobody has released it."""
    story.cluster.logs[PEOPLE].records[-1] = story.cluster.logs[PEOPLE].records[-1]._replace(value=value("Dũng"))
    stood, state = await loader.stood(), MemoryState()
    assert stood is not None
    await loader.fill(state, stood, {PERSON: True}, Decoder())
    key = f"{DUNG}/1".encode()
    assert state.record(PERSON, key) == value("Dung")
    assert state.dead_version(PERSON, key) == DeadVersion(story.cluster.logs[PEOPLE].records[-1].offset)


async def test_a_version_that_cannot_be_read_now(story: Story, loader: Loader) -> None:
    """A lane does not begin while the schema of a newest version cannot be had: it may have to judge it soon."""
    one, position = story.change(AN, b"\0\0\0\0\x08x"), story.lane.state.position
    stood = Stood(replace(position, inputs={PERSON: one.origin.offset + 2}), 0)
    with pytest.raises(SchemaUnknown):
        await loader.fill(MemoryState(), stood, {PERSON: True}, Decoder())


async def test_newest_records_that_were_lost(story: Story, loader: Loader) -> None:
    """A topic that ends before what was read of it is told: a lane would pass over what comes there anew."""
    stood = await loader.stood()
    assert stood is not None
    story.cluster.logs[PEOPLE].end = stood.position.inputs[PERSON]
    await loader.fill(MemoryState(), stood, {PERSON: True}, Decoder())
    story.cluster.logs[PEOPLE].end -= 1
    with pytest.raises(OffsetsGone, match=f"no offset {stood.position.inputs[PERSON]} in partition {LANE}"):
        await loader.fill(MemoryState(), stood, {PERSON: True}, Decoder())


async def test_a_topic_that_was_made_anew(story: Story, loader: Loader) -> None:
    """Offsets of a topic that was deleted mean nothing in another one of its name."""
    story.cluster.ids = {PEOPLE.topic: "new"}
    with pytest.raises(TopicReplaced):
        await loader.fill(MemoryState(), Stood(Position(topics={PEOPLE.topic: "old"}), 0), {PERSON: True}, Decoder())


@pytest.mark.parametrize("aborted", [0, 1, 15, 16, 17, 300, 5000])
async def test_what_was_aborted_behind_the_position(aborted: int, story: Story, loader: Loader) -> None:
    """The newest position counts however much was aborted behind it, and little more than that is looked through."""
    story.cluster.logs[STATE].end += aborted
    stood = await loader.stood()
    assert stood == Stood(story.lane.state.position, story.lane.state.stood_at)
    assert (loader.left_open, loader.end) == (aborted > 0, story.cluster.logs[STATE].end)
    assert loader.end - story.cluster.positions[STATE] <= 16 * (aborted + 2)


@pytest.mark.parametrize(("begin", "end"), [(0, 0), (0, 1), (0, 40), (40, 40), (7, 400)])
async def test_a_lane_before_its_first_transaction(begin: int, end: int, cluster: Kafka, loader: Loader) -> None:
    """A lane that has committed nothing stands nowhere, whatever was aborted; its oldest order is known too."""
    cluster.logs[STATE] = Log(begin=begin, end=end)
    cluster.logs[Place(TOPICS.commands, LANE)] = Log(begin=5, end=9)
    assert await loader.stood() is None
    assert (loader.left_open, loader.end, loader.first_order) == (end > 0, end, 5)
