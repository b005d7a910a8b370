"""What a lane knows, in an embedded store: the newest entries of `lane-state` and of the changes topics.

Entries lie as they were written to Kafka, so that a commit, a replay and a rebuild put the same bytes in the same way.
Everything of one commit lands together with the position that it stands at. When a store may be trusted is decided in
`shelf.py` and `resume.py`; why it is made so, in `bus/decisions/0007`.
"""

import json
from collections.abc import Callable, Mapping
from hashlib import blake2b
from pathlib import Path

from bus.avro.frame import BODY_START
from bus.consent.fold import NEVER
from bus.model.consent import NO_COVER, NOBODY, Consent, Cover
from bus.route.held import NOTHING, NOTHING_DUE, Held, held_in
from bus.route.state import Cursor, DeadVersion, Draft, DueKey, Position, moments_of
from bus.route.store.bodies import (
    consent_of,
    cover_in,
    covers_body,
    covers_of,
    cursor_of,
    dead_of,
    entries_of,
    position_message,
    position_of,
)
from bus.route.store.tables import FIRST_MAP_BYTES, Tables

PEOPLE_KEPT = 10_000
"""People whose covers are kept decoded, and as many again who were asked for before them; half a kilobyte each."""

HOUR_MS = 3_600_000
MOST_CURSORS = 1_000_000

PLACE, DUE, CONSENT, COVER = "place", "due", "consent", "cover"
_PLACE_KEY = b"place"


class StoredState:
    """The committed state of one lane; see `LaneState`. Used by one task; `close` it in the end.

    Any method raises StoreBroken for a store that cannot be read, DiskFull where it cannot grow.
    """

    def __init__(self, folder: Path, *, map_bytes: int = FIRST_MAP_BYTES) -> None:
        self.position = Position()
        self.stood_at: int | None = None
        """The offset in `lane-state` up to which everything has been put; None where nothing was finished."""

        self.caught_up_ms = 0
        """When the lane had last read everything that there was to read."""

        self.schemas: set[bytes] = set()
        """The frames of the records."""

        self._tables = Tables(folder, map_bytes=map_bytes, prompt=frozenset({DUE}))
        self._next_due: tuple[int | None] | None = None
        """What `next_due_ms` says, until it may be something else."""

        self._covers: dict[str, Mapping[str, Cover]] = {}
        self._older_covers: dict[str, Mapping[str, Cover]] = {}
        self._cursors = {key.decode(): cursor_of(body) for key, body in self._tables.first("cursor", MOST_CURSORS)}
        self._recall()

    # --- what is known ------------------------------------------------------------------------------------------------

    def record(self, dataset: str, key: bytes) -> bytes | None:
        """The newest version of a record."""
        return self._tables.get(f"record/{dataset}", key)

    def held(self, dataset: str, key: bytes) -> Held:
        """What recipients hold of a record."""
        body = self._tables.get(f"holding/{dataset}", key)
        return NOTHING if body is None else held_in(body)

    def consent(self, subject: str, agreement: str) -> Consent:
        """How a person stands to an agreement."""
        body = self._tables.get(CONSENT, _consent_key(subject, agreement))
        return NEVER if body is None else consent_of(body)

    def covers(self, subject: str) -> Mapping[str, Cover]:
        """What of that decides, by agreement: kept once more for each person, quick to read."""
        covers = self._covers.get(subject)
        if covers is None:
            covers = self._older_covers.get(subject)
            if covers is None:
                row = self._tables.get(COVER, subject.encode())
                covers = NOBODY if row is None else covers_of(row)
            if len(self._covers) >= PEOPLE_KEPT:
                self._older_covers, self._covers = self._covers, {}
            self._covers[subject] = covers
        return covers

    def keys_after(self, dataset: str, after: bytes, limit: int) -> list[bytes]:
        """The next keys of a dataset, those of dead letters among them."""
        return self._tables.after_in((f"record/{dataset}", f"dead/{dataset}"), after, limit)

    def keys_of_person(self, dataset: str, subject: str) -> set[bytes]:
        """The keys of a person's records, and of what is held of them."""
        start = subject.encode() + b"/"
        return {key for kind in ("record", "holding") for key in self._tables.beginning(f"{kind}/{dataset}", start)}

    def orphans(self, dataset: str, after: bytes, limit: int) -> tuple[list[bytes], bytes | None]:
        """Keys held without a record, and where to go on."""
        looked_at = self._tables.after(f"holding/{dataset}", after, limit)
        lost = [key for key in looked_at if self._tables.get(f"record/{dataset}", key) is None]
        return lost, looked_at[-1] if len(looked_at) == limit else None

    def cursor(self, agreement: str) -> Cursor | None:
        """How far the agreement's catch-up has come."""
        return self._cursors.get(agreement)

    def dead_version(self, dataset: str, key: bytes) -> DeadVersion | None:
        """The dead letter that is a record's newest version."""
        body = self._tables.get(f"dead/{dataset}", key)
        return None if body is None else dead_of(body)

    def due(self, now_ms: int, limit: int) -> list[DueKey]:
        """What has fallen due."""
        first = self.next_due_ms()
        if first is None or first > now_ms:
            return []
        listed = [_due_key(slot, value) for slot, value in self._tables.first(DUE, limit)]
        return [due for due in listed if due[0] <= now_ms]

    def next_due_ms(self) -> int | None:
        """When something falls due next."""
        if self._next_due is None:
            first = self._tables.first(DUE, 1)
            self._next_due = (_moment(first[0][0]) if first else None,)
        return self._next_due[0]

    # --- what changes it ----------------------------------------------------------------------------------------------

    def apply(self, draft: Draft, stood_at: int | None = None) -> None:
        """Take over what was committed, and where it stands."""
        before = self.position, self.stood_at
        self.position = draft.position
        self.stood_at = self.stood_at if stood_at is None else stood_at
        try:
            self.land(lambda: self._apply(draft))
        except BaseException:
            self.position, self.stood_at = before
            raise

    def land(self, puts: Callable[[], None]) -> None:
        """Do these puts as one; the position that the store says it stands at stays as it is."""
        self._tables.land(puts)

    def stand(self, position: Position, stood_at: int | None) -> None:
        """Note the position at which everything stands that was put so far, and the offset of its record."""
        self.position, self.stood_at = position, stood_at
        self.land(self._put_place)
        self.settle()

    def put_record(self, dataset: str, key: bytes, value: bytes | None) -> None:
        """The newest version of a record, framed; None for a deleted one. Only within a landing."""
        if value is not None:
            self.schemas.add(value[:BODY_START])
        self._tables.put(f"record/{dataset}", key, value)

    def put_entry(self, key: bytes, body: bytes | None) -> None:
        """An entry of `lane-state`, without its frame; None for one that is removed. Only within a landing."""
        kind, _, rest = key.partition(b"/")
        name, _, record_key = rest.partition(b"/")
        if kind == b"holding":
            self._put_holdings(name.decode(), record_key, body)
        elif kind == b"consent":
            self._put_consent(name.decode(), record_key.decode(), body)
        elif kind == b"cursor":
            self._put_cursor(rest.decode(), body)
        elif kind == b"dead":
            self._tables.put(f"dead/{name.decode()}", record_key, body)

    def caught_up(self, now_ms: int) -> None:
        """Note that everything has been read that there was to read.

        Written at once for the first time, for until then the store would not be trusted, and then hourly; else with
        what is applied next.
        """
        before, self.caught_up_ms = self.caught_up_ms, now_ms
        if before // HOUR_MS != now_ms // HOUR_MS:
            self.land(self._put_place)
            self.settle()

    def settle(self) -> None:
        """Write what waits in memory."""
        self._tables.settle()

    def close(self, *, sync: bool) -> None:
        """Close, with `sync` after everything has reached the disk. What is known in memory can still be asked for."""
        self._tables.close(sync=sync)

    def _apply(self, draft: Draft) -> None:
        for due in draft.due_taken:
            self._put_due(due, present=False)
        for (dataset, key), value in draft.records.items():
            self.put_record(dataset, key, value)
        for key, body in entries_of(draft):
            self.put_entry(key, body)
        self._put_place()

    def _recall(self) -> None:
        place = self._tables.get(PLACE, _PLACE_KEY)
        if place is not None:
            told = json.loads(place)
            self.position = position_of(told["position"])
            self.stood_at, self.caught_up_ms = told["stood_at"], told["caught_up"]
            self.schemas = {bytes.fromhex(one) for one in told["schemas"]}

    def _put_place(self) -> None:
        told = {
            "position": position_message(self.position),
            "stood_at": self.stood_at,
            "caught_up": self.caught_up_ms,
            "schemas": [one.hex() for one in sorted(self.schemas)],
        }
        self._tables.put(PLACE, _PLACE_KEY, json.dumps(told).encode())

    def _put_holdings(self, dataset: str, key: bytes, body: bytes | None) -> None:
        table, new = f"holding/{dataset}", _dues(body)
        if not new and not self._tables.has(DUE):
            self._tables.put(table, key, body)  # nothing has ever fallen due: what was there cannot either
            return
        old = _dues(self._tables.swap(table, key, body))
        if old or new:
            self._move_dues("holding", key, old, new)

    def _put_consent(self, subject: str, agreement: str, body: bytes | None) -> None:
        before = self._tables.swap(CONSENT, _consent_key(subject, agreement), body)
        cover = NO_COVER if body is None else cover_in(body)
        self._put_cover(subject, agreement, cover)
        old = set() if before is None else moments_of(cover_in(before), 0)
        new = moments_of(cover, self.position.due_until_ms)
        if old or new:
            both = [{(moment, agreement) for moment in moments} for moments in (old, new)]
            self._move_dues("consent", subject.encode(), *both)

    def _put_cover(self, subject: str, agreement: str, cover: Cover) -> None:
        key = subject.encode()
        row = self._tables.landing(COVER, key)
        covers = {**(NOBODY if row is None else covers_of(row)), agreement: cover}
        self._tables.put(COVER, key, covers_body(covers))
        self._covers.pop(subject, None)
        self._older_covers.pop(subject, None)

    def _move_dues(self, kind: str, ident: bytes, old: set[tuple[int, str]], new: set[tuple[int, str]]) -> None:
        for moment, agreement in old - new:
            self._put_due((moment, kind, agreement, ident), present=False)
        for moment, agreement in new:
            self._put_due((moment, kind, agreement, ident), present=True)

    def _put_due(self, due: DueKey, *, present: bool) -> None:
        moment, kind, agreement, ident = due
        value = b"\0".join((kind.encode(), agreement.encode(), ident))
        self._next_due = None
        slot = moment.to_bytes(8) + blake2b(value, digest_size=16).digest()
        self._tables.put(DUE, slot, value if present else None)

    def _put_cursor(self, agreement: str, body: bytes | None) -> None:
        self._tables.put("cursor", agreement.encode(), body)
        if body is None:
            self._cursors.pop(agreement, None)
        else:
            self._cursors[agreement] = cursor_of(body)


def _dues(body: bytes | None) -> set[tuple[int, str]]:
    if body is None or body[0] == NOTHING_DUE:
        return set()
    return {(one.due_ms, name) for name, one in held_in(body).items() if one.due_ms is not None}


def _consent_key(subject: str, agreement: str) -> bytes:
    return f"{subject}/{agreement}".encode()


def _moment(slot: bytes) -> int:
    return int.from_bytes(slot[:8])


def _due_key(slot: bytes, value: bytes) -> DueKey:
    kind, agreement, ident = value.split(b"\0", 2)
    return _moment(slot), kind.decode(), agreement.decode(), ident
