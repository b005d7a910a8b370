"""The entry log on Kafka: partition 0 of the topic `schemas`."""

import asyncio
import contextlib

from bus.kafka.access import KafkaAccess
from bus.kafka.log import LogReader, LogWriter
from bus.model.record import Incoming, Outgoing

REPLY_SECONDS = 8
"""How long the broker may take; less than a client waits for the registry."""


class KafkaLog:
    """Reads and appends. After any failure the connection is thrown away and the next call makes another.

    So a reader never goes on from a place that its fold has not reached: a gap would shift every id behind it.
    """

    def __init__(self, access: KafkaAccess, topic: str) -> None:
        self.topic = topic
        self._access = access
        self._reader: LogReader | None = None
        self._writer: LogWriter | None = None

    async def read_from(self, offset: int) -> list[Incoming]:
        """Every entry from the offset on that was written before the call."""
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                if self._reader is None:
                    self._reader = LogReader(self._access, self.topic, committed=False)
                    await self._reader.start(offset)
                return await self._reader.read_to_end()
        except BaseException:  # cancelled too: what was read on the way is lost, and must be read again
            await self._drop_reader()
            raise

    async def append(self, key: bytes, value: bytes) -> int:
        """Write one entry; its offset. After a failure it is not known whether the entry was written."""
        try:
            async with asyncio.timeout(REPLY_SECONDS):
                if self._writer is None:
                    self._writer = LogWriter(self._access)
                    await self._writer.start()
                return await self._writer.append(Outgoing(self.topic, 0, key, value))
        except BaseException:
            await self._drop_writer()
            raise

    async def stop(self) -> None:
        """Close the connections."""
        await self._drop_writer()
        await self._drop_reader()

    async def _drop_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader:
            await _stopped(reader)

    async def _drop_writer(self) -> None:
        writer, self._writer = self._writer, None
        if writer:
            await _stopped(writer)


async def _stopped(client: LogReader | LogWriter) -> None:
    """Close a client that may be broken: why it can't be closed in order is of no use to anybody."""
    with contextlib.suppress(Exception):
        async with asyncio.timeout(REPLY_SECONDS):
            await client.stop()
