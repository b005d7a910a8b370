"""The disclosure log against the agency topics: each record has its entry, each entry its record and its consent."""

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from itertools import pairwise

from seeds.reference.agreement import Agreement
from seeds.reference.consents import Consents
from seeds.reference.pseudonyms import Keys, pseudonyms_of, subject_hashes
from seeds.reference.readings import Block, BusReading, Entry, Record
from seeds.reference.verdict import Finding, Kind, masked


def log_findings(
    reading: BusReading, agreements: Iterable[Agreement], consents: Consents, keys: Keys
) -> Iterator[Finding]:
    """Everything that is wrong between `disclosures` and the agency topics."""
    listed = tuple(agreements)
    records = {record.event_id: record for record in reading.records}
    yield from _repeated_ids(reading)
    yield from _unlogged(reading)
    yield from _misfiled(reading, listed, records, keys)
    yield from _unconsented(reading, listed, records, consents, keys)
    yield from _backwards(reading.blocks)
    yield from _overtaken(reading)


def _repeated_ids(reading: BusReading) -> Iterator[Finding]:
    """An event id stands once, in whatever topic."""
    seen: set[str] = set()
    for record in reading.records:
        if record.event_id in seen:
            yield _of_record(Kind.DUPLICATED, record, "an event id that was used before")
        seen.add(record.event_id)


def _unlogged(reading: BusReading) -> Iterator[Finding]:
    """Disclosed = logged, both ways, by event id, place and kind."""
    entries = [(block, entry) for block in reading.blocks for entry in block.entries]
    told = Counter(_mark(entry) for _, entry in entries)
    done = Counter(_mark_of_record(record) for record in reading.records)
    for record in reading.records:
        if not told[_mark_of_record(record)]:
            yield _of_record(Kind.UNLOGGED, record, "no disclosure tells of it")
    for block, entry in entries:
        mark = _mark(entry)
        if told[mark] > done[mark]:
            told[mark] -= 1
            yield _of_entry(Kind.UNLOGGED, block, entry, "a disclosure of what is not there")


def _misfiled(
    reading: BusReading, agreements: tuple[Agreement, ...], records: dict[str, Record], keys: Keys
) -> Iterator[Finding]:
    """An entry that names another agreement, recipient or person logs nothing for the right one."""
    by_name = {agreement.name: agreement for agreement in agreements}
    hashed = subject_hashes(keys.root)
    for block in reading.blocks:
        for entry in block.entries:
            agreement = by_name.get(entry.agreement)
            if agreement is None or agreement.topic(reading.prefix) != entry.topic:
                yield _of_entry(Kind.UNLOGGED, block, entry, "its agreement does not write to that topic")
            elif entry.recipient != agreement.recipient:
                yield _of_entry(Kind.UNLOGGED, block, entry, "it names another recipient")
            elif entry.event_id in records and not agreement.hidden:
                subject = agreement.subject_of_key(records[entry.event_id].key)
                if entry.subject != (None if subject is None else hashed(subject)):
                    yield _of_entry(Kind.UNLOGGED, block, entry, "it names another person")


def _unconsented(
    reading: BusReading, agreements: tuple[Agreement, ...], records: dict[str, Record], consents: Consents, keys: Keys
) -> Iterator[Finding]:
    """What is released by consent is released under the one that stood, as far as its block knew consents."""
    named = {agreement.name: _persons(agreement, consents, keys) for agreement in agreements if agreement.by_consent}
    for block in reading.blocks:
        for entry in block.entries:
            if entry.kind != "RELEASE" or entry.agreement not in named or entry.event_id not in records:
                continue
            shown = records[entry.event_id].key.partition("/")[0]
            subject = named[entry.agreement].get(shown, shown)
            given = consents.given_as_of(subject, entry.agreement, block.lane, block.consents_offset)
            if given is None:
                yield _of_entry(Kind.AFTER_WITHDRAWAL, block, entry, "released while no consent stood")
            elif given.event_id != entry.consent:
                yield _of_entry(Kind.AFTER_WITHDRAWAL, block, entry, "released under another consent than stood")


def _persons(agreement: Agreement, consents: Consents, keys: Keys) -> dict[str, str]:
    """How a person stands in a key → who it is."""
    if not agreement.hidden:
        return {}
    hide = pseudonyms_of(keys, agreement.recipient)
    return {hide(subject): subject for subject in consents.subjects}


def _backwards(blocks: Iterable[Block]) -> Iterator[Finding]:
    """In each lane numbers rise, and what was known is never forgotten."""
    lanes: dict[int, list[Block]] = defaultdict(list)
    for block in blocks:
        lanes[block.lane].append(block)
    for lane, listed in lanes.items():
        for before, after in pairwise(listed):
            rises = (before.block, before.part) < (after.block, after.part)
            known = before.consents_offset <= after.consents_offset and before.register_offset <= after.register_offset
            read = all(offset <= after.inputs.get(name, 0) for name, offset in before.inputs.items())
            if not (rises and known and read):
                yield Finding(Kind.OUT_OF_ORDER, f"disclosures/{lane}", f"block {after.block}", "a lane that went back")


def _overtaken(reading: BusReading) -> Iterator[Finding]:
    """What one lane wrote to one partition lies there in the order in which it tells of it."""
    ranks: dict[str, tuple[int, int]] = {}
    for rank, (lane, entry) in enumerate((block.lane, entry) for block in reading.blocks for entry in block.entries):
        ranks[entry.event_id] = (lane, rank)
    newest: dict[tuple[str, int, int], int] = {}
    for record in reading.records:
        if record.event_id not in ranks:
            continue
        lane, rank = ranks[record.event_id]
        place = (record.topic, record.partition, lane)
        if rank < newest.get(place, -1):
            yield _of_record(Kind.OUT_OF_ORDER, record, "overtaken by what its lane did later")
        newest[place] = max(rank, newest.get(place, -1))


def _mark(entry: Entry) -> tuple[str, str, int, str]:
    return entry.event_id, entry.topic, entry.partition, entry.kind


def _mark_of_record(record: Record) -> tuple[str, str, int, str]:
    return record.event_id, record.topic, record.partition, record.kind


def _of_record(kind: Kind, record: Record, what: str) -> Finding:
    return Finding(kind, f"{record.topic}/{record.partition}/{record.offset}", masked(record.key), what)


def _of_entry(kind: Kind, block: Block, entry: Entry, what: str) -> Finding:
    place = f"disclosures/{block.lane}, block {block.block}"
    return Finding(kind, place, f"event {masked(entry.event_id)}", f"{what} ({entry.agreement})")
