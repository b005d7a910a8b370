"""A transaction in as few steps as the protocol allows.

The client's own sender is made for many batches from many tasks: a transaction passes a dozen turns of the event loop
on its way through, and under load each turn waits for all that other lanes do. Here a transaction's batches leave in
the turn in which they are handed in, and each answer is taken in the turn in which it comes. The client still finds
brokers, connects, and fences.

A lost connection is never bridged: what was asked there may have been done or not, and its producer is given up.
"""

import asyncio
from collections import defaultdict
from typing import Any, NamedTuple

from aiokafka import AIOKafkaProducer, TopicPartition
from aiokafka.client import ConnectionGroup, CoordinationType
from aiokafka.errors import (
    ConcurrentTransactions,
    DuplicateSequenceNumber,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    KafkaError,
    KafkaTimeoutError,
    NoError,
    NotCoordinatorForGroupError,
    OperationNotAttempted,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    TopicAuthorizationFailedError,
    UnknownProducerId,
    UnknownTopicOrPartitionError,
    for_code,
)
from aiokafka.producer.transaction_manager import PidAndEpoch
from aiokafka.protocol.produce import ProduceRequest
from aiokafka.protocol.transaction import AddPartitionsToTxnRequest, EndTxnRequest

from bus import clock
from bus.kafka.access import KafkaAccess
from bus.kafka.batch import Batch
from bus.kafka.reach import known, side_by_side
from bus.kafka.requests import AskVersions, End, Produce, by_topic, speaks_second

MARKERS_SECONDS = 0.002
"""After a commit the next transaction may find the markers of the last one still being written: so long it waits."""

BACKOFF_SECONDS = 0.1
"""Before a question is asked again that a broker could not answer yet."""

PRODUCER_FENCED, TRANSACTION_ABORTABLE = 90, 120
"""Codes for which the client has no name."""

UNKNOWN_TROUBLE, CORRUPT = -1, 2
BLAMED_AFTER_SECONDS = 3.0
"""By these codes a broker tells of its own trouble, or of the network's, as well as of a record's: for so long it is
asked again before a record is blamed."""

NOT_YET = (
    ConcurrentTransactions,
    GroupCoordinatorNotAvailableError,
    GroupLoadInProgressError,
    NotCoordinatorForGroupError,
    OperationNotAttempted,
    UnknownTopicOrPartitionError,
)
"""Answers of a coordinator after which it is asked again."""

MOVED = (GroupCoordinatorNotAvailableError, NotCoordinatorForGroupError)
"""Of these, the answers after which the coordinator is looked for anew."""

SPOILT = (
    InvalidProducerEpoch,
    InvalidProducerIdMapping,
    InvalidTxnState,
    OutOfOrderSequenceNumber,
    ProducerFenced,
    UnknownProducerId,
)
"""Answers that are about the producer, and about no record: it is of no use any more."""


class Stored(NamedTuple):
    """Where a batch begins; -1 where the broker had taken it already and does not tell."""

    offset: int


class _Unsent(NamedTuple):
    place: TopicPartition
    batch: Batch
    outcome: "asyncio.Future[Stored]"

    def failed(self, error: BaseException) -> None:
        if not self.outcome.done():
            self.outcome.set_exception(error)

    def error(self) -> BaseException | None:
        """Why it was not taken; None where it was, or nobody waits for it any more."""
        return self.outcome.exception() if self.outcome.done() and not self.outcome.cancelled() else None


class Producer(AIOKafkaProducer):
    """Of one transactional id. Starting it fences every earlier one; after any failure it must be thrown away."""

    def __init__(self, access: KafkaAccess, transactional_id: str, *, timeout_ms: int) -> None:
        request_ms = max(timeout_ms, 5000)
        super().__init__(  # type: ignore[no-untyped-call]  # it has no types
            **access.for_aiokafka(),
            transactional_id=transactional_id,
            transaction_timeout_ms=timeout_ms,
            request_timeout_ms=request_ms,
            acks="all",
        )
        side_by_side(self.client)
        self._id = transactional_id
        self._bootstrap = access.bootstrap
        self._request_ms = request_ms
        self._second = False
        self._added: set[TopicPartition] = set()
        self._unsent: list[_Unsent] = []

    async def start(self) -> None:
        """Connect and fence. Raises KafkaError."""
        await super().start()  # type: ignore[no-untyped-call]
        await asyncio.sleep(0)  # a task that has not begun cannot be ended in order
        await self._sender.close()
        self._second = speaks_second(await self._ask_coordinator(AskVersions()))

    async def stop(self) -> None:
        """Close the connections."""
        await super().stop()  # type: ignore[no-untyped-call]

    async def send_batch(self, batch: Batch, topic: str, *, partition: int) -> "asyncio.Future[Stored]":
        """Hand in a batch; `flush` sends it. Returns what will become of it. Raises TopicGone, KafkaError."""
        await known(self.client, topic, self._bootstrap)
        one = _Unsent(TopicPartition(topic, partition), batch, asyncio.get_running_loop().create_future())
        self._unsent.append(one)
        return one.outcome

    async def commit_transaction(self) -> None:
        """Raises KafkaError: whether it took effect is unknown then."""
        await self._end(committed=True)
        self._txn_manager.committing_transaction()
        self._txn_manager.complete_transaction()

    async def abort_transaction(self) -> None:
        """Raises KafkaError."""
        await self._end(committed=False)
        self._txn_manager.aborting_transaction()
        self._txn_manager.complete_transaction()

    async def flush(self) -> None:
        """Send all that was handed in, together; then it is known what has become of each batch."""
        while self._unsent:
            taken, self._unsent = self._unsent, []
            try:
                await self._add({one.place for one in taken} - self._added)
                error: BaseException | None = await self._write_all(taken)
            except Exception as failure:  # noqa: BLE001 - it belongs to those who wait for their batches
                self._give_up(failure)
                error = failure
            if error is not None:
                for one in taken:
                    one.failed(error)

    async def _write_all(self, batches: list[_Unsent]) -> BaseException | None:
        """One of each place at a time, in order; none after one that was refused, whose error is returned."""
        while batches:
            first: dict[TopicPartition, _Unsent] = {}
            for one in batches:
                first.setdefault(one.place, one)
            batches = [one for one in batches if first[one.place] is not one]
            await self._write(first)
            if error := next((error for one in first.values() if (error := one.error()) is not None), None):
                return error
        return None

    async def _add(self, places: set[TopicPartition]) -> None:
        """By the first protocol: tell the coordinator where this transaction will write."""
        manager = self._txn_manager
        if self._second or not places:
            return
        request = AddPartitionsToTxnRequest(self._id, manager.producer_id, manager.producer_epoch, by_topic(places))

        def codes(answer: Any) -> list[tuple[int, str]]:
            return [(code, topic) for topic, listed in answer.errors for _, code in listed]

        await self._until_done(request, codes)
        self._added |= places

    async def _write(self, batches: dict[TopicPartition, _Unsent]) -> None:
        """One batch of each place, again where a broker says that it could not yet take it."""
        manager, began = self._txn_manager, clock.monotonic()
        until, blamed = began + self._request_ms / 1000, began + BLAMED_AFTER_SECONDS
        for place, one in batches.items():
            sequence, count = manager.sequence_number(place), one.batch.record_count()
            one.batch._set_producer_state(manager.producer_id, manager.producer_epoch, sequence)  # noqa: SLF001
            manager.increment_sequence_number(place, count)
        while batches:
            of_leader: defaultdict[int | None, list[_Unsent]] = defaultdict(list)
            for place, one in batches.items():
                of_leader[self.client.cluster.leader_for_partition(place)].append(one)
            asked = [self._write_at(leader, listed, blamed) for leader, listed in of_leader.items()]
            again = [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked)
            batches = {one.place: one for listed in again for one, _ in listed}
            pauses = [pause for listed in again for _, pause in listed]
            if batches:
                await self._pause(max(pauses), until)

    async def _write_at(self, leader: int | None, batches: list[_Unsent], blamed: float) -> list[tuple[_Unsent, float]]:
        """Returns what must be sent again, and after how long; from `blamed` on, an unknown trouble is a record's."""
        if leader is None or leader < 0:
            return [(one, BACKOFF_SECONDS) for one in batches]
        built = by_topic((one.place.topic, (one.place.partition, one.batch._build())) for one in batches)  # noqa: SLF001
        kind: Any = Produce if self._second else ProduceRequest
        answer = await self.client.send(leader, kind(self._id, -1, self._request_ms, built))
        said = {
            TopicPartition(topic, partition): (code, offset)
            for topic, partitions, *_ in answer.topics
            for partition, code, offset, *_ in partitions
        }
        again = []
        for one in batches:
            code, offset = said[one.place]
            error = named(code, one.place.topic)
            if error is None or isinstance(error, DuplicateSequenceNumber):
                if not one.outcome.done():
                    one.outcome.set_result(Stored(offset))
            elif isinstance(error, ConcurrentTransactions):
                again.append((one, MARKERS_SECONDS))
            elif error.retriable or (code in {UNKNOWN_TROUBLE, CORRUPT} and clock.monotonic() < blamed):
                again.append((one, BACKOFF_SECONDS))
            else:
                if isinstance(error, SPOILT) or code == TRANSACTION_ABORTABLE:
                    self._give_up(error)
                one.failed(error)
        return again

    async def _end(self, *, committed: bool) -> None:
        await self.flush()  # an end must not overtake what belongs to its transaction
        manager = self._txn_manager
        words = self._id, manager.producer_id, manager.producer_epoch
        request = End(*words, committed=committed) if self._second else EndTxnRequest(*words, committed)
        answer = await self._until_done(request, lambda answer: [(answer.error_code, "")])
        self._added.clear()
        if self._second:
            manager._pid_and_epoch = PidAndEpoch(answer.producer_id, answer.producer_epoch)  # noqa: SLF001
            manager._sequence_numbers.clear()  # noqa: SLF001 - a new epoch counts anew

    async def _until_done(self, request: Any, codes: Any) -> Any:
        """Ask the coordinator until it has done what it was asked for. Raises KafkaError."""
        until = clock.monotonic() + self._request_ms / 1000
        while True:
            answer = await self._ask_coordinator(request)
            errors = [error for code, topic in codes(answer) if (error := named(code, topic)) is not None]
            if not errors:
                return answer
            for error in errors:
                if not isinstance(error, NOT_YET):
                    raise error
            if any(isinstance(error, MOVED) for error in errors):
                self._sender._coordinator_dead(CoordinationType.TRANSACTION)  # noqa: SLF001
            markers = all(isinstance(error, ConcurrentTransactions) for error in errors)
            await self._pause(MARKERS_SECONDS if markers else BACKOFF_SECONDS, until)

    async def _ask_coordinator(self, request: Any) -> Any:
        node = await self._sender._find_coordinator(CoordinationType.TRANSACTION, self._id)  # noqa: SLF001
        return await self.client.send(node, request, group=ConnectionGroup.COORDINATION)

    async def _pause(self, seconds: float, until: float) -> None:
        if clock.monotonic() > until:
            raise KafkaTimeoutError
        if seconds > MARKERS_SECONDS:
            await self.client.force_metadata_update()
        await asyncio.sleep(seconds)

    def _give_up(self, error: Exception) -> None:
        """No transaction may follow on this producer, nor an abort."""
        self._txn_manager.fatal_error(error)
        self._txn_manager.wait_for_transaction_end().exception()  # nobody waits for it here


def named(code: int, topic: str) -> KafkaError | None:
    """The error of a code; None where all is well."""
    if code == PRODUCER_FENCED:
        return ProducerFenced()
    kind = for_code(code)
    if kind is NoError:
        return None
    error: KafkaError = kind(topic) if kind is TopicAuthorizationFailedError else kind()
    return error
