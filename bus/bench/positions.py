"""Where the lanes stand, read off `lane-state` without reading all of it."""

from bus.avro.own import OwnMessages
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, Reader
from bus.route.state import Position
from bus.route.store.bodies import position_of
from bus.topics import Topics

LATELY = 2
"""A lane's position is the last record of each of its transactions; after it comes the marker."""


class Positions:
    """Asks for the lanes' committed positions."""

    def __init__(self, access: KafkaAccess, topics: Topics, messages: OwnMessages) -> None:
        self._reader = Reader(access, committed=True)
        self._asker = Reader(access, committed=True)
        self._messages = messages
        self._places = [Place(topics.lane_state, lane) for lane in range(topics.lanes)]
        self._known: dict[int, Position] = {}

    async def start(self) -> None:
        """Connect."""
        await self._reader.start()
        await self._asker.start()

    async def stop(self) -> None:
        """Close the connections."""
        await self._reader.stop()
        await self._asker.stop()

    async def now(self) -> dict[int, Position]:
        """The newest committed position of each lane; none for a lane that has none."""
        ends = await self._asker.ends(self._places)
        self._reader.assign({place: max(0, end - LATELY) for place, end in ends.items()})
        for record in await self._reader.poll(50):
            if record.key == b"position" and record.value is not None:
                self._known[record.partition] = position_of(await self._messages.decode(record.value))
        return dict(self._known)

    def offsets(self, dataset: str) -> dict[int, int]:
        """The next change of each lane, as `now` saw it last."""
        return {lane: position.inputs.get(dataset, 0) for lane, position in self._known.items()}
