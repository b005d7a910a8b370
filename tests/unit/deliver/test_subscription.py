"""A recipient's client while something that it needs is away."""

import logging
import socket
from datetime import date
from typing import Any

import pytest
from aiokafka.errors import TopicAuthorizationFailedError
from structlog.testing import capture_logs

from bus.avro.access import RegistryAccess
from bus.avro.client import SchemaRegistryClient
from bus.avro.codec import Parsed, encode, parse
from bus.avro.frame import frame
from bus.deliver import subscribe
from bus.deliver.arrival import Erasure, Release
from bus.deliver.subscribe import Subscription, Wanted
from bus.errors import RecordUnreadable, SchemaRegistryUnreachable, TopicForbidden
from bus.model.reasons import Reason
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


VIEW = {"type": "record", "name": "V", "fields": [{"name": "born", "type": {"type": "int", "logicalType": "date"}}]}
TOPIC, LATER = "agency.a.b.v1", "agency.a.b.v2"
VALUE = frame(7, encode(parse(VIEW), {"born": 3}))


class Registry:
    """Knows one schema."""

    async def parsed(self, schema_id: int, *, logical: bool) -> Parsed:
        assert schema_id == 7
        return parse(VIEW, logical=logical)


class Broker:
    """Hands out batches, and notes what it is asked for."""

    def __init__(self, *batches: list[Incoming]) -> None:
        self.left, self.story = [*batches], list[str]()
        self.topics = [TOPIC]

    async def poll(self, _timeout_ms: int, _max_records: int) -> list[Incoming]:
        self.story.append("asked")
        if not self.left:
            raise TopicAuthorizationFailedError
        return self.left.pop(0)

    async def done(self) -> None:
        self.story.append("done")

    async def visible(self) -> list[str]:
        return self.topics

    async def read_too(self, agreements: dict[str, str]) -> None:
        self.story.append(f"reads {sorted(agreements)}")


def subscribed(broker: Any, agreements: dict[str, str] | None = None) -> Subscription:
    registry: Any = Registry()
    return Subscription(broker, ALL, agreements or {TOPIC: "b"}, registry, "agency-a")


def record(offset: int, value: bytes | None, *headers: tuple[str, bytes], key: bytes | None = b"p/1") -> Incoming:
    return Incoming(TOPIC, 2, offset, 0, key, value, headers)


async def test_what_a_recipient_is_given() -> None:
    """A view comes with its dates as Python's, and an erasure with its reason, each with its agreement and place."""
    time = ("ce_time", b"2026-01-01T00:00:00Z")
    reason = ("ce_erasurereason", Reason.CONSENT_WITHDRAWN.value.encode())
    broker = Broker([record(4, VALUE, time), record(5, None, time, reason), record(6, None, key=b"\xff")])
    batches = subscribed(broker).batches()
    batch = await anext(batches)
    place, told = ("b", TOPIC, 2), "2026-01-01T00:00:00Z"
    assert batch[0] == Release(*place, 4, told, "p/1", {"born": date(1970, 1, 4)}, 7)
    assert batch[1] == Erasure(*place, 5, told, "p/1", "consent-withdrawn", Reason.CONSENT_WITHDRAWN.meaning)
    assert isinstance(batch[2], Erasure)
    assert (batch[2].key, batch[2].time, batch[2].reason) == ("\ufffd", None, None)


async def test_what_was_given_is_done_when_the_next_is_asked_for() -> None:
    """Nothing counts as done before its recipient comes back for more; a right that was taken away is told."""
    broker = Broker([record(4, VALUE)], [], [record(5, VALUE)])
    batches = subscribed(broker).batches()
    await anext(batches)
    assert broker.story == ["asked"]
    await anext(batches)
    assert broker.story == ["asked", "done", "asked", "done", "asked"]
    with pytest.raises(TopicForbidden, match="agency-a"):
        await anext(batches)


async def test_nothing_is_passed_over() -> None:
    """Bytes that nobody can read end the subscription before they count as done."""
    broker = Broker([record(4, b"no frame")], [record(5, VALUE)])
    with pytest.raises(RecordUnreadable):
        await anext(subscribed(broker).batches())
    assert broker.story == ["asked"]


async def test_flows_that_begin_later(monkeypatch: pytest.MonkeyPatch) -> None:
    """A new major version of an agreement is read too, once its topic is there."""
    monkeypatch.setattr(subscribe, "LOOK_SECONDS", 0.0)
    broker = Broker(*([record(offset, VALUE)] for offset in range(3)))
    batches = subscribed(broker).batches()
    await anext(batches)
    broker.topics = [TOPIC, LATER, "agency.another.b.v1"]
    await anext(batches)
    await anext(batches)
    assert [one for one in broker.story if one.startswith("reads")] == [f"reads {[TOPIC, LATER]}"]
