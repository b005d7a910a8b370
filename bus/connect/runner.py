"""The shell of a connector: moves bytes between a source, the flow and Kafka, and starts anew after a failure.

Order of a start: fence every predecessor, read the committed standing back, go on there. Order of a step: take what
the stream has at hand, read a chunk if one is due, commit records and standing as one transaction, tell the source.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import stamina

from bus.avro.client import SchemaRegistryClient, value_subject
from bus.avro.datasets import dataset_of
from bus.avro.own import OwnMessages
from bus.clock import monotonic, now_ms
from bus.connect.flow import Flow
from bus.connect.known import Known, digest
from bus.connect.manifest import Manifest
from bus.connect.mapping import Mapper
from bus.connect.publish import Contract, Envelope, epoch_of
from bus.connect.source import Source, SourceEvent
from bus.connect.standing import Standing, from_message, to_message
from bus.errors import BusError, DatasetUnregistered, PositionLost, SourceUnreachable
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, Reader
from bus.kafka.rights import connector_transactional_id
from bus.kafka.transactions import TransactionalWriter
from bus.model.key import RecordKey
from bus.model.record import Incoming, Outgoing
from bus.telemetry import Event, emit
from bus.topics import Topics

CHANGES_AT_ONCE = 1000
"""In one transaction; larger source transactions are cut, for a position may point inside them."""

CHUNK_ROWS = 1000
WAITING_BATCHES = 4
"""Batches read ahead of Kafka; then the source waits."""

IDLE_COMMIT_SECONDS = 1.0
"""A position that moved without changes is written at most so often."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 15.0


@dataclass(frozen=True, slots=True)
class Reach:
    """How a connector reaches the bus."""

    access: KafkaAccess
    registry_url: str
    topics: Topics


class Runner:
    """One connector: a source, a manifest, a bus."""

    def __init__(self, source: Source, manifest: Manifest, reach: Reach) -> None:
        self._source = source
        self._manifest = manifest
        self._reach = reach
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()

    def stop(self) -> None:
        """Ask it to end after the transaction that is under way."""
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`. Raises what trying again cannot mend: Fenced, SourceUnfit, ManifestWrong."""
        failures = 0
        while not self._stop.is_set():
            began = monotonic()
            try:
                await self._session()
            except BusError as error:
                if not error.retryable:
                    raise
                emit(Event.CONNECTOR_FAILED, connector=self._manifest.name, error=str(error))
                failures = 0 if monotonic() - began > LONGEST_PAUSE_SECONDS else failures + 1
                await until(self._stop, min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS))

    async def _session(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            reach = self._reach
            client = await stack.enter_async_context(SchemaRegistryClient(reach.registry_url))
            own = OwnMessages(client)
            await own.prepare()
            contracts = await contracts_of(client, self._manifest, self._source)
            writer = TransactionalWriter(reach.access, connector_transactional_id(reach.topics, self._manifest.name))
            stack.push_async_callback(writer.stop)
            await writer.start()
            standing = await read_standing(reach, own, self._manifest.name) or Standing(self._manifest.name)
            flow = await self._flow(contracts, standing)
            stack.push_async_callback(self._source.close)
            parts = _Parts(self._source, self._manifest, reach, own, writer, flow)
            await _Session(parts, self._stop, self.ready).serve()

    async def _flow(self, contracts: Mapping[str, Contract], standing: Standing) -> Flow:
        reach, manifest = self._reach, self._manifest
        known = None
        if not self._source.old_rows:
            known = Known(compare=not self._source.snapshots)
            for dataset, contract in contracts.items():
                await read_known(reach, dataset, contract, known)
        envelope = Envelope(reach.topics, manifest.name, manifest.registry, standing.epoch)
        return Flow(envelope, contracts, standing, self._source.passed, known)


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a session works with."""

    source: Source
    manifest: Manifest
    reach: Reach
    own: OwnMessages
    writer: TransactionalWriter
    flow: Flow


class _Session:
    """One life between two failures of Kafka."""

    def __init__(self, parts: _Parts, stop: asyncio.Event, ready: asyncio.Event) -> None:
        self._source = parts.source
        self._name = parts.manifest.name
        self._datasets = tuple(parts.manifest.datasets) if parts.source.snapshots else ()
        self._reach = parts.reach
        self._own = parts.own
        self._writer = parts.writer
        self._flow = parts.flow
        self._stop = stop
        self._ready = ready
        self._committed = parts.flow.standing
        self._committed_at = 0.0

    async def serve(self) -> None:
        """Until asked to stop; a source that does not answer is tried again for as long as it takes."""
        while not self._stop.is_set():
            try:
                await self._open()
                if not self._stop.is_set():
                    await self._follow()
            except SourceUnreachable as error:
                emit(Event.SOURCE_WAITING, connector=self._name, reason=error.details.get("reason"))
                self._flow.interrupt()
                await self._source.close()
                await until(self._stop, FIRST_PAUSE_SECONDS)
                await self._commit(anyway=True)  # a fenced predecessor ends here, rather than fight for the source

    async def _open(self) -> None:
        flow, name = self._flow, self._name
        async for attempt in _attempts():
            if self._stop.is_set():
                return
            with attempt:
                try:
                    position = await self._source.open(flow.standing.stream)
                except PositionLost as error:
                    emit(Event.POSITION_LOST, connector=name, reason=error.details.get("reason"))
                    position = await self._source.open(None)
                    flow.begin(position, self._datasets, "the source's history was lost")
        if flow.standing.stream is None:
            flow.begin(position, self._datasets, "first start")
        await self._commit()
        emit(Event.CONNECTOR_STARTED, connector=name, epoch=flow.standing.epoch, published=flow.standing.published)
        self._ready.set()

    async def _follow(self) -> None:
        """Take the stream, batch after batch."""
        flow = self._flow
        assert flow.standing.stream is not None
        async with _read_ahead(self._source.changes(flow.standing.stream)) as queue:
            while not self._stop.is_set():
                for event in await self._next(queue):
                    flow.take(event, now_ms())
                    while flow.sweeping:
                        await self._commit()
                        flow.sweep_some(CHANGES_AT_ONCE, now_ms())
                await self._read_chunk()
                await self._commit()
                await self._sweep()

    async def _next(self, queue: "asyncio.Queue[_Read]") -> Sequence[SourceEvent]:
        """What is at hand, up to CHANGES_AT_ONCE; nothing when asked to stop."""
        getting, stopping = asyncio.ensure_future(queue.get()), asyncio.ensure_future(self._stop.wait())
        await asyncio.wait({getting, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        if not getting.done():
            getting.cancel()
            return ()
        events = list(_events(getting.result()))
        while not queue.empty() and len(events) < CHANGES_AT_ONCE:
            read = queue.get_nowait()
            if isinstance(read, BaseException):
                queue.put_nowait(read)  # what came before the failure is published first
                break
            events += read
        return events

    async def _read_chunk(self) -> None:
        wanted = self._flow.wants_chunk
        if wanted is not None:
            dataset, after_key = wanted
            self._flow.open(await self._source.chunk(dataset, after_key, CHUNK_ROWS), now_ms())

    async def _sweep(self) -> None:
        """Tombstones for what a finished snapshot did not meet."""
        while (dataset := self._flow.wants_sweep) and not self._stop.is_set():
            await self._commit()
            stale = await read_stale(self._reach, dataset, self._flow.contract(dataset), self._flow.standing.epoch)
            self._flow.sweep(dataset, stale)
            while self._flow.sweeping:
                self._flow.sweep_some(CHANGES_AT_ONCE, now_ms())
                await self._commit()
        await self._commit()

    async def _commit(self, *, anyway: bool = False) -> None:
        """Records and standing, as one transaction; an idle move of the position only now and then."""
        records, standing = self._flow.drain(), self._flow.standing
        moved = standing != self._committed
        quiet = not records and standing.snapshot == self._committed.snapshot
        if not moved and not anyway:
            return
        if quiet and not anyway and monotonic() - self._committed_at < IDLE_COMMIT_SECONDS:
            return
        value = self._own.encode("position", to_message(standing, now_ms()))
        position = Outgoing(self._reach.topics.positions, 0, standing.connector.encode(), value)
        await self._writer.commit([*records, position])
        self._committed, self._committed_at = standing, monotonic()
        if standing.stream is not None:
            await self._source.confirm(standing.stream)


async def until(stop: asyncio.Event, timeout_seconds: float) -> None:
    """A pause that ends early when asked to stop."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(timeout_seconds):
            await stop.wait()


_Read = Sequence[SourceEvent] | BaseException


@contextlib.asynccontextmanager
async def _read_ahead(changes: AsyncIterator[Sequence[SourceEvent]]) -> AsyncIterator["asyncio.Queue[_Read]"]:
    """Read the stream in a task of its own, a few batches ahead; its failure comes last in the queue."""
    queue: asyncio.Queue[_Read] = asyncio.Queue(WAITING_BATCHES)

    async def pump() -> None:
        try:
            async for events in changes:
                await queue.put(events)
        except BusError as error:
            await queue.put(error)
        except Exception as error:  # noqa: BLE001 - handed to the one who waits for the queue, who raises it
            await queue.put(error)

    task = asyncio.create_task(pump())
    try:
        yield queue
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task
        await changes.aclose()  # type: ignore[attr-defined] # the sources are async generators


def _events(read: _Read) -> Sequence[SourceEvent]:
    if isinstance(read, BaseException):
        raise read
    return read


def _attempts() -> AsyncIterator[Any]:
    return stamina.retry_context(
        on=SourceUnreachable,
        attempts=None,
        timeout=None,
        wait_initial=FIRST_PAUSE_SECONDS,
        wait_max=LONGEST_PAUSE_SECONDS,
        wait_jitter=FIRST_PAUSE_SECONDS,
    )


async def contracts_of(client: SchemaRegistryClient, manifest: Manifest, source: Source) -> dict[str, Contract]:
    """Every dataset of the manifest with its newest registered schema. Raises DatasetUnregistered, ManifestWrong."""
    contracts = {}
    for name, rule in manifest.datasets.items():
        subject = value_subject(f"changes.{name}")
        found = await client.latest(subject)
        if found is None:
            raise DatasetUnregistered(dataset=name, subject=subject)
        dataset = dataset_of(found.schema, place=f"{subject} version {found.version}")
        mapper = Mapper(dataset, rule, manifest.name, partial(source.derive, name))
        contracts[name] = Contract.of(mapper, found.schema_id)
    return contracts


async def read_standing(reach: Reach, own: OwnMessages, connector: str) -> Standing | None:
    """The committed standing of a connector; None when it has never run."""
    found = (await read_standings(reach, own)).get(connector)
    return found and found[0]


async def read_standings(reach: Reach, own: OwnMessages) -> dict[str, tuple[Standing, int]]:
    """The committed standing of every connector, and when it was written (ms)."""
    newest: dict[bytes, bytes] = {}
    async for record in _committed(reach.access, [Place(reach.topics.positions, 0)]):
        if record.key is not None and record.value is not None:
            newest[record.key] = record.value
    messages = {key.decode(): await own.decode(value) for key, value in newest.items()}
    return {name: (from_message(message), message["at"]) for name, message in messages.items()}


async def read_known(reach: Reach, dataset: str, contract: Contract, known: Known) -> None:
    """Recover what the connector has published of a dataset, whose records are then keyed and compared by it."""
    live: dict[bytes, bytes] = {}
    async for record in _committed(reach.access, _places(reach.topics, dataset)):
        if record.key is not None and record.value is not None:
            live[record.key] = digest(record.value)
        elif record.key is not None:
            live.pop(record.key, None)
    for key, seen in live.items():  # only now: a record that moved between lanes is met in any order
        known.recover(dataset, _key(key, contract), seen)


async def read_stale(reach: Reach, dataset: str, contract: Contract, epoch: int) -> list[RecordKey]:
    """The live records of a dataset that were last published before `epoch` began."""
    old: dict[bytes, None] = {}
    async for record in _committed(reach.access, _places(reach.topics, dataset)):
        if record.key is None:
            continue
        if record.value is not None and epoch_of(record.header("ce_id")) < epoch:
            old[record.key] = None
        else:
            old.pop(record.key, None)
    return [_key(key, contract) for key in old]


def _key(key: bytes, contract: Contract) -> RecordKey:
    return RecordKey.decode(key, has_subject=contract.mapper.dataset.subject is not None)


def _places(topics: Topics, dataset: str) -> list[Place]:
    return [Place(topics.changes(dataset), lane) for lane in range(topics.lanes)]


async def _committed(access: KafkaAccess, places: list[Place]) -> AsyncIterator[Incoming]:
    """Everything committed in these partitions, up to their ends as of now."""
    reader = Reader(access, committed=True)
    await reader.start()
    try:
        reader.assign(await reader.beginnings(places))
        async for records in reader.to_ends(await reader.ends(places)):
            for record in records:
                yield record
    finally:
        await reader.stop()
