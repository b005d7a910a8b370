"""Asking for what is new in some partitions, and where they end, in as few steps as may be.

The client's own consumer keeps a task that fetches and hands over to whoever polls, and each hand-over is a turn of the
event loop: a lane's records passed some ten of them. Here who reads asks, and has the answer in the turn in which it
comes. Which records count as committed is still for the client to say.
"""

import asyncio
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from itertools import chain
from typing import Any, NamedTuple

from aiokafka import TopicPartition
from aiokafka.client import AIOKafkaClient
from aiokafka.consumer import fetcher
from aiokafka.errors import (
    InvalidTopicError,
    KafkaError,
    KafkaTimeoutError,
    NoError,
    OffsetOutOfRangeError,
    TopicAuthorizationFailedError,
    for_code,
)

from bus import clock
from bus.errors import OffsetsGone
from bus.kafka.access import KafkaAccess
from bus.kafka.epochs import AskEnds, Fetch
from bus.kafka.log import NO_OFFSETS, Place, as_it_is
from bus.kafka.names import Batches
from bus.kafka.reach import answered, known
from bus.kafka.requests import by_topic
from bus.kafka.unended import Unended, unended
from bus.model.record import Incoming

WAIT_MS = 500
"""How long the broker may hold back an answer for want of records; new ones end it at once."""

PARTITION_BYTES, ANSWER_BYTES = 4 << 20, 50 << 20
BACKOFF_SECONDS, PATIENCE_SECONDS = 0.1, 40.0
FOR_GOOD = (InvalidTopicError, TopicAuthorizationFailedError)
"""Answers that will not become others by asking again."""


class Part:
    """What one answer holds of one partition; unpacked as it is taken."""

    def __init__(self, place: Place, packed: Any) -> None:
        self.place = place
        self._packed = packed

    def __iter__(self) -> Iterator[Incoming]:
        return iter(self._packed)

    @property
    def reached(self) -> int:
        """The offset after what was taken; once all is, also past what nobody sees, such as markers."""
        offset: int = self._packed.next_fetch_offset
        return offset


class Answer(NamedTuple):
    """What came, and where the partitions end that were watched."""

    parts: list[Part]
    ends: Mapping[Place, int]
    """Of each watched partition, read by the broker after the parts were; empty where not all of them are told."""


class Fetching:
    """Asks the leaders of partitions, each one question at a time; knows no positions and no group."""

    def __init__(self, access: KafkaAccess, *, committed: bool) -> None:
        self._access = access
        self._client = AIOKafkaClient(**access.for_aiokafka())
        self._isolation = fetcher.READ_COMMITTED if committed else fetcher.READ_UNCOMMITTED
        self._asked: dict[int, asyncio.Task[Answer]] = {}
        self.unended: dict[Place, Unended] = {}
        """Of what is read as committed: where somebody's transaction stands in the way, as of the last answer."""
        self._epochs: dict[Place, int] = {}
        """Of leaders that have told an end: in no other epoch of theirs one may be taken from a fetch."""

    async def start(self) -> None:
        """Connect. Raises KafkaUnreachable."""
        try:
            await answered(self._client, self._access)
        except BaseException:
            await self._client.close()
            raise

    async def stop(self) -> None:
        """Close the connections."""
        for task in self._asked.values():
            task.cancel()
        await asyncio.gather(*self._asked.values(), return_exceptions=True)
        await self._client.close()

    async def fetch(self, positions: Mapping[Place, int], watched: Mapping[Place, int] = NO_OFFSETS) -> Answer:
        """What comes next in some of these partitions; nothing, when nothing came for a while.

        Of a partition whose leader is still being asked, the answer may be to an earlier question: see where it begins.
        `watched` are partitions of which only the end is wanted, as it was last known. It is told where one broker
        leads them all: it reads partitions in the order in which it is asked for them (KIP-74), these last.
        Raises TopicAuthorizationFailedError, OffsetsGone, TopicGone.
        """
        of_leader = defaultdict[int, dict[Place, int]](dict)
        for place, offset in positions.items():
            of_leader[await self._leader(place)][place] = offset
        if len(of_leader) == 1 and not self._asked:
            ((leader, _),) = of_leader.items()
            together = all([await self._leader(place) == leader for place in watched])
            if together and (new := watched.keys() - self._epochs.keys()):
                together = (await self._ends_at(leader, new)).keys() == new
            return await self._ask(leader, positions, watched if together else NO_OFFSETS)
        for leader, asked in of_leader.items():
            if leader not in self._asked:
                self._asked[leader] = asyncio.create_task(self._ask(leader, asked, NO_OFFSETS), name="fetch")
        await asyncio.wait(self._asked.values(), return_when=asyncio.FIRST_COMPLETED)
        done = [self._asked.pop(leader) for leader, task in list(self._asked.items()) if task.done()]
        return Answer([part for task in done for part in task.result().parts], NO_OFFSETS)

    async def ends(self, places: Iterable[Place]) -> dict[Place, int]:
        """The offset after the newest record, asked of the brokers now.

        Raises TopicAuthorizationFailedError, TopicGone, KafkaTimeoutError where a leader is not found in time.
        """
        ends, missing, until = dict[Place, int](), set(places), clock.monotonic() + PATIENCE_SECONDS
        while missing:
            of_leader = defaultdict[int, list[Place]](list)
            for place in missing:
                of_leader[await self._leader(place)].append(place)
            asked = [self._ends_at(leader, listed) for leader, listed in of_leader.items()]
            for found in [await asked[0]] if len(asked) == 1 else await asyncio.gather(*asked):
                ends |= found
            missing -= ends.keys()
            if missing and clock.monotonic() > until:
                raise KafkaTimeoutError
            if missing:
                await self._look_again()
        return ends

    async def _ends_at(self, leader: int, places: Iterable[Place]) -> dict[Place, int]:
        try:
            answer = await self._client.send(leader, AskEnds(self._isolation, list(places)))
        except KafkaError:
            return {}
        found = {}
        for topic, listed in answer.topics:
            for partition, code, _, offset, epoch in listed:
                if (error := for_code(code)) is NoError:
                    found[Place(topic, partition)] = offset
                    self._epochs[Place(topic, partition)] = epoch
                elif error in FOR_GOOD:
                    raise error(topic)
        return found

    async def _leader(self, place: Place) -> int:
        leader = self._client.cluster.leader_for_partition(TopicPartition(*place))
        while leader is None or leader < 0:
            await known(self._client, place.topic, self._access.bootstrap)
            leader = self._client.cluster.leader_for_partition(TopicPartition(*place))
            if leader is None or leader < 0:
                await self._look_again()
        return int(leader)

    async def _look_again(self) -> None:
        """Learn who leads what."""
        await self._client.force_metadata_update()
        await asyncio.sleep(BACKOFF_SECONDS)

    async def _ask(self, leader: int, positions: Mapping[Place, int], watched: Mapping[Place, int]) -> Answer:
        asked = chain(
            ((place.topic, (place.partition, offset, PARTITION_BYTES)) for place, offset in positions.items()),
            ((place.topic, (place.partition, offset, 0)) for place, offset in watched.items()),
        )
        epochs = {place: self._epochs[place] for place in watched}
        request = Fetch(WAIT_MS, 1, ANSWER_BYTES, self._isolation, by_topic(asked), epochs=epochs)
        try:
            answer = await self._client.send(leader, request)
        except KafkaError:
            await self._look_again()
            return Answer([], NO_OFFSETS)
        found, ends, doubted = [], dict[Place, int](), False
        for topic, listed in answer.topics:
            for partition, code, end, stable, *rest, packed in listed:
                place, error = Place(topic, partition), for_code(code)
                if place in watched:
                    if error is NoError and end >= watched[place]:
                        ends[place] = end
                    else:  # of another epoch, for one: its leader may not know yet how far it goes
                        self._epochs.pop(place, None)
                elif error is not NoError:
                    require_passing(error, place, positions[place])
                    doubted = True
                else:
                    if packed:
                        found.append(self._part(place, positions[place], aborted(rest), packed))
                    self._note(place, stable, end)
        if doubted:
            await self._look_again()
        return Answer(found, ends if len(ends) == len(watched) else NO_OFFSETS)

    def _note(self, place: Place, stable: int, end: int) -> None:
        """Whether a transaction stands in the way there; -1 is told to who reads everything."""
        if -1 < stable < end:
            self.unended[place] = unended(self.unended.get(place), stable, end)
        elif self.unended:
            self.unended.pop(place, None)

    def _part(self, place: Place, offset: int, aborted_ones: Any, packed: bytes) -> Part:
        words = Batches(packed), aborted_ones, offset, as_it_is, None, True, self._isolation
        return Part(place, fetcher.PartitionRecords(TopicPartition(*place), *words))


def require_passing(error: type[KafkaError], place: Place, offset: int) -> None:
    """Return where another answer may come. Raises OffsetsGone, and the errors that are for good."""
    if error is OffsetOutOfRangeError:
        raise OffsetsGone(topic=place.topic, partition=place.partition, offset=offset)
    if error in FOR_GOOD:
        raise error(place.topic)


def aborted(rest: list[Any]) -> Any:
    """The aborted transactions among the fields that stand between the stable offset and the records."""
    return next((field for field in rest if isinstance(field, list)), None)
