"""Following the topics while the process lives."""

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping
from types import SimpleNamespace
from typing import Any

import pytest

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.citizen import follow
from bus.citizen.follow import Effects, Follower
from bus.errors import RecordUnreadable, RightMissing, TopicReplaced
from bus.kafka.access import KafkaAccess
from bus.kafka.log import KafkaError, Place
from bus.model.record import Incoming
from bus.topics import Topics


async def test_following_goes_on_after_whatever_failed(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever failed, the following goes on: what nobody foresaw is told by its kind alone, ours by why and where."""

    async def apply(_record: Incoming) -> None: ...

    monkeypatch.setattr(follow, "FIRST_PAUSE_SECONDS", 0.0)
    effects = Effects(OwnMessages(SchemaRegistryClient(RegistryAccess("http://nowhere"))), "consents")
    follower = Follower(KafkaAccess("nowhere:1"), Topics("", 1), apply, effects)
    again, tries = (
        asyncio.Event(),
        iter((TypeError("0123"), RightMissing(user="citizen", what="read x", bootstrap="b:1"))),
    )
    told = list[str]()
    monkeypatch.setattr(follow, "emit", lambda _event, *, error, **_: told.append(error))

    async def failing() -> None:
        error = next(tries, None)
        if error is not None:
            raise error
        again.set()
        await asyncio.Event().wait()

    monkeypatch.setattr(follower, "_follow", failing)
    running = asyncio.create_task(follower._run())
    async with asyncio.timeout(10):
        await again.wait()
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
    assert told == ["TypeError", "the Kafka user citizen may not read x at b:1"]


class Positions:
    """In place of the bus's own messages: a position is its offset, of which topic by the letter before it."""

    async def decode(self, data: bytes) -> dict[str, Any]:
        if not data:
            raise RecordUnreadable(schema_id="unknown", reason="it has no frame")
        topic = data[:1].decode()
        return {"consents_offset": int(data[1:]), "topics": {} if topic == "-" else {"consents": topic}}


async def test_when_an_event_is_effective() -> None:
    """An event is effective as soon as its lane has committed a position beyond it, in the topic in which it lies."""
    effects = Effects(Positions(), "consents")  # type: ignore[arg-type] # it decodes, and nothing else
    effects.belong_to("x")
    told = []
    for key, value in (
        (b"position", b"y9"),
        (b"position", b""),
        (b"position", None),
        (b"holding/a", b"x9"),
        (b"position", b"x4"),
        (b"position", b"-5"),
    ):
        await effects.apply(Incoming("lane-state", 1, 0, 0, key, value))
        told.append((effects.knows(1), [effects.is_effective(1, offset) for offset in (3, 4)]))
    assert told == [*[(False, [False, False])] * 4, (True, [True, False]), (True, [True, True])]
    assert not effects.is_effective(0, 0)
    effects.belong_to("x")
    with pytest.raises(TopicReplaced):
        effects.belong_to("y")


class Broker:
    """In place of a reader of two partitions, whose last offsets are markers; it fails when it is told to."""

    def __init__(self, records: dict[Place, list[int]], fails: list[bool]) -> None:
        self.records, self.fails, self.connections = records, fails, 0
        self.at: dict[Place, int] = {}

    async def start(self) -> None:
        self.connections += 1

    async def stop(self) -> None:
        self.connections -= 1

    async def beginnings(self, places: Iterable[Place]) -> dict[Place, int]:
        return dict.fromkeys(places, 0)

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        return {place: max(self.records[place], default=-2) + 2 for place in places}

    def assign(self, positions: Mapping[Place, int]) -> None:
        self.at = dict(positions)

    async def position(self, place: Place) -> int:
        return self.at[place]

    def _next(self, place: Place) -> list[Incoming]:
        begin, self.at[place] = self.at[place], max(self.at[place], max(self.records[place], default=-2) + 2)
        found = [one for one in self.records[place] if one >= begin]
        return [Incoming(*place, one, 0, b"k", b"v") for one in found]

    async def to_ends(self, _: Mapping[Place, int]) -> Any:
        for place in self.at:
            yield self._next(place)

    async def poll(self, _: int) -> list[Incoming]:
        await asyncio.sleep(0)
        if self.fails and self.fails.pop():
            raise KafkaError
        return [record for place in self.at for record in self._next(place)]


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> Callable[[Broker], None]:
    """Connects to a broker in memory, and asks again at once."""

    def use(broker: Broker) -> None:
        async def ids(topics: Iterable[str]) -> dict[str, str]:
            return dict.fromkeys(topics, "x")

        monkeypatch.setattr(follow, "FIRST_PAUSE_SECONDS", 0.0)
        monkeypatch.setattr(follow, "Reader", lambda _: broker)
        monkeypatch.setattr(follow, "Admin", lambda _: SimpleNamespace(topic_ids=ids))

    return use


async def test_each_record_is_taken_in_once(quick: Callable[[Broker], None]) -> None:
    """Through lost connections and records that cannot be taken in yet, each is, once and in its order."""
    consents, states = Place("consents", 0), Place("lane-state", 0)
    broker = Broker(defaultdict(list, {consents: [0, 1], states: [0]}), fails=[False, True, False, True])
    quick(broker)
    taken: list[tuple[str, int]] = []
    refused = iter([True, True, False])

    async def apply(record: Incoming) -> None:
        if record.offset == 4 and next(refused, False):
            raise KafkaError
        taken.append((record.topic, record.offset))

    effects: Any = SimpleNamespace(apply=apply, knows=lambda _: True, belong_to=lambda _: None)
    follower = Follower(KafkaAccess("nowhere:1"), Topics("", 1), apply, effects)
    assert not follower.is_well
    await follower.start()
    assert (taken, follower.is_well) == ([("consents", 0), ("consents", 1), ("lane-state", 0)], True)
    broker.records[consents] += [3, 4, 5]
    assert await follower.until(lambda: ("consents", 5) in taken, 10)
    assert [offset for topic, offset in taken if topic == "consents"] == [0, 1, 3, 4, 5]
    assert await follower.until_read(consents, 10)
    assert not await follower.until(lambda: False, 0.01)
    await follower.stop()
    assert broker.connections == 0


async def test_the_newest_position_is_sought(quick: Callable[[Broker], None], monkeypatch: pytest.MonkeyPatch) -> None:
    """The end of a lane's state is read first; only where no position lies there, all of it."""
    consents, states = Place("consents", 0), Place("lane-state", 0)
    monkeypatch.setattr(follow, "TAIL", 4)
    for known, read in ((True, [7, 8, 9]), (False, [7, 8, 9, *range(10)])):
        broker = Broker(defaultdict(list, {consents: [0], states: [*range(10)]}), fails=[])
        quick(broker)
        taken: list[Place | int] = []

        async def apply(record: Incoming, taken: list[Any] = taken) -> None:
            taken.append(record.offset if record.topic == states.topic else consents)

        effects: Any = SimpleNamespace(apply=apply, knows=lambda _, known=known: known, belong_to=lambda _: None)
        follower = Follower(KafkaAccess("nowhere:1"), Topics("", 1), apply, effects)
        await follower.start()
        await follower.stop()
        assert taken == [consents, *read]
