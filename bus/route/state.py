"""What a lane knows: the newest version of every record, consents, holdings, cursors. Rebuilt from topics.

`LaneState` is what has been committed; where it lies is its own matter, see `store/`.
`Draft` is one transaction's changes on top of it: read through it, and either apply it after the commit or throw it
away.
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

from bus.consent.covers import cover_of
from bus.model.consent import Consent, Cover
from bus.route.held import Copy, Held


@dataclass(frozen=True, slots=True)
class Position:
    """Where a lane stands. Offsets are those of the next record to be read; `inputs` by dataset."""

    lane_time_ms: int = 0
    block: int = 0
    consents_offset: int = 0
    register_offset: int = 0
    inputs: Mapping[str, int] = field(default_factory=dict)
    commands_offset: int = 0
    due_until_ms: int = 0
    """Everything that fell due up to this moment has been judged; of what came later some may still wait."""

    topics: Mapping[str, str] = field(default_factory=dict)
    """The id of each topic that these offsets are of: those of another topic of its name mean others."""


@dataclass(frozen=True, slots=True)
class Cursor:
    """How far the records that exist have been judged under an agreement's `standing`, a text that names it whole."""

    standing: str
    after: bytes = b""
    done: bool = False


@dataclass(frozen=True, slots=True)
class DeadVersion:
    """The newest version of a record could not be taken and lies in `deadletters`; `offset` is its own, among changes.

    Gone as soon as a newer version is taken, or this one is released. A discarded one is remembered, so that it stays
    out even when it has become readable.
    """

    offset: int
    discarded: bool = False


Pair = tuple[str, str]
"""(subject, agreement) of a consent."""

RecordPlace = tuple[str, bytes]
"""(dataset, key) of a record."""

Entry = tuple[bytes, bytes | None]
"""Key and bare body of an entry of `lane-state`; None for one that is removed."""

DueKey = tuple[int, str, str, bytes]
"""When, what ('consent' or 'holding'), which agreement, and which subject or record key."""


def moments_of(cover: Cover, after_ms: int) -> set[int]:
    """When a standing changes by itself, after a moment."""
    if cover.lacking is not None:
        return set()
    both = (cover.valid_from_ms, cover.valid_until_ms)
    return {moment for moment in both if moment is not None and moment > after_ms}


class LaneState(Protocol):
    """The committed state of one lane. Keys of records stand in one order, the same for all that is asked in order."""

    position: Position

    def record(self, dataset: str, key: bytes) -> bytes | None:
        """The newest version of a record, framed; None where there is none."""
        ...

    def held(self, dataset: str, key: bytes) -> Held:
        """What recipients hold of a record."""
        ...

    def consent(self, subject: str, agreement: str) -> Consent:
        """How a person stands to an agreement; NEVER where nothing is known."""
        ...

    def covers(self, subject: str) -> Mapping[str, Cover]:
        """What of that decides, by agreement: those of which anything is known."""
        ...

    def keys_after(self, dataset: str, after: bytes, limit: int) -> Sequence[bytes]:
        """The next keys of a dataset's records in order, from the first one when `after` is empty.

        Those too of which nothing is known but that their newest version is a dead letter.
        """
        ...

    def keys_of_person(self, dataset: str, subject: str) -> Collection[bytes]:
        """The keys of a person's records, and of what recipients hold of them: the record itself may be lost."""
        ...

    def orphans(self, dataset: str, after: bytes, limit: int) -> tuple[list[bytes], bytes | None]:
        """Keys that recipients hold a record of that is not there, among the next `limit` held after `after`.

        And where to go on; None when all have been looked at.
        """
        ...

    def cursor(self, agreement: str) -> Cursor | None:
        """How far the agreement's catch-up has come."""
        ...

    def dead_version(self, dataset: str, key: bytes) -> DeadVersion | None:
        """The dead letter that is a record's newest version, or None."""
        ...

    def due(self, now_ms: int, limit: int) -> Sequence[DueKey]:
        """What has fallen due by now, at most `limit`, earliest first."""
        ...

    def next_due_ms(self) -> int | None:
        """When something falls due next, or None."""
        ...

    def apply(self, draft: "Draft", stood_at: int | None = None) -> None:
        """Take over what was committed; `stood_at` is the offset of its position in `lane-state`, where it is known."""
        ...

    def settle(self) -> None:
        """Write what waits in memory, where there is a disk: the moment is good."""
        ...

    def caught_up(self, now_ms: int) -> None:
        """Note that everything has been read that there was to read."""
        ...


class Draft:
    """The changes of one transaction on top of a committed state, which it leaves untouched."""

    def __init__(self, state: LaneState, position: Position, now_ms: int | None = None) -> None:
        self.state = state
        self.position = position
        self.told_ms = position.lane_time_ms if now_ms is None else now_ms
        """The time that recipients are told: the clock's. Where it went back the lane's own lies in the future, from
        which a broker takes no record."""

        self.records: dict[RecordPlace, bytes | None] = {}
        self.consents: dict[Pair, Consent] = {}
        self.cursors: dict[str, Cursor] = {}
        self.dead: dict[RecordPlace, DeadVersion | None] = {}
        self.due_taken: list[DueKey] = []
        self.entries: list[Entry] | None = None
        """What it changes in `lane-state`, once it is finished and somebody has asked, see `bodies.entries_of`."""

        self._covers: dict[str, dict[str, Cover]] = {}
        self._opened: dict[RecordPlace, tuple[Held, dict[str, Copy]]] = {}

    def record(self, dataset: str, key: bytes) -> bytes | None:
        """The newest version, this transaction's included."""
        place = (dataset, key)
        return self.records[place] if place in self.records else self.state.record(dataset, key)

    def keys_of_person(self, dataset: str, subject: str) -> list[bytes]:
        """The keys of a person's records in a dataset, and of what recipients hold of them, in byte order.

        A held record may be gone from the dataset's newest versions, when its newest one could not be read.
        """
        start = subject.encode() + b"/"
        drafted = {key for of, key in self.records if of == dataset and key.startswith(start)}
        return sorted(drafted.union(self.state.keys_of_person(dataset, subject)))

    def consent(self, subject: str, agreement: str) -> Consent:
        """How a person stands to an agreement, this transaction's events included."""
        drafted = self.consents.get((subject, agreement))
        return self.state.consent(subject, agreement) if drafted is None else drafted

    def take_consent(self, subject: str, agreement: str, consent: Consent) -> None:
        """Note how a person stands to an agreement from now on."""
        self.consents[(subject, agreement)] = consent
        covers = self._covers.get(subject)
        if covers is None:
            covers = self._covers[subject] = dict(self.state.covers(subject))
        covers[agreement] = cover_of(consent)

    def covers(self, subject: str) -> Mapping[str, Cover]:
        """What of a person's consents decides, by agreement, this transaction's events included."""
        drafted = self._covers.get(subject) if self._covers else None
        return self.state.covers(subject) if drafted is None else drafted

    def held(self, dataset: str, key: bytes) -> Held:
        """What recipients hold of a record, this transaction's outputs included."""
        opened = self._opened.get((dataset, key))
        return self.state.held(dataset, key) if opened is None else opened[1]

    def open(self, dataset: str, key: bytes) -> dict[str, Copy]:
        """The same, to be changed by whom it is given to: every time it is asked for the same."""
        place = (dataset, key)
        opened = self._opened.get(place)
        if opened is None:
            before = self.state.held(dataset, key)
            opened = self._opened[place] = (before, dict(before))
        return opened[1]

    def moved(self) -> Iterator[tuple[RecordPlace, Held]]:
        """The records of which recipients hold something else now, and what."""
        for place, (before, now) in self._opened.items():
            if now != before:
                yield place, now

    def cursor(self, agreement: str) -> Cursor | None:
        """How far the agreement's catch-up has come."""
        return self.cursors.get(agreement) or self.state.cursor(agreement)

    def dead_version(self, dataset: str, key: bytes) -> DeadVersion | None:
        """The dead letter that is a record's newest version, or None."""
        record = (dataset, key)
        return self.dead[record] if record in self.dead else self.state.dead_version(dataset, key)

    def take_due(self, limit: int, weigh: Callable[[DueKey], int]) -> bool:
        """Put what has fallen due into `due_taken`, earliest first, and say whether it is all; to be judged then.

        At most `limit` together as `weigh` tells how much there is to judge for each; one of them in any case.
        """
        now_ms = self.position.lane_time_ms
        found, room = self.state.due(now_ms, limit), limit
        for due in found:
            room -= weigh(due)
            if self.due_taken and room < 0:
                break
            self.due_taken.append(due)
        whole = len(self.due_taken) == len(found) < limit
        until_ms = now_ms if whole else self.due_taken[-1][0] - 1
        self.position = replace(self.position, due_until_ms=max(until_ms, self.position.due_until_ms))
        return whole
