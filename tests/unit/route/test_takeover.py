"""The day of a scheduled text: when a router tells of it, and that it does so until it counts."""

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.kafka.log import KafkaError
from bus.route import takeover
from bus.route.takeover import LONGEST_WAIT_SECONDS, TakeOver


class Register:
    """Knows days by name; what is told counts the fourth time, for the broker's clock is behind."""

    def __init__(self) -> None:
        self.days = {"a": 10_000}
        self.now, self.counted = 9_000, asyncio.Event()
        self.told: list[str] = []
        self.fails = 0
        self.state = self

    async def newest(self) -> "Register":
        return self

    async def append(self, *names: str) -> None:
        if self.fails:
            self.fails -= 1
            raise KafkaError
        self.told += names
        if len(self.told) == 4:
            self.days = {}
            self.counted.set()


@pytest.fixture
def register(monkeypatch: pytest.MonkeyPatch) -> Register:
    """One day is to come; a pause is short."""
    one = Register()

    def due(state: Any, now_ms: int, _: str) -> list[str]:
        return [name for name, moment in state.days.items() if moment <= now_ms]

    monkeypatch.setattr(takeover, "scheduled", lambda state: state.days)
    monkeypatch.setattr(takeover, "facts_of_the_day", due)
    monkeypatch.setattr(takeover, "clock", SimpleNamespace(now_ms=lambda: one.now))
    monkeypatch.setattr(takeover, "PAUSE_SECONDS", 0.001)
    return one


def of(register: Any) -> TakeOver:
    return TakeOver(register, register, by="route")


@pytest.mark.parametrize(
    ("now", "seconds"), [(9_000, 1.0), (10_000, 0.0), (99_000, 0.0), (-9_000_000, LONGEST_WAIT_SECONDS)]
)
def test_how_long_it_waits(now: int, seconds: float, register: Register) -> None:
    """Until the next day, but never so long that a clock which is set meanwhile would matter."""
    register.now, register.days = now, {"later": 10_500, "a": 10_000}
    assert of(register)._seconds_to_next() == seconds
    register.days = {}
    assert of(register)._seconds_to_next() == LONGEST_WAIT_SECONDS


async def test_a_day_is_told_until_it_counts(register: Register) -> None:
    """Not before it has come; then again and again, past failures, while the broker's clock is behind; then no more."""
    one = of(register)
    running = asyncio.create_task(one.run())
    with capture_logs() as logged:
        await asyncio.sleep(0)
        one.wake()
        await asyncio.sleep(0)
        assert register.told == []
        register.now, register.fails = 10_000, 2
        one.wake()
        await asyncio.wait_for(register.counted.wait(), 10)
        assert not await one.tell()
    assert (register.told, [line["event"] for line in logged]) == (["a"] * 4, ["day-not-told"] * 2)
    running.cancel()
    await asyncio.gather(running, return_exceptions=True)
