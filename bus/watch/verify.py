"""`bus route verify`: do agency topics, disclosures and lane state agree? Only what lies in the topics counts.

Kafka has no one moment across topics, and lanes go on while they are read. So a difference counts when it is there in
several looks in a row: what a lane commits, it commits everywhere, and the next look has it all. A look waits for each
transaction under way: what was committed behind one of a router that was killed cannot be seen before that is over.
"""

import asyncio
from collections import Counter, defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Any, NamedTuple

from bus.errors import RecordUnreadable, SchemaUnknown, TopicGone
from bus.kafka.admin import Admin
from bus.kafka.log import Place, Reader
from bus.kafka.whole import written_ends
from bus.model.keyring import KeyRing, keyed_id
from bus.model.record import Incoming
from bus.platform.salts import Salts
from bus.register.state import AgreementEntry, Standing
from bus.watch.reach import Look

LOOKS = 3
PAUSE_SECONDS = 1.0
SHOWN = 20
"""So many places of a kind are named; the rest is counted."""

Findings = Mapping[str, frozenset[str]]
"""Kind → where: `topic/partition/offset`, an event id, or a keyed id; never a key or a value."""

_FIND_WHO = (
    "Only the router may write there: `kafka-acls --list --topic …` names who else can; give that user a new password."
)
_SEND_ANEW = (
    "A new major version of the agreement (`major` in its text) sends everything anew, into a topic of its own."
)

KINDS = {
    "topic-gone": (
        "The topic of an agreement that has not ended is not there.",
        f"`bus up` makes it anew: until then lanes that write there stand. {_SEND_ANEW}",
    ),
    "unreadable": ("A record of the log or of the books that nobody can read: what it tells is unknown.", _FIND_WHO),
    "without-event-id": ("A record in an agency topic that no release or erasure has made.", _FIND_WHO),
    "not-logged": (
        "A record was sent, and no disclosure tells of it.",
        f"Where older ones of the log are gone, its retention was shortened, or somebody deleted them. {_FIND_WHO}",
    ),
    "logged-twice": ("One event id stands in two disclosures.", _FIND_WHO),
    "sent-twice": ("One event id stands on two records.", _FIND_WHO),
    "not-sent": (
        "A disclosure tells of a record that was never written; compaction cannot have taken so many.",
        f"Somebody wrote into the log, or made the topic anew. {_SEND_ANEW}",
    ),
    "held-and-not-booked": (
        "A recipient holds a record of which the lane does not know.",
        f"Write a null under its key into that partition, and tell the recipient. {_FIND_WHO}",
    ),
    "booked-and-not-held": (
        "The lane books a record that the recipient does not hold.",
        f"{_SEND_ANEW} A backfill does not: it sends nothing that is booked.",
    ),
    "held-in-another-view": (
        "A recipient holds another view of a record than the lane books.",
        f"{_SEND_ANEW} A backfill does not: it sends nothing that is booked.",
    ),
}
"""Kind of a finding → what it means, and what to do."""


class Event(NamedTuple):
    """One release or erasure, as topic and log both name it."""

    topic: str
    partition: int
    event_id: str
    kind: str


class Spot(NamedTuple):
    """Where a recipient holds a record."""

    topic: str
    partition: int
    key: bytes


@dataclass(frozen=True, slots=True)
class Verified:
    """What was compared, and what does not agree."""

    agreements: tuple[str, ...]
    records: int
    entries: int
    holdings: int
    findings: Findings

    @property
    def agree(self) -> bool:
        """Whether there is nothing to tell."""
        return not self.findings

    def as_json(self) -> dict[str, Any]:
        """For machines; see the README of this folder."""
        found = {
            kind: {"count": len(places), "first": sorted(places)[:SHOWN]} for kind, places in self.findings.items()
        }
        return {
            "agreements": list(self.agreements),
            "records": self.records,
            "entries": self.entries,
            "holdings": self.holdings,
            "findings": found,
            "agree": self.agree,
        }


async def verify(look: Look, agreements: Collection[AgreementEntry], told: Callable[[str], None]) -> Verified:
    """Compare the topics of these agreements as they stand now; `told` hears of each look.

    Reads agency topics and lane state, and so needs an administrator's rights and the bus's root key.
    """
    ring = Salts(look.home).keyring(look.register.state.root_check)
    there = await Admin(look.access).topics()
    book = Book(ring, {entry.topic for entry in agreements}, look)
    book.gone = {entry.topic: entry.standing for entry in agreements if entry.topic not in there}
    names = tuple(sorted(entry.agreement for entry in agreements))
    reader = Reader(look.access, committed=True)
    await reader.start()
    try:
        places = await _places(look, book.topics, there)
        reader.assign(await look.asker.beginnings(places))
        findings: Findings = {}
        for number in range(LOOKS):
            told(f"look {number + 1}: {len(places)} partitions")
            now = await _look(look, reader, places, book)
            findings = now if number == 0 else persisting(findings, now)
            if not findings:
                break
            if number + 1 < LOOKS:
                await asyncio.sleep(PAUSE_SECONDS)
    finally:
        await reader.stop()
    return Verified(names, book.written.total(), book.logged.total(), sum(map(len, book.booked.values())), findings)


def persisting(before: Findings, now: Findings) -> Findings:
    """What was found both times, at the same places."""
    both = {kind: places & before.get(kind, frozenset()) for kind, places in now.items()}
    return {kind: places for kind, places in both.items() if places}


class Book:
    """What was read so far."""

    def __init__(self, keyring: KeyRing, topics: set[str], look: Look) -> None:
        self.topics = topics
        self.gone: Mapping[str, Standing] = {}
        self.written: Counter[Event] = Counter()
        self.logged: Counter[Event] = Counter()
        self.blocks: dict[Place, set[tuple[int, int]]] = defaultdict(set)
        self.held: dict[Spot, tuple[bytes, int]] = {}
        self.booked: dict[bytes, dict[Spot, bytes]] = {}
        self._nameless: set[str] = set()
        self._unreadable: set[str] = set()
        self._keyring = keyring
        self._look = look

    async def take(self, record: Incoming) -> None:
        """One record of any of the topics."""
        topics = self._look.topics
        if record.topic not in {topics.disclosures, topics.lane_state}:
            self._take_output(record)
            return
        try:
            await (self._take_block if record.topic == topics.disclosures else self._take_state)(record)
        except (RecordUnreadable, SchemaUnknown, KeyError, IndexError, TypeError):
            self._unreadable.add(f"{record.topic}/{record.partition}/{record.offset}")

    def compare(self, ends: Mapping[Place, int]) -> Findings:
        """What does not agree, as of what was read; `ends` of the agency topics."""
        booked = {spot: view_hash for spots in self.booked.values() for spot, view_hash in spots.items()}
        both = self.held.keys() & booked.keys()
        found = {
            "topic-gone": {topic for topic, standing in self.gone.items() if standing is not Standing.ENDED},
            "unreadable": self._unreadable,
            "without-event-id": self._nameless,
            "not-logged": {_named(event) for event in self.written.keys() - self.logged.keys()},
            "logged-twice": {_named(event) for event, count in self.logged.items() if count > 1},
            "sent-twice": {_named(event) for event, count in self.written.items() if count > 1},
            "not-sent": {_named(event) for event in self._not_sent(ends)},
            "held-and-not-booked": {self._where(spot) for spot in self.held.keys() - booked.keys()},
            "booked-and-not-held": {self._where(spot) for spot in booked.keys() - self.held.keys()},
            "held-in-another-view": {self._where(spot) for spot in both if self.held[spot][0] != booked[spot]},
        }
        return {kind: frozenset(places) for kind, places in found.items() if places}

    def _not_sent(self, ends: Mapping[Place, int]) -> list[Event]:
        """Logged events without a record, where the partition is too short to have ever held them.

        Compaction takes records and leaves their offsets; each transaction ends in one offset more. A newest record
        that is missing is found by the holdings anyway.
        """
        missing: dict[Place, list[Event]] = defaultdict(list)
        present: Counter[Place] = Counter()
        for event in (one for one in self.logged if one.topic not in self.gone):
            missing[Place(event.topic, event.partition)] += [event] if event not in self.written else []
        for event, count in self.written.items():
            present[Place(event.topic, event.partition)] += count
        return [
            event
            for place, events in missing.items()
            if present[place] + len(events) + len(self.blocks[place]) > ends.get(place, 0)
            for event in events
        ]

    async def _take_block(self, record: Incoming) -> None:
        block = await self._look.messages.decode(record.value or b"")
        for entry in block["entries"]:
            if entry["topic"] in self.topics:
                self.logged[Event(entry["topic"], entry["partition"], entry["event_id"], entry["kind"])] += 1
                self.blocks[Place(entry["topic"], entry["partition"])].add((block["lane"], block["block"]))

    def _take_output(self, record: Incoming) -> None:
        spot = Spot(record.topic, record.partition, record.key or b"")
        if record.value is None:
            self.held.pop(spot, None)
        else:
            self.held[spot] = (self._keyring.view_hash(record.value), record.offset)
        event_id = record.header("ce_id")
        if event_id is None:
            self._nameless.add(f"{record.topic}/{record.partition}/{record.offset}")
        else:
            kind = "ERASE" if record.value is None else "RELEASE"
            self.written[Event(record.topic, record.partition, event_id, kind)] += 1

    async def _take_state(self, record: Incoming) -> None:
        key = record.key or b""
        if not key.startswith(b"holding/"):
            return
        if record.value is None:
            self.booked.pop(key, None)
            return
        own = key.split(b"/", 2)[2]
        message = await self._look.messages.decode(record.value)
        self.booked[key] = {
            Spot(one["topic"], one["partition"], own if one["key"] is None else one["key"]): one["view_hash"]
            for one in message["held"]
            if one["topic"] in self.topics
        }

    def _where(self, spot: Spot) -> str:
        """A place that can be found again and names nobody."""
        if spot in self.held:
            return f"{spot.topic}/{spot.partition}/{self.held[spot][1]}"
        return f"{spot.topic}/{spot.partition} {keyed_id(self._keyring.derive('verify'), spot.key.hex())}"


async def _look(look: Look, reader: Reader, places: list[Place], book: Book) -> Findings:
    """Read on to the present ends, and compare. Disclosures may be read a little further than topics, or less."""
    ends = await written_ends(look.access, places)
    async for records in reader.to_ends(ends):
        for record in records:
            await book.take(record)
    return book.compare({place: await reader.position(place) for place in places if place.topic in book.topics})


async def _places(look: Look, topics: Collection[str], there: Mapping[str, int]) -> list[Place]:
    """All partitions; a topic of an agreement may be gone, the others not. Raises RightMissing, TopicGone."""
    own = [look.topics.disclosures, look.topics.lane_state]
    if hidden := sorted(set(own) - there.keys()):
        await look.asker.require_seen(hidden)
        raise TopicGone(topic=", ".join(hidden), bootstrap=look.access.bootstrap)
    return [Place(topic, number) for topic in (*topics, *own) for number in range(there.get(topic, 0))]


def _named(event: Event) -> str:
    return f"{event.topic}/{event.partition} {event.event_id} {event.kind.lower()}"
