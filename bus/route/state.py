"""What a lane knows: the newest version of every record, consents, holdings, cursors. In memory, rebuilt from topics.

`LaneState` is what has been committed. `Draft` is one transaction's changes on top of it: read through it, and either
apply it after the commit or throw it away.
"""

import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from bus.consent.fold import NEVER
from bus.model.consent import Consent


@dataclass(frozen=True, slots=True)
class Position:
    """Where a lane stands. Offsets are those of the next record to be read; `inputs` by dataset."""

    lane_time_ms: int = 0
    block: int = 0
    consents_offset: int = 0
    register_offset: int = 0
    inputs: Mapping[str, int] = field(default_factory=dict)
    commands_offset: int = 0


class Holding(NamedTuple):
    """A recipient holds a record: where and as what it was released, and what allowed it."""

    revision: str
    topic: str
    partition: int
    key: bytes
    consent: str | None
    view_hash: bytes
    released_at_ms: int
    due_ms: int | None


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the records that exist have been judged under an agreement's `standing`, a text that names it whole."""

    standing: str
    after: bytes = b""
    done: bool = False


class StoredRecord(NamedTuple):
    """The newest version of a record, framed; and whose it is."""

    value: bytes
    subject: str | None


@dataclass(frozen=True, slots=True)
class DeadVersion:
    """The newest version of a record could not be taken and lies in `deadletters`; `offset` is its own, among changes.

    Gone as soon as a newer version is taken, or this one is released. A discarded one is remembered, so that it stays
    out even when it has become readable.
    """

    offset: int
    discarded: bool = False


Pair = tuple[str, str]
"""(subject, agreement) of a consent, (agreement, record key) of a holding, (dataset, key) of a record: see the use."""

DueKey = tuple[int, str, str, bytes]
"""When, what ('consent' or 'holding'), which agreement, and which subject or record key."""


class LaneState:
    """The committed state of one lane."""

    def __init__(self) -> None:
        self.position = Position()
        self.records: dict[str, dict[bytes, StoredRecord]] = defaultdict(dict)
        self.of_subject: dict[Pair, set[bytes]] = defaultdict(set)
        self.consents: dict[Pair, Consent] = {}
        self.holdings: dict[str, dict[bytes, Holding]] = defaultdict(dict)
        self.held_of_subject: dict[Pair, set[bytes]] = defaultdict(set)
        self.cursors: dict[str, Cursor] = {}
        self.dead: dict[tuple[str, bytes], DeadVersion] = {}
        self.due: list[DueKey] = []
        self._sorted: dict[str, list[bytes]] = {}

    def put_record(self, dataset: str, key: bytes, record: StoredRecord | None) -> None:
        """The newest version of a record; None for a deleted one."""
        of_dataset = self.records[dataset]
        before = of_dataset.pop(key, None)
        if before is not None and before.subject is not None:
            self.of_subject[(dataset, before.subject)].discard(key)
        if record is None:
            self._sorted.pop(dataset, None)
            return
        if before is None:
            self._sorted.pop(dataset, None)
        of_dataset[key] = record
        if record.subject is not None:
            self.of_subject[(dataset, record.subject)].add(key)

    def put_consent(self, subject: str, agreement: str, consent: Consent) -> None:
        """How a person stands to an agreement."""
        self.consents[(subject, agreement)] = consent
        if consent.given is not None:
            for moment in (consent.given.valid_from_ms, consent.given.valid_until_ms):
                if moment is not None and moment > self.position.lane_time_ms:
                    heapq.heappush(self.due, (moment, "consent", agreement, subject.encode()))

    def put_holding(self, agreement: str, key: bytes, holding: Holding | None) -> None:
        """That a recipient holds a record, or, with None, does not."""
        subject = key.partition(b"/")[0].decode()
        if holding is None:
            self.holdings[agreement].pop(key, None)
            self.held_of_subject[(agreement, subject)].discard(key)
            return
        self.held_of_subject[(agreement, subject)].add(key)
        self.holdings[agreement][key] = holding
        if holding.due_ms is not None:
            heapq.heappush(self.due, (holding.due_ms, "holding", agreement, key))

    def put_dead(self, record: tuple[str, bytes], version: DeadVersion | None) -> None:
        """That the newest version of a record, (dataset, key), is a dead letter, or, with None, no longer is."""
        if version is None:
            self.dead.pop(record, None)
        else:
            self.dead[record] = version

    def keys_after(self, dataset: str, after: bytes, limit: int) -> list[bytes]:
        """The next keys of a dataset in byte order."""
        if dataset not in self._sorted:
            self._sorted[dataset] = sorted(self.records[dataset])
        keys = self._sorted[dataset]
        start = bisect_right(keys, after) if after else 0
        return keys[start : start + limit]

    def next_due_ms(self) -> int | None:
        """When something falls due next, or None."""
        return self.due[0][0] if self.due else None

    def apply(self, draft: "Draft") -> None:
        """Take over what was committed."""
        self.position = draft.position
        for _ in range(draft.due_taken):
            heapq.heappop(self.due)
        for (dataset, key), record in draft.records.items():
            self.put_record(dataset, key, record)
        for (subject, agreement), consent in draft.consents.items():
            self.put_consent(subject, agreement, consent)
        for (agreement, key), holding in draft.holdings.items():
            self.put_holding(agreement, key, holding)
        self.cursors |= draft.cursors
        for dead, version in draft.dead.items():
            self.put_dead(dead, version)


class Draft:
    """The changes of one transaction on top of a committed state, which it leaves untouched."""

    def __init__(self, state: LaneState, position: Position) -> None:
        self.state = state
        self.position = position
        self.records: dict[tuple[str, bytes], StoredRecord | None] = {}
        self.consents: dict[Pair, Consent] = {}
        self.holdings: dict[tuple[str, bytes], Holding | None] = {}
        self.cursors: dict[str, Cursor] = {}
        self.dead: dict[tuple[str, bytes], DeadVersion | None] = {}
        self.due_taken = 0

    def record(self, dataset: str, key: bytes) -> StoredRecord | None:
        """The newest version, this transaction's included."""
        if (dataset, key) in self.records:
            return self.records[(dataset, key)]
        return self.state.records[dataset].get(key)

    def keys_of_person(self, dataset: str, agreement: str, subject: str) -> list[bytes]:
        """The keys of a person's records in a dataset, and of what a recipient holds of them, in byte order.

        A held record may be gone from the dataset's newest versions, when its newest one could not be read.
        """
        held = self.state.held_of_subject.get((agreement, subject), set())
        committed = self.state.of_subject.get((dataset, subject), set()) | held
        drafted = {
            key
            for (of, key), record in self.records.items()
            if of == dataset and record is not None and record.subject == subject
        }
        return sorted(committed | drafted)

    def consent(self, subject: str, agreement: str) -> Consent:
        """How a person stands to an agreement, this transaction's events included."""
        pair = (subject, agreement)
        return self.consents.get(pair) or self.state.consents.get(pair, NEVER)

    def holding(self, agreement: str, key: bytes) -> Holding | None:
        """What the recipient holds of a record, this transaction's outputs included."""
        if (agreement, key) in self.holdings:
            return self.holdings[(agreement, key)]
        return self.state.holdings[agreement].get(key)

    def cursor(self, agreement: str) -> Cursor | None:
        """How far the agreement's catch-up has come."""
        return self.cursors.get(agreement) or self.state.cursors.get(agreement)

    def dead_version(self, dataset: str, key: bytes) -> DeadVersion | None:
        """The dead letter that is a record's newest version, or None."""
        record = (dataset, key)
        return self.dead[record] if record in self.dead else self.state.dead.get(record)

    def take_due(self, now_ms: int, limit: int) -> Iterator[DueKey]:
        """What has fallen due, at most `limit`, earliest first."""
        for entry in heapq.nsmallest(limit, self.state.due) if self._anything_due(now_ms) else ():
            if entry[0] > now_ms:
                return
            self.due_taken += 1
            yield entry

    def _anything_due(self, now_ms: int) -> bool:
        first = self.state.next_due_ms()
        return first is not None and first <= now_ms
