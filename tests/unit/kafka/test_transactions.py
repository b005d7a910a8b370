"""What a transaction that failed is taken for."""

import asyncio
from typing import Any

import pytest
from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidTimestampError,
    InvalidTransactionTimeout,
    KafkaConnectionError,
    KafkaError,
    MessageSizeTooLargeError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from bus.errors import (
    BusError,
    ClockWrong,
    CommitUncertain,
    Dismissed,
    Fenced,
    KafkaUnreachable,
    RecordRefused,
    TransactionTooLong,
)
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
        (InvalidTimestampError(), False, ClockWrong),
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
    """Only a refusal blames a record; lost rights, a fence, a wrong clock and a broken producer never do."""
    failing = Failing(error, for_good=for_good)
    monkeypatch.setattr(transactions, "Producer", lambda *_, **__: failing)
    writer = TransactionalWriter(KafkaAccess("nowhere:1"), "an-id")
    with pytest.raises(taken_for):
        await writer.commit([Outgoing("topic", 0, b"key", b"value")])
    assert failing.aborted == (taken_for in {RecordRefused, ClockWrong})


async def test_what_the_client_leaves_behind_is_not_told_twice(monkeypatch: pytest.MonkeyPatch) -> None:
    """The futures of a producer that was dismissed or fenced are no news; any other exception still is."""
    loop, told = asyncio.get_running_loop(), list[Any]()
    monkeypatch.setattr(loop, "default_exception_handler", told.append)
    for error in (TransactionalIdAuthorizationFailed("x"), ProducerFenced(), ValueError()):
        told_already(loop, {"exception": error})
    told_already(loop, {"message": "something else"})
    assert [type(one.get("exception")) for one in told] == [ValueError, type(None)]


@pytest.mark.parametrize(
    ("error", "taken_for", "told"),
    [
        (InvalidTransactionTimeout(), TransactionTooLong, "no transaction to last 7000 ms"),
        (TransactionalIdAuthorizationFailed("an-id"), Dismissed, "an-id"),
        (KafkaConnectionError("refused"), KafkaUnreachable, "nowhere:1"),
    ],
    ids=lambda one: getattr(one, "__name__", ""),
)
async def test_a_start_that_fails(
    error: KafkaError, taken_for: type[BusError], told: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A broker that allows no transaction so long, or not this writer, or none that answers: each is told, and let go.

    A connection that cannot be closed either keeps nobody from being told.
    """
    stopped = asyncio.Event()

    class Refused(Failing):
        async def start(self) -> None:
            raise self._error

        async def stop(self) -> None:
            stopped.set()
            raise KafkaError("not even that")

    refused = Refused(error, for_good=True)
    monkeypatch.setattr(transactions, "Producer", lambda *_, **__: refused)
    with pytest.raises(taken_for, match=told) as raised:
        await TransactionalWriter(KafkaAccess("nowhere:1"), "an-id", timeout_ms=7000).start()
    assert ("transaction.max.timeout.ms" in raised.value.how_to_mend) is (taken_for is TransactionTooLong)
    assert stopped.is_set()


async def test_a_refused_record_is_told_where_the_abort_fails_too(monkeypatch: pytest.MonkeyPatch) -> None:
    """The next start under the id aborts it: that the broker could not do so now hides no refusal."""

    class Stubborn(Failing):
        async def abort_transaction(self) -> None:
            raise KafkaError("busy")

    failing = Stubborn(MessageSizeTooLargeError(), for_good=False)
    monkeypatch.setattr(transactions, "Producer", lambda *_, **__: failing)
    with pytest.raises(RecordRefused):
        await TransactionalWriter(KafkaAccess("nowhere:1"), "an-id").commit([Outgoing("topic", 0, b"key", b"value")])


@pytest.mark.parametrize(("timeout_ms", "request_ms"), [(7000, 7000), (500, 5000)])
async def test_how_long_an_open_transaction_lasts(timeout_ms: int, request_ms: int) -> None:
    """The broker ends what a killed writer left open after the time that was set, and has seconds for an answer."""
    producer = TransactionalWriter(KafkaAccess("nowhere:1"), "an-id", timeout_ms=timeout_ms)._producer
    producer._closed = True  # there is nothing to close
    assert producer._txn_manager.transaction_timeout_ms == timeout_ms
    assert producer.client._request_timeout_ms == producer._request_ms == request_ms
