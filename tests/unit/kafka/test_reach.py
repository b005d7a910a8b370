"""Reaching one of several addresses."""

import asyncio
import socket
from typing import cast

import pytest
from aiokafka.client import AIOKafkaClient

from bus.kafka.access import KafkaAccess
from bus.kafka.reach import PATIENCE_SECONDS, answered, each_in_turn


class Asked:
    """In place of a client: how long it would have waited for an answer while it looked for a broker."""

    def __init__(self, *hosts: str) -> None:
        self.hosts = hosts
        self._request_timeout_ms = 40_000
        self.waited_ms: list[int] = []

    async def bootstrap(self) -> None:
        self.waited_ms.append(self._request_timeout_ms)


async def test_several_addresses_are_tried_within_our_patience() -> None:
    """One that takes connections and says nothing must leave time for the next; afterwards all is as it was."""
    asked = Asked("one:1", "two:1", "three:1")
    await answered(cast("AIOKafkaClient", asked), KafkaAccess("one:1,two:1,three:1"))
    assert len(asked.hosts) * asked.waited_ms[0] < PATIENCE_SECONDS * 1000
    assert asked._request_timeout_ms == 40_000


async def test_a_single_address_has_all_the_time() -> None:
    """There is nothing to hurry for."""
    asked = Asked("one:1")
    each_in_turn(cast("AIOKafkaClient", asked))
    await asked.bootstrap()
    assert asked.waited_ms == [40_000]


async def test_a_silent_address_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a silent address and one that takes the question, the second must have been asked, whatever their order."""
    monkeypatch.setattr("bus.kafka.reach.PATIENCE_SECONDS", 1.0)
    asked = asyncio.Event()

    async def there(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        asked.set()
        writer.close()

    with socket.create_server(("127.0.0.1", 0)) as silent:
        async with asyncio.timeout(5), await asyncio.start_server(there, "127.0.0.1") as server:
            places = [f"127.0.0.1:{one.getsockname()[1]}" for one in (silent, server.sockets[0])]
            monkeypatch.setattr("aiokafka.conn.random.shuffle", lambda _: None)
            client = AIOKafkaClient(**KafkaAccess(",".join(places)).for_aiokafka())
            with pytest.raises(Exception, match="no Kafka broker answers"):
                await answered(client, KafkaAccess(",".join(places)))
            await client.close()
    assert asked.is_set()
