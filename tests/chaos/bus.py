"""A small bus under chaos: few lanes, its own router processes, a load, a tail at a recipient, and the checker."""

import asyncio
import os
import threading
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from confluent_kafka import Consumer, TopicPartition

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.avro.own import OwnMessages
from bus.clock import monotonic
from bus.kafka.access import KafkaAccess
from bus.kafka.log import LogWriter
from bus.platform.home import Home
from bus.platform.processes import Supervisor
from bus.register.grounds import Grounds
from bus.register.registrar import Registrar
from bus.settings import Settings
from bus.topics import Topics
from bus.wiring import SCHEMA_REGISTRY, stage_process
from tests.broker.conftest import PERSON, SmallBus, kafka_environment
from tests.chaos.checker import Flow, Verdict, behind, judge
from tests.chaos.evidence import NUMBER, Evidence, Schemas, collect
from tests.chaos.load import BANK, TAX, Moment
from tests.chaos.notes import Notes
from tests.chaos.routers import RouterUnderTest, until
from tests.country import AGENCIES, AGREEMENTS, DATASETS

LANES = 3
TOKEN = "a-token-of-this-test"

FIELDS = {
    TAX: frozenset({"personal_id", "full_name", "birth_date", "residence_province"}),
    BANK: frozenset(
        {
            "personal_id",
            "full_name",
            "is_adult",
            "residence_province",
            "residence_commune",
            "residence_address",
            "phone",
        }
    ),
}
"""What each recipient may see, written down from the agreements by hand."""


class Tail(threading.Thread):
    """A recipient that reads all the time, and knows when the first release of a newer change came."""

    def __init__(self, access: KafkaAccess, topic: str, partitions: int) -> None:
        super().__init__(daemon=True)
        self._access, self._topic, self._partitions = access, topic, partitions
        self._over = threading.Event()
        self._newest: list[tuple[int, float]] = [(0, 0.0)]
        self.keys: set[bytes] = set()
        """Of the records of which something has come."""

    def run(self) -> None:
        """Read until stopped."""
        words = {"group.id": "chaos-tail", "isolation.level": "read_committed", "enable.auto.commit": False}
        consumer = Consumer({**self._access.for_confluent(), **words, "fetch.wait.max.ms": 10, "log_level": 2})
        consumer.assign([TopicPartition(self._topic, number, 0) for number in range(self._partitions)])
        while not self._over.is_set():
            for message in consumer.consume(500, 0.05):
                if message.error():
                    continue
                self.keys.add(message.key())
                found = NUMBER.search((message.value() or b"").decode(errors="replace"))
                if found and int(found[1]) > self._newest[-1][0]:
                    self._newest.append((int(found[1]), monotonic()))
        consumer.close()

    def arrival(self, number: int) -> float | None:
        """When the first release of a change after this number came."""
        return next((moment for newer, moment in self._newest if newer > number), None)

    def stop(self) -> None:
        """End the thread."""
        self._over.set()
        self.join()


@dataclass
class Chaos:
    """What a test does to the bus."""

    bus: SmallBus
    scratch: Path
    tail: Tail
    schemas: Schemas
    routers: dict[str, RouterUnderTest] = field(default_factory=dict)

    def router(self, name: str = "route", *, broken: str | None = None, instance: str | None = None) -> RouterUnderTest:
        """A router of this name, not yet started."""
        if name not in self.routers:
            notes, log = Notes(self.scratch / f"{name}.notes"), self.scratch / f"{name}.log"
            self.routers[name] = RouterUnderTest(name, self.bus.settings, notes, log, broken, instance)
        return self.routers[name]

    async def flows_on(self, since: Moment, *, seconds: float = 120) -> float:
        """Wait until a change newer than that moment is released; how many seconds after it that came."""

        def came() -> bool:
            dead = [router for router in self.routers.values() if router.died]
            if dead and len(dead) == len(self.routers):
                raise AssertionError(f"no router is alive: {[one.last_words() for one in dead]}")
            return self.tail.arrival(since.number) is not None

        await until(came, "the next release", seconds=seconds)
        return (self.tail.arrival(since.number) or since.seconds) - since.seconds

    def flows(self) -> list[Flow]:
        """The two agreements in plain words: one by law, one by consent."""
        return [
            Flow(TAX, self.bus.agency_topic(TAX), FIELDS[TAX], False, _lives_in("residence_province")),  # noqa: FBT003 - by law
            Flow(BANK, self.bus.agency_topic(BANK), FIELDS[BANK], True, _lives_in("residence_commune")),  # noqa: FBT003
        ]

    async def evidence(self) -> Evidence:
        """What lies in the topics now."""
        return await asyncio.to_thread(collect, self.bus.access.for_confluent(), self.bus.settings.prefix, self.schemas)

    async def quiet(self, *, seconds: float = 120) -> Evidence:
        """Wait until every lane's committed position has passed everything written; what lies in the topics then."""
        deadline = monotonic() + seconds
        while open_inputs := behind(found := await self.evidence()):
            assert monotonic() < deadline, (
                f"never came to: {open_inputs}; {[one.last_words() for one in self.routers.values()]}"
            )
            await asyncio.sleep(0.2)
        return found

    async def verdict(self, *, largest: int = 1 << 20) -> tuple[Evidence, Verdict]:
        """What the checker says once all is quiet.

        Topics are not read at one moment, and a commit may be seen in one before it is in another: what is a fault is
        there in a second look too.
        """
        found = await self.quiet()
        verdict = judge(found, self.flows(), largest=largest)
        if not verdict.clean:
            found = await self.evidence()
            verdict = judge(found, self.flows(), largest=largest)
        return found, verdict


def _lives_in(place: str) -> Callable[[Mapping[str, Any]], bool]:
    return lambda record: record["status"] == "ALIVE" and record[place] is not None


@asynccontextmanager
async def chaos_bus(kafka: KafkaAccess, prefix: str, scratch: Path) -> AsyncIterator[Chaos]:
    """A founded bus with two agreements over `population.person`; routers and load come when asked for."""
    settings = Settings(home=scratch / "home", prefix=prefix, kafka=kafka.bootstrap, lanes=LANES)
    home = Home.from_settings(settings)
    async with AsyncExitStack() as closing:
        supervisor = Supervisor(home)
        grounds = Grounds(kafka, Topics(prefix, LANES), home)
        await grounds.lay()
        closing.push_async_callback(supervisor.stop_all)
        await supervisor.start(stage_process(SCHEMA_REGISTRY, settings))
        url = f"http://127.0.0.1:{(home.endpoint(SCHEMA_REGISTRY.name) or {})['port']}"
        client = SchemaRegistryClient(RegistryAccess(url, TOKEN))
        closing.push_async_callback(client.close)
        registrar = Registrar(grounds, kafka, home, client, by="a test")
        closing.push_async_callback(registrar.stop)
        await registrar.start()
        writer, messages = LogWriter(kafka), OwnMessages(client)
        await messages.prepare()
        closing.push_async_callback(writer.stop)
        await writer.start()
        datasets, documents = dict(DATASETS), {one.id: one for one in AGREEMENTS}
        await registrar.enrol_datasets([datasets[PERSON]])
        bus = SmallBus(kafka, settings, supervisor, client, registrar, messages, datasets, AGENCIES, documents, writer)
        closing.callback(bus.close_reader)
        await bus.activate(TAX, BANK)
        tail = Tail(kafka, bus.agency_topic(TAX), LANES)
        tail.start()
        closing.callback(tail.stop)
        chaos = Chaos(bus, scratch, tail, Schemas(url))
        closing.push_async_callback(_stop_routers, chaos)
        yield chaos


async def _stop_routers(chaos: Chaos) -> None:
    await asyncio.gather(*(router.close() for router in chaos.routers.values()))


def environment(kafka: KafkaAccess) -> dict[str, str]:
    """What the processes of the bus inherit from the test; sessions are as short as brokers allow."""
    return {
        **kafka_environment(kafka),
        "BUS_SCHEMA_REGISTRY_TOKEN": TOKEN,
        "BUS_ROUTE_SESSION_TIMEOUT_MS": "6000",
        "BUS_ROUTE_TRANSACTION_TIMEOUT_MS": "5000",
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
    }


def set_topic(chaos: Chaos, topic: str, words: Mapping[str, int]) -> None:
    """Let a topic have other settings than the bus gave it."""
    chaos.bus.set_topic(topic, words)
