"""Topics that somebody set otherwise than the bus needs: the router tells its log of each, and works on."""

import asyncio
import contextlib
from collections.abc import Iterable, Mapping
from typing import Protocol

from bus.errors import KafkaUnreachable, RightMissing, TopicDrifted
from bus.register.grounds import topics_of
from bus.register.log import Register
from bus.telemetry import Event, emit
from bus.topics import Topics, TopicSpec

LOOKED_EVERY_SECONDS = 60.0


class Sees(Protocol):
    """An administrator, as far as it sees how topics are set."""

    async def partitions(self, names: Iterable[str]) -> dict[str, int]:
        """How many each of these topics has that is there."""
        ...

    async def drifts(self, specs: list[TopicSpec], present: dict[str, int]) -> list[TopicDrifted]:
        """What is not as it must be."""
        ...


class Drifts:
    """Of all topics that the router reads or writes."""

    def __init__(self, admin: Sees, topics: Topics, register: Register) -> None:
        self._admin = admin
        self._topics = topics
        self._register = register
        self._told: set[str] = set()

    async def run(self) -> None:
        """Look now, and then every minute."""
        while True:
            await self.look()
            await asyncio.sleep(LOOKED_EVERY_SECONDS)

    async def look(self) -> None:
        """Tell of what is not as it must be, each once; one that may not be asked about is not known."""
        with contextlib.suppress(KafkaUnreachable, RightMissing):
            present = await self._admin.partitions(one.name for one in self._specs({}))
            found = {str(one): one for one in await self._admin.drifts(self._specs(present), present)}
            for error in found.keys() - self._told:
                emit(Event.TOPIC_DRIFTED, error=error, remedy=found[error].how_to_mend)
            self._told = set(found)

    def _specs(self, present: Mapping[str, int]) -> list[TopicSpec]:
        return [*self._topics.of_lanes(), *topics_of(self._topics, self._register.state, present)]
