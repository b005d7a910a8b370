"""Reading partitions up to what was written by now, and not only up to what can be seen by now.

A commit is answered before its markers are in all partitions. A reader of what is committed stands before a marker that
is missing as before a transaction that is open, and is told that the partition ends there. Who concludes something from
what is not there must look behind it.
"""

from collections.abc import AsyncGenerator, Iterable, Mapping

from bus.kafka.access import KafkaAccess
from bus.kafka.log import NO_OFFSETS, Place, Reader
from bus.model.record import Incoming


async def written_ends(access: KafkaAccess, places: Iterable[Place]) -> dict[Place, int]:
    """The offset after the newest record of each place, be it committed, aborted or neither. Raises KafkaUnreachable.

    Whoever reads what is committed up to there waits until each transaction that has begun is ended, or times out.
    """
    asker = Reader(access, committed=False)
    await asker.start()
    try:
        return await asker.ends(places)
    finally:
        await asker.stop()


async def whole(
    access: KafkaAccess, places: Iterable[Place], *, wait: bool = True, known: Mapping[Place, int] = NO_OFFSETS
) -> AsyncGenerator[list[Incoming]]:
    """Everything committed in these places up to what is written now, batch by batch, in order within a place.

    Without `wait` up to what can be seen now: for who only looks, and asks again. `known` are offsets of records that
    are there, whoever says that a place ends before: a broker that hung while another took its place says so for a
    moment.
    """
    listed, reader = list(places), Reader(access)
    await reader.start()
    try:
        ends = await (written_ends(access, listed) if wait else reader.ends(listed))
        reader.assign(await reader.beginnings(listed))
        async for records in reader.to_ends({place: max(end, known.get(place, -1) + 1) for place, end in ends.items()}):
            yield records
    finally:
        await reader.stop()
