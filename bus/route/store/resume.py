"""How a lane begins: with the store that lies on this machine where that may be trusted, else with an empty one."""

import asyncio
from collections.abc import Mapping
from pathlib import Path

from bus.errors import StoreLocked
from bus.route.load import Decoder, Loader, Stood
from bus.route.state import Position
from bus.route.store.shelf import Shelf
from bus.route.store.stored import StoredState
from bus.route.store.thread import in_thread
from bus.telemetry import Event, emit

PATIENCE_SECONDS = 1.0
"""A predecessor on this machine that ends in order has closed its store by then."""

LOOK_SECONDS = 0.05

MEND_AHEAD = (
    "Was Kafka restored from a backup, its folder deleted, or a replica elected that lacked records? Bring one back"
    " that has them. What else is lost nobody can tell: consents and withdrawals may be among it, and must be given"
    " again; `bus route verify` compares what agencies got with the log. Where `lane-failed` follows and tells of an"
    " old state, a broker had only hung, and nothing is lost."
)
"""What an operator is to do where a broker lacks what a lane had committed."""


async def take_shelf(under: Path, bus: str, lane: int) -> Shelf:
    """The lane's folder; one beside it where another process does not let go, a router that hangs for instance."""
    for _ in range(round(PATIENCE_SECONDS / LOOK_SECONDS)):
        try:
            return await in_thread(Shelf.take, under, bus, lane)
        except StoreLocked:
            await asyncio.sleep(LOOK_SECONDS)
    emit(Event.STORE_LOCKED, lane=lane)
    return await in_thread(Shelf.beside, under, bus, lane)


async def resume(
    shelf: Shelf, loader: Loader, has_subject: Mapping[str, bool], decoder: Decoder, trusted: range
) -> StoredState:
    """The lane's state as last committed: what the store lacks is read from the topics. Only after fencing.

    A store that had last read everything at a moment outside `trusted` is too old, see `too_old`.
    """
    state = await in_thread(shelf.open)
    stood = await loader.stood()
    if state.stood_at is not None:
        kept = Stood(state.position, state.stood_at)
        lost = distrust(kept, stood)
        if lost is not None:
            committed = None if stood is None else stood.offset
            emit(Event.STORE_AHEAD, lane=shelf.lane, kept=kept.offset, committed=committed, remedy=MEND_AHEAD)
        reason = lost or too_old(state.caught_up_ms, trusted)
        if reason is not None:
            state = await in_thread(shelf.anew, reason)
    if stood is not None:
        await loader.fill(state, stood, has_subject, decoder)
    return state


def distrust(kept: Stood, committed: Stood | None) -> str | None:
    """Why a store that says it stands at `kept` cannot be what was committed; None where it can.

    A store may be behind: what it lacks is read. It must never be ahead, or hold what was not committed.
    """
    if committed is None or _ahead(kept, committed):
        return "it is ahead of what was committed"
    same = kept.offset == committed.offset or kept.position.block == committed.position.block
    if same and kept.position != committed.position:
        return "it holds what was not committed"
    return None


def too_old(caught_up_ms: int, trusted: range) -> str | None:
    """Why a store is not to be trusted that had read everything at that time for the last time; None where it is.

    Since then something may have been deleted, and the tombstone itself be gone by now.
    """
    return None if caught_up_ms in trusted else "tombstones may be gone that it has not seen"


def _ahead(kept: Stood, committed: Stood) -> bool:
    """Whether any of the numbers, which only grow, is greater than the committed one."""
    one, other = kept.position, committed.position
    return (
        kept.offset > committed.offset
        or any(mine > theirs for mine, theirs in zip(_numbers(one), _numbers(other), strict=True))
        or any(offset > other.inputs.get(dataset, 0) for dataset, offset in one.inputs.items())
    )


def _numbers(position: Position) -> tuple[int, ...]:
    return (
        position.block,
        position.lane_time_ms,
        position.consents_offset,
        position.register_offset,
        position.commands_offset,
    )
