"""Topics that somebody set otherwise than the bus needs: the router tells its log of each, and works on."""

import contextlib
from typing import Protocol

from bus.errors import KafkaUnreachable, RightMissing, TopicDrifted
from bus.register.grounds import topics_of
from bus.register.log import Register
from bus.telemetry import Event, emit
from bus.topics import Topics, TopicSpec


class Sees(Protocol):
    """An administrator, as far as it sees how topics are set."""

    async def topics(self) -> dict[str, int]:
        """Every topic and its number of partitions."""
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

    async def look(self) -> None:
        """Tell of what is not as it must be, each once; one that may not be asked about is not known."""
        with contextlib.suppress(KafkaUnreachable, RightMissing):
            present = await self._admin.topics()
            specs = [*self._topics.of_lanes(), *topics_of(self._topics, self._register.state, present)]
            found = {str(one): one for one in await self._admin.drifts(specs, present)}
            for error in found.keys() - self._told:
                emit(Event.TOPIC_DRIFTED, error=error, remedy=found[error].how_to_mend)
            self._told = set(found)
