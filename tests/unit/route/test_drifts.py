"""Topics that are not set as they must be, as a router tells of them."""

from collections.abc import Iterable
from typing import Any, cast

import pytest

from bus.errors import KafkaUnreachable, RightMissing, TopicDrifted
from bus.register.log import Register
from bus.register.state import RegisterState
from bus.route import drift
from bus.route.drift import Drifts
from bus.telemetry import Event
from bus.topics import Topics, TopicSpec

SHORT = TopicDrifted(topic="consents", setting="retention.ms", found="1000", needed="-1")
SHORTER = TopicDrifted(topic="consents", setting="retention.ms", found="10", needed="-1")


class Told:
    """An administrator that finds these, one after the other, or does not get so far."""

    def __init__(self, *found: list[TopicDrifted] | Exception) -> None:
        self._found = list(found)

    async def partitions(self, names: Iterable[str]) -> dict[str, int]:
        assert {"consents", "lane-state", "register"} <= set(names)
        return {}

    async def drifts(self, specs: list[TopicSpec], _: dict[str, int]) -> list[TopicDrifted]:
        assert {"consents", "lane-state", "register"} <= {one.name for one in specs}
        found = self._found.pop(0)
        if isinstance(found, Exception):
            raise found
        return found


async def test_each_is_told_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who sets a topic by hand must read of it in the log: once, again when it is another value, and again later."""
    looks = Told(
        [SHORT],
        [SHORT],
        KafkaUnreachable(bootstrap="b:1", reason="gone"),
        RightMissing(user="route", what="see how topics are set", bootstrap="b:1"),
        [SHORTER],
        [],
        [SHORTER],
    )
    told = list[tuple[str, str]]()

    def emit(event: Event, *, error: str, remedy: str) -> None:
        assert "kafka-configs" in remedy
        told.append((event.value, error))

    monkeypatch.setattr(drift, "emit", emit)
    register: Any = type("Read", (), {"state": RegisterState()})
    drifts = Drifts(looks, Topics("", 2), cast("Register", register))
    for _ in range(7):
        await drifts.look()
    assert told == [("topic-drifted", str(one)) for one in (SHORT, SHORTER, SHORTER)]
