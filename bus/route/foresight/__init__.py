"""What an edited agreement would release and erase, before anybody approves it: counted as of each lane's position.

Nothing is written. The decision is the lane's own, so what is foreseen is what would happen.
"""

import gc
from collections.abc import Callable

from bus.kafka.bulk import BulkReader
from bus.kafka.log import Place
from bus.route.foresight.found import Example, Foresight
from bus.route.foresight.judge import Judge
from bus.route.foresight.question import Question, Sources, asked
from bus.route.foresight.snapshot import SnapshotReader
from bus.route.schemas import Schemas

Tell = Callable[[int, int], None]
"""Called with the work done so far and the whole, in records to be read and to be judged; the whole stays the same."""

__all__ = ["Example", "Foresight", "Question", "Sources", "Tell", "asked", "foresee"]


async def foresee(question: Question, sources: Sources, found: Foresight, now_ms: int, tell: Tell) -> None:
    """Judge every record of every lane, adding to `found`, which may be read at any moment and after a cancellation."""
    now_ms = max(now_ms, question.route.valid_from_ms)  # a text whose first day has not come is judged as on that day
    schemas, reader = Schemas(sources.client), BulkReader(sources.access)
    snapshots = SnapshotReader(
        reader,
        sources.topics,
        sources.messages,
        schemas,
        agreement=question.route.agreement,
        dataset=question.route.dataset,
    )
    judge = Judge(question, sources.keyring, schemas.decode, found)
    collecting = gc.isenabled()
    gc.disable()  # a lane is millions of values, none of them in cycles, and Python would look through them all
    try:
        spans = await snapshots.spans()
        changes = sources.topics.changes(question.route.dataset)
        records = sum(span.length for place, span in spans.items() if place.topic == changes)
        share = 1.0 if found.sample is None else min(1.0, found.sample / max(1, records))
        work = _Work(tell, sum(span.length for span in spans.values()) + records)
        for lane in range(sources.topics.lanes):
            work.upto(
                sum(_weight(place, span.length, changes) for place, span in spans.items() if place.partition < lane)
            )
            snapshot = await snapshots.read(lane, spans, work.step)
            found.offsets[lane] = (
                snapshot.position.inputs.get(question.route.dataset, 0),
                snapshot.position.consents_offset,
            )
            await judge.judge(snapshot, share, now_ms, work.step)
            found.lanes_done += 1
        work.upto(work.whole)
    finally:
        if collecting:
            gc.enable()
        judge.finish()
        reader.close()


def _weight(place: Place, length: int, changes: str) -> int:
    """A record of the dataset is read and judged, all else only read."""
    return 2 * length if place.topic == changes else length


class _Work:
    """How much is done: offsets that hold no record, and records that have newer ones, are caught up with by lane."""

    def __init__(self, tell: Tell, whole: int) -> None:
        self.whole = whole
        self._tell = tell
        self._done = 0

    def step(self, count: int) -> None:
        """So much more."""
        self._done += count
        self._tell(self._done, self.whole)

    def upto(self, done: int) -> None:
        """So much in all."""
        self._done = done
        self._tell(done, self.whole)
