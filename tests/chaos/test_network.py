"""The broker killed, connections cut, links slow: on a broker of the test's own, behind a proxy."""

import asyncio
import signal
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.clock import monotonic
from bus.errors import KafkaUnreachable
from bus.kafka import silence
from bus.kafka.access import KafkaAccess
from bus.kafka.admin import Admin
from bus.kafka.group import GroupReader
from bus.kafka.log import LogWriter, Place, Reader
from bus.model.record import Incoming, Outgoing
from bus.platform.home import Home
from bus.platform.kafka import ADMIN, LocalKafka, _Ports, local_access
from bus.platform.kafka import NAME as KAFKA
from bus.platform.ports import LOOPBACK, free_port
from bus.platform.processes import Supervisor
from bus.settings import Settings
from bus.topics import TopicSpec
from tests.chaos.bus import LANES, Chaos, chaos_bus, environment
from tests.chaos.load import Load
from tests.chaos.proxy import Proxy
from tests.chaos.routers import RouterUnderTest, until
from tests.chaos.table import FaultLog

pytestmark = [pytest.mark.broker, pytest.mark.timeout(600)]

SLOW_SECONDS = 0.05
STOP_SECONDS = 10.0
"""Less than two on a machine that has the time; without an end, where somebody waits for a broker."""

SOON_BACK = {"broker.session.timeout.ms": "2000", "broker.heartbeat.interval.ms": "500"}
"""A killed broker may register again when its last session is over: 9 seconds, if one has the time."""


class ProxiedKafka(LocalKafka):
    """A local broker that tells its clients to come through a proxy."""

    proxy: Proxy

    def _addresses(self, ports: _Ports) -> dict[str, str]:
        self.proxy.target = ports.client
        words = {"advertised.listeners": f"CLIENT://{LOOPBACK}:{self.proxy.port}"}
        return super()._addresses(ports) | words | SOON_BACK


class Remote:
    """The broker behind the proxy."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder)
        self.supervisor = Supervisor(self.home)
        self.proxy = Proxy(free_port())

    async def start(self) -> KafkaAccess:
        """Start both; the access leads through the proxy."""
        self.proxy.until_up()
        kafka = ProxiedKafka(self.home, Settings().cache_path)
        kafka.proxy = self.proxy
        await kafka.start(self.supervisor)
        return local_access(self.home, self.proxy.port, ADMIN)

    async def killed(self) -> None:
        """SIGKILL the broker, and wait until it has been started again."""
        before = self.supervisor.record(KAFKA).pid
        self.supervisor.kill(KAFKA, signal.SIGKILL)

        def back() -> bool:
            said = self.home.endpoint(KAFKA)
            return said is not None and said["pid"] != before

        await until(back, "the broker to be back", seconds=90)

    async def stop(self) -> None:
        """End both."""
        await self.supervisor.stop_all()
        self.proxy.close()


@pytest.fixture
async def remote(tmp_path: Path) -> AsyncIterator[Remote]:
    """A broker behind a proxy, not yet started."""
    found = Remote(tmp_path / "broker")
    yield found
    await found.stop()


@pytest.mark.parametrize("rounds", [1, pytest.param(5, marks=[pytest.mark.long, pytest.mark.timeout(1800)])])
async def test_broker_and_network(remote: Remote, rounds: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A killed broker, cut connections and slow links lose, double and tear nothing; a hung one holds up no end."""
    kafka = await remote.start()
    for name, value in environment(kafka).items():
        monkeypatch.setenv(name, value)
    log = FaultLog()
    async with chaos_bus(kafka, "net.", tmp_path) as chaos:
        router = chaos.router()
        await router.start()
        await router.serving(LANES)
        async with Load(chaos.bus) as load:
            for _ in range(rounds):
                await cut_connections(chaos, load, log, remote)
                await slow_links(chaos, load, log, remote)
                await kill_the_broker(chaos, load, log, remote)
        evidence, verdict = await chaos.verdict()
        await ends_beside_a_broker_that_hangs(router, remote)
        await router.start()
        await until(lambda: router.log.read_text().count("process-started") == 2, "the router to serve again")
        await ends_without_a_broker(router, remote)
    log.show(evidence, verdict)
    assert verdict.clean, verdict


async def ends_beside_a_broker_that_hangs(router: RouterUnderTest, remote: Remote) -> None:
    """Who is told to end waits for no last word of a broker that takes everything and never answers."""
    remote.proxy.delay_seconds = 3600.0
    begun = monotonic()
    router.signal(signal.SIGTERM)
    await router.ended()
    assert monotonic() - begun < STOP_SECONDS
    remote.proxy.delay_seconds = 0.0
    remote.proxy.reset()


async def test_who_reads_is_told(
    remote: Remote, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Readers say once that nobody answers any more, read on when somebody does, and end in order when nobody does."""
    kafka = await remote.start()
    monkeypatch.setattr(silence, "SILENT_SECONDS", 0.5)
    await Admin(kafka).ensure_topics([TopicSpec("quiet", 1, ())])
    writer, reader, member = LogWriter(kafka), Reader(kafka), GroupReader(kafka, "members", ["quiet"])
    await asyncio.gather(*(one.start() for one in (writer, reader, member)))
    reader.assign({Place("quiet", 0): 0})
    found = list[Incoming]()

    async def reader_reads() -> None:
        async for records in reader.follow(100):
            found.extend(records)

    async def member_reads() -> None:
        while True:
            found.extend(await member.poll(100, 10))

    def told(word: str) -> int:
        return sum(word in one.getMessage() for one in caplog.records if one.name == "bus.kafka")

    async def written_and_lost(read: int) -> None:
        await writer.append(Outgoing("quiet", 0, b"k", b"v"))
        await until(lambda: len(found) == read, "both to read", seconds=60)
        await asyncio.sleep(1.5)
        assert told("no answer from Kafka") == 0  # a topic may be quiet
        remote.proxy.target = free_port()
        remote.proxy.reset()
        await until(lambda: told("no answer from Kafka") == 2, "both to say that nobody answers", seconds=60)
        await asyncio.sleep(1.5)
        assert told("no answer from Kafka") == 2  # and not again

    reading = [asyncio.create_task(one()) for one in (reader_reads, member_reads)]
    target = remote.proxy.target
    try:
        await written_and_lost(read=2)
        remote.proxy.target = target
        await until(lambda: told("answers again") == 2, "both to say that somebody answers", seconds=60)
        caplog.clear()
        await written_and_lost(read=4)
    finally:
        for task in reading:
            task.cancel()
        async with asyncio.timeout(60):
            await asyncio.gather(*reading, return_exceptions=True)
            await reader.stop()
            await member.stop()
        await no_writer_waits_for_ever(writer)


async def no_writer_waits_for_ever(writer: LogWriter) -> None:
    """Nobody answers, and it has something to send."""
    sending = asyncio.create_task(writer.append(Outgoing("quiet", 0, b"k", b"never sent")))
    await asyncio.sleep(0.2)
    async with asyncio.timeout(STOP_SECONDS):
        await writer.stop()
    with pytest.raises(KafkaUnreachable, match="not sent before the end"):
        await sending


async def ends_without_a_broker(router: RouterUnderTest, remote: Remote) -> None:
    """Told to end while nobody answers, a router is gone as soon as ever."""
    target, remote.proxy.target = remote.proxy.target, free_port()
    remote.proxy.reset()
    await asyncio.sleep(1.5)  # its lanes have failed by then, and a report waits
    begun = monotonic()
    router.signal(signal.SIGTERM)
    await router.ended()
    assert monotonic() - begun < STOP_SECONDS
    remote.proxy.target = target


async def cut_connections(chaos: Chaos, load: Load, log: FaultLog, remote: Remote) -> None:
    """Three times, every connection of everybody."""
    for _ in range(3):
        await load.passed(30)
        phases, since = chaos.router().notes.phases(), load.now()
        remote.proxy.reset()
        log.note("connections cut", phases, await chaos.flows_on(since, seconds=90))


async def slow_links(chaos: Chaos, load: Load, log: FaultLog, remote: Remote) -> None:
    """Every message of everybody late."""
    phases, since = chaos.router().notes.phases(), load.now()
    remote.proxy.delay_seconds = SLOW_SECONDS
    await load.passed(60)
    log.note("slow links", phases, await chaos.flows_on(since, seconds=90))
    remote.proxy.delay_seconds = 0.0


async def kill_the_broker(chaos: Chaos, load: Load, log: FaultLog, remote: Remote) -> None:
    """And wait until it is back."""
    phases, since = chaos.router().notes.phases(), load.now()
    await remote.killed()
    log.note("broker killed", phases, await chaos.flows_on(since, seconds=90))
    await load.passed(30)
