"""Which brokers are new enough."""

from types import SimpleNamespace
from typing import Any

import pytest

from bus.errors import KafkaTooOld, KafkaUnreachable
from bus.kafka import version
from bus.kafka.access import KafkaAccess


def client_of(oldest_fetch: int) -> type:
    """A client whose broker speaks Fetch from this version on."""

    class Client:
        hosts = (("kafka.example", 9092),)
        _request_timeout_ms = 40_000

        def __init__(self, **_: Any) -> None:
            pass

        async def bootstrap(self) -> None:
            pass

        async def close(self) -> None:
            pass

        def get_random_node(self) -> int:
            return 1

        async def _get_conn(self, node: int) -> Any:
            assert node == 1
            return SimpleNamespace(_versions={version.FETCH: (oldest_fetch, 17)})

    return Client


async def test_kafka_3_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that still speaks the oldest fetch, as every 3.x does, is refused, and the error says what to do."""
    monkeypatch.setattr(version, "AIOKafkaClient", client_of(0))
    with pytest.raises(KafkaTooOld) as refused:
        await version.require_kafka_4(KafkaAccess("kafka.example:9092"))
    assert "kafka.example:9092" in str(refused.value)
    assert "4.0 or newer" in refused.value.how_to_mend


async def test_kafka_4_is_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker without the fetch versions that 4.0 dropped is taken."""
    monkeypatch.setattr(version, "AIOKafkaClient", client_of(4))
    await version.require_kafka_4(KafkaAccess("kafka.example:9092"))


async def test_an_advertised_name_that_is_not_known_here_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """A broker that answers and sends everybody on to a name that only its own network knows must not pass for down."""
    client = client_of(4)
    cluster = SimpleNamespace(brokers=lambda: [SimpleNamespace(host="kafka-1.inside", port=9093)])

    async def no_connection(*_: object) -> None:
        return None

    monkeypatch.setattr(client, "_get_conn", no_connection)
    monkeypatch.setattr(client, "cluster", cluster, raising=False)
    monkeypatch.setattr(version, "AIOKafkaClient", client)
    monkeypatch.setattr(version, "last_heard", lambda: "Name or service not known")
    with pytest.raises(KafkaUnreachable, match=r"kafka-1\.inside:9093, its advertised\.listeners: Name or service"):
        await version.require_kafka_4(KafkaAccess("kafka.example:9092"))
