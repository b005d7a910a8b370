"""A cluster of three brokers that loses leaders of lanes' state and coordinators of their transactions."""

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from bus.kafka.rights import router_group
from tests.chaos.bus import LANES, chaos_bus, environment
from tests.chaos.cluster import Cluster, java_hash
from tests.chaos.load import Load
from tests.chaos.table import FaultLog

pytestmark = [pytest.mark.broker]

ROUNDS = 3


@pytest.fixture
async def cluster(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Cluster]:
    """Three brokers, not yet started."""
    found = Cluster(tmp_path / "cluster", monkeypatch)
    yield found
    await found.stop()


@pytest.mark.long
@pytest.mark.timeout(1800)
async def test_leaders_and_coordinators_are_lost(
    cluster: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A cluster that loses the leader of a lane's state or the coordinator of its transactions loses nothing else."""
    kafka = await cluster.start()
    for name, value in environment(kafka).items():
        monkeypatch.setenv(name, value)
    log = FaultLog()
    async with chaos_bus(kafka, "three.", tmp_path) as chaos:
        topics = chaos.bus.topics
        router = chaos.router()
        await router.start()
        await router.serving(LANES)
        async with Load(chaos.bus) as load:
            await load.passed(60)
            for lane in range(ROUNDS):
                chosen = {
                    "leader of lane-state killed": cluster.leader(kafka, topics.lane_state, lane % LANES),
                    "coordinator killed": cluster.coordinator(kafka, f"{router_group(topics)}-{lane % LANES}"),
                }
                for kind, number in chosen.items():
                    phases, since = router.notes.phases(), load.now()
                    await cluster.killed(number)
                    log.note(kind, phases, await chaos.flows_on(since, seconds=120))
                    await cluster.in_sync(kafka, [topics.lane_state, topics.disclosures, "__transaction_state"])
        evidence, verdict = await chaos.verdict()
    log.show(evidence, verdict)
    assert verdict.clean, verdict


def test_the_coordinator_is_found_as_a_broker_finds_it() -> None:
    """The hash of an id is that of Java, made positive; the smallest number of all becomes 0."""
    assert java_hash("hello") == 99162322
    assert java_hash("Hello, World!") == 1498789909
    assert java_hash("consumer-offsets") >= 0
    assert java_hash("polygenelubricants") == 0
