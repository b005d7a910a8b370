"""Orders as a connector takes them up, before it obeys any."""

import asyncio
from typing import Any

from bus.connect.orders import Orders
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

    def __init__(self) -> None:
        self.answered = asyncio.Event()

    async def decode(self, value: bytes) -> dict[str, Any]:
        await self.answered.wait()
        return MESSAGE


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
