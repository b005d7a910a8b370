"""All lanes of one process: each is served by a task of its own, which begins anew after a failure."""

import asyncio
import contextlib
from collections import defaultdict
from collections.abc import Iterable

from bus import clock
from bus.errors import BusError, CommitUncertain, Fenced, TransactionTooLong
from bus.route.parts import Parts
from bus.route.runner import Lane
from bus.route.trouble import HEALTHY_SECONDS, Trouble, bear
from bus.telemetry import Event, emit, told_of

LAST_TRANSACTION_SECONDS = 1.2
"""How long a lane that is given up may take to finish its transaction. One that takes longer is cut off: the fence of
the next owner keeps it from doing harm, and what it had begun is done again."""

CUT_OFF_SECONDS = 0.5


class Router:
    """The lanes that this process owns."""

    def __init__(self, parts: Parts) -> None:
        self._parts = parts
        self._tasks: dict[int, asyncio.Task[None]] = {}
        self._lanes: dict[int, Lane] = {}
        self._troubles: dict[int, Trouble] = defaultdict(Trouble)
        self._owning = False
        self._failing = asyncio.Event()
        self._failure: BusError | None = None

    async def got(self, lanes: frozenset[int]) -> None:
        """Serve these lanes."""
        for lane in lanes - self._tasks.keys():
            self._lanes[lane] = Lane(lane, self._parts)
            self._tasks[lane] = asyncio.create_task(self._serve(lane), name=f"lane-{lane}")
        self._owning = True

    async def gave_up(self, lanes: Iterable[int]) -> None:
        """End these lanes in order: each finishes its transaction; one that has none under way just ends."""
        tasks = {lane: self._tasks.pop(lane) for lane in lanes if lane in self._tasks}
        for lane, task in tasks.items():
            serving = self._lanes.pop(lane)
            serving.stop()
            if not serving.serving.is_set():
                task.cancel()  # it reads its state back, or waits to begin anew
        if not tasks:
            return
        _, unfinished = await asyncio.wait(tasks.values(), timeout=LAST_TRANSACTION_SECONDS)
        for task in unfinished:
            task.cancel()
        if unfinished:
            await asyncio.wait(unfinished, timeout=CUT_OFF_SECONDS)

    async def stop(self) -> None:
        """End every lane in order."""
        await self.gave_up(frozenset(self._tasks))

    def lanes(self) -> list[Lane]:
        """The lanes that this process serves now."""
        return list(self._lanes.values())

    def wake(self) -> None:
        """Tell every lane that there may be news."""
        for lane in self._lanes.values():
            lane.wake()

    def serves_all(self) -> bool:
        """Whether this process knows what it owns, and each of its lanes serves."""
        return self._owning and all(lane.serving.is_set() for lane in self._lanes.values())

    async def failed(self) -> None:
        """Wait until a lane has failed for good, and raise why: then the process must end."""
        await self._failing.wait()
        if self._failure is not None:
            raise self._failure

    async def _serve(self, lane: int) -> None:
        serving = self._lanes[lane]
        while not serving.stopping.is_set():
            began = clock.monotonic()
            try:
                await serving.run()
            except Exception as error:  # noqa: BLE001 - whatever it was, a lane starts anew and says so
                healthy = bool(serving.report.transactions) or clock.monotonic() - began > HEALTHY_SECONDS
                pause = self._judge(lane, error, healthy=healthy)
                if pause is None or self._lanes.get(lane) is not serving:
                    return
                serving = self._lanes[lane] = serving.again(fenced=isinstance(error, Fenced))
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(serving.stopping.wait(), pause)

    def _judge(self, lane: int, error: Exception, *, healthy: bool) -> float | None:
        """How long to wait before the lane begins anew; None when the process gives up."""
        settings, fenced = self._parts.settings, isinstance(error, Fenced)
        before = self._troubles[lane]
        trouble = before.fenced(clock.monotonic()) if fenced else before.failed(healthy=healthy)
        self._troubles[lane] = trouble
        told = told_of(error)
        # who was fenced first asks the group, by its next heartbeat, whether the lane is still its own
        pause = trouble.pause_seconds(at_least=settings.heartbeat_ms * 1.25 / 1000 if fenced else 0.0)
        expected = fenced or isinstance(error, CommitUncertain)
        emit(Event.LANE_FAILED, lane=lane, error=told, expected=expected, again_in_seconds=pause)
        try:
            if isinstance(error, TransactionTooLong):  # trying again would change nothing
                raise error
            bear(lane, trouble, failures=settings.lane_failures, fences=settings.lane_fences, last=told)
        except BusError as ending:
            self._failure = ending
            self._failing.set()
            return None
        return pause
