"""What a lane knows, in dictionaries: for tests, and the plain answer that the store is held against."""

import heapq
from bisect import bisect_right
from collections import defaultdict
from collections.abc import Callable, Collection, Mapping

from bus.avro.frame import BODY_START
from bus.consent.covers import cover_of
from bus.consent.fold import NEVER
from bus.model.consent import NOBODY, Consent, Cover
from bus.route.held import NOTHING, Held, held_in
from bus.route.state import (
    Cursor,
    DeadVersion,
    Draft,
    DueKey,
    Pair,
    Position,
    RecordPlace,
    moments_of,
)
from bus.route.store.bodies import consent_of, cursor_of, dead_of


class MemoryState:
    """The committed state of one lane; see `LaneState`."""

    def __init__(self) -> None:
        self.position = Position()
        self.stood_at: int | None = None
        self.schemas: set[bytes] = set()
        self.records: dict[str, dict[bytes, bytes]] = defaultdict(dict)
        self.holdings: dict[str, dict[bytes, Held]] = defaultdict(dict)
        self.consents: dict[Pair, Consent] = {}
        self._covers: dict[str, dict[str, Cover]] = defaultdict(dict)
        self.cursors: dict[str, Cursor] = {}
        self.dead: dict[RecordPlace, DeadVersion] = {}
        self._keys: dict[tuple[str, str], set[bytes]] = defaultdict(set)
        self._sorted: dict[str, list[bytes]] = {}
        self._due: list[DueKey] = []

    def record(self, dataset: str, key: bytes) -> bytes | None:
        """The newest version of a record."""
        return self.records[dataset].get(key)

    def held(self, dataset: str, key: bytes) -> Held:
        """What recipients hold of a record."""
        return self.holdings[dataset].get(key, NOTHING)

    def consent(self, subject: str, agreement: str) -> Consent:
        """How a person stands to an agreement."""
        return self.consents.get((subject, agreement), NEVER)

    def covers(self, subject: str) -> Mapping[str, Cover]:
        """What of that decides, by agreement."""
        return self._covers.get(subject, NOBODY)

    def keys_after(self, dataset: str, after: bytes, limit: int) -> list[bytes]:
        """The next keys of a dataset in byte order, those of dead letters among them."""
        if dataset not in self._sorted:
            dead = {key for of, key in self.dead if of == dataset}
            self._sorted[dataset] = sorted(dead | self.records[dataset].keys())
        keys = self._sorted[dataset]
        start = bisect_right(keys, after) if after else 0
        return keys[start : start + limit]

    def keys_of_person(self, dataset: str, subject: str) -> Collection[bytes]:
        """The keys of a person's records, and of what is held of them."""
        return self._keys.get((dataset, subject), ())

    def orphans(self, dataset: str, after: bytes, limit: int) -> tuple[list[bytes], bytes | None]:
        """Keys held without a record, at most `limit`, and where to go on."""
        lost = sorted(key for key in self.holdings[dataset].keys() - self.records[dataset].keys() if key > after)
        return lost[:limit], lost[limit - 1] if len(lost) > limit else None

    def cursor(self, agreement: str) -> Cursor | None:
        """How far the agreement's catch-up has come."""
        return self.cursors.get(agreement)

    def dead_version(self, dataset: str, key: bytes) -> DeadVersion | None:
        """The dead letter that is a record's newest version."""
        return self.dead.get((dataset, key))

    def due(self, now_ms: int, limit: int) -> list[DueKey]:
        """What has fallen due."""
        first = self.next_due_ms()
        if first is None or first > now_ms:
            return []
        return [entry for entry in heapq.nsmallest(limit, self._due) if entry[0] <= now_ms]

    def next_due_ms(self) -> int | None:
        """When something falls due next."""
        return self._due[0][0] if self._due else None

    def put_record(self, dataset: str, key: bytes, value: bytes | None) -> None:
        """The newest version of a record, framed; None for a deleted one."""
        of_dataset = self.records[dataset]
        if value is None or key not in of_dataset:
            self._sorted.pop(dataset, None)
        if value is None:
            of_dataset.pop(key, None)
        else:
            of_dataset[key] = value
            self.schemas.add(value[:BODY_START])
        self._known(dataset, key)

    def put_consent(self, subject: str, agreement: str, consent: Consent) -> None:
        """How a person stands to an agreement."""
        cover = cover_of(consent)
        self.consents[(subject, agreement)] = consent
        self._covers[subject][agreement] = cover
        for moment in moments_of(cover, self.position.due_until_ms):
            heapq.heappush(self._due, (moment, "consent", agreement, subject.encode()))

    def put_held(self, dataset: str, key: bytes, held: Held) -> None:
        """What recipients hold of a record: all of it."""
        if held:
            self.holdings[dataset][key] = held
        else:
            self.holdings[dataset].pop(key, None)
        for agreement, copy in held.items():
            if copy.due_ms is not None:
                heapq.heappush(self._due, (copy.due_ms, "holding", agreement, key))
        self._known(dataset, key)

    def put_cursor(self, agreement: str, cursor: Cursor) -> None:
        """How far the agreement's catch-up has come."""
        self.cursors[agreement] = cursor

    def put_dead(self, dataset: str, key: bytes, version: DeadVersion | None) -> None:
        """That the newest version of a record is a dead letter, or, with None, no longer is."""
        self._sorted.pop(dataset, None)
        if version is None:
            self.dead.pop((dataset, key), None)
        else:
            self.dead[(dataset, key)] = version

    def put_entry(self, key: bytes, body: bytes | None) -> None:
        """An entry of `lane-state`, without its frame; None for one that is removed."""
        kind, _, rest = key.partition(b"/")
        name, _, ident = rest.partition(b"/")
        if kind == b"holding":
            self.put_held(name.decode(), ident, {} if body is None else held_in(body))
        elif kind == b"consent" and body is not None:
            self.put_consent(name.decode(), ident.decode(), consent_of(body))
        elif kind == b"cursor" and body is not None:
            self.put_cursor(rest.decode(), cursor_of(body))
        elif kind == b"dead":
            self.put_dead(name.decode(), ident, None if body is None else dead_of(body))

    def land(self, puts: Callable[[], None]) -> None:
        """Do these puts."""
        puts()

    def stand(self, position: Position, stood_at: int | None) -> None:
        """Note the position at which everything stands."""
        self.position, self.stood_at = position, stood_at

    def settle(self) -> None:
        """There is no disk."""

    def caught_up(self, now_ms: int) -> None:
        """Nobody will ask: what lies in memory is never resumed."""

    def apply(self, draft: Draft, stood_at: int | None = None) -> None:
        """Take over what was committed."""
        self.position, self.stood_at = draft.position, stood_at
        for _ in draft.due_taken:
            heapq.heappop(self._due)
        for (dataset, key), value in draft.records.items():
            self.put_record(dataset, key, value)
        for (subject, agreement), consent in draft.consents.items():
            self.put_consent(subject, agreement, consent)
        for (dataset, key), held in draft.moved():
            self.put_held(dataset, key, held)
        for agreement, cursor in draft.cursors.items():
            self.put_cursor(agreement, cursor)
        for (dataset, key), version in draft.dead.items():
            self.put_dead(dataset, key, version)

    def _known(self, dataset: str, key: bytes) -> None:
        """Keep the index of a person's keys."""
        keys = self._keys[(dataset, key.partition(b"/")[0].decode())]
        if key in self.records[dataset] or key in self.holdings[dataset]:
            keys.add(key)
        else:
            keys.discard(key)
