"""Ways of breaking the router, each the removal of one thing that exactly-once or consent rests on.

A way is applied inside the router's process before it starts. The checker must see every one of them.
"""

import asyncio
import os
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from bus.errors import CommitUncertain
from bus.kafka.batch import batches
from bus.kafka.lanes import LaneMember
from bus.kafka.log import Place
from bus.kafka.producer import Producer
from bus.kafka.transactions import TransactionalWriter
from bus.model.record import Outgoing
from bus.route.batch import Inputs, Outcome
from bus.route.lane import LaneCore
from bus.route.load import Loader, Stood
from bus.route.outputs import Writer
from bus.route.runner import Lane
from bus.route.state import Draft
from bus.route.store import resume
from tests.chaos.notes import Notes, Phase

Sent = Callable[[Mapping[Place, int]], object] | None
Commit = Callable[[TransactionalWriter, Sequence[Outgoing], Sent], Any]

LOST = b"Lost Midway"
"""In `position-first` a kill is timed so that the release of a record with this in it never happens."""

LATE_BY = 8
"""Transactions by which consents come late in `consents-late`."""


def _is_state(record: Outgoing) -> bool:
    return record.topic.endswith("lane-state")


def position_first(notes: Notes) -> None:
    """The position goes out before the outputs, in a transaction of its own."""
    commit: Commit = TransactionalWriter.commit

    async def torn(self: TransactionalWriter, records: Sequence[Outgoing], sent: Sent = None) -> dict[Place, int]:
        outputs = [record for record in records if not _is_state(record)]
        await commit(self, [record for record in records if _is_state(record)], None)
        number, phase = notes.trap()
        if number and phase is Phase.MIDWAY and any(LOST in (record.value or b"") for record in outputs):
            notes.spring(phase, lane=0)
            os.kill(os.getpid(), number)
        await commit(self, outputs, sent)
        return {}

    TransactionalWriter.commit = torn  # type: ignore[method-assign] # that is what breaking it means


def future_not_awaited(_notes: Notes) -> None:
    """Nobody looks whether the broker took a batch."""

    async def send(self: TransactionalWriter, records: Sequence[Outgoing]) -> dict[Place, int]:
        for (topic, partition), listed in batches(records).items():
            for batch in listed:
                future = await self._producer.send_batch(batch, topic, partition=partition)
                future.add_done_callback(lambda done: done.exception())
        return {}

    TransactionalWriter._send = send  # type: ignore[method-assign]


def consents_late(_notes: Notes) -> None:
    """The position passes consent events some transactions before they are applied."""
    draft = LaneCore.draft
    waiting: dict[int, deque[list[Any]]] = {}

    def late(self: LaneCore, state: Any, rules: Any, inputs: Inputs, now_ms: int) -> Outcome:
        queue = waiting.setdefault(id(self), deque([[] for _ in range(LATE_BY)]))
        queue.append(list(inputs.consents))
        return draft(self, state, rules, replace(inputs, consents=queue.popleft()), now_ms)

    LaneCore.draft = late  # type: ignore[method-assign]


def holding_unwritten(_notes: Notes) -> None:
    """What a recipient holds is known to the process alone."""
    commit: Commit = TransactionalWriter.commit
    state = Writer._state

    def forgetful(self: Writer, draft: Draft) -> Iterator[Outgoing]:
        return (record for record in state(self, draft) if not (record.key or b"").startswith(b"holding/"))

    async def nowhere(self: TransactionalWriter, records: Sequence[Outgoing], sent: Sent = None) -> dict[Place, int]:
        await commit(self, records, sent)
        return {}  # so the store on this machine never knows where it stands, and is no help either

    Writer._state = forgetful  # type: ignore[method-assign]
    TransactionalWriter.commit = nowhere  # type: ignore[method-assign]


def everybody_owns_everything(_notes: Notes) -> None:
    """Each router serves all lanes, as one does that was cut off and does not know it. The fence alone is left."""

    async def start(self: LaneMember) -> None:
        await self._got(frozenset(range(int(os.environ["BUS_LANES"]))))

    async def run(self: LaneMember) -> None:
        await asyncio.Event().wait()

    LaneMember.start, LaneMember.run = start, run  # type: ignore[method-assign]


def fence_skipped(notes: Notes) -> None:
    """Two owners of a lane, and each writes under an id of its own: neither fences the other, nor looks for it."""
    everybody_owns_everything(notes)
    Lane._require_newest = lambda *_: None  # type: ignore[method-assign]
    make: Any = Producer.__init__

    def unfenced(self: Any, access: Any, transactional_id: str, **words: Any) -> None:
        name, _, lane = transactional_id.rpartition("-")
        make(self, access, f"{name}-{os.getpid()}-{lane}", **words)

    Producer.__init__ = unfenced  # type: ignore[method-assign]


def outcome_guessed(_notes: Notes) -> None:
    """A commit whose outcome is unknown is taken for one that took effect."""
    commit: Commit = TransactionalWriter.commit

    async def guess(self: TransactionalWriter, records: Sequence[Outgoing], sent: Sent = None) -> dict[Place, int]:
        written: dict[Place, int] = {}
        try:
            written = await commit(self, records, sent)
        except CommitUncertain:
            await self._abort()
        return written

    TransactionalWriter.commit = guess  # type: ignore[method-assign]


def store_trusted(notes: Notes) -> None:
    """What is on this machine's disk is put there before the commit, and believed whatever was committed."""
    records = Lane._records

    def early(self: Lane, outcome: Outcome) -> list[Outgoing]:
        found = records(self, outcome)
        number, phase = notes.trap()
        if number and phase is Phase.MIDWAY and any(LOST in (record.value or b"") for record in found):
            self._state.apply(outcome.draft)
            self._state.settle()
            notes.spring(phase, lane=0)
            os.kill(os.getpid(), number)
        return found

    Lane._records = early  # type: ignore[method-assign]
    resume.distrust = lambda _kept, _committed: None  # type: ignore[assignment] # nothing is ever distrusted


def old_state_read(_notes: Notes) -> None:
    """A lane that begins anew is told its state as of the start before, once, as by a broker that hung meanwhile."""
    stood: Callable[[Loader], Any] = Loader.stood
    before: dict[int, tuple[Stood | None, int]] = {}

    async def old(self: Loader) -> Stood | None:
        found: Stood | None = await stood(self)
        if self._lane in before:
            found, self.end = before.pop(self._lane)
        else:
            before[self._lane] = found, self.end
        return found

    Loader.stood = old  # type: ignore[method-assign]


WAYS: dict[str, Callable[[Notes], None]] = {
    "position-first": position_first,
    "future-not-awaited": future_not_awaited,
    "consents-late": consents_late,
    "holding-unwritten": holding_unwritten,
    "fence-skipped": fence_skipped,
    "outcome-guessed": outcome_guessed,
    "store-trusted": store_trusted,
    "two-owners": everybody_owns_everything,
    "old-state-read": old_state_read,
}
"""By name. The last two must do no harm: one is what the fence is for, and a lane notices the other as it writes."""
