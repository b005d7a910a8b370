"""`bus flows`: what flows under each agreement, counted from `disclosures`."""

from collections import Counter, deque
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import quantiles
from typing import Any

from bus import clock
from bus.avro.own import Message
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.kafka.log import Place, Reader
from bus.watch.reach import Look

WINDOW_MS = 60_000
"""Rates and latencies are those of the last minute."""

POLL_MS = 500


@dataclass(slots=True)
class Flow:
    """What one agreement let through since the count began. `recent`: (when, how many, from decision to log in ms).

    `released` and `erased` count what was sent. `withheld` counts judgements by reason, not records: one that is judged
    twice in a transaction, or again by a sweep or a catch-up, counts each time.
    """

    agreement: str
    recipient: str | None = None
    standing: str = "unknown"
    released: int = 0
    erased: int = 0
    withheld: Counter[str] = field(default_factory=Counter)
    recent: deque[tuple[int, int, int]] = field(default_factory=deque)
    last_ms: int | None = None

    def count(self, released: int, erased: int, at_ms: int, logged_ms: int) -> None:
        """Add one block's releases and erasures."""
        self.released += released
        self.erased += erased
        self.last_ms = max(self.last_ms or 0, at_ms)
        self.recent.append((at_ms, released + erased, max(0, logged_ms - at_ms)))

    def rate(self, now_ms: int) -> float:
        """Releases and erasures a second over the last minute."""
        return sum(count for _, count, _ in self._of_late(now_ms)) / (WINDOW_MS / 1000)

    def latency_ms(self, now_ms: int) -> tuple[float, float] | None:
        """p50 and p99 from the decision to its log entry, over the blocks of the last minute; None without any."""
        taken = [late for _, _, late in self._of_late(now_ms)]
        if not taken:
            return None
        cuts = quantiles(taken, n=100, method="inclusive") if len(taken) > 1 else taken * 99
        return cuts[49], cuts[98]

    def _of_late(self, now_ms: int) -> deque[tuple[int, int, int]]:
        """The blocks of the last minute; forgets what is older."""
        while self.recent and self.recent[0][0] <= now_ms - WINDOW_MS:
            self.recent.popleft()
        return self.recent

    def as_json(self, now_ms: int) -> dict[str, Any]:
        """For machines; see the README of this folder."""
        rate, latency = self.rate(now_ms), self.latency_ms(now_ms)
        return {
            "agreement": self.agreement,
            "recipient": self.recipient,
            "standing": self.standing,
            "released": self.released,
            "erased": self.erased,
            "withheld_judgements": dict(sorted(self.withheld.items())),
            "per_second": round(rate, 3),
            "decision_to_log_ms": None if latency is None else {"p50": latency[0], "p99": latency[1]},
            "last_at": None if self.last_ms is None else clock.iso(self.last_ms),
        }


class Flows:
    """All flows: pure counting of blocks."""

    def __init__(self) -> None:
        self.flows: dict[str, Flow] = {}

    def flow(self, agreement: str) -> Flow:
        """The count of one agreement."""
        return self.flows.setdefault(agreement, Flow(agreement))

    def take(self, block: Message, logged_ms: int) -> None:
        """Count one disclosure block; `logged_ms` is Kafka's time of its record."""
        done: Counter[tuple[str, str]] = Counter()
        for entry in block["entries"]:
            done[entry["agreement"], entry["kind"]] += 1
            self.flow(entry["agreement"]).recipient = entry["recipient"]
        for agreement in {name for name, _ in done}:
            released, erased = done[agreement, "RELEASE"], done[agreement, "ERASE"]
            self.flow(agreement).count(released, erased, block["at"], logged_ms)
        for one in block["withheld"]:
            self.flow(one["agreement"]).withheld[one["reason"]] += one["count"]

    def listed(self) -> list[Flow]:
        """By name."""
        return [self.flows[name] for name in sorted(self.flows)]


class FlowReader:
    """Counts blocks as they come."""

    def __init__(self, look: Look, reader: Reader) -> None:
        self._look = look
        self._reader = reader
        self._places = [Place(look.topics.disclosures, lane) for lane in range(look.topics.lanes)]
        self._counted = Flows()

    async def start(self, since_ms: int | None) -> None:
        """Begin with the first block logged at or after a moment; None: with the oldest."""
        self._reader.assign(
            await self._look.asker.beginnings(self._places)
            if since_ms is None
            else await self._look.asker.since(self._places, since_ms)
        )

    async def newest(self) -> list[Flow]:
        """Read on to the present ends; every agreement of the register is listed, also one without a flow."""
        async for records in self._reader.to_ends(await self._look.asker.ends(self._places)):
            for record in records:
                try:
                    self._counted.take(await self._look.messages.decode(record.value or b""), record.timestamp_ms)
                except (RecordUnreadable, SchemaUnknown):
                    continue  # of a later release; `bus route verify` tells of it
        state = await self._look.register.newest()
        for entry in state.agreements.values():
            flow = self._counted.flow(entry.agreement)
            flow.recipient, flow.standing = entry.document["recipient"], state.standing_of(entry).value
        return self._counted.listed()


@asynccontextmanager
async def flows_of(look: Look, since_ms: int | None) -> AsyncIterator[FlowReader]:
    """The flows since a moment, None: since ever."""
    reader = Reader(look.access, committed=True)
    await reader.start()
    try:
        found = FlowReader(look, reader)
        await found.start(since_ms)
        yield found
    finally:
        await reader.stop()


def total(flows: Iterable[Flow]) -> tuple[int, int, int]:
    """Sent as releases, sent as erasures, and judgements that withheld, over all flows."""
    listed = list(flows)
    return (
        sum(flow.released for flow in listed),
        sum(flow.erased for flow in listed),
        sum(flow.withheld.total() for flow in listed),
    )
