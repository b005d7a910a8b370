"""Orders to a connector that runs: pause, resume, snapshot, reset, accept.

They lie in `commands` under `connector/<name>`, in the partition that the name leads to as a subject leads to its lane:
so each connector reads one partition, whatever the number of lanes. How far it has read, and what became of each order,
is part of its position, and is committed with what the order did: an order is obeyed exactly once.
"""

import asyncio
import contextlib
import json
from collections import deque
from collections.abc import AsyncIterator, Iterable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus.avro.own import OwnMessages
from bus.errors import Dismissed, RecordUnreadable, SchemaUnknown
from bus.kafka.access import KafkaAccess
from bus.kafka.log import LogWriter, Place, Reader, TopicAuthorizationFailedError
from bus.model.key import lane_of
from bus.model.record import Incoming, Outgoing
from bus.telemetry import Event, emit
from bus.topics import Topics

KEY_PREFIX = "connector/"


class OrderKind(StrEnum):
    """What can be ordered."""

    PAUSE = "pause"
    RESUME = "resume"
    SNAPSHOT = "snapshot"
    RESET = "reset"
    ACCEPT = "accept"


@dataclass(frozen=True, slots=True)
class Order:
    """An order. `datasets` empty: all. Keys are those of the source, a value a column; both None: every row."""

    order_id: str
    kind: OrderKind
    datasets: tuple[str, ...] = ()
    from_key: tuple[str, ...] | None = None
    to_key: tuple[str, ...] | None = None
    by: str = "operator"
    at_ms: int = 0


def order_place(topics: Topics, connector: str) -> Place:
    """Where the orders of a connector lie."""
    return Place(topics.commands, lane_of(connector, topics.lanes))


async def give(access: KafkaAccess, topics: Topics, own: OwnMessages, connector: str, order: Order) -> int:
    """Write an order; returns its offset."""
    message = {
        "order_id": order.order_id,
        "connector": connector,
        "kind": order.kind.value,
        "datasets": list(order.datasets),
        "from_key": _key_text(order.from_key),
        "to_key": _key_text(order.to_key),
        "by": order.by,
        "at": order.at_ms,
    }
    place = order_place(topics, connector)
    value = own.encode("connector_order", message)
    writer = LogWriter(access)
    await writer.start()
    try:
        return await writer.append(Outgoing(*place, f"{KEY_PREFIX}{connector}".encode(), value))
    finally:
        await writer.stop()


class Orders:
    """The orders that wait for one connector, first come first; `arrived` is set while there are any.

    `end` is the offset after everything that was read.
    """

    def __init__(self, connector: str, own: OwnMessages) -> None:
        self.arrived = asyncio.Event()
        self.end = 0
        self._connector = connector
        self._key = f"{KEY_PREFIX}{connector}".encode()
        self._own = own
        self._waiting: deque[tuple[int, Order]] = deque()
        self._failure: BaseException | None = None

    def first(self) -> tuple[int, Order] | None:
        """The oldest order, with its offset, which stays until `done`. Raises what ended the reading."""
        if self._failure is not None:
            raise self._failure
        return self._waiting[0] if self._waiting else None

    def done(self) -> None:
        """The oldest order has been obeyed or refused."""
        self._waiting.popleft()
        if not self._waiting:
            self.arrived.clear()

    @contextlib.asynccontextmanager
    async def following(self, access: KafkaAccess, place: Place, after: int | None) -> AsyncIterator[None]:
        """Read on from `after`; a connector that never ran begins with what is ordered from now on.

        What is no more there was not obeyed: the log says so, and nobody can tell whether it was for this connector.
        """
        reader = Reader(access, committed=False)
        await reader.start()
        begin, end = (await reader.beginnings([place]))[place], (await reader.ends([place]))[place]
        self.end = end if after is None else min(max(after, begin), end)
        if after is not None and self.end != after:
            emit(Event.ORDERS_GONE, connector=self._connector, after=after, going_on_at=self.end)
        reader.assign({place: self.end})
        task = asyncio.create_task(self._follow(reader, place))
        try:
            yield
        finally:
            task.cancel()
            await asyncio.wait({task})
            await reader.stop()

    async def _follow(self, reader: Reader, place: Place) -> None:
        try:
            async for records in reader.follow():
                for record in records:
                    await self._take(record)
        except asyncio.CancelledError:
            raise
        except TopicAuthorizationFailedError:
            self._failure = Dismissed(what=place.topic)
            self.arrived.set()
        except Exception as error:  # noqa: BLE001 - handed to the one who asks for the first order, who raises it
            self._failure = error
            self.arrived.set()

    async def _take(self, record: Incoming) -> None:
        """Its offset is passed only when the order waits: what is passed is committed, and never read again."""
        if record.key == self._key:
            try:
                self._waiting.append((record.offset, _order(await self._own.decode(record.value or b""))))
                self.arrived.set()
            except (RecordUnreadable, SchemaUnknown, KeyError, ValueError, TypeError) as error:
                emit(Event.ORDER_UNREADABLE, offset=record.offset, reason=type(error).__name__)
        self.end = record.offset + 1


def unknown(order: Order, datasets: Iterable[str]) -> list[str]:
    """The datasets that an order names and the connector does not publish."""
    return sorted(set(order.datasets) - set(datasets))


def _order(message: dict[str, Any]) -> Order:
    """Raises KeyError, ValueError or TypeError for what is none: whoever writes to Kafka chooses the schema."""
    order = Order(
        message["order_id"],
        OrderKind(message["kind"]),
        tuple(message["datasets"]),
        _key(message["from_key"]),
        _key(message["to_key"]),
        message["by"],
        message["at"],
    )
    if {*map(type, (order.order_id, order.by, *order.datasets))} != {str} or type(order.at_ms) is not int:
        raise ValueError("a part of it is of another type")
    return order


def _key_text(key: tuple[str, ...] | None) -> str | None:
    return None if key is None else json.dumps(key, ensure_ascii=False)


def _key(text: str | None) -> tuple[str, ...] | None:
    return None if text is None else tuple(str(part) for part in json.loads(text))
