"""A recipient's client while something that it needs is away."""

import logging
import socket
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.deliver.subscribe import Subscription, Wanted
from bus.errors import SchemaRegistryUnreachable
from bus.model.record import Incoming
from bus.topics import Topics

PERSON = b"001090000001"
ALL = Wanted(Topics("", 1), "a", frozenset())


class OneRecord:
    """Stands for the broker: one record of a person, and nothing else."""

    async def poll(self, timeout_ms: int, max_records: int) -> list[Incoming]:
        """The record."""
        del timeout_ms, max_records
        return [Incoming("agency.a.b.v1", 0, 0, 0, PERSON, b"\x00\x00\x00\x00\x01" + PERSON)]


async def test_nothing_personal_is_logged_while_the_registry_is_away(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """The registry is asked again and again, and neither key nor value of the record that waits stands in any log."""
    monkeypatch.setattr("bus.deliver.subscribe.REGISTRY_PATIENCE_SECONDS", 0.5)
    with socket.create_server(("127.0.0.1", 0)) as listener:
        url = f"http://127.0.0.1:{listener.getsockname()[1]}"
    caplog.set_level(logging.DEBUG)
    broker: Any = OneRecord()
    with capture_logs() as logged:
        async with SchemaRegistryClient(RegistryAccess(url)) as client:
            with pytest.raises(SchemaRegistryUnreachable):
                async for _ in Subscription(broker, ALL, {"agency.a.b.v1": "b"}, client, "agency-a"):
                    pass
    assert logged, "the attempts are logged"
    assert PERSON.decode() not in f"{logged} {caplog.text}"
