"""The register as a process reads it, when reading it fails on the way."""

import json
from typing import Any

import pytest

from bus.errors import SchemaRegistryUnreachable
from bus.kafka.access import KafkaAccess
from bus.model.fact import FactKind
from bus.model.record import Incoming
from bus.register import log
from bus.register.log import Register, fact_message
from bus.topics import Topics
from tests.unit.register.test_state import FOUNDING, fact

FACT = json.dumps(fact_message(fact(FactKind.BUS, "bus", "founded", **FOUNDING))).encode()


class Reader:
    """In place of the topic, which has three facts: gives each of them once."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.stands = 0

    async def read_to_end(self, end: int | None = None) -> list[Incoming]:
        del end
        begin, self.stands = self.stands, 3
        return [Incoming("register", 0, offset, 0, b"bus/bus", FACT, ()) for offset in range(begin, 3)]

    def again(self, offset: int) -> None:
        self.stands = offset


class Messages:
    """Needs a schema registry for the second value that it is given, which is away then."""

    def __init__(self) -> None:
        self.asked = 0

    async def decode(self, data: bytes) -> Any:
        self.asked += 1
        if self.asked == 2:
            raise SchemaRegistryUnreachable(url="http://nowhere", reason="a test")
        return json.loads(data)


async def test_no_fact_is_passed_over(monkeypatch: pytest.MonkeyPatch) -> None:
    """A schema registry that is away as a fact is read costs this reading alone: the next one has every fact, once."""
    monkeypatch.setattr(log, "LogReader", Reader)
    messages: Any = Messages()
    register = Register(KafkaAccess("nowhere:1"), Topics("", 8), messages)
    with pytest.raises(SchemaRegistryUnreachable):
        await register.newest()
    state = await register.newest()
    assert (state.offset, messages.asked) == (3, 4), "three facts, the second one twice"
