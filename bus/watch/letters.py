"""Dead letters: which there are, and what one of them says of itself.

A letter is named `lane:offset`, its place in `deadletters`, or `connector/lane:offset`, in that connector's own topic.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bus import clock
from bus.avro.own import Message
from bus.errors import NotFound, WrongUse
from bus.kafka.admin import Admin
from bus.kafka.log import Place, Reader, record_at
from bus.model.command import Ending
from bus.model.record import Incoming
from bus.watch.reach import Look
from bus.watch.status import status_of


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter without its value and its key, which may be personal. `closed` is the order that closed it.

    `connector` is who set it aside; empty for what lies in `deadletters`. `dataset` is empty where it names none.
    """

    connector: str
    lane: int
    offset: int
    at_ms: int
    reason: str
    origin: str
    size: int
    closed: Message | None
    dataset: str = ""

    @property
    def name(self) -> str:
        """How it is called in commands."""
        return f"{self.connector}{'/' if self.connector else ''}{self.lane}:{self.offset}"

    def as_json(self) -> dict[str, Any]:
        """For machines; see the README of this folder."""
        closed = self.closed and {
            "outcome": self.closed["outcome"],
            "by": self.closed["by"],
            "reason": self.closed["reason"],
            "at": clock.iso(self.closed["at"]),
            "command_id": self.closed["command_id"],
        }
        return {
            "letter": self.name,
            "lane": self.lane,
            "offset": self.offset,
            "at": clock.iso(self.at_ms),
            "reason": self.reason,
            "origin": self.origin,
            "dataset": self.dataset or None,
            "bytes": self.size,
            "closed": closed,
        }


LetterPlace = tuple[str, int, int]
"""Connector (empty for `deadletters`), lane, offset."""


def parse_name(text: str) -> LetterPlace:
    """The inverse of `Letter.name`. Raises WrongUse."""
    connector, slash, place = text.rpartition("/")
    lane, colon, offset = place.partition(":")
    if not (colon and text.isascii() and lane.isdigit() and offset.isdigit()) or (slash and not connector):
        raise WrongUse(what=f"{text} names no dead letter", instead="Name it as `bus deadletter list` does: 3:17.")
    return connector, int(lane), int(offset)


async def letters(look: Look) -> list[Letter]:
    """Every dead letter, those of the router first, and of each writer oldest first in each lane."""
    async with status_of(look) as status:
        closed = closings(status.completions)
    reader = Reader(look.access, committed=True)
    await reader.start()
    try:
        places = [Place(topic, lane) for topic in await _topics(look) for lane in range(look.topics.lanes)]
        ends = await look.asker.ends(places)
        reader.assign(await look.asker.beginnings(places))
        found = [
            letter_of(record, closed, look.topics.set_aside_by(record.topic))
            async for records in reader.to_ends(ends)
            for record in records
        ]
    finally:
        await reader.stop()
    return sorted(found, key=lambda letter: (letter.connector, letter.lane, letter.offset))


async def _topics(look: Look) -> list[str]:
    """The topics in which dead letters lie."""
    topics, there = look.topics, await Admin(look.access).topics()
    return [one for one in there if one == topics.deadletters or one.startswith(topics.deadletters_prefix)]


def closings(completions: Mapping[str, Message]) -> dict[LetterPlace, Message]:
    """Place → the first order that closed the letter there."""
    found: dict[LetterPlace, Message] = {}
    known = {ending.value for ending in Ending if ending.closes}
    for one in sorted(completions.values(), key=lambda message: (message["lane"], message["block"])):
        if one["outcome"] in known:
            found.setdefault((one.get("connector", ""), one["lane"], one["offset"]), one)
    return found


def letter_of(record: Incoming, closed: Mapping[LetterPlace, Message], connector: str = "") -> Letter:
    """A record of a topic of dead letters, that of a connector or of the router; `closed` as `closings` tells."""
    place = (connector, record.partition, record.offset)
    origin = record.header("dead-origin") or ""
    of_router = origin.partition("/")[0].partition("changes.")[2]  # a topic, its prefix in front
    return Letter(
        *place,
        record.timestamp_ms,
        record.header("dead-reason") or "",
        origin,
        len(record.value or b""),
        closed.get(place),
        (record.header("dead-dataset") or "") if connector else of_router,
    )


async def letter_at(look: Look, name: str) -> tuple[Letter, Incoming]:
    """One dead letter and its record as it lies there. Raises WrongUse, NotFound."""
    connector, lane, offset = parse_name(name)
    if lane >= look.topics.lanes:
        raise NotFound(kind="lane", name=str(lane), known=f"0 to {look.topics.lanes - 1}")
    topic = look.topics.deadletters_of(connector) if connector else look.topics.deadletters
    record = await record_at(look.access, Place(topic, lane), offset) if topic in await _topics(look) else None
    if record is None:
        raise NotFound(kind="dead letter", name=name, known="see `bus deadletter list`")
    async with status_of(look) as status:
        return letter_of(record, closings(status.completions), connector), record
