"""Questions to the leaders of partitions, and what is made of their answers."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaConnectionError, KafkaTimeoutError, TopicAuthorizationFailedError
from aiokafka.record.util import calc_crc32c

from bus.errors import OffsetsGone
from bus.kafka import fetching as module
from bus.kafka.access import KafkaAccess
from bus.kafka.batch import batches
from bus.kafka.epochs import Fetch
from bus.kafka.fetching import Fetching
from bus.kafka.log import Place
from bus.model.record import Outgoing
from bus.model.varint import varint

OUT_OF_RANGE, NOT_LEADER, NOT_AUTHORIZED, FENCED_EPOCH, LOST = 1, 6, 29, 74, -9
A, B = Place("a", 0), Place("b", 0)


def packed(place: Place, count: int) -> bytes:
    """A batch of so many records, as a broker keeps it."""
    (batch,) = batches([Outgoing(*place, b"k", str(number).encode()) for number in range(count)])[place]
    return bytes(batch._build())


def of_producer(producer: int, begin: int, record: Outgoing, *, marker: bool = False) -> bytes:
    """A batch of one record in a transaction of a producer; or the marker that ends that."""
    (batch,) = batches([record])[A]
    batch._set_producer_state(producer, 0, 0)
    built = bytearray(batch._build())
    built[:8] = begin.to_bytes(8)
    built[22] |= 0x20 if marker else 0
    built[17:21] = calc_crc32c(built[21:]).to_bytes(4)
    return bytes(built)


class Brokers:
    """In place of the client: each topic has a leader of its own, which answers when it has something."""

    def __init__(self) -> None:
        self.answers: dict[str, asyncio.Queue[tuple[int, bytes]]] = {name: asyncio.Queue() for name in "ab"}
        self.leaders = {"a": 1, "b": 2}
        self.epoch = 5
        self.cluster = self
        self.looked = 0
        self.asked: list[int] = []
        self.topics: list[list[str]] = []
        self.stable = 42
        self.aborted: list[tuple[int, int]] = []
        self.isolations: list[int] = []

    def leader_for_partition(self, place: Any) -> int:
        return self.leaders[place.topic]

    async def force_metadata_update(self) -> None:
        self.looked += 1

    async def send(self, leader: int, request: Any) -> Any:
        self.asked.append(leader)
        self.topics.append([topic for topic, _ in request._topics])
        self.isolations.append(request._isolation_level)
        told = []
        for topic, listed in request._topics:
            code, content = await self.answers[topic].get()
            if code == LOST:
                raise KafkaConnectionError
            said: tuple[Any, ...] = (0, 42, self.epoch)
            if isinstance(request, Fetch):
                said = (42, self.stable, 0, self.aborted, -1, content)
                code = code if request._epochs.get((topic, 0), self.epoch) == self.epoch else FENCED_EPOCH
            told.append((topic, [(partition, code, *said) for partition, *_ in listed]))
        return SimpleNamespace(topics=told)

    def answer(self, topic: str, code: int = 0, content: bytes = b"") -> None:
        self.answers[topic].put_nowait((code, content))


@pytest.fixture
async def brokers(monkeypatch: pytest.MonkeyPatch) -> Brokers:
    """Two, which are asked again soon."""
    monkeypatch.setattr(module, "BACKOFF_SECONDS", 0.0)
    return Brokers()


@pytest.fixture
async def fetching(brokers: Brokers, monkeypatch: pytest.MonkeyPatch) -> Fetching:
    """Connected to them."""
    one = Fetching(KafkaAccess("nowhere:1"), committed=True)
    monkeypatch.setattr(one, "_client", brokers)
    return one


async def test_one_leader_does_not_wait_for_another(brokers: Brokers, fetching: Fetching) -> None:
    """What one leader has is there though another has nothing, whose question stays open and is not asked twice."""
    brokers.answer("a", content=packed(A, 3))
    (part,) = (await asyncio.wait_for(fetching.fetch({A: 0, B: 0}), 5)).parts
    assert (part.place, [record.value for record in part], part.reached) == (A, [b"0", b"1", b"2"], 3)
    brokers.answer("b", content=packed(B, 1))
    (part,) = (await asyncio.wait_for(fetching.fetch({A: 3, B: 0}), 5)).parts
    assert (part.place, [record.offset for record in part], part.reached) == (B, [0], 1)
    assert brokers.asked == [1, 2, 1]


@pytest.mark.parametrize("code", [NOT_LEADER, LOST])
async def test_who_leads_is_asked_anew(code: int, brokers: Brokers, fetching: Fetching) -> None:
    """A leader that is none any more, or cannot be reached, costs a question to the cluster and nothing else."""
    brokers.answer("a", code)
    assert await fetching.fetch({A: 0}) == ([], {})
    assert brokers.looked == 1
    brokers.answer("a", content=packed(A, 1))
    assert len((await fetching.fetch({A: 0})).parts) == 1


async def test_what_is_gone_is_an_error(brokers: Brokers, fetching: Fetching) -> None:
    """An offset that the broker no longer has is never passed over."""
    brokers.answer("a", OUT_OF_RANGE)
    with pytest.raises(OffsetsGone, match="topic a has no offset 0 in partition 0"):
        await fetching.fetch({A: 0})


async def test_a_header_name_that_is_no_text(brokers: Brokers, fetching: Fetching) -> None:
    """It is read as well as may be, each record once, with what stands before it and comes after it."""
    stamps = [varint(1) + varint(2) + name + varint(1) + b"v" for name in (b"\xc3\xa1", b"\xe1x")]
    content = b""
    for number, stamp in enumerate((stamps[0], stamps[1], stamps[0])):
        records = [Outgoing(*A, b"k", str(2 * number + one).encode(), (), None, stamps[0]) for one in (0, 1)]
        (batch,) = batches([records[0], records[1]._replace(stamp=stamp)])[A]
        content += (2 * number).to_bytes(8) + bytes(batch._build())[8:]
    brokers.answer("a", content=content)
    (part,) = (await asyncio.wait_for(fetching.fetch({A: 1}), 5)).parts
    found = list(part)
    assert [record.value for record in found] == [b"1", b"2", b"3", b"4", b"5"]
    assert [record.headers[0][0] for record in found] == ["á", "á", "\\xe1x", "á", "á"]
    assert part.reached == 6


@pytest.mark.parametrize("committed", [True, False])
async def test_what_was_aborted(brokers: Brokers, monkeypatch: pytest.MonkeyPatch, *, committed: bool) -> None:
    """Who reads what is committed is given nothing of a transaction that was aborted, and is held back by none."""
    one = Fetching(KafkaAccess("nowhere:1"), committed=committed)
    monkeypatch.setattr(one, "_client", brokers)
    abort = Outgoing(*A, b"\0\0\0\0", bytes(6))
    brokers.aborted = [(5, 0)]
    content = of_producer(5, 0, Outgoing(*A, b"k", b"aborted")) + of_producer(6, 1, Outgoing(*A, b"k", b"other"))
    content += of_producer(5, 2, abort, marker=True) + of_producer(5, 3, Outgoing(*A, b"k", b"again"))
    brokers.answer("a", content=content)
    (part,) = (await one.fetch({A: 0})).parts
    assert [record.value for record in part] == [*([] if committed else [b"aborted"]), b"other", b"again"]
    assert part.reached == 4
    brokers.answer("a")
    await one.ends([A])
    assert brokers.isolations == [int(committed)] * 2


@pytest.mark.parametrize("ask", ["fetch", "ends"])
async def test_what_may_not_be_read(ask: str, brokers: Brokers, fetching: Fetching) -> None:
    """A right that is missing is told at once: asking again for long would not help."""
    brokers.answer("a", NOT_AUTHORIZED)
    with pytest.raises(TopicAuthorizationFailedError):
        await (fetching.fetch({A: 0}) if ask == "fetch" else fetching.ends([A]))


async def test_ends_that_nobody_tells(brokers: Brokers, fetching: Fetching, monkeypatch: pytest.MonkeyPatch) -> None:
    """A leader that is lost is looked for as long as may be; then who asked for an end is told that there is none."""
    monkeypatch.setattr(module, "PATIENCE_SECONDS", 0.05)
    for _ in range(10_000):
        brokers.answer("a", LOST)
    with pytest.raises(KafkaTimeoutError):
        await fetching.ends([A])
    assert brokers.looked > 1


async def test_ends(brokers: Brokers, fetching: Fetching) -> None:
    """The ends of all places are told, and a place whose leader moved is asked for again."""
    brokers.answer("a")
    brokers.answer("b", NOT_LEADER)
    brokers.answer("b")
    assert await fetching.ends([A, B]) == {A: 42, B: 42}
    assert brokers.looked == 1


async def test_ends_with_what_comes(brokers: Brokers, fetching: Fetching) -> None:
    """Where one broker leads all, it tells where those end that are watched, which it is asked for last."""
    brokers.leaders["b"] = 1
    brokers.answer("b")  # its end, asked for once: its leader knows it
    for _ in range(2):
        brokers.answer("a", content=packed(A, 1))
        brokers.answer("b", content=packed(B, 1))
        parts, ends = await fetching.fetch({A: 0}, {B: 40})
        assert ([part.place for part in parts], ends) == ([A], {B: 42})
    assert brokers.topics == [["b"], ["a", "b"], ["a", "b"]]


@pytest.mark.parametrize(("code", "known"), [(OUT_OF_RANGE, 40), (NOT_LEADER, 40), (0, 43)])
async def test_an_end_that_is_not_known(code: int, known: int, brokers: Brokers, fetching: Fetching) -> None:
    """A watched partition that is gone or moved, or whose new leader does not know its end yet: none is told."""
    brokers.leaders["b"] = 1
    brokers.answer("b")
    brokers.answer("a", content=packed(A, 1))
    brokers.answer("b", code)
    parts, ends = await fetching.fetch({A: 0}, {B: known})
    assert (len(parts), ends) == (1, {})


async def test_a_new_leader_is_not_believed(brokers: Brokers, fetching: Fetching) -> None:
    """A leader of another epoch may not know yet how far its log goes: no end is told before it has been asked for."""
    brokers.leaders["b"] = 1
    for _ in range(2):
        brokers.answer("b")
    brokers.answer("a", content=packed(A, 1))
    assert (await fetching.fetch({A: 0}, {B: 40})).ends == {B: 42}
    brokers.epoch += 1
    brokers.answer("a", content=packed(A, 1))
    brokers.answer("b")
    parts, ends = await fetching.fetch({A: 0}, {B: 42})
    assert (len(parts), ends) == (1, {})
    brokers.answer("b", NOT_LEADER)  # or that it does not know its end yet
    brokers.answer("a", content=packed(A, 1))
    assert (await fetching.fetch({A: 0}, {B: 42})).ends == {}
    for _ in range(2):
        brokers.answer("b")
    brokers.answer("a", content=packed(A, 1))
    assert (await fetching.fetch({A: 0}, {B: 42})).ends == {B: 42}


async def test_no_ends_from_two_leaders(brokers: Brokers, fetching: Fetching) -> None:
    """Another leader's end may be older than what came: it is not asked for."""
    brokers.answer("a", content=packed(A, 1))
    assert (await fetching.fetch({A: 0}, {B: 40})).ends == {}
    assert brokers.topics == [["a"]]


async def test_a_transaction_that_is_not_ended(
    brokers: Brokers, fetching: Fetching, monkeypatch: pytest.MonkeyPatch
) -> None:
    """How long one transaction has stood before a reader is known, and others that follow each other add nothing up."""
    now = [100.0]
    monkeypatch.setattr("bus.clock.monotonic", lambda: now[0])
    seen = []
    for stable in (42, 40, 40, 40, 41, 41, 42):
        brokers.stable, now[0] = stable, now[0] + 4
        brokers.answer("a")
        await fetching.fetch({A: 40})
        seen.append({place: (one.stable, one.end, one.seconds) for place, one in fetching.unended.items()})
    held = [{A: (40, 42, 0.0)}, {A: (40, 42, 4.0)}, {A: (40, 42, 8.0)}, {A: (41, 42, 0.0)}, {A: (41, 42, 4.0)}]
    assert seen == [{}, *held, {}]


async def test_who_reads_everything_is_held_back_by_nothing(brokers: Brokers, fetching: Fetching) -> None:
    """A broker tells no stable offset to who reads what is not committed too."""
    brokers.stable = -1
    brokers.answer("a")
    await fetching.fetch({A: 40})
    assert fetching.unended == {}
