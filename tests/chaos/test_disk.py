"""Erasure is not only said: after compaction the erased value is gone from the broker's files."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.clock import monotonic
from bus.kafka.access import KafkaAccess
from bus.model.consent import ConsentAction
from bus.platform.home import Home
from bus.platform.kafka import LocalKafka, _Ports
from bus.platform.processes import Supervisor
from bus.settings import Settings
from tests.broker.conftest import PERSON
from tests.chaos.bus import LANES, Chaos, chaos_bus, environment, set_topic
from tests.chaos.load import BANK, TAX, Load
from tests.chaos.routers import until

pytestmark = [pytest.mark.broker, pytest.mark.timeout(300)]

SHORT_MS = 300
"""What takes a day on a real bus: the age at which a segment is rolled, and at which it must be compacted."""

ERASED, SUBJECT = "Nguyễn Thị Xóa", "001090177777"
CHANGES = f"changes.{PERSON}"
GONE_SECONDS = 120


class ImpatientKafka(LocalKafka):
    """A local broker that cleans at once where others wait: what is tested is that it cleans, not when."""

    def _addresses(self, ports: _Ports) -> dict[str, str]:
        return super()._addresses(ports) | {"log.cleaner.backoff.ms": "200"}


@pytest.fixture
async def broker(tmp_path: Path) -> AsyncIterator[tuple[KafkaAccess, Path]]:
    """A broker of the test's own, and where its files lie."""
    home = Home(tmp_path / "broker")
    supervisor = Supervisor(home)
    yield await ImpatientKafka(home, Settings().cache_path).start(supervisor), home.data / "kafka" / "log"
    await supervisor.stop_all()


async def test_erased_from_the_disk(
    broker: tuple[KafkaAccess, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A withdrawal takes a value out of the recipient's files, and a deletion at the source out of every file."""
    kafka, files = broker
    for name, value in environment(kafka).items():
        monkeypatch.setenv(name, value)
    async with chaos_bus(kafka, "disk.", tmp_path) as chaos:
        shorten(chaos)
        router = chaos.router()
        await router.start()
        await router.serving(LANES)
        async with Load(chaos.bus, people=20) as load:
            await load.add_people([SUBJECT], full_name=ERASED)
            await chaos.bus.consent(SUBJECT, BANK, ConsentAction.GIVE, event_id="given")
            await files_hold(files, {CHANGES, BANK, TAX})
            await chaos.bus.consent(SUBJECT, BANK, ConsentAction.WITHDRAW, event_id="withdrawn")
            await files_hold(files, {CHANGES, TAX})
            load.delete(SUBJECT)
            await files_hold(files, set())


def shorten(chaos: Chaos) -> None:
    """Let what takes a day on a real bus take a second."""
    words = {"segment.ms": SHORT_MS, "max.compaction.lag.ms": SHORT_MS, "file.delete.delay.ms": SHORT_MS}
    topics = chaos.bus.topics
    compacted = [topics.changes(PERSON), chaos.bus.agency_topic(BANK), chaos.bus.agency_topic(TAX)]
    for topic in compacted:
        set_topic(chaos, topic, words)


async def files_hold(files: Path, where: set[str]) -> None:
    """Wait until the name is found in files of these topics and of no others."""
    found: set[str] = set()
    deadline = monotonic() + GONE_SECONDS
    while (found := await asyncio.to_thread(holding, files)) != where:
        assert monotonic() < deadline, f"the name lies in {found}, and should in {where}"
        await asyncio.sleep(0.2)


def holding(files: Path) -> set[str]:
    """The flows in whose partitions any file of the broker holds the name; what is being deleted counts too."""
    found = set()
    for file in files.rglob("*"):
        with contextlib.suppress(FileNotFoundError):
            if file.is_file() and ERASED.encode() in file.read_bytes():
                found.add(file.parent.name)
    return {next((flow for flow in (CHANGES, BANK, TAX) if flow in name), name) for name in found}


@pytest.mark.long
async def test_a_deletion_whose_tombstone_is_gone(
    broker: tuple[KafkaAccess, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A lane that was down for longer than tombstones live still erases what was deleted meanwhile."""
    kafka, _ = broker
    for name, value in environment(kafka).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("BUS_ROUTE_STORE_TRUSTED_SECONDS", "1")
    async with chaos_bus(kafka, "gone.", tmp_path) as chaos:
        changes = chaos.bus.topics.changes(PERSON)
        shorten(chaos)
        set_topic(chaos, changes, {"delete.retention.ms": SHORT_MS})
        router = chaos.router()
        await router.start()
        async with Load(chaos.bus, people=20) as load:
            await load.add_people([SUBJECT], full_name=ERASED)
            await until_held(chaos, holds=True)
            await router.stop()
            load.delete(SUBJECT)
            await until_forgotten(chaos, changes)
            await router.start()
            await until_held(chaos, holds=False)
        _, verdict = await chaos.verdict()
    assert verdict.counts["kept"] == 0, verdict


async def until_held(chaos: Chaos, *, holds: bool) -> None:
    """Wait until the tax authority holds the subject's record, or holds it no more."""
    key = f"{SUBJECT}/{SUBJECT}".encode()
    await until(lambda: (key in chaos.bus.held(TAX)) is holds, f"the tax authority to hold the record: {holds}")


async def until_forgotten(chaos: Chaos, topic: str) -> None:
    """Wait until nothing in a topic remembers the subject, not even the tombstone."""
    key = f"{SUBJECT}/{SUBJECT}".encode()
    seen = chaos.bus.read

    def forgotten() -> bool:
        return all(record.key != key for record in seen(topic))

    await until(forgotten, "the tombstone to be compacted away", seconds=GONE_SECONDS)
