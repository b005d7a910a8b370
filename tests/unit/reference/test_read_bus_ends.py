"""Where partitions end, asked of a broker that has just made them."""

from importlib import import_module
from typing import Any

import pytest
from confluent_kafka import KafkaError, KafkaException, TopicPartition

from seeds.reference.read_bus import BrokerSilent, written_end


class Asker:
    """Refuses so many times, then tells the end."""

    def __init__(self, refusals: int) -> None:
        self.asked = iter([KafkaException(KafkaError(KafkaError.NOT_LEADER_FOR_PARTITION))] * refusals)

    def get_watermark_offsets(self, _: TopicPartition, timeout: float) -> tuple[int, int]:
        del timeout
        for refused in self.asked:
            raise refused
        return 0, 7


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    reading = import_module("seeds.reference.read_bus")
    monkeypatch.setattr(reading, "ASKED_EVERY_SECONDS", 0.001)
    monkeypatch.setattr(reading, "SILENCE_SECONDS", 0.2)


def test_a_new_partition_is_asked_for_again() -> None:
    """A broker that does not know yet that it leads a partition is asked until it does."""
    asker: Any = Asker(3)
    assert written_end(asker, TopicPartition("t", 0)) == 7


def test_a_partition_without_a_leader_ends_the_reading() -> None:
    """One that nobody leads for too long is told as a silent broker."""
    asker: Any = Asker(100_000)
    with pytest.raises(BrokerSilent):
        written_end(asker, TopicPartition("t", 0))
