"""The local Kafka and PostgreSQL as they are: real programs, started, ended, killed, started again."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import psycopg
import pytest
from confluent_kafka import KafkaException
from confluent_kafka.admin import AdminClient, NewTopic

from bus.clock import monotonic
from bus.errors import JavaMissing, PortTaken, ProcessDied, ProcessNotReady
from bus.kafka.access import KafkaAccess
from bus.platform.account import as_other_account
from bus.platform.home import Home
from bus.platform.java import find_java
from bus.platform.kafka import LocalKafka
from bus.platform.ports import LOOPBACK, accepts, free_port
from bus.platform.postgres import LocalPostgres
from bus.platform.processes import Supervisor, find_running
from bus.platform.session import bring_down
from bus.settings import Settings

pytestmark = [pytest.mark.broker, pytest.mark.postgres]

CACHE = Settings().cache_path


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture
async def parent(home: Home) -> AsyncIterator[Supervisor]:
    supervisor = Supervisor(home)
    yield supervisor
    await supervisor.stop_all()


def admin(access: KafkaAccess) -> AdminClient:
    return AdminClient({**access.for_confluent(), "log_level": 0})


def create(access: KafkaAccess, topic: str, partitions: int = 1) -> None:
    client = admin(access)
    for made in client.create_topics([NewTopic(topic, partitions, 1)]).values():
        made.result()


def partitions(access: KafkaAccess, topic: str) -> int:
    """How many a topic has that was just made: the broker learns of it a little after who made it."""
    client, deadline = admin(access), monotonic() + 10
    while not (found := client.list_topics(topic, timeout=10).topics[topic].partitions):
        assert monotonic() < deadline, topic
    return len(found)


def test_the_session_has_a_broker(kafka: KafkaAccess, prefix: str) -> None:
    """A topic made under the test's prefix must be there, with its partitions."""
    create(kafka, f"{prefix}x", 3)
    assert partitions(kafka, f"{prefix}x") == 3


def test_the_broker_makes_no_topic_by_itself(kafka: KafkaAccess, prefix: str) -> None:
    """Asking for a topic that nobody made must not make it, with settings that would not erase."""
    admin(kafka).list_topics(f"{prefix}typo", timeout=10)
    assert f"{prefix}typo" not in admin(kafka).list_topics(timeout=10).topics


def test_a_wrong_password_is_refused(identities: KafkaAccess) -> None:
    """The broker must answer nobody without a right password, from its first start on."""
    stranger = identities.as_user("admin", "guessed")
    with pytest.raises(KafkaException):
        admin(stranger).list_topics(timeout=3)


def test_a_database_can_be_decoded(database: str) -> None:
    """A fresh database must take a logical replication slot, and be dropped with it after the test."""
    with psycopg.connect(database, autocommit=True) as connection:
        made = connection.execute("SELECT pg_create_logical_replication_slot('s', 'pgoutput')").fetchone()
        (kept,) = connection.execute("SHOW max_slot_wal_keep_size").fetchone() or ("",)
    assert made is not None
    assert kept != "-1"


async def test_a_restart_finds_data_passwords_and_addresses_again(home: Home, parent: Supervisor) -> None:
    """A second start must give the same addresses and data; a third, with all ports taken, the same data."""
    first = await LocalKafka(home, CACHE).start(parent)
    dsn = await LocalPostgres(home).start(parent)
    create(first, "kept", 2)
    with psycopg.connect(dsn) as connection:
        connection.execute("CREATE TABLE kept (n int)")
    await parent.stop_all()
    assert not accepts(int(first.bootstrap.partition(":")[2]))

    second = await LocalKafka(home, CACHE).start(parent)
    assert (second.bootstrap, second.password) == (first.bootstrap, first.password)
    assert partitions(second, "kept") == 2
    assert await LocalPostgres(home).start(parent) == dsn
    await parent.stop_all()

    with ExitStack() as taken:
        for file in ("kafka/ports.json", "postgres-port.json"):
            for port in _ports_in(home.data / file):
                taken.enter_context(_listening(port))
        third = await LocalKafka(home, CACHE).start(parent)
        moved = await LocalPostgres(home).start(parent)
        assert third.bootstrap != first.bootstrap
        assert moved != dsn
        assert partitions(third, "kept") == 2
        with psycopg.connect(moved) as connection:
            assert connection.execute("SELECT count(*) FROM kept").fetchone() == (0,)


async def test_a_home_may_have_any_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Blanks, a comma and letters that are no English ones, in any locale: all data must lie in that home."""
    monkeypatch.setenv("LC_ALL", "C")
    home = Home(tmp_path / "nhà, của tôi")
    parent = Supervisor(home)
    try:
        create(await LocalKafka(home, CACHE).start(parent), "kept", 2)
        await LocalPostgres(home).start(parent)
        await parent.stop_all()
        assert partitions(await LocalKafka(home, CACHE).start(parent), "kept") == 2
    finally:
        await parent.stop_all()
    assert (home.data / "kafka" / "log" / "kept-1").is_dir()


async def test_a_port_that_the_user_fixed_is_not_moved(home: Home, parent: Supervisor) -> None:
    """A fixed port that is taken must be an error that names it, before anything is started."""
    port = free_port()
    with _listening(port):
        with pytest.raises(PortTaken, match=f"{port} of kafka"):
            await LocalKafka(home, CACHE, port=port).start(parent)
        with pytest.raises(PortTaken, match=f"{port} of postgres"):
            await LocalPostgres(home, port=port).start(parent)
    assert find_running(home) == []


async def test_a_java_that_dies_is_quoted(home: Home, parent: Supervisor, tmp_path: Path) -> None:
    """What Java says when it dies at its start must stand in the error, with the place of the log."""
    java = tmp_path / "java"
    real = f'case "$*" in *-version*|*StorageTool*) exec "{find_java()}" "$@";; esac'
    java.write_text(f"#!/bin/sh\n{real}\necho out of luck >&2\nexit 3\n")
    java.chmod(0o755)
    with pytest.raises(ProcessDied, match="code 3") as raised:
        await LocalKafka(home, CACHE, java=java).start(parent)
    assert "out of luck" in str(raised.value)
    assert str(home.log("kafka")) in raised.value.how_to_mend


async def test_a_java_that_is_too_old_is_refused(home: Home, parent: Supervisor, tmp_path: Path) -> None:
    """A java that the user names and that cannot run Kafka 4 must be refused, and no other used in its place."""
    java = tmp_path / "java"
    java.write_text("#!/bin/sh\necho 'openjdk version \"11.0.2\"' >&2\n")
    java.chmod(0o755)
    with pytest.raises(JavaMissing, match="version 11"):
        await LocalKafka(home, CACHE, java=java).start(parent)


async def test_a_postgres_that_dies_is_quoted(home: Home, parent: Supervisor) -> None:
    """A damaged cluster must be told with PostgreSQL's own words."""
    await LocalPostgres(home).start(parent)
    await parent.stop_all()
    (home.data / "postgres" / "cluster" / "global" / "pg_control").write_bytes(b"rubbish")
    with pytest.raises((ProcessDied, ProcessNotReady), match=r"pg_control|control file"):
        await LocalPostgres(home).start(parent)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can hand PostgreSQL to another account")
async def test_root_without_user_namespaces_hands_postgres_to_another_account(
    home: Home, parent: Supervisor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where namespaces are refused the server must run under an account that is not root, know no secret, and serve."""
    monkeypatch.setenv("BUS_KAFKA_PASSWORD", "hidden")
    account = as_other_account(home)
    try:
        dsn = await LocalPostgres(home, account=account).start(parent)
        with psycopg.connect(dsn) as connection:
            assert connection.execute("SELECT 1").fetchone() == (1,)
        process = parent.record("postgres").process()
        assert process is not None
        assert process.uids().effective != 0
        assert "hidden" not in process.environ().values()
    finally:
        await parent.stop_all()
        account.remove()


async def test_a_killed_broker_and_a_killed_database_come_back_with_their_data(home: Home, parent: Supervisor) -> None:
    """After SIGKILL both must be started again at the same address, with what had been written."""
    access = await LocalKafka(home, CACHE).start(parent)
    dsn = await LocalPostgres(home).start(parent)
    create(access, "kept")
    for name in ("kafka", "postgres"):
        parent.kill(name)
    deadline = monotonic() + 60
    while not all(parent.record(name).restarts and home.endpoint(name) for name in ("kafka", "postgres")):
        assert monotonic() < deadline, "they are not back after a minute"
        await asyncio.sleep(0.1)
    assert partitions(access, "kept") == 1
    psycopg.connect(dsn).close()


PARENT = """
import asyncio, sys
from pathlib import Path
from bus.platform.home import Home
from bus.platform.kafka import LocalKafka
from bus.platform.postgres import LocalPostgres
from bus.platform.session import keep_up
from bus.telemetry import configure

home = Home(Path(sys.argv[1]))

async def bring_up(supervisor):
    await asyncio.gather(LocalKafka(home, Path(sys.argv[2])).start(supervisor), LocalPostgres(home).start(supervisor))

configure("up")
asyncio.run(keep_up(home, bring_up, ready=lambda: print("ready", flush=True)))
"""


def _parent(home: Home) -> subprocess.Popen[str]:
    argv = [sys.executable, "-c", PARENT, str(home.path), str(CACHE)]
    started = subprocess.Popen(argv, stdout=subprocess.PIPE, text=True)
    assert started.stdout is not None
    assert started.stdout.readline() == "ready\n"
    return started


async def test_kill_9_of_the_parent_leaves_nothing_that_the_next_one_cannot_take_over(home: Home) -> None:
    """After kill -9 the next parent must end both orphans and start both again; `bus down` ends the next orphans."""
    first = _parent(home)
    before = {record.pid for record in find_running(home)}
    first.kill()
    first.communicate()
    second = _parent(home)
    after = find_running(home)
    assert sorted(record.name for record in after) == ["kafka", "postgres"]
    assert not before & {record.pid for record in after}
    second.kill()
    second.communicate()
    await _down_ends_both_in_order(home)


async def _down_ends_both_in_order(home: Home) -> None:
    """`bus down` with nobody but orphans: they must end as if their parent had asked, so that no recovery follows."""
    assert sorted(record.name for record in (await bring_down(home)).processes) == ["kafka", "postgres"]
    assert find_running(home) == []
    assert (home.data / "kafka" / "log" / ".kafka_cleanshutdown").is_file()
    assert not (home.data / "postgres" / "cluster" / "postmaster.pid").exists()


def _ports_in(file: Path) -> list[int]:
    return list(json.loads(file.read_text()).values())


@contextmanager
def _listening(port: int) -> Iterator[None]:
    """Another program that sits on a port."""
    with socket.create_server((LOOPBACK, port)):
        yield
