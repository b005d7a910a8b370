"""The end of a transaction: in which order it comes, what is told of it, and what its failure is taken for."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from aiokafka.errors import KafkaError, ProducerFenced, TransactionalIdAuthorizationFailed

from bus.errors import BusError, CommitUncertain, Dismissed, Fenced
from bus.kafka import transactions
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place
from bus.kafka.transactions import TransactionalWriter
from bus.model.record import Outgoing

A, B = Place("a", 0), Place("b", 3)
RECORDS = [Outgoing("a", 0, b"k", b"1"), Outgoing("b", 3, b"k", b"2"), Outgoing("a", 0, b"k", b"3")]


class Broker:
    """In place of a producer: notes what it is asked for, answers with these offsets; ends a transaction or fails."""

    def __init__(self, offsets: dict[str, int], fails: Exception | None = None) -> None:
        self.story: list[str] = []
        self._offsets, self._fails = offsets, fails

    async def begin_transaction(self) -> None:
        self.story.append("begun")

    async def send_batch(self, batch: Any, topic: str, *, partition: int) -> "asyncio.Future[Any]":
        self.story.append(f"{topic}/{partition}: {batch.record_count()}")
        future = asyncio.get_running_loop().create_future()
        future.set_result(SimpleNamespace(offset=self._offsets[topic]))
        return future

    async def flush(self) -> None:
        self.story.append("flushed")

    async def commit_transaction(self) -> None:
        self.story.append("ended")
        if self._fails is not None:
            raise self._fails


def writer(monkeypatch: pytest.MonkeyPatch, broker: Broker) -> TransactionalWriter:
    monkeypatch.setattr(transactions, "Producer", lambda *_, **__: broker)
    return TransactionalWriter(KafkaAccess("nowhere:1"), "an-id")


async def test_the_order_of_a_transaction(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is ended when every record was taken and that was told; then the last offset of each partition is known."""
    broker = Broker({"a": 0, "b": -1})  # -1: sent again, and taken already
    one = writer(monkeypatch, broker)
    written = await one.commit(RECORDS, lambda places: broker.story.append(f"told {places[A]}"))
    assert broker.story == ["begun", "a/0: 2", "b/3: 1", "flushed", "told 1", "ended"]
    assert written == one.written == {A: 1}
    broker._offsets = {"a": 5, "b": 9}
    assert await one.commit(RECORDS) == one.written == {A: 6, B: 9}


async def test_nothing_to_write(monkeypatch: pytest.MonkeyPatch) -> None:
    """No record makes no transaction."""
    broker = Broker({})
    assert await writer(monkeypatch, broker).commit([]) == {}
    assert broker.story == []


async def test_who_is_told_may_keep_it_from_its_end(monkeypatch: pytest.MonkeyPatch) -> None:
    """What whoever is told raises leaves the transaction without an end, and nothing counts as written."""

    def stop(_: object) -> None:
        raise InterruptedError

    broker = Broker({"a": 0, "b": 0})
    one = writer(monkeypatch, broker)
    with pytest.raises(InterruptedError):
        await one.commit(RECORDS, stop)
    assert (broker.story[-1], one.written) == ("flushed", {})


@pytest.mark.parametrize(
    ("error", "taken_for"),
    [
        (ProducerFenced(), Fenced),
        (TransactionalIdAuthorizationFailed("id"), Dismissed),
        (KafkaError("anything"), CommitUncertain),
        (TimeoutError(), CommitUncertain),
    ],
    ids=lambda one: getattr(one, "__name__", type(one).__name__),
)
async def test_what_a_failed_end_means(
    error: Exception, taken_for: type[BusError], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Who was fenced or dismissed has written nothing; any other end without an answer is uncertain. None counts."""
    one = writer(monkeypatch, Broker({"a": 0, "b": 0}, error))
    with pytest.raises(taken_for):
        await one.commit(RECORDS)
    assert one.written == {}
