"""The shell of a connector: moves bytes between a source, the flow and Kafka, and starts anew after a failure.

Order of a start: fence every predecessor, read the committed standing back, go on there. Order of a step: take what
the stream has at hand, read a chunk if one is due, commit records and standing as one transaction, tell the source.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import stamina

from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.clock import monotonic, now_ms
from bus.connect.ahead import Read, events_of, read_ahead
from bus.connect.contracts import contracts_of
from bus.connect.drift import Frozen, Strange, Watch
from bus.connect.evolve import write_proposal
from bus.connect.flow import Flow
from bus.connect.founding import require_same_bus
from bus.connect.known import Known
from bus.connect.manifest import DriftMode, Manifest
from bus.connect.orders import Order, OrderKind, Orders, order_place, unknown
from bus.connect.publish import Contract, Envelope
from bus.connect.recall import Reach, read_epoch, read_known, read_stale, read_standing, take_over
from bus.connect.source import Source, SourceEvent
from bus.connect.standing import OrderState, Outcome, Standing, to_message
from bus.errors import BusError, PositionLost, SourceUnreachable
from bus.kafka.log import KafkaError
from bus.kafka.rights import connector_transactional_id
from bus.kafka.transactions import TransactionalWriter
from bus.kafka.words import said
from bus.model.record import Outgoing
from bus.model.waits import MEND_WAIT, Wait
from bus.telemetry import Event, emit

CHANGES_AT_ONCE = 2000
"""In one transaction; larger source transactions are cut, for a position may point inside them."""

CHUNK_ROWS = 1000
IDLE_COMMIT_SECONDS = 1.0
"""A position that moved without changes is written at most so often."""

REST_SECONDS = 5.0
"""A connector that stands still looks so often whether it is still the one."""

FROZEN_SECONDS = 15.0
"""A connector that stands before a row which differs looks so often whether it still does."""

TOLD_AFTER_SECONDS = 10.0
"""A broker lets a connector begin within milliseconds, and within seconds where one fails over."""

FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 15.0


class Runner:
    """One connector: a source, a manifest, a bus. `proposals`: the folder for fields that new columns could become."""

    def __init__(self, source: Source, manifest: Manifest, reach: Reach, proposals: Path | None = None) -> None:
        self._source = source
        self._proposals = proposals
        self._manifest = manifest
        self._reach = reach
        self._stop = asyncio.Event()
        self.ready = asyncio.Event()

    def stop(self) -> None:
        """Ask it to end after the transaction that is under way."""
        self._stop.set()

    async def run(self) -> None:
        """Until `stop`. Raises what trying again cannot mend: Fenced, SourceUnfit, ManifestWrong, BusMismatch."""
        failures = 0
        while not self._stop.is_set():
            began = monotonic()
            try:
                await self._session()
            except (BusError, KafkaError) as error:  # a reader lets the client's own errors out
                if isinstance(error, BusError) and not error.retryable:
                    raise
                told = str(error) if isinstance(error, BusError) else f"Kafka: {said(error)}"
                emit(Event.CONNECTOR_FAILED, connector=self._manifest.name, error=told)
                failures = 0 if monotonic() - began > LONGEST_PAUSE_SECONDS else failures + 1
                await until(self._stop, min(FIRST_PAUSE_SECONDS * 2**failures, LONGEST_PAUSE_SECONDS))

    async def _session(self) -> None:
        async with contextlib.AsyncExitStack() as stack:
            reach = self._reach
            await require_same_bus(reach, self._manifest.name, self._manifest.datasets)
            client = await stack.enter_async_context(SchemaRegistryClient(reach.registry))
            own = OwnMessages(client)
            await own.prepare()
            contracts = await contracts_of(client, reach.topics, self._manifest, self._source)
            own_id = connector_transactional_id(reach.topics, self._manifest.name)
            writer = TransactionalWriter(reach.access, own_id, timeout_ms=reach.transaction_timeout_ms)
            stack.push_async_callback(writer.stop)
            await begin(writer, self._manifest.name)
            standing = await read_standing(reach, own, self._manifest.name)
            if standing is None:
                standing = await take_over(reach, own, writer, self._manifest.name)
            if standing is None:
                standing = Standing(self._manifest.name, epoch=await read_epoch(reach, self._manifest.datasets))
            flow = await self._flow(contracts, standing)
            stack.push_async_callback(self._source.close)
            orders = Orders(self._manifest.name, own)
            place = order_place(reach.topics, self._manifest.name)
            await stack.enter_async_context(orders.following(reach.access, place, standing.obeyed))
            parts = _Parts(self._source, self._manifest, reach, own, writer, flow, orders, self._proposals)
            await _Session(parts, self._stop, self.ready).serve()

    async def _flow(self, contracts: Mapping[str, Contract], standing: Standing) -> Flow:
        reach, manifest = self._reach, self._manifest
        known = None
        if not self._source.old_rows:
            known = Known(compare=not self._source.snapshots)
            for dataset, contract in contracts.items():
                await read_known(reach, dataset, contract, known)
        envelope = Envelope(reach.topics, manifest.name, manifest.registry, standing.epoch)
        flow = Flow(envelope, contracts, standing, self._source.passed, known)
        return flow.watched_by(Watch(manifest, standing.drift))


@dataclass(frozen=True, slots=True)
class _Parts:
    """What a session works with."""

    source: Source
    manifest: Manifest
    reach: Reach
    own: OwnMessages
    writer: TransactionalWriter
    flow: Flow
    orders: Orders
    proposals: Path | None


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
        self._orders = parts.orders
        self._every = tuple(parts.manifest.datasets)
        self._proposals = parts.proposals

    async def serve(self) -> None:
        """Until asked to stop; a source that does not answer is tried again for as long as it takes."""
        while not self._stop.is_set():
            try:
                if self._flow.standing.paused and not await self._rest():
                    continue
                await self._open()
                if not self._stop.is_set() and not await self._obey():
                    await self._follow()
            except Frozen as frozen:
                await self._stand_before(frozen.strange)
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
        flow.adopt(self._datasets)
        await self._commit()
        emit(Event.CONNECTOR_STARTED, connector=name, epoch=flow.standing.epoch, published=flow.standing.published)
        self._ready.set()

    async def _stand_before(self, strange: Strange) -> None:
        """Stand still before a row that differs where it must not; from time to time it is met again."""
        if self._flow.freeze(str(strange)):
            emit(Event.SOURCE_FROZEN, connector=self._name, dataset=strange.dataset, reason=str(strange))
        self._flow.interrupt()
        await self._source.close()
        await self._commit(anyway=True)
        await until(self._stop, FROZEN_SECONDS, self._orders.arrived)

    def _tell_news(self) -> None:
        """What was found to differ: to the log, and as a proposal where the manifest asks for one."""
        for one in self._flow.news():
            emit(Event.SOURCE_DIFFERS, connector=self._name, dataset=one.dataset, reason=str(one), mode=one.mode.value)
            if self._proposals is not None and one.mode is DriftMode.EVOLVE:
                schemas = {name: self._flow.contract(name).mapper.dataset.schema for name in self._every}
                write_proposal(self._proposals, schemas, one)

    async def _rest(self) -> bool:
        """Stand still, with no connection to the source, until an order comes; whether it was one to go on."""
        await self._source.close()
        await self._commit(anyway=True)  # fails where another process has taken over
        self._ready.set()
        await until(self._stop, REST_SECONDS, self._orders.arrived)
        while (first := self._orders.first()) and first[1].kind in (OrderKind.PAUSE, OrderKind.RESUME):
            self._turn(*first)
        return not self._flow.standing.paused or first is not None

    def _turn(self, offset: int, order: Order) -> None:
        """Pause or resume."""
        done = Outcome(order.order_id, order.kind.value, OrderState.DONE)
        self._flow.obeyed(offset, done, paused=order.kind is OrderKind.PAUSE)
        self._tell(done)

    def _tell(self, outcome: Outcome) -> None:
        self._orders.done()
        words = {"order": outcome.kind, "state": outcome.state.value, "reason": outcome.reason}
        emit(Event.ORDER_OBEYED, connector=self._name, **words)

    async def _obey(self) -> bool:
        """Take the oldest order, if one waits; the source is open. Returns whether it must be opened anew."""
        if (first := self._orders.first()) is None:
            if self._flow.standing.paused:
                await self._commit()
            return self._flow.standing.paused
        offset, order = first
        if order.kind in (OrderKind.PAUSE, OrderKind.RESUME):
            self._turn(offset, order)
        else:
            state, reason = await self._carry_out(order)
            if reason:
                state = OrderState.REFUSED
            outcome = Outcome(order.order_id, order.kind.value, state, reason)
            self._flow.obeyed(offset, outcome)
            self._tell(outcome)
        self._flow.interrupt()
        await self._commit(anyway=True)
        return True

    async def _carry_out(self, order: Order) -> tuple[OrderState, str]:
        if order.kind is not OrderKind.ACCEPT:
            return OrderState.UNDER_WAY, await self._read_anew(order)
        if strange := unknown(order, self._every):
            return OrderState.REFUSED, f"it does not publish {', '.join(strange)}"
        self._flow.accept(order.datasets or self._every)
        return OrderState.DONE, ""

    async def _read_anew(self, order: Order) -> str:
        """Begin what a snapshot or a reset asks for; returns why not, empty where it began."""
        position = self._flow.standing.stream
        assert position is not None
        if not self._datasets:
            return "a source of full exports is read anew by its next full export"
        if strange := unknown(order, self._datasets):
            return f"it does not publish {', '.join(strange)}"
        if order.kind is OrderKind.RESET:
            await self._source.close()
            self._flow.begin(await self._source.open(None), self._datasets, "a reset was ordered")
            return ""
        part, ranged = None, order.from_key is not None or order.to_key is not None
        datasets = order.datasets or self._datasets
        if ranged:
            if len(datasets) != 1 or not hasattr(self._source, "part"):
                return "a range of keys needs one dataset, and a source that can read a range"
            try:
                part = await self._source.part(datasets[0], order.from_key, order.to_key)
            except ValueError as error:
                return str(error)
        self._flow.begin(position, datasets, "a snapshot was ordered", part=part)
        return ""

    async def _follow(self) -> None:
        """Take the stream, batch after batch, until an order comes."""
        flow = self._flow
        assert flow.standing.stream is not None
        async with read_ahead(self._source.changes(flow.standing.stream)) as queue:
            while not self._stop.is_set() and not self._orders.arrived.is_set():
                events, at_ms = await self._next(queue), now_ms()
                for event in events:
                    flow.take(event, at_ms)
                    while flow.sweeping:
                        await self._commit()
                        flow.sweep_some(CHANGES_AT_ONCE, now_ms())
                await self._read_chunk()
                await self._commit()
                await self._sweep()

    async def _next(self, queue: "asyncio.Queue[Read]") -> Sequence[SourceEvent]:
        """What is at hand, up to CHANGES_AT_ONCE; nothing when asked to stop."""
        getting = asyncio.ensure_future(queue.get())
        ending = {asyncio.ensure_future(one.wait()) for one in (self._stop, self._orders.arrived)}
        await asyncio.wait({getting, *ending}, return_when=asyncio.FIRST_COMPLETED)
        for one in ending:
            one.cancel()
        if not getting.done():
            getting.cancel()
            return ()
        events = list(events_of(getting.result()))
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
            standing, contract = self._flow.standing, self._flow.contract(dataset)
            self._flow.sweep(dataset, await read_stale(self._reach, dataset, contract, standing, self._writer.written))
            while self._flow.sweeping:
                self._flow.sweep_some(CHANGES_AT_ONCE, now_ms())
                await self._commit()
        await self._commit()

    async def _commit(self, *, anyway: bool = False) -> None:
        """Records and standing, as one transaction; an idle move of the position only now and then."""
        self._tell_news()
        first = self._orders.first()
        self._flow.settle(self._orders.end if first is None else first[0])
        records, standing = self._flow.drain(), self._flow.standing
        moved = standing != self._committed
        before = self._committed
        quiet = not records and (standing.snapshot, standing.orders) == (before.snapshot, before.orders)
        if not moved and not anyway:
            return
        if quiet and not anyway and monotonic() - self._committed_at < IDLE_COMMIT_SECONDS:
            return
        value = self._own.encode("position", to_message(standing, now_ms()))
        position = Outgoing(self._reach.topics.positions(self._name), 0, self._name.encode(), value)
        await self._writer.commit([*records, position])
        self._committed, self._committed_at = standing, monotonic()
        if standing.stream is not None and not standing.paused:
            await self._source.confirm(standing.stream)


async def begin(writer: TransactionalWriter, connector: str) -> None:
    """Fence every predecessor. What it left open must be ended first; where that takes long, the log says so."""
    words = {"connector": connector, "reason": Wait.START.meaning, "remedy": MEND_WAIT}
    waits = asyncio.get_running_loop().call_later(TOLD_AFTER_SECONDS, lambda: emit(Event.CONNECTOR_WAITS, **words))
    try:
        await writer.start()
    finally:
        waits.cancel()


async def until(stop: asyncio.Event, timeout_seconds: float, *others: asyncio.Event) -> None:
    """A pause that ends early when asked to stop, or when one of the other events is set."""
    waiting = {asyncio.ensure_future(one.wait()) for one in (stop, *others)}
    await asyncio.wait(waiting, timeout=timeout_seconds, return_when=asyncio.FIRST_COMPLETED)
    for one in waiting:
        one.cancel()


def _attempts() -> AsyncIterator[Any]:
    return stamina.retry_context(
        on=SourceUnreachable,
        attempts=None,
        timeout=None,
        wait_initial=FIRST_PAUSE_SECONDS,
        wait_max=LONGEST_PAUSE_SECONDS,
        wait_jitter=FIRST_PAUSE_SECONDS,
    )
