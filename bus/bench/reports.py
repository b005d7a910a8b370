"""What the router tells of itself while it is measured."""

import asyncio

from bus import clock
from bus.bench.ground import Ground
from bus.kafka.log import Place, Reader
from bus.telemetry.loop import WINDOW_SECONDS


class Reports:
    """Listens to the lanes' reports. A standstill counts when it can only have been after the listening began."""

    def __init__(self, bus: Ground) -> None:
        self.loop_max_ms = 0.0
        self.heard = False
        self._counts: dict[int, list[tuple[int, int]]] = {}
        """By lane: when a report was made, and how many transactions the lane had committed by then."""

        self._bus = bus
        self._reader = Reader(bus.access, committed=True)
        self._counts_from = clock.now_ms() + int(WINDOW_SECONDS * 1000)

    async def start(self) -> None:
        """Listen from now on."""
        await self._reader.start()
        self._reader.assign(await self._reader.ends([Place(self._bus.topics.status, 0)]))
        self._task = asyncio.create_task(self._run(), name="reports")

    async def stop(self) -> None:
        """Listen no more."""
        self._task.cancel()
        await asyncio.gather(self._task, return_exceptions=True)
        await self._reader.stop()

    def transactions_a_second(self) -> float | None:
        """Of all lanes together, between their first and their last report; None where there was but one."""
        rates = [
            (last - first) * 1000 / (ended - begun)
            for (begun, first), (ended, last) in ((told[0], told[-1]) for told in self._counts.values())
            if ended > begun
        ]
        return round(sum(rates), 1) if rates else None

    async def _run(self) -> None:
        while True:
            for record in await self._reader.poll(1000):
                if (record.key or b"").startswith(b"lane/") and record.value is not None:
                    report = await self._bus.messages.decode(record.value)
                    self._counts.setdefault(report["lane"], []).append((report["at"], report["transactions"]))
                    if report["at"] >= self._counts_from and report["loop_max_ms"] is not None:
                        self.heard = True
                        self.loop_max_ms = max(self.loop_max_ms, report["loop_max_ms"])
