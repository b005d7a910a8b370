"""Apache Kafka as one child process: broker and controller in one, with identities and rights from its first start."""

import asyncio
import json
import secrets
import subprocess
import threading
from base64 import urlsafe_b64encode
from dataclasses import dataclass
from pathlib import Path

from bus.errors import DiskFull, PortTaken, StartFailed
from bus.kafka.access import SCRAM, KafkaAccess
from bus.platform.home import Home, read_object, write_whole
from bus.platform.jars import kafka_jars
from bus.platform.java import find_java
from bus.platform.ports import LOOPBACK, free_port, is_free
from bus.platform.processes import ProcessSpec, Supervisor
from bus.settings import Settings
from bus.telemetry import Event, emit

NAME = "kafka"
ADMIN = "admin"
SECURITY_PROTOCOL = "SASL_PLAINTEXT"

_LOGIN = "org.apache.kafka.common.security"
_OFFSETS_KEPT_MINUTES = 365 * 24 * 60

_CONFIG, _LOGGING_FILE = "server.properties", "log4j2.properties"
_LOGGED = f"-Dlog4j2.configurationFile={_LOGGING_FILE}"


@dataclass(frozen=True, slots=True)
class _Ports:
    client: int
    controller: int


class LocalKafka:
    """The broker of one home. `quick` gives up peak speed for a quicker start: for demos and tests, not for benchmarks.

    `port` 0: one is picked at the first start and kept, unless it is taken by then.
    """

    def __init__(self, home: Home, cache: Path, *, port: int = 0, quick: bool = True, java: Path | None = None) -> None:
        self._home = home
        self._cache = cache
        self._port = port
        self._quick = quick
        self._java = java

    @classmethod
    def from_settings(cls, settings: Settings, home: Home) -> "LocalKafka":
        """As BUS_CACHE, BUS_KAFKA_PORT and BUS_JAVA say."""
        return cls(home, settings.cache_path, port=settings.kafka_port or 0, java=settings.java)

    async def start(self, supervisor: Supervisor) -> KafkaAccess:
        """Start the broker; returns the administrator's access. The first start fetches the jars, later ones nothing.

        Raises DownloadFailed, JarCorrupt, DiskFull, JavaMissing, PortTaken, ProcessDied or ProcessNotReady.
        """
        jars = await _jars(self._cache)
        java = (await asyncio.to_thread(find_java, self._java or Settings().java)).absolute()
        environment = {"CLASSPATH": ":".join(map(str, jars)), "LC_ALL": "C.UTF-8"}
        ports = self._ports()
        self._configure(ports)
        if not (self._folder / "log" / "meta.properties").is_file():
            await asyncio.to_thread(self._format, java, environment)
        await supervisor.start(self._spec(java, environment, ports))
        return local_access(self._home, ports.client, ADMIN)

    @property
    def _folder(self) -> Path:
        folder = self._home.data / "kafka"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder

    def _ports(self) -> _Ports:
        """The ports of the last start where they are free still; a port that the user fixed is not moved."""
        kept = read_object(self._folder / "ports.json") or {}
        client = self._port or self._kept_or_new(kept.get("client"))
        if not is_free(client):
            raise PortTaken(port=client, name=NAME)
        ports = _Ports(client, self._kept_or_new(kept.get("controller")))
        write_whole(self._folder / "ports.json", json.dumps({"client": ports.client, "controller": ports.controller}))
        return ports

    def _kept_or_new(self, kept: int | None) -> int:
        if kept and is_free(kept):
            return kept
        port = free_port()
        if kept:
            emit(Event.PORT_MOVED, child=NAME, taken=kept, port=port)
        return port

    def _configure(self, ports: _Ports) -> None:
        """Write server.properties and the logging; both hold what this version of the bus wants, at every start.

        Java runs in this folder, and its files have no other name than here: it reads properties as Latin-1, and a
        comma as the end of a folder's name.
        """
        write_whole(self._folder / _LOGGING_FILE, _LOGGING)
        lines = {**_FIXED, **self._addresses(ports), **self._identities(), "log.dirs": "log"}
        write_whole(self._folder / _CONFIG, "".join(f"{name}={value}\n" for name, value in lines.items()))

    def _addresses(self, ports: _Ports) -> dict[str, str]:
        client, controller = f"CLIENT://{LOOPBACK}:{ports.client}", f"CONTROLLER://{LOOPBACK}:{ports.controller}"
        return {
            "listeners": f"{client},{controller}",
            "advertised.listeners": client,
            "controller.quorum.voters": f"1@{LOOPBACK}:{ports.controller}",  # fixed voters let the port move
        }

    def _identities(self) -> dict[str, str]:
        """The broker's own two users: `admin`, and `controller`, whose listener cannot use SCRAM at the first start."""
        admin, controller = self._home.secret(f"users/{ADMIN}"), self._home.secret("users/controller")
        return {
            "listener.name.client.scram-sha-256.sasl.jaas.config": (
                f'{_LOGIN}.scram.ScramLoginModule required username="{ADMIN}" password="{admin}";'
            ),
            "listener.name.controller.plain.sasl.jaas.config": (
                f'{_LOGIN}.plain.PlainLoginModule required username="controller" password="{controller}"'
                f' user_controller="{controller}";'
            ),
        }

    def _format(self, java: Path, environment: dict[str, str]) -> None:
        """Give the empty log folder its identity and first user. Words come from a file: `ps` shows no password."""
        words = self._folder / "format.args"
        cluster = _cluster_id()
        scram = f"{SCRAM}=[name={ADMIN},password={self._home.secret(f'users/{ADMIN}')}]"
        write_whole(words, f"format\n-t\n{cluster}\n-c\n{_CONFIG}\n--add-scram\n{scram}")
        done = subprocess.run(
            [str(java), *_JVM_QUICK, _LOGGED, "kafka.tools.StorageTool", f"@{words.name}"],
            env=environment,
            cwd=self._folder,
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        words.unlink()
        if done.returncode:
            said = (done.stdout + done.stderr).strip()
            if "No space left on device" in said:
                raise DiskFull(what="preparing Kafka's folder", folder=self._folder)
            last = "\n".join(f"  | {line}" for line in said.splitlines()[-8:])
            raise StartFailed(
                program="Kafka's storage tool", code=done.returncode, last=last, instead=f"Look into {self._folder}."
            )

    def _spec(self, java: Path, environment: dict[str, str], ports: _Ports) -> ProcessSpec:
        tuning = _JVM_QUICK if self._quick else _JVM
        return ProcessSpec(
            name=NAME,
            argv=(str(java), *tuning, "-XX:+ExitOnOutOfMemoryError", _LOGGED, "kafka.Kafka", _CONFIG),
            env=environment,
            cwd=self._folder,
            ready_timeout_seconds=90,
            port=ports.client,
            details={"bootstrap": f"{LOOPBACK}:{ports.client}"},
            stop_timeout_seconds=30,
        )


async def _jars(cache: Path) -> tuple[Path, ...]:
    """The jars, without blocking the loop; when this is cancelled, no further download begins."""
    given_up = threading.Event()
    try:
        return await asyncio.to_thread(kafka_jars, cache, given_up=given_up)
    finally:
        given_up.set()


def _cluster_id() -> str:
    """16 random bytes in URL-safe base64, as Kafka wants; never with a hyphen first, which would read as an option."""
    while True:
        text = urlsafe_b64encode(secrets.token_bytes(16)).decode().rstrip("=")
        if not text.startswith("-"):
            return text


def local_access(home: Home, port: int, user: str, name: str | None = None) -> KafkaAccess:
    """How a user of the local broker reaches it; the password is the secret `users/<user>`, made if need be.

    `name` is the user's there, where it is another one.
    """
    return KafkaAccess(f"{LOOPBACK}:{port}", SECURITY_PROTOCOL, SCRAM, name or user, home.secret(f"users/{user}"))


_JVM = ("-XX:+UseParallelGC", "-Xmn300m", "-Xmx768m")
"""A collection stops the broker and all who wait for it: these come every three seconds and take nine milliseconds at
2,000 changes a second on two cores; with the settings of a quick start they came every second and took fifteen."""

_JVM_QUICK = ("-XX:+UseSerialGC", "-Xmx512m", "-XX:TieredStopAtLevel=1", "-Xshare:auto")

_FIXED = {
    "process.roles": "broker,controller",
    "node.id": "1",
    "controller.listener.names": "CONTROLLER",
    "inter.broker.listener.name": "CLIENT",
    "listener.security.protocol.map": f"CLIENT:{SECURITY_PROTOCOL},CONTROLLER:{SECURITY_PROTOCOL}",
    "sasl.enabled.mechanisms": SCRAM,
    "sasl.mechanism.inter.broker.protocol": SCRAM,
    "sasl.mechanism.controller.protocol": "PLAIN",
    "listener.name.controller.sasl.enabled.mechanisms": "PLAIN",
    "authorizer.class.name": "org.apache.kafka.metadata.authorizer.StandardAuthorizer",
    "super.users": f"User:{ADMIN};User:controller",
    "allow.everyone.if.no.acl.found": "false",
    "auto.create.topics.enable": "false",
    "default.replication.factor": "1",
    "min.insync.replicas": "1",
    "offsets.topic.replication.factor": "1",
    "offsets.topic.num.partitions": "8",
    "offsets.retention.minutes": str(_OFFSETS_KEPT_MINUTES),
    "transaction.state.log.replication.factor": "1",
    "transaction.state.log.min.isr": "1",
    "transaction.state.log.num.partitions": "8",
    "share.coordinator.state.topic.replication.factor": "1",
    "share.coordinator.state.topic.min.isr": "1",
    "share.coordinator.state.topic.num.partitions": "1",
    "group.initial.rebalance.delay.ms": "0",
    "log.cleaner.enable": "true",
    "log.cleaner.dedupe.buffer.size": str(16 * 1024 * 1024),
    "metadata.log.segment.bytes": str(16 * 1024 * 1024),
    "num.network.threads": "2",
    "num.io.threads": "4",
    "broker.session.timeout.ms": "6000",
    "broker.heartbeat.interval.ms": "1500",
}
"""What does not depend on the machine. One broker, so one replica; partitions of the internal topics are few,
for each costs time at the start and in each transaction. After a kill -9 the broker waits for its own old session to be
over before it may come back."""

_LOGGING = """\
status = warn
appender.out.type = Console
appender.out.name = out
appender.out.layout.type = PatternLayout
appender.out.layout.pattern = %d{yyyy-MM-dd'T'HH:mm:ss.SSSXXX} %p %c{1}: %m%n
rootLogger.level = warn
rootLogger.appenderRef.out.ref = out
logger.server.name = kafka.server
logger.server.level = info
logger.config.name = org.apache.kafka.common.config
logger.config.level = error
"""
"""To standard output, which the parent sends to the process's log. AbstractConfig prints settings at info: kept out."""
