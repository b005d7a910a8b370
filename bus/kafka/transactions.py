"""One Kafka transaction at a time, whole or not at all.

aiokafka's `commit_transaction` returns normally although the broker refused a record: only that batch's own future
fails. So every future is awaited before the commit, and any failure means abort. After any failure the producer is
thrown away: a refused batch leaves a gap in its sequence, and a commit that timed out may still take effect, so that a
delayed end marker could hit the next transaction of the same producer.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from aiokafka.errors import (
    InvalidProducerEpoch,
    InvalidTimestampError,
    InvalidTransactionTimeout,
    KafkaConnectionError,
    KafkaError,
    ProducerFenced,
    TopicAuthorizationFailedError,
    TransactionalIdAuthorizationFailed,
)

from bus import clock
from bus.errors import ClockWrong, CommitUncertain, Dismissed, Fenced, RecordRefused, TransactionTooLong
from bus.kafka.access import KafkaAccess
from bus.kafka.batch import batches
from bus.kafka.log import Place
from bus.kafka.producer import Producer
from bus.kafka.reach import unreachable
from bus.kafka.words import said
from bus.model.record import Outgoing

FENCED = (ProducerFenced, InvalidProducerEpoch)
DISMISSED = (TransactionalIdAuthorizationFailed, TopicAuthorizationFailedError)
"""No record is to blame for these, so none must be buried for them."""


def told_already(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """A loop's handler of exceptions, for a process that ends when it is fenced or dismissed.

    Its client leaves futures behind that nobody asks; what they hold has been told as Fenced or Dismissed.
    """
    if not isinstance(context.get("exception"), (*FENCED, *DISMISSED)):
        loop.default_exception_handler(context)


class TransactionalWriter:
    """The only writer under one transactional id: starting it fences every earlier one.

    After `commit` has raised, throw it away and start a new one with the same id; that ends what was left open.
    """

    def __init__(self, access: KafkaAccess, transactional_id: str, *, timeout_ms: int = 10_000) -> None:
        self.transactional_id = transactional_id
        self._access = access
        self._timeout_ms = timeout_ms
        self._producer = Producer(access, transactional_id, timeout_ms=timeout_ms)
        self.written: dict[Place, int] = {}
        """The offset of the last record that it has committed in each partition, where the broker told it."""

    async def start(self) -> None:
        """Connect and fence. From its return on, nothing of a predecessor can be committed.

        Raises KafkaUnreachable, Dismissed, TransactionTooLong.
        """
        try:
            await self._producer.start()
        except TransactionalIdAuthorizationFailed as error:
            await self.stop()
            raise Dismissed(what=self.transactional_id) from error
        except InvalidTransactionTimeout as error:
            await self.stop()
            raise TransactionTooLong(bootstrap=self._access.bootstrap, ms=self._timeout_ms) from error
        except KafkaConnectionError as error:
            await self.stop()
            raise unreachable(self._access, error) from error

    async def stop(self) -> None:
        """Close; never raises, for it also serves after a failure."""
        try:
            await self._producer.stop()
        except KafkaError:
            return

    async def commit(
        self, records: Sequence[Outgoing], sent: Callable[[Mapping[Place, int]], object] | None = None
    ) -> dict[Place, int]:
        """Write the records as one transaction, in order within each partition; an empty sequence does nothing.

        Returns the offset of the last record of each partition, where the broker told it. `sent` is given it when the
        broker has taken every record and only the end is still to be written: no record can be refused any more. What
        it raises keeps the transaction from being ended.

        Raises RecordRefused and ClockWrong (aborted, nothing written), Fenced (aborted by the successor), Dismissed,
        TopicGone, and CommitUncertain (unknown: read the committed state back before anything else).
        """
        if not records:
            return {}
        try:
            await self._producer.begin_transaction()  # type: ignore[no-untyped-call]  # the client's own
            written = await self._send(records)
        except FENCED as error:
            raise Fenced(transactional_id=self.transactional_id) from error
        except DISMISSED as error:
            raise Dismissed(what=self.transactional_id) from error
        except KafkaError as error:
            raise CommitUncertain(transactional_id=self.transactional_id, reason=said(error)) from error
        if sent is not None:
            sent(written)
        try:
            await self._producer.commit_transaction()
        except FENCED as error:
            raise Fenced(transactional_id=self.transactional_id) from error
        except DISMISSED as error:
            raise Dismissed(what=self.transactional_id) from error
        except (KafkaError, TimeoutError) as error:
            raise CommitUncertain(transactional_id=self.transactional_id, reason=said(error)) from error
        self.written |= written
        return written

    async def _send(self, records: Sequence[Outgoing]) -> dict[Place, int]:
        sent: list[tuple[Place, int, asyncio.Future[Any]]] = []
        for (topic, partition), listed in batches(records).items():
            for batch in listed:
                future = await self._producer.send_batch(batch, topic, partition=partition)
                sent.append((Place(topic, partition), batch.record_count(), future))
        await self._producer.flush()
        outcomes = [(place, count, future.exception() or future.result()) for place, count, future in sent]
        written: dict[Place, int] = {}
        for place, count, outcome in outcomes:
            if isinstance(outcome, (*FENCED, *DISMISSED)):
                raise outcome
            if isinstance(outcome, BaseException) and self._failed_for_good():
                raise KafkaError(f"the producer failed for good: {type(outcome).__name__}") from outcome
            if isinstance(outcome, BaseException):
                await self._abort()
                if isinstance(outcome, InvalidTimestampError):  # no record is to blame for what time it is
                    raise ClockWrong(topic=place.topic, now=clock.iso(clock.now_ms()))
                raise RecordRefused(topic=place.topic, partition=place.partition, reason=type(outcome).__name__)
            if outcome.offset >= 0:  # unknown where a batch was sent again that the broker had taken already
                written[place] = outcome.offset + count - 1
        return written

    def _failed_for_good(self) -> bool:
        """Whether the client has given this producer up: then there is nothing to abort, and no record to blame."""
        given_up: bool = self._producer._txn_manager.is_fatal_error()  # noqa: SLF001 - it tells nobody otherwise
        return given_up

    async def _abort(self) -> None:
        try:
            await self._producer.abort_transaction()
        except KafkaError:
            return  # the next start under this id aborts it
