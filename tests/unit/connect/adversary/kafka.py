"""A Kafka in memory whose transactions fail in every way, and which looks at each record that is committed."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from random import Random
from typing import Any, Self

from aiokafka.errors import KafkaTimeoutError

from bus.avro.codec import decode
from bus.avro.frame import unframe
from bus.connect.orders import Orders
from bus.connect.publish import Contract
from bus.connect.standing import Standing, from_message
from bus.errors import CommitUncertain, Fenced, KafkaUnreachable
from bus.kafka.log import Place
from bus.model.record import Incoming, Outgoing
from bus.topics import Topics
from tests.unit.connect.adversary.table import Table
from tests.unit.connect.conftest import headers_of

TOPICS = Topics("", 4)
POSITIONS, DEADLETTERS = TOPICS.positions("test"), TOPICS.deadletters_of("test")


class Kafka:
    """What is committed. `calm` ends all trouble; `compares`: what is published already must not be published again."""

    def __init__(self, random: Random, table: Table, contracts: Mapping[str, Contract]) -> None:
        self.random = random
        self.calm = False
        self.compares = False
        self.owner: object = None
        self.records: dict[str, list[Incoming]] = {}
        self.orders: list[dict[str, Any]] = []
        self.outcomes: dict[str, str] = {}
        self.changes: set[str] = set()
        self.dead: dict[str, int] = {}
        self._table = table
        self._contracts = {TOPICS.changes(name): (name, one) for name, one in contracts.items()}
        self._ids: set[bytes] = set()
        self._at: dict[tuple[str, str], int] = {}
        self._newest: dict[tuple[str, str], int | None] = {}
        self._unmarked: list[Incoming] = []

    def start(self, owner: object) -> None:
        """Fence: what was committed before can be seen everywhere."""
        self.owner, self._unmarked = owner, []

    def append(self, records: Sequence[Outgoing]) -> None:
        """A transaction is committed. Its markers may come late."""
        self._unmarked = []
        for record in records:
            listed = self.records.setdefault(record.topic, [])
            headers = tuple(headers_of(record).items()) if record.headers or record.stamp else ()
            read = Incoming(record.topic, record.partition, len(listed), 0, record.key, record.value, headers)
            listed.append(read)
            self._unmarked.append(read)
            if record.topic == POSITIONS:
                self._position(read)
            else:
                self._look(read, dict(headers))

    def standing(self) -> Standing | None:
        """Where the connector stands."""
        found = self.records.get(POSITIONS)
        return from_message(json.loads(found[-1].value or b"")) if found else None

    def live(self, dataset: str) -> dict[str, int]:
        """What is left of a topic once it is compacted: key → worth."""
        topic = TOPICS.changes(dataset)
        newest = {(record.key or b"").decode(): record for record in self.records.get(topic, [])}
        return {key: self._worth(record) for key, record in newest.items() if record.value is not None}

    def _worth(self, record: Incoming) -> int:
        parsed = self._contracts[record.topic][1].parsed
        return int(decode(parsed, unframe(record.value or b"")[1])["worth"])

    def _position(self, record: Incoming) -> None:
        for one in json.loads(record.value or b"")["orders"]:
            self.outcomes[one["order_id"]] = one["state"]

    def _look(self, record: Incoming, headers: dict[str, bytes]) -> None:
        """Each change has an id of its own, no secret travels, and no record goes back to what it was."""
        told_again = self.compares and record.topic == DEADLETTERS  # by a whole reading that began anew
        assert told_again or headers["ce_id"] not in self._ids, ("twice", headers["ce_id"])
        self._ids.add(headers["ce_id"])
        if record.topic == DEADLETTERS:
            worth = json.loads(record.value or b"")["gia"]
            assert worth not in self._table.secrets, ("a secret", worth)
            self.dead[worth] = self.dead.get(worth, 0) + 1
            return
        dataset, key = self._contracts[record.topic][0], (record.key or b"").decode()
        state = None if record.value is None else self._worth(record)
        again = self.compares and self._newest.get((dataset, key)) == state
        assert not again, ("for nothing", dataset, key, state)
        self._newest[dataset, key] = state
        assert str(state) not in self._table.secrets, ("a secret", key, state)
        self.changes.add(f"{dataset}.{headers['ce_id'].decode().split('.', 2)[2]}")
        past = self._table.past.get((dataset, key), [])
        begin = self._at.get((dataset, key), 0)
        found = next((at for at in range(begin, len(past)) if past[at] == state), None)
        assert found is not None, ("back in time", dataset, key, state, past[begin:], headers["ce_id"])
        self._at[dataset, key] = found

    async def whole(
        self, _: object, places: Sequence[Place], *, wait: bool = True, **__: object
    ) -> AsyncIterator[list[Incoming]]:
        """As `bus.kafka.whole`: without `wait`, what has no marker yet may be missing."""
        hidden = [] if wait or self.calm or self.random.random() < 0.5 else list(self._unmarked)
        await asyncio.sleep(0)
        if not self.calm and self.random.random() < 0.05:
            raise KafkaTimeoutError("trouble")
        for topic in {place.topic for place in places}:
            for record in list(self.records.get(topic, [])):
                if record not in hidden:
                    yield [record]


class Writer:
    """A transactional writer: a commit may be lost, or take place and be told as uncertain."""

    def __init__(self, kafka: Kafka, _: str, *, timeout_ms: int) -> None:
        self._kafka = kafka
        self.written: dict[Place, int] = {}

    async def start(self) -> None:
        await asyncio.sleep(0)
        if not self._kafka.calm and self._kafka.random.random() < 0.05:
            raise KafkaUnreachable(bootstrap="-", reason="trouble")
        self._kafka.start(self)

    async def stop(self) -> None:
        await asyncio.sleep(0)

    async def commit(self, records: Sequence[Outgoing], _: object = None) -> dict[Place, int]:
        luck = 0.5 if self._kafka.calm else self._kafka.random.random()
        await asyncio.sleep(0)
        if luck < 0.03:
            raise CommitUncertain(transactional_id="-", reason="lost")
        if self._kafka.owner is not self:
            raise Fenced(transactional_id="-")
        self._kafka.append(records)
        await asyncio.sleep(0)
        if luck > 0.97:
            raise CommitUncertain(transactional_id="-", reason="took place")
        return {}


class Own:
    """The bus's own messages as JSON; to decode one may take a while, as where its schema has to be asked for."""

    def __init__(self, kafka: Kafka) -> None:
        self._kafka = kafka

    async def prepare(self) -> None:
        await asyncio.sleep(0)

    def encode(self, _: str, message: dict[str, Any]) -> bytes:
        return json.dumps(message).encode()

    async def decode(self, value: bytes) -> dict[str, Any]:
        for _ in range(self._kafka.random.randrange(6)):
            await asyncio.sleep(0)
        found: dict[str, Any] = json.loads(value)
        return found


def orders_of(kafka: Kafka) -> Callable[[str, Any], Orders]:
    """The real orders, fed from this Kafka."""

    class Fed(Orders):
        @asynccontextmanager
        async def following(self, access: Any, place: Place, after: int | None) -> AsyncIterator[None]:
            self.end = len(kafka.orders) if after is None else after
            task = asyncio.create_task(self._fed(place))
            try:
                yield
            finally:
                task.cancel()
                await asyncio.wait({task})

        async def _fed(self, place: Place) -> None:
            at = self.end
            while True:
                if at < len(kafka.orders):
                    value = json.dumps(kafka.orders[at]).encode()
                    await self._take(Incoming(*place, at, 0, b"connector/test", value))
                    at += 1
                await asyncio.sleep(0)

    return Fed


class Nothing:
    """A client of the schema registry that nobody asks."""

    def __init__(self, _: object) -> None: ...

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(self, *_: object) -> None: ...
