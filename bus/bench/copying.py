"""The bare loop that the router is measured beside: read, copy, commit. It decides nothing and logs nothing.

    python -m bus.bench.copying

One loop a lane, as the router has; each change goes to as many topics as the workload's changes do on average. What it
takes is what the client, the broker and Kafka's transactions take; the rest of the router's time is the router's own.
"""

import asyncio
import signal
from collections.abc import Iterator, Sequence

from bus.bench.workload import DATASET
from bus.kafka.access import KafkaAccess
from bus.kafka.log import Place, Reader
from bus.kafka.pump import Pump
from bus.kafka.transactions import TransactionalWriter
from bus.model.record import Incoming, Outgoing
from bus.platform.home import Home
from bus.platform.reach import kafka_access
from bus.settings import KafkaSettings, RouteSettings, Settings
from bus.topics import Topics
from bus.wiring import ADMIN

NAME = "bench-copying"
TOPICS = 4


def copy_topics(topics: Topics) -> list[str]:
    """Where the copies go."""
    return [f"{topics.prefix}bench.copy-{number}" for number in range(TOPICS)]


def copies(records: Sequence[Incoming], topics: Sequence[str]) -> Iterator[Outgoing]:
    """Each record to two of the topics in turn, three of ten to a third: the workload's 2.3 deliveries a change."""
    for record in records:
        for turn in range(2 + (record.offset % 10 < 3)):
            topic = topics[(record.offset + turn) % len(topics)]
            yield Outgoing(topic, record.partition, record.key, record.value, record.headers)


async def copy_lane(access: KafkaAccess, topics: Topics, lane: int) -> None:
    """Copy what comes in one lane from now on, until cancelled."""
    place, wake, limit = Place(topics.changes(DATASET), lane), asyncio.Event(), RouteSettings().batch_records
    pump, writer = Pump(access, wake, committed=True), TransactionalWriter(access, f"{NAME}-{lane}")
    asker, targets = Reader(access), copy_topics(topics)
    await asyncio.gather(asker.start(), writer.start())
    try:
        await pump.start(await asker.ends([place]))
        while True:
            wake.clear()
            taken = pump.take(limit)
            if taken:
                await writer.commit(list(copies(taken, targets)))
            else:
                await wake.wait()
    finally:
        await asyncio.gather(pump.stop(), writer.stop(), asker.stop(), return_exceptions=True)


async def run(settings: Settings) -> None:
    """Copy all lanes until SIGTERM."""
    home, told = Home.from_settings(settings), asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, told.set)
    access, topics = kafka_access(settings, KafkaSettings(), home, ADMIN), Topics(settings.prefix, settings.lanes)
    tasks = [asyncio.create_task(copy_lane(access, topics, lane)) for lane in range(settings.lanes)]
    home.announce(NAME)
    ending = asyncio.create_task(told.wait())
    done, _ = await asyncio.wait([ending, *tasks], return_when=asyncio.FIRST_COMPLETED)
    for task in (ending, *tasks):
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    for task in done:
        task.result()


if __name__ == "__main__":
    asyncio.run(run(Settings()))
