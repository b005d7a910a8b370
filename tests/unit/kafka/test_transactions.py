"""What a transaction that failed is taken for."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidTransactionTimeout,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from bus.errors import BusError, CommitUncertain, Dismissed, Fenced, RecordRefused, TransactionTooLong
from bus.kafka import transactions
from bus.kafka.access import KafkaAccess
from bus.kafka.transactions import TransactionalWriter, told_already
from bus.model.record import Outgoing


class Failing:
    """In place of a producer: every batch fails in one way, and the whole producer with it or not."""

    def __init__(self, error: Exception, *, for_good: bool) -> None:
        self._error, self._for_good = error, for_good
        self.aborted = 0
        self._txn_manager = self

    def is_fatal_error(self) -> bool:
        return self._for_good

    async def begin_transaction(self) -> None:
        """Nothing to begin."""

    async def send_batch(self, *_: Any, **__: Any) -> "asyncio.Future[Any]":
        future = asyncio.get_running_loop().create_future()
        future.set_exception(self._error)
        return future

    async def flush(self) -> None:
        """All has failed already."""

    async def abort_transaction(self) -> None:
        assert not self._for_good, "the client has no way from a fatal error to an abort"
        self.aborted += 1


@pytest.mark.parametrize(
    ("error", "for_good", "taken_for"),
    [
        (MessageSizeTooLargeError(), False, RecordRefused),
        (ProducerFenced(), True, Fenced),
        (InvalidProducerEpoch(), False, Fenced),
        (TransactionalIdAuthorizationFailed("id"), True, Dismissed),
        (TopicAuthorizationFailedError("topic"), False, Dismissed),
        (KafkaError("anything"), True, CommitUncertain),
    ],
    ids=lambda one: one if isinstance(one, bool) else getattr(one, "__name__", type(one).__name__),
)
async def test_what_a_failure_means(
    error: Exception, taken_for: type[BusError], monkeypatch: pytest.MonkeyPatch, *, for_good: bool
) -> None:
    """Only a refusal blames a record, and is aborted; lost rights, a fence and a broken producer never do."""
    failing = Failing(error, for_good=for_good)
    monkeypatch.setattr(transactions, "Producer", lambda *_, **__: failing)
    writer = TransactionalWriter(KafkaAccess("nowhere:1"), "an-id")
    with pytest.raises(taken_for):
        await writer.commit([Outgoing("topic", 0, b"key", b"value")])
    assert failing.aborted == (taken_for is RecordRefused)


async def test_what_the_client_leaves_behind_is_not_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The futures of a producer that was dismissed or fenced are no news; any other exception still is."""
    loop, told = asyncio.get_running_loop(), list[Any]()
    monkeypatch.setattr(loop, "default_exception_handler", told.append)
    for error in (TransactionalIdAuthorizationFailed("x"), ProducerFenced(), ValueError()):
        told_already(loop, {"exception": error})
    told_already(loop, {"message": "something else"})
    assert [type(one.get("exception")) for one in told] == [ValueError, type(None)]


async def test_a_broker_that_allows_no_transaction_so_long_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Below the broker's transaction.max.timeout.ms nothing can begin: the error names it, the producer is closed."""
    stopped = asyncio.Event()

    class Refused(Failing):
        async def start(self) -> None:
            raise self._error

        async def stop(self) -> None:
            stopped.set()

    refused = Refused(InvalidTransactionTimeout(), for_good=True)
    monkeypatch.setattr(transactions, "Producer", lambda *_, **__: refused)
    with pytest.raises(TransactionTooLong, match="no transaction to last 7000 ms") as raised:
        await TransactionalWriter(KafkaAccess("nowhere:1"), "an-id", timeout_ms=7000).start()
    assert "transaction.max.timeout.ms" in raised.value.how_to_mend
    assert stopped.is_set()
