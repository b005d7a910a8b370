"""Waiting until a fact has taken effect in every lane, as their reports tell it."""

import asyncio

from bus.clock import monotonic
from bus.errors import NotEffective
from bus.watch.reach import Look
from bus.watch.status import status_of

POLL_SECONDS = 0.2


async def until_effective(look: Look, offset: int, timeout_seconds: float) -> float:
    """Wait until every lane has passed the fact at an offset of the register; returns the seconds that it took.

    A report comes about a second after what it tells. Raises NotEffective at the deadline, naming the lanes that wait.
    """
    began = monotonic()
    async with status_of(look) as status:
        while late := [lane for lane in range(look.topics.lanes) if _reached(status.reports, lane) <= offset]:
            if monotonic() - began > timeout_seconds:
                raise NotEffective(offset=offset, lanes=", ".join(map(str, late)), seconds=timeout_seconds)
            await asyncio.sleep(POLL_SECONDS)
            await status.newest()
    return monotonic() - began


def _reached(reports: dict[int, dict[str, int]], lane: int) -> int:
    return reports.get(lane, {}).get("register_offset", 0)
