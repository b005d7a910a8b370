"""The topic `status`, folded: the newest report of each lane, and what became of each order."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from bus.avro.own import Message, needed
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.kafka.log import Place, Reader
from bus.model.record import Incoming
from bus.model.waits import OF_A_START
from bus.watch.reach import Look

_MESSAGES = {b"lane": "lane_report", b"command": "completion"}
"""What stands in `status` under which kind of key."""


class Status:
    """What `status` says as far as it was read."""

    def __init__(self, look: Look, reader: Reader) -> None:
        self.reports: dict[int, Message] = {}
        self.completions: dict[str, Message] = {}
        self._look = look
        self._reader = reader
        self._place = Place(look.topics.status, 0)

    async def newest(self) -> None:
        """Read on to the present end."""
        ends = await self._look.asker.ends([self._place])
        async for records in self._reader.to_ends(ends):
            for record in records:
                await self._take(record)

    async def _take(self, record: Incoming) -> None:
        kind = (record.key or b"").partition(b"/")[0]
        if record.value is None or kind not in _MESSAGES:
            return
        try:
            message = await self._look.messages.decode(record.value)
        except (RecordUnreadable, SchemaUnknown):
            return  # of another release; the next report follows
        if not needed(_MESSAGES[kind]) <= message.keys():
            return  # of nobody who is to write here
        if kind == b"command":
            self.completions[message["command_id"]] = message
        else:
            self.take_report(message)

    def take_report(self, report: Message) -> None:
        """Take a report over, unless it comes from a process that had lost the lane: then a later block is known.

        A process in which the lane starts knows no block yet: how far the lane has come is what was known before.
        """
        known = self.reports.get(report["lane"])
        if known is None or report["block"] >= known["block"]:
            self.reports[report["lane"]] = report
        elif report.get("read_back") is not None:
            new = {name: report[name] for name in ("at", "instance", *OF_A_START) if name in report}
            self.reports[report["lane"]] = known | new


@asynccontextmanager
async def status_of(look: Look) -> AsyncIterator[Status]:
    """`status`, read to its end; `newest` reads on."""
    reader = Reader(look.access, committed=True)
    await reader.start()
    try:
        place = Place(look.topics.status, 0)
        reader.assign(await look.asker.beginnings([place]))
        found = Status(look, reader)
        await found.newest()
        yield found
    finally:
        await reader.stop()
