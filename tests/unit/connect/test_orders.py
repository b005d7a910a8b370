"""Orders as a connector takes them up, before it obeys any."""

import asyncio
from collections.abc import AsyncIterator, Mapping
from typing import Any

import pytest
from structlog.testing import capture_logs

from bus.connect.orders import Orders
from bus.kafka.log import Place
from bus.model.record import Incoming

MESSAGE: dict[str, Any] = {
    "order_id": "o1",
    "kind": "pause",
    "datasets": [],
    "from_key": None,
    "to_key": None,
    "by": "operator",
    "at": 0,
}


class Slow:
    """The bus's own messages, with a schema that has to be asked for first."""

    def __init__(self, message: dict[str, Any] = MESSAGE) -> None:
        self.answered = asyncio.Event()
        self.message = message

    async def decode(self, value: bytes) -> dict[str, Any]:
        await self.answered.wait()
        return self.message


async def test_an_order_is_passed_only_when_it_waits() -> None:
    """While it is still being read, what is committed says that it is to come: after a kill it is read again."""
    own = Slow()
    orders = Orders("land", own)  # type: ignore[arg-type] # it decodes, and nothing else
    taking = asyncio.create_task(orders._take(Incoming("commands", 0, 7, 0, b"connector/land", b"")))
    await asyncio.sleep(0)
    assert (orders.end, orders.first()) == (0, None)
    own.answered.set()
    await taking
    first = orders.first()
    assert first is not None
    assert (orders.end, first[0], orders.arrived.is_set()) == (8, 7, True)


@pytest.mark.parametrize(
    ("field", "given"),
    [
        ("order_id", 7),
        ("kind", 4),
        ("datasets", None),
        ("datasets", [1]),
        ("from_key", 5),
        ("to_key", "5"),
        ("to_key", "["),
        ("by", None),
        ("at", "x"),
    ],
)
async def test_an_order_of_other_types(field: str, given: Any) -> None:
    """An order by somebody's own schema, of which nothing could be told, is passed over: it ends no connector."""
    own = Slow({**MESSAGE, field: given})
    own.answered.set()
    orders = Orders("land", own)  # type: ignore[arg-type] # as above
    with capture_logs() as logged:
        await orders._take(Incoming("commands", 0, 7, 0, b"connector/land", b""))
    assert (orders.end, orders.first(), [one["event"] for one in logged]) == (8, None, ["order-unreadable"])


PLACE = Place("commands", 0)


class Kept:
    """A reader of a partition that begins at 10 and ends at 12."""

    def __init__(self, *_: object, committed: bool) -> None:
        self.committed = committed

    async def start(self) -> None: ...

    async def stop(self) -> None: ...

    async def beginnings(self, places: list[Place]) -> Mapping[Place, int]:
        return dict.fromkeys(places, 10)

    async def ends(self, places: list[Place]) -> Mapping[Place, int]:
        return dict.fromkeys(places, 12)

    def assign(self, positions: Mapping[Place, int]) -> None: ...

    async def follow(self) -> AsyncIterator[list[Incoming]]:
        await asyncio.Event().wait()
        yield []


@pytest.mark.parametrize(
    ("after", "begins_at", "told"), [(None, 12, 0), (10, 10, 0), (12, 12, 0), (4, 10, 1), (20, 12, 1)]
)
async def test_orders_that_nobody_keeps_are_told(
    monkeypatch: pytest.MonkeyPatch, after: int | None, begins_at: int, told: int
) -> None:
    """A connector that was stopped for longer than orders are kept says that it may lack some."""
    monkeypatch.setattr("bus.connect.orders.Reader", Kept)
    orders = Orders("land", Slow())  # type: ignore[arg-type] # as above
    with capture_logs() as logged:
        async with orders.following(None, PLACE, after):  # type: ignore[arg-type] # nobody is reached by it
            assert orders.end == begins_at
    assert [one["event"] for one in logged] == ["orders-gone"] * told
