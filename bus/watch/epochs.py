"""`bus key epochs`: the epochs of recipients' pseudonyms, and how many copies still name each of them.

Counts from lane state, read whole, lane after lane: an administrator's look, exact as of the moment it is taken.
"""

from collections import Counter
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus.errors import EpochHeld
from bus.kafka.log import LogReader
from bus.model.record import Incoming
from bus.watch.reach import Look

NOT_FOLLOWED = "no later epoch has taken its place"
NOT_PASSED = "its end is not passed yet by lanes"
COPIES_HELD = "copies still held under it:"
"""Why an epoch's key must stay; with the lanes, or the number, behind it."""


class EpochState(StrEnum):
    """Where an epoch stands; the value is shown to people."""

    CURRENT = "current"
    HELD = "held"
    FREE = "free"
    DESTROYED = "destroyed"


@dataclass(frozen=True, slots=True)
class EpochView:
    """One epoch of a recipient's pseudonyms; `copies` is how many records the recipient holds under it."""

    recipient: str
    epoch: int
    state: EpochState
    copies: int

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "recipient": self.recipient,
            "epoch": self.epoch,
            "state": self.state.value,
            "copies": self.copies,
        }


@dataclass(frozen=True, slots=True)
class Holdings:
    """What lane state says: copies by recipient and epoch, and the offset of `register` that each lane has passed."""

    copies: Counter[tuple[str, int]]
    passed: dict[int, int]


async def survey_epochs(look: Look) -> list[EpochView]:
    """Every epoch of every recipient, in order."""
    found = await read_holdings(look)
    views = []
    for recipient, epoch in sorted(look.register.state.epochs.items()):
        for number in range(1, epoch.number + 1):
            copies = found.copies[(recipient, number)]
            state = EpochState.HELD if copies else EpochState.FREE
            if number == epoch.number:
                state = EpochState.CURRENT
            elif number in epoch.destroyed:
                state = EpochState.DESTROYED
            views.append(EpochView(recipient, number, state, copies))
    return views


async def require_free(look: Look, recipient: str, epoch: int) -> None:
    """Nothing is held under an epoch, and nothing can be any more. Raises EpochHeld.

    No lane can release under an epoch once it has passed the fact that began the next one, and what was released before
    is in lane state: so both together are final.
    """
    known = look.register.state.epochs.get(recipient)
    if known is None or not 1 <= epoch < known.number:
        raise EpochHeld(recipient=recipient, epoch=epoch, reason=NOT_FOLLOWED)
    found = await read_holdings(look)
    late = [lane for lane in range(look.topics.lanes) if found.passed.get(lane, 0) <= known.since_offset]
    if late:
        raise EpochHeld(recipient=recipient, epoch=epoch, reason=f"{NOT_PASSED} {', '.join(map(str, late))}")
    if copies := found.copies[(recipient, epoch)]:
        raise EpochHeld(recipient=recipient, epoch=epoch, reason=f"{COPIES_HELD} {copies:,}")


async def read_holdings(look: Look) -> Holdings:
    """Lane state as it stands now."""
    found = Holdings(Counter(), {})
    for lane in range(look.topics.lanes):
        reader = LogReader(look.access, look.topics.lane_state, lane, committed=True)
        await reader.start()
        try:
            newest = {record.key or b"": record for record in await reader.read_to_end()}
        finally:
            await reader.stop()
        await _count(look, lane, newest, found)
    return found


async def _count(look: Look, lane: int, newest: dict[bytes, Incoming], found: Holdings) -> None:
    for key, record in newest.items():
        if record.value is None:
            continue
        if key == b"position":
            found.passed[lane] = (await look.messages.decode(record.value))["register_offset"]
        elif key.startswith(b"holding/"):
            message = await look.messages.decode(record.value)
            found.copies.update((look.topics.recipient(one["topic"]), one["epoch"]) for one in message["held"])
