"""What a check says of a bus whose topics are known."""

import pytest

from bus.avro.access import RegistryAccess
from bus.connect import founding
from bus.connect.findings import Weight
from bus.connect.founding import check_bus
from bus.connect.recall import Reach
from bus.kafka.access import KafkaAccess
from bus.topics import Topics

TOPICS = Topics("", 8)
REACH = Reach(KafkaAccess("kafka:1"), RegistryAccess("http://sr"), TOPICS)
BUS = {TOPICS.positions: 1, TOPICS.commands: 8, TOPICS.deadletters: 8}


@pytest.mark.parametrize(
    ("topics", "registered", "weight"),
    [
        (["land.right", "land.plot"], False, Weight.GOOD),
        ([], False, Weight.GOOD),
        (["land.right"], False, Weight.ERROR),
        ([], True, Weight.ERROR),
    ],
    ids=["all there", "none yet", "one is missing", "registered, and none there"],
)
async def test_a_connector_that_may_not_be_registered_need_have_no_topics(
    monkeypatch: pytest.MonkeyPatch, topics: list[str], *, registered: bool, weight: Weight
) -> None:
    """Where no user tells that it was registered its topics do: all or none of them are right."""

    class There:
        def __init__(self, _access: KafkaAccess) -> None:
            pass

        async def topics(self) -> dict[str, int]:
            return BUS | {TOPICS.changes(name): 8 for name in topics}

    monkeypatch.setattr(founding, "Admin", There)
    (finding,) = await check_bus(REACH, ["land.right", "land.plot"], registered=registered)
    assert finding.weight is weight
