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
BUS = {TOPICS.commands: 8}
DATASETS, OWN = ["land.right", "land.plot"], [spec.name for spec in TOPICS.connector_specs("land")]
CHANGES = [TOPICS.changes(name) for name in DATASETS]


@pytest.mark.parametrize(
    ("topics", "registered", "weight"),
    [
        ([*OWN, *CHANGES], False, Weight.GOOD),
        ([], False, Weight.GOOD),
        (CHANGES, False, Weight.GOOD),
        ([*OWN, CHANGES[0]], False, Weight.ERROR),
        ([], True, Weight.ERROR),
        (CHANGES, True, Weight.ERROR),
    ],
    ids=["all there", "none yet", "another's", "one is missing", "registered, and none there", "none of its own"],
)
async def test_a_connector_that_may_not_be_registered_need_have_no_topics(
    monkeypatch: pytest.MonkeyPatch, topics: list[str], *, registered: bool, weight: Weight
) -> None:
    """Where no user tells that it was registered its own topic does: then all must be there."""

    class There:
        def __init__(self, _access: KafkaAccess) -> None:
            pass

        async def topics(self) -> dict[str, int]:
            return BUS | {name: 1 if name == TOPICS.positions("land") else 8 for name in topics}

    monkeypatch.setattr(founding, "Admin", There)
    (finding,) = await check_bus(REACH, "land", DATASETS, registered=registered)
    assert finding.weight is weight
