"""Three brokers on this machine as one cluster: three replicas of everything, two of which must have a record."""

import asyncio
import json
import secrets
import shutil
import signal
from base64 import urlsafe_b64encode
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path

import pytest
from confluent_kafka.admin import AdminClient

from bus.clock import monotonic
from bus.kafka.access import KafkaAccess
from bus.platform import kafka as platform_kafka
from bus.platform.home import Home
from bus.platform.kafka import ADMIN, LocalKafka, _Ports, local_access
from bus.platform.kafka import NAME as KAFKA
from bus.platform.ports import LOOPBACK, free_port
from bus.platform.processes import Supervisor
from bus.settings import Settings
from tests.chaos.routers import until

BROKERS = 3
TRANSACTION_PARTITIONS = 8

THREE_OF_EACH = {
    "default.replication.factor": "3",
    "min.insync.replicas": "2",
    "offsets.topic.replication.factor": "3",
    "transaction.state.log.replication.factor": "3",
    "transaction.state.log.min.isr": "2",
    "transaction.state.log.num.partitions": str(TRANSACTION_PARTITIONS),
    "share.coordinator.state.topic.replication.factor": "3",
    "share.coordinator.state.topic.min.isr": "2",
    "broker.session.timeout.ms": "4000",
    "broker.heartbeat.interval.ms": "1000",
}


class OneOfThree(LocalKafka):
    """A broker and controller that knows the other two."""

    number: int
    controllers: list[int]

    def _addresses(self, ports: _Ports) -> dict[str, str]:
        voters = ",".join(f"{number}@{LOOPBACK}:{port}" for number, port in enumerate(self.controllers, 1))
        words = {"node.id": str(self.number), "controller.quorum.voters": voters}
        return super()._addresses(ports) | THREE_OF_EACH | words


class Cluster:
    """Three brokers, each with a folder and a parent of its own."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.homes = [Home(folder / f"broker-{number}") for number in range(1, BROKERS + 1)]
        self.supervisors = [Supervisor(home) for home in self.homes]
        self._same_identity(monkeypatch)
        self.ports = [_Ports(free_port(), free_port()) for _ in self.homes]

    def _same_identity(self, monkeypatch: pytest.MonkeyPatch) -> None:
        """One cluster id and one set of passwords for the three."""
        cluster = urlsafe_b64encode(b"\0" + secrets.token_bytes(15)).decode().rstrip("=")
        monkeypatch.setattr(platform_kafka, "_cluster_id", lambda: cluster)
        first, *others = self.homes
        for name in (ADMIN, "controller"):
            first.secret(f"users/{name}")
        for home in others:
            shutil.copytree(first.secrets, home.secrets, dirs_exist_ok=True)

    async def start(self) -> KafkaAccess:
        """Start the three at once: none is ready before a second one is there. The access names all of them."""
        await asyncio.gather(*(self._start(number) for number in range(BROKERS)))
        access = local_access(self.homes[0], self.ports[0].client, ADMIN)
        return replace(access, bootstrap=",".join(f"{LOOPBACK}:{ports.client}" for ports in self.ports))

    async def _start(self, index: int) -> None:
        home, ports = self.homes[index], self.ports[index]
        broker = OneOfThree(home, Settings().cache_path)
        broker.number, broker.controllers = index + 1, [one.controller for one in self.ports]
        folder = home.data / "kafka"
        folder.mkdir(mode=0o700, exist_ok=True)
        (folder / "ports.json").write_text(json.dumps({"client": ports.client, "controller": ports.controller}))
        await broker.start(self.supervisors[index])

    async def stop(self) -> None:
        """End all three."""
        await asyncio.gather(*(supervisor.stop_all() for supervisor in self.supervisors))

    async def killed(self, number: int) -> None:
        """SIGKILL a broker, by its number from 1, and wait until its parent has started it again."""
        supervisor, home = self.supervisors[number - 1], self.homes[number - 1]
        before = supervisor.record(KAFKA).pid
        supervisor.kill(KAFKA, signal.SIGKILL)

        def back() -> bool:
            said = home.endpoint(KAFKA)
            return said is not None and said["pid"] != before

        await until(back, "the broker to be back", seconds=120)

    def leader(self, access: KafkaAccess, topic: str, partition: int) -> int:
        """The number of the broker that leads a partition."""
        found = AdminClient(access.for_confluent() | {"log_level": 2}).list_topics(topic, timeout=20)
        return int(found.topics[topic].partitions[partition].leader)

    def coordinator(self, access: KafkaAccess, transactional_id: str) -> int:
        """The number of the broker that coordinates the transactions of an id."""
        partition = java_hash(transactional_id) % TRANSACTION_PARTITIONS
        return self.leader(access, "__transaction_state", partition)

    async def in_sync(self, access: KafkaAccess, topics: Iterable[str], *, seconds: float = 120) -> None:
        """Wait until every replica of these topics has everything."""
        admin, deadline = AdminClient(access.for_confluent() | {"log_level": 2}), monotonic() + seconds
        listed = list(topics)
        while True:
            found = (await asyncio.to_thread(admin.list_topics, timeout=20)).topics
            late = [name for name in listed if any(len(one.isrs) < BROKERS for one in found[name].partitions.values())]
            if not late:
                return
            assert monotonic() < deadline, f"replicas of {late} are not in sync"
            await asyncio.sleep(0.2)


def java_hash(text: str) -> int:
    """Java's String.hashCode, positive as Kafka makes it: by it a broker finds the partition of a transactional id."""
    found = 0
    for letter in text:
        found = (31 * found + ord(letter)) & 0xFFFFFFFF
    signed = found - (1 << 32) if found >> 31 else found
    return 0 if signed == -1 << 31 else abs(signed)
