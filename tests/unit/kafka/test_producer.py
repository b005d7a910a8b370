"""What a transaction asks of a broker, and what it makes of each answer."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka import TopicPartition
from aiokafka.errors import (
    KafkaConnectionError,
    KafkaTimeoutError,
    MessageSizeTooLargeError,
    ProducerFenced,
    UnknownError,
    UnknownTopicOrPartitionError,
)
from aiokafka.producer.transaction_manager import PidAndEpoch, TransactionState
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest

from bus.errors import TopicGone
from bus.kafka import producer as module
from bus.kafka.access import KafkaAccess
from bus.kafka.batch import batches
from bus.kafka.producer import PRODUCER_FENCED, TRANSACTION_ABORTABLE, Producer
from bus.kafka.requests import End, Produce
from bus.model.record import Outgoing

CORRUPT, NOT_LEADER, TOO_LARGE, NOT_COORDINATOR, DUPLICATE, CONCURRENT = 2, 6, 10, 16, 46, 51
UNKNOWN, LOST = -1, -99
"""What a broker says that knows not what is wrong; and nothing at all, for the connection is lost."""


class Broker:
    """In place of the client's connections: notes what it is asked, and answers a batch with the next code it has."""

    def __init__(self, *codes: int, ends: tuple[int, ...] = ()) -> None:
        self.asked: list[Any] = []
        self.codes, self.ends = list(codes), list(ends)
        self.cluster = self
        self.looked = 0

    def leader_for_partition(self, _: Any) -> int | None:
        return 1

    async def _wait_on_metadata(self, _: str) -> None:
        """Known already."""

    async def force_metadata_update(self) -> None:
        self.looked += 1

    async def send(self, node: int, request: Any, **_: Any) -> Any:
        del node
        self.asked.append(request)
        if isinstance(request, (Produce, ProduceRequest)):
            code = self.codes.pop(0) if self.codes else 0
            if code == LOST:
                raise KafkaConnectionError
            told = [(topic, [(one[0], code, 7) for one in listed]) for topic, listed, *_ in request._topics]
            return SimpleNamespace(topics=told)
        if isinstance(request, AddPartitionsToTxnRequest):
            return SimpleNamespace(errors=[(topic, [(one, 0) for one in listed]) for topic, listed in request._topics])
        return SimpleNamespace(error_code=self.ends.pop(0) if self.ends else 0, producer_id=5, producer_epoch=9)


async def ready(broker: Broker, monkeypatch: pytest.MonkeyPatch, *, second: bool = True) -> Producer:
    """A producer that has started, at this broker."""
    monkeypatch.setattr(module, "BACKOFF_SECONDS", module.MARKERS_SECONDS * 1.1)
    one = Producer(KafkaAccess("nowhere:1"), "an-id", timeout_ms=10_000)

    async def found(*_: Any) -> int:
        return 1

    monkeypatch.setattr(one, "client", broker)
    monkeypatch.setattr(one._sender, "_find_coordinator", found)
    one._txn_manager._pid_and_epoch, one._txn_manager.state = PidAndEpoch(5, 8), TransactionState.READY
    one._txn_manager._pid_waiter.set_result(None)
    one._second = second
    one._closed = True  # there is nothing to close
    return one


async def written(one: Producer, *records: Outgoing) -> list[Any]:
    """Begin, hand records in, and wait for what becomes of each batch."""
    await one.begin_transaction()  # type: ignore[no-untyped-call]  # the client's own
    outcomes = [
        await one.send_batch(batch, topic, partition=partition)
        for (topic, partition), listed in batches(records).items()
        for batch in listed
    ]
    await one.flush()
    return [outcome.exception() or outcome.result() for outcome in outcomes]


TWO = (Outgoing("a", 0, b"k", b"v"), Outgoing("b", 3, b"k", b"v"))


@pytest.mark.parametrize(("answers", "told"), [(True, TopicGone), (False, UnknownTopicOrPartitionError)])
async def test_a_topic_that_is_not_there_is_named(
    monkeypatch: pytest.MonkeyPatch, told: type[Exception], *, answers: bool
) -> None:
    """Who deleted one must read its name; while no broker answers, nobody can know that it is gone."""
    broker = Broker()
    one = await ready(broker, monkeypatch)

    async def unknown(_: str) -> None:
        raise UnknownTopicOrPartitionError

    async def look() -> bool:
        return answers

    monkeypatch.setattr(broker, "_wait_on_metadata", unknown)
    monkeypatch.setattr(broker, "force_metadata_update", look)
    with pytest.raises(told) as raised:
        await written(one, Outgoing("agency.bank", 0, b"k", b"v"))
    assert not answers or str(raised.value) == "topic agency.bank is not there at nowhere:1"


async def test_two_questions_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the second protocol a transaction writes all its batches at once and ends; the next one has a new epoch."""
    broker = Broker()
    one = await ready(broker, monkeypatch)
    assert [stored.offset for stored in await written(one, *TWO)] == [7, 7]
    await one.commit_transaction()
    assert [type(request) for request in broker.asked] == [Produce, End]
    assert one._txn_manager._pid_and_epoch == PidAndEpoch(5, 9)
    assert one._txn_manager.sequence_number(TopicPartition("a", 0)) == 0


async def test_three_by_the_first_protocol(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the first one the coordinator is told of all partitions before, with one question; sequences go on."""
    broker = Broker()
    one = await ready(broker, monkeypatch, second=False)
    await written(one, *TWO)
    await one.commit_transaction()
    assert [type(request) for request in broker.asked] == [AddPartitionsToTxnRequest, ProduceRequest, EndTxnRequest]
    assert one._txn_manager._pid_and_epoch == PidAndEpoch(5, 8)
    assert one._txn_manager.sequence_number(TopicPartition("a", 0)) == 1


@pytest.mark.parametrize("second", [True, False])
async def test_a_commit_is_none_of_an_abort(monkeypatch: pytest.MonkeyPatch, *, second: bool) -> None:
    """A transaction ends as it was to end, by either protocol, and after both the next one can begin."""
    broker = Broker()
    one = await ready(broker, monkeypatch, second=second)
    for end in (one.commit_transaction, one.abort_transaction, one.commit_transaction):
        await written(one, *TWO)
        await end()
    ends = [request for request in broker.asked if isinstance(request, (End, EndTxnRequest))]
    assert [one._fields[-1] if isinstance(one, End) else one._transaction_result for one in ends] == [True, False, True]
    assert sum(isinstance(request, AddPartitionsToTxnRequest) for request in broker.asked) == (0 if second else 3)


class Spread(Broker):
    """Several of them: each leads one topic, that of "b" only after two looks at who leads what."""

    def leader_for_partition(self, place: Any) -> int | None:
        if place.topic == "a":
            return 1
        return [None, -1, 2][min(self.looked, 2)]

    async def send(self, node: int, request: Any, **_: Any) -> Any:
        if isinstance(request, (Produce, ProduceRequest)):
            assert [topic for topic, *_ in request._topics] == ["ab"[node - 1]]
        return await super().send(node, request)


async def test_each_batch_goes_to_its_leader(monkeypatch: pytest.MonkeyPatch) -> None:
    """What one broker leads is not kept waiting by a partition without a leader, which is sent once it has one."""
    broker = Spread()
    one = await ready(broker, monkeypatch)
    assert [stored.offset for stored in await written(one, *TWO)] == [7, 7]
    assert (len(broker.asked), broker.looked) == (2, 2)
    await one.commit_transaction()
    assert [stored.offset for stored in await written(one, *TWO)] == [7, 7]
    assert (len(broker.asked), broker.looked) == (2 + 1 + 2, 2)


async def test_whose_a_batch_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch says of which producer, epoch and place in the sequence it is: by that a broker takes it once, in order.

    Where it lies the coordinator is told once a transaction.
    """
    broker = Broker()
    one = await ready(broker, monkeypatch, second=False)
    await one.begin_transaction()  # type: ignore[no-untyped-call]
    told = []
    for records in ([TWO[0], TWO[0]], [TWO[0]]):
        ((topic, partition), (batch,)) = next(iter(batches(records).items()))
        await one.send_batch(batch, topic, partition=partition)
        await one.flush()
        told.append(batch._producer)
    assert told == [(5, 8, 0), (5, 8, 2)]
    assert sum(isinstance(request, AddPartitionsToTxnRequest) for request in broker.asked) == 1


@pytest.mark.parametrize("code", [CONCURRENT, NOT_LEADER, CORRUPT, UNKNOWN])
async def test_again(code: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """What a broker cannot take yet is sent again as it was, so that it is taken once."""
    broker = Broker(code)
    one = await ready(broker, monkeypatch)
    assert [stored.offset for stored in await written(one, TWO[0])] == [7]
    first, second = (request._topics for request in broker.asked)
    assert first == second
    assert broker.looked == (code != CONCURRENT)


async def test_taken_already(monkeypatch: pytest.MonkeyPatch) -> None:
    """A batch that the broker has already is as good as taken."""
    one = await ready(Broker(DUPLICATE), monkeypatch)
    assert [stored.offset for stored in await written(one, TWO[0])] == [7]


@pytest.mark.parametrize(
    ("code", "error", "spoilt"),
    [
        (TOO_LARGE, MessageSizeTooLargeError, False),
        (PRODUCER_FENCED, ProducerFenced, True),
        (TRANSACTION_ABORTABLE, Exception, True),
        (LOST, KafkaConnectionError, True),
    ],
)
async def test_refused(code: int, error: type[Exception], monkeypatch: pytest.MonkeyPatch, *, spoilt: bool) -> None:
    """A refusal fails its batch alone; what is about the producer, or left open by a lost connection, spoils it."""
    one = await ready(Broker(code), monkeypatch)
    (found,) = await written(one, TWO[0])
    assert isinstance(found, error)
    assert one._txn_manager.is_fatal_error() is spoilt


async def test_a_record_is_blamed_in_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """A trouble that a broker has with one record lasts: then that record is the culprit, and not the broker."""
    monkeypatch.setattr(module, "BLAMED_AFTER_SECONDS", 0.05)
    broker = Broker(*[UNKNOWN] * 1000)
    one = await ready(broker, monkeypatch)
    (found,) = await written(one, TWO[0])
    assert isinstance(found, UnknownError)
    assert len(broker.asked) > 2
    assert not one._txn_manager.is_fatal_error()


async def test_none_after_a_refused_one(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where a batch was refused, the next one of its partition is not sent: it would be out of order."""
    broker = Broker(TOO_LARGE)
    one = await ready(broker, monkeypatch)
    large = [Outgoing("a", 0, b"k", bytes(600_000)) for _ in range(2)]
    found = await written(one, *large)
    assert [type(error) for error in found] == [MessageSizeTooLargeError] * 2
    assert len(broker.asked) == 1


async def test_an_end_is_asked_for_until_it_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator that is being moved, or busy with markers, is asked again; one that says no is not."""
    broker = Broker(ends=(CONCURRENT, NOT_COORDINATOR, 0, PRODUCER_FENCED))
    one = await ready(broker, monkeypatch)
    await written(one, TWO[0])
    await one.commit_transaction()
    assert len(broker.asked) == 4
    await written(one, TWO[0])
    with pytest.raises(ProducerFenced):
        await one.commit_transaction()


async def test_an_end_that_never_stands(monkeypatch: pytest.MonkeyPatch) -> None:
    """A coordinator that moved is looked for anew each time, and who has asked for long enough is told so."""
    broker = Broker(ends=(NOT_COORDINATOR,) * 1000)
    one = await ready(broker, monkeypatch)
    dead: list[Any] = []
    monkeypatch.setattr(one._sender, "_coordinator_dead", dead.append)
    await written(one, TWO[0])
    one._request_ms = 50
    with pytest.raises(KafkaTimeoutError):
        await one.commit_transaction()
    assert len(dead) == len([request for request in broker.asked if isinstance(request, End)]) > 2
    assert broker.looked == len(dead) - 1


async def test_an_end_waits_for_what_is_being_sent(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever commits without waiting for the batches ends no transaction before they are written."""
    broker = Broker()
    one = await ready(broker, monkeypatch)
    await one.begin_transaction()  # type: ignore[no-untyped-call]
    ((topic, partition), (batch,)) = next(iter(batches([TWO[0]]).items()))
    await one.send_batch(batch, topic, partition=partition)
    await one.commit_transaction()
    assert [type(request) for request in broker.asked] == [Produce, End]


async def test_an_answer_that_makes_no_sense(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody waits for ever for a batch of which the answer does not speak: its producer is given up."""
    broker = Broker()
    one = await ready(broker, monkeypatch)
    monkeypatch.setattr(broker, "send", lambda *_, **__: asyncio.sleep(0, SimpleNamespace(topics=[])))
    (found,) = await written(one, TWO[0])
    assert isinstance(found, KeyError)
    assert one._txn_manager.is_fatal_error()
