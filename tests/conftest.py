"""The real parts that tests meet: one broker and one database a session, a fresh prefix and a fresh database a test.

A broker is looked for in this order: BUS_KAFKA; a container, where an engine answers; a local one in a scratch home.
"""

import asyncio
import os
import secrets
import signal
import socket
from collections.abc import Coroutine, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import psycopg
import pytest
import structlog
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient
from hypothesis import settings as hypothesis_settings
from psycopg import sql

from bus.clock import monotonic
from bus.kafka.access import KafkaAccess
from bus.platform.home import Home
from bus.platform.jars import KAFKA_VERSION
from bus.platform.kafka import LocalKafka
from bus.platform.postgres import LocalPostgres
from bus.platform.processes import Supervisor
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings, Settings

T = TypeVar("T")

os.environ.setdefault("JAVA_TOOL_OPTIONS", "-XX:TieredStopAtLevel=1")  # no broker here lives long enough for more

# A busy machine is no reason to fail. Naming Hypothesis here also loads it before its plug-in would, at the end of a
# session without property tests and deep in a stack, which Python 3.11's parser does not survive.
hypothesis_settings.register_profile("bus", deadline=None)
hypothesis_settings.load_profile("bus")

KAFKA_IMAGE = f"apache/kafka:{KAFKA_VERSION}"

# Under which address a container is reached is known once it runs, and a broker must tell it to its clients.
ONCE_TOLD = (
    "until KAFKA_ADVERTISED_LISTENERS=$(readlink /tmp/advertised); do sleep 0.1; done; "
    "export KAFKA_ADVERTISED_LISTENERS; exec /etc/kafka/docker/run"
)


def pytest_configure() -> None:
    """Let SIGTERM end a session as Ctrl-C does: fixtures end their brokers and databases, and nothing is orphaned.

    Ctrl-C too, where a session began in the background: its shell lets it ignore SIGINT, and so would every program
    that a test starts and interrupts.
    """
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, signal.default_int_handler)


@pytest.hookimpl(tryfirst=True)  # before `-m` chooses
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Mark what asks for a server, so that `-m "not broker"` needs none; skip what is long where nobody asks for it."""
    for item in items:
        asked_for = getattr(item, "fixturenames", ())
        if "kafka" in asked_for:
            item.add_marker(pytest.mark.broker)
        if "postgres" in asked_for:
            item.add_marker(pytest.mark.postgres)
        if item.get_closest_marker("long") and "long" not in config.option.markexpr:
            item.add_marker(pytest.mark.skip(reason="long: ask for it with -m long"))


def in_own_loop(coroutine: Coroutine[Any, Any, T]) -> T:
    """Run a coroutine to its end in a thread of its own: a session's fixture must not touch the loop of a test."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, coroutine).result()


@pytest.fixture(autouse=True)
def fresh_log() -> Iterator[None]:
    """Logging as it is before anybody set it up: a test that configures it must not choose where others' lines go."""
    yield
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


@pytest.fixture(scope="session")
def bus_home(tmp_path_factory: pytest.TempPathFactory) -> Home:
    """The scratch home of the session's broker and database; users that tests make keep their passwords in it."""
    return Home(tmp_path_factory.mktemp("bus-home"))


@pytest.fixture(scope="session")
def supervisor(bus_home: Home) -> Iterator[Supervisor]:
    """The parent of the session's broker and database."""
    parent = Supervisor(bus_home)
    yield parent
    in_own_loop(parent.stop_all())


@pytest.fixture(scope="session")
def kafka(bus_home: Home, request: pytest.FixtureRequest) -> Iterator[KafkaAccess]:
    """An administrator's access to a real broker; without an identity (`has_identity`) it knows no rights."""
    settings = Settings()
    if settings.kafka:
        yield kafka_access(settings, KafkaSettings(), bus_home, "admin")
    elif container_engine_answers():
        with kafka_container() as access:
            yield access
    else:
        parent = request.getfixturevalue("supervisor")
        yield in_own_loop(LocalKafka(bus_home, settings.cache_path).start(parent))


@pytest.fixture(scope="session")
def identities(kafka: KafkaAccess) -> KafkaAccess:
    """The same access, for tests of users and rights; they are skipped where the broker knows no identities."""
    if not kafka.has_identity:
        pytest.skip("this broker has no identities: rights cannot be tested on it")
    return kafka


@pytest.fixture
def prefix(kafka: KafkaAccess) -> Iterator[str]:
    """A topic prefix that nobody else uses; its topics are deleted after the test."""
    with fresh_prefix(kafka) as fresh:
        yield fresh


@contextmanager
def fresh_prefix(kafka: KafkaAccess) -> Iterator[str]:
    """The same for several tests that only look: for as long as the block lasts."""
    fresh = f"t{secrets.token_hex(4)}."
    yield fresh
    admin = AdminClient(kafka.for_confluent())
    topics = [topic for topic in admin.list_topics(timeout=10).topics if topic.startswith(fresh)]
    if topics:
        for deleted in admin.delete_topics(topics, operation_timeout=10).values():
            deleted.result()


@pytest.fixture(scope="session")
def postgres(bus_home: Home, request: pytest.FixtureRequest) -> str:
    """The address of a superuser of a real server with logical decoding: BUS_POSTGRES, or a local one."""
    settings = Settings()
    if settings.postgres:
        return settings.postgres
    parent: Supervisor = request.getfixturevalue("supervisor")
    return in_own_loop(LocalPostgres(bus_home).start(parent))


@pytest.fixture
def database(postgres: str) -> Iterator[str]:
    """The address of a fresh database; it is dropped after the test, with its replication slots."""
    name = f"t{secrets.token_hex(6)}"
    with psycopg.connect(postgres, autocommit=True) as server:
        server.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield urlsplit(postgres)._replace(path=f"/{name}").geturl()
    with psycopg.connect(postgres, autocommit=True) as server:
        drop_slots(server, name)
        server.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


def drop_slots(server: psycopg.Connection[Any], database: str) -> None:
    """Drop a database's replication slots; their readers are ended first, which takes them a moment."""
    deadline = monotonic() + 10
    while slots := server.execute(
        "SELECT slot_name, active_pid FROM pg_replication_slots WHERE database = %s", [database]
    ).fetchall():
        for slot, reader in slots:
            if reader:
                server.execute("SELECT pg_terminate_backend(%s)", [reader])
            else:
                server.execute("SELECT pg_drop_replication_slot(%s)", [slot])
        assert monotonic() < deadline, f"the slots {slots} stay in use"


def container_engine_answers() -> bool:
    """Whether a container engine is here; asked with a short patience, for on most machines there is none."""
    host = urlsplit(os.environ.get("DOCKER_HOST", "unix:///var/run/docker.sock"))
    by_path = host.scheme == "unix"
    try:
        with socket.socket(socket.AF_UNIX if by_path else socket.AF_INET) as engine:
            engine.settimeout(3)
            engine.connect(host.path if by_path else (host.hostname, host.port or 2375))
            engine.sendall(b"GET /_ping HTTP/1.0\r\nHost: engine\r\n\r\n")
            return b" 200 " in engine.recv(64)
    except OSError:
        return False


@contextmanager
def kafka_container() -> Iterator[KafkaAccess]:
    """Apache Kafka's own image, one node, without identities."""
    from testcontainers.core.container import DockerContainer  # noqa: PLC0415 - reads the engine's settings on import

    container = DockerContainer(KAFKA_IMAGE).with_exposed_ports(9092).with_command(["bash", "-c", ONCE_TOLD])
    listed = {
        "KAFKA_NODE_ID": "1",
        "KAFKA_PROCESS_ROLES": "broker,controller",
        "KAFKA_CONTROLLER_QUORUM_VOTERS": "1@localhost:9093",
        # A broker finishes transactions through connections to itself, and CLIENT's address counts outside alone.
        "KAFKA_LISTENERS": "CLIENT://:9092,INTERNAL://localhost:19092,CONTROLLER://localhost:9093",
        "KAFKA_LISTENER_SECURITY_PROTOCOL_MAP": "CLIENT:PLAINTEXT,INTERNAL:PLAINTEXT,CONTROLLER:PLAINTEXT",
        "KAFKA_CONTROLLER_LISTENER_NAMES": "CONTROLLER",
        "KAFKA_INTER_BROKER_LISTENER_NAME": "INTERNAL",
        "KAFKA_OFFSETS_TOPIC_REPLICATION_FACTOR": "1",
        "KAFKA_OFFSETS_TOPIC_NUM_PARTITIONS": "8",
        "KAFKA_TRANSACTION_STATE_LOG_REPLICATION_FACTOR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_MIN_ISR": "1",
        "KAFKA_TRANSACTION_STATE_LOG_NUM_PARTITIONS": "8",
        "KAFKA_GROUP_INITIAL_REBALANCE_DELAY_MS": "0",
        "KAFKA_AUTO_CREATE_TOPICS_ENABLE": "false",
    }
    for name, value in listed.items():
        container.with_env(name, value)
    with container:
        address = f"{container.get_container_host_ip()}:{container.get_exposed_port(9092)}"
        told = container.exec(["ln", "-s", f"CLIENT://{address},INTERNAL://localhost:19092", "/tmp/advertised"])  # noqa: S108 - in the container
        assert told.exit_code == 0, told.output
        access = KafkaAccess(address)
        until_broker_answers(access)
        yield access


def until_broker_answers(access: KafkaAccess) -> None:
    """Wait until a broker tells its topics, up to a minute."""
    admin, deadline = AdminClient(access.for_confluent()), monotonic() + 60
    while True:
        try:
            admin.list_topics(timeout=5)
        except KafkaException:
            if monotonic() > deadline:
                raise
        else:
            return
