"""What who reads is told of a topic that somebody deleted."""

from collections.abc import Awaitable, Callable
from types import SimpleNamespace
from typing import Any, cast

import pytest
from aiokafka.errors import KafkaError, KafkaTimeoutError, UnknownTopicOrPartitionError

from bus.errors import TopicGone
from bus.kafka.access import KafkaAccess
from bus.kafka.fetching import Fetching
from bus.kafka.log import Place, Reader

PLACES = [Place("consents", 1), Place("register", 0)]


class Cluster:
    """In place of a client and its cluster, of which only the register is left."""

    def __init__(self, *, answers: bool) -> None:
        self._answers = answers
        self.cluster = self

    def leader_for_partition(self, place: Any) -> int | None:
        return 1 if place.topic == "register" else None

    def partitions_for_topic(self, topic: str) -> set[int] | None:
        return {0} if topic == "register" else None

    async def force_metadata_update(self) -> bool:
        return self._answers

    async def _wait_on_metadata(self, topic: str) -> None:
        assert topic == "consents"
        raise UnknownTopicOrPartitionError

    async def late(self, _: object) -> None:
        raise KafkaTimeoutError


async def ends_of_a_fetching(cluster: Cluster) -> object:
    one = Fetching(KafkaAccess("nowhere:1"), committed=True)
    one._client = cast("Any", cluster)
    return await one.ends(PLACES)


async def ends_of_a_reader(cluster: Cluster) -> object:
    return await reader(cluster).ends(PLACES)


async def beginnings_of_a_reader(cluster: Cluster) -> object:
    return await reader(cluster).beginnings(PLACES)


def reader(cluster: Cluster) -> Reader:
    one = Reader.__new__(Reader)
    one._access, one._seen = KafkaAccess("nowhere:1"), {"consents", "register"}
    consumer = SimpleNamespace(_client=cluster, end_offsets=cluster.late, beginning_offsets=cluster.late)
    one._consumer = cast("Any", consumer)
    return one


@pytest.mark.parametrize("asked", [ends_of_a_fetching, ends_of_a_reader, beginnings_of_a_reader])
@pytest.mark.parametrize("answers", [True, False])
async def test_it_is_named(asked: Callable[[Cluster], Awaitable[object]], *, answers: bool) -> None:
    """Who deleted it must read its name; while no broker answers, nobody can know that it is gone."""
    with pytest.raises(TopicGone if answers else KafkaError) as raised:
        await asked(Cluster(answers=answers))
    assert isinstance(raised.value, TopicGone) is answers
    assert not answers or str(raised.value) == "topic consents is not there at nowhere:1"
