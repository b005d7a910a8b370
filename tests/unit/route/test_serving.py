"""What a lane takes for a transaction, and in which order; and what it does with one that the broker does not take."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from bus.errors import RecordRefused
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place
from bus.kafka.pump import Pump
from bus.model.record import Incoming
from bus.route import runner
from bus.route.intake import Taken
from bus.route.runner import Lane
from bus.settings import RouteSettings
from bus.topics import Topics
from tests.unit.route.lanes import PERSON, rules

TOPICS = Topics("", 8)
CONSENTS, REGISTER, PEOPLE = (
    Place(TOPICS.consents, 3),
    Place(TOPICS.register, 0),
    Place(TOPICS.changes(PERSON), 3),
)


def record(place: Place, offset: int, key: bytes = b"k") -> Incoming:
    return Incoming(*place, offset, 0, key, b"v")


class Cluster:
    """What the lane asks besides: where topics end, the newest register, and who writes its transactions."""

    def __init__(self) -> None:
        self.of = {CONSENTS: 0, REGISTER: 0}
        self.asked, self.compiled = 0, list[int]()
        self.story: list[str] = []
        self.state = SimpleNamespace(offset=0)
        self.on_ask = list[Any]()

    async def ends(self, places: Any) -> dict[Place, int]:
        self.asked += 1
        for one in self.on_ask:
            one()
        return {place: self.of[place] for place in places}

    async def newest(self) -> Any:
        self.state = SimpleNamespace(offset=self.of[REGISTER])
        return self.state

    def compile(self, state: Any) -> Any:
        self.compiled.append(state.offset)
        return rules(offset=state.offset)

    async def start(self) -> None:
        self.story.append("started")

    async def stop(self) -> None:
        self.story.append("stopped")


class Serving:
    """A lane and its two pumps, which fetch nothing by themselves."""

    def __init__(self, cluster: Cluster) -> None:
        self.cluster = cluster
        parts: Any = SimpleNamespace(
            **dict.fromkeys(("keyring", "messages", "identities", "share", "stores")),
            access=KafkaAccess("nowhere:1"),
            topics=TOPICS,
            settings=RouteSettings(),
            schemas=SimpleNamespace(decode=None),
            ends=cluster,
            register=cluster,
            book=cluster,
        )
        self.lane = Lane(3, parts)
        wake = asyncio.Event()
        self.consents = Pump(parts.access, wake, committed=False)
        self.changes = Pump(parts.access, wake, committed=True, eager=False)
        self.consents.assign({CONSENTS: 0})
        self.changes.assign({PEOPLE: 0})

    def come(self, pump: Pump, *records: Incoming) -> None:
        """These have been fetched."""
        pump._waiting.extend(records)
        for one in records:
            pump._reached[Place(one.topic, one.partition)] = one.offset + 1
        pump._moved.set()

    async def take(self) -> Taken:
        """What the lane takes now."""
        taken = await asyncio.wait_for(self.lane._take(self.consents, self.changes), 5)
        assert taken is not None
        return taken


@pytest.fixture
async def serving(monkeypatch: pytest.MonkeyPatch) -> Serving:
    """At rest; a batch of consents is of two."""
    cluster = Cluster()
    monkeypatch.setattr(Lane, "_new_transactions", lambda _: cluster)
    monkeypatch.setattr(runner, "CONSENTS_AT_ONCE", 2)
    return Serving(cluster)


async def test_no_change_is_judged_by_older_consents(serving: Serving) -> None:
    """The ends of the consents and of the register are asked for when the changes are here, and both read up to there.

    What comes in between is for the next transaction.
    """
    changes = [record(PEOPLE, offset) for offset in (0, 1, 2)]
    serving.come(serving.changes, *changes[:2])
    serving.cluster.of = {CONSENTS: 2, REGISTER: 7}
    serving.cluster.on_ask = [lambda: serving.come(serving.changes, changes[2])]
    taking = asyncio.create_task(serving.take())
    for _ in range(9):
        await asyncio.sleep(0)
    assert (taking.done(), serving.cluster.asked, serving.lane._rules.offset) == (False, 1, 7)
    consents = [record(CONSENTS, offset) for offset in (0, 1)]
    serving.come(serving.consents, consents[0])
    await asyncio.sleep(0)
    serving.come(serving.consents, consents[1])
    assert await taking == Taken(consents, changes[:2], 2, None)
    assert list(serving.changes.waiting()) == changes[2:]


async def test_changes_wait_while_consents_do(serving: Serving) -> None:
    """Where more consents wait than one transaction takes, no change is judged; what is known of later ones is told."""
    changes = [record(PEOPLE, offset) for offset in (0, 1)]
    consents = [record(CONSENTS, offset, key) for offset, key in enumerate((b"p/a", b"q/a", b"r/a", b"p/a", b"q/a"))]
    serving.come(serving.changes, *changes)
    serving.come(serving.consents, *consents)
    serving.cluster.of[CONSENTS] = 5
    assert await serving.take() == Taken(consents[:2], [], 2, consents[3:])
    assert await serving.take() == Taken(consents[2:4], [], 4, [])
    assert await serving.take() == Taken(consents[4:], changes, 5, None)
    assert await serving.take() == Taken([], [], 5, None)


async def test_rules_are_compiled_when_the_register_has_grown(serving: Serving) -> None:
    """Each transaction is judged by the newest rules; the same ones are not compiled again."""
    for end in (0, 0, 4, 4, 9):
        serving.cluster.of[REGISTER] = end
        await serving.take()
    assert serving.cluster.compiled == [0, 4, 9]


async def test_what_the_brokers_told_with_the_changes(serving: Serving) -> None:
    """Ends that came with the newest changes are believed once, and asked for the next time."""
    serving.changes._told = {CONSENTS: 1, REGISTER: 0}
    serving.come(serving.consents, record(CONSENTS, 0))
    assert (await serving.take()).consents_offset == 1
    assert serving.cluster.asked == 0
    serving.cluster.of[CONSENTS] = 1
    await serving.take()
    assert serving.cluster.asked == 1


async def refused(serving: Serving) -> Taken:
    """The next transaction, which the broker does not take."""
    taken = await serving.take()
    error = RecordRefused(topic="agency.x", partition=1, reason="MessageSizeTooLargeError")
    await serving.lane._try_smaller(error, taken, serving.consents, serving.changes)
    return taken


async def test_what_the_broker_refuses(serving: Serving) -> None:
    """A refused batch is halved until the culprit stands alone, is buried, then cut; and then the lane stands.

    Nothing is dropped, all comes again in its order, and each time a new writer begins.
    """
    changes = [record(PEOPLE, offset) for offset in range(5)]
    consents = [record(CONSENTS, 0)]
    serving.come(serving.changes, *changes)
    serving.come(serving.consents, *consents)
    serving.cluster.of[CONSENTS] = 1
    lane, culprit = serving.lane, (PEOPLE.topic, 0)
    lane._batch_limit, lane._read_to = 99, 7
    sizes, cut = [], []
    for _ in range(4):
        taken = await refused(serving)
        assert (taken.consents, taken.changes) == (consents, changes[: len(taken.changes)])
        sizes.append(len(taken.changes))
        cut.append(culprit in lane._cut)
    assert (sizes, cut) == ([5, 2, 1, 1], [False, False, False, True])
    assert lane._refused == lane._cut == {culprit}
    assert (lane._aborted, vars(lane)["_read_to"]) == (4, None)  # of what was aborted something may lie there
    assert serving.cluster.story == ["stopped", "started"] * 4
    with pytest.raises(RecordRefused):
        await refused(serving)


async def test_no_change_is_blamed_for_a_consent(serving: Serving) -> None:
    """Where the broker refuses what holds no change, the lane stands and says what was refused; nothing is dropped."""
    serving.come(serving.consents, record(CONSENTS, 0))
    serving.cluster.of[CONSENTS] = 1
    with pytest.raises(RecordRefused, match=r"refused a record for agency\.x partition 1: MessageSizeTooLargeError"):
        await refused(serving)
    assert serving.cluster.story == []


async def test_while_a_transaction_ends(serving: Serving) -> None:
    """What comes while the last transaction ends is waited for; nothing is taken where nothing came."""
    serving.lane._ending = True
    taking = asyncio.create_task(serving.lane._take(serving.consents, serving.changes))
    await asyncio.sleep(0)
    serving.changes.content()
    assert await asyncio.wait_for(taking, 5) is None
    assert serving.cluster.asked == 0
    taking = asyncio.create_task(serving.lane._take(serving.consents, serving.changes))
    await asyncio.sleep(0)
    serving.come(serving.changes, record(PEOPLE, 0))
    serving.changes._answers += 1
    assert await asyncio.wait_for(taking, 5) == Taken([], [record(PEOPLE, 0)], 0, None)
