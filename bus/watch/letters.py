"""Dead letters: which there are, what one of them says of itself, and orders about them.

A letter is named `lane:offset`, its place in `deadletters`, or `connector/lane:offset`, in that connector's own topic.
"""

import asyncio
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from bus import clock
from bus.avro.own import Message
from bus.errors import LetterClosed, NotFound, OrderPending, WrongUse
from bus.kafka.admin import Admin
from bus.kafka.log import LogWriter, Place, Reader, record_at
from bus.model.command import LANE_ORDER, CommandKind, Ending
from bus.model.record import Incoming, Outgoing
from bus.watch.reach import Look
from bus.watch.status import Status, status_of

POLL_SECONDS = 0.1


@dataclass(frozen=True, slots=True)
class Letter:
    """One dead letter without its value and its key, which may be personal. `closed` is the order that closed it.

    `connector` is who set it aside; empty for what lies in `deadletters`.
    """

    connector: str
    lane: int
    offset: int
    at_ms: int
    reason: str
    origin: str
    size: int
    closed: Message | None

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
    return Letter(
        *place,
        record.timestamp_ms,
        record.header("dead-reason") or "",
        record.header("dead-origin") or "",
        len(record.value or b""),
        closed.get(place),
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


@dataclass(frozen=True, slots=True)
class Order:
    """What is to become of a letter, who says so, and why."""

    kind: CommandKind
    by: str
    reason: str


async def carry_out(look: Look, name: str, order: Order, *, timeout_seconds: float) -> Message:
    """Order what is to become of a letter and wait until its lane has obeyed; returns the completion.

    Raises WrongUse, NotFound, LetterClosed; OrderPending at the deadline: the order stands and will be obeyed once.
    """
    letter, _ = await letter_at(look, name)
    if letter.closed is not None:
        raise LetterClosed(letter=name, outcome=letter.closed["outcome"])
    command_id = str(uuid.uuid4())
    await look.messages.prepare()
    async with status_of(look) as status:
        await _append(look, letter, command_id, order)
        return await _until_done(status, command_id, letter.lane, timeout_seconds)


async def _append(look: Look, letter: Letter, command_id: str, order: Order) -> None:
    message = {
        "command_id": command_id,
        "kind": order.kind.value,
        "lane": letter.lane,
        "offset": letter.offset,
        "connector": letter.connector,
        "by": order.by,
        "reason": order.reason,
        "at": clock.now_ms(),
    }
    writer = LogWriter(look.access)
    await writer.start()
    try:
        value = look.messages.encode("command", message)
        await writer.append(Outgoing(look.topics.commands, letter.lane, LANE_ORDER + command_id.encode(), value))
    finally:
        await writer.stop()


async def _until_done(status: Status, command_id: str, lane: int, timeout_seconds: float) -> Message:
    deadline = clock.monotonic() + timeout_seconds
    while command_id not in status.completions:
        if clock.monotonic() > deadline:
            raise OrderPending(command=command_id, seconds=timeout_seconds, lane=lane)
        await asyncio.sleep(POLL_SECONDS)
        await status.newest()
    return status.completions[command_id]
