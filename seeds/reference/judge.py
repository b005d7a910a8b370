"""Judging: what was read against what must be. Pure; every finding says where."""

import re
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime

from seeds.reference.agreement import SUBJECT, Agreement
from seeds.reference.consents import Consents, holds
from seeds.reference.log import log_findings
from seeds.reference.pseudonyms import Keys, pseudonyms_of
from seeds.reference.readings import BusReading, Record, Registries, View
from seeds.reference.verdict import Finding, Kind, Tally, Verdict, masked

HEADERS = frozenset(
    {
        *("content-type", "ce_specversion", "ce_id", "ce_source", "ce_type", "ce_time"),
        *("ce_agreementid", "ce_agreementrevision", "ce_purpose", "ce_legalbasis", "ce_consentref"),
        *("ce_erasurereason", "traceparent"),
    }
)
"""What the headers of a released record may tell."""

_TWELVE_DIGITS = re.compile(r"(?=(\d{12}))")
"""Every place where a personal number could stand, overlapping ones too."""


@dataclass(frozen=True, slots=True)
class Grounds:
    """What an agency's holdings follow from, beside the agreement."""

    registries: Registries
    consents: Consents
    revisions: Mapping[str, frozenset[str]]
    keys: Keys
    now: datetime


def judge(
    reading: BusReading, registries: Registries, agreements: Iterable[Agreement], keys: Keys, now: datetime
) -> Verdict:
    """Compare every agency topic with what its recipient must hold at `now`, and with the disclosure log.

    A consent or an agreement that ends between the last transaction and `now` makes a difference that nobody caused:
    call it when the bus is quiet.
    """
    listed = tuple(agreements)
    grounds = Grounds(registries, Consents(reading.consents), reading.revisions, keys, now)
    by_topic: dict[str, list[Record]] = defaultdict(list)
    for record in reading.records:
        by_topic[record.topic].append(record)
    findings: list[Finding] = []
    tallies = []
    for agreement in listed:
        records = by_topic[agreement.topic(reading.prefix)]
        must = holdings_of(agreement, grounds)
        held, of_history = _history(records)
        findings += of_history
        findings += _compared(agreement.topic(reading.prefix), must, held)
        tallies.append(_tally(agreement, records, reading, held=len(held), expected=len(must.views)))
    numbers = frozenset(row["so_dinh_danh"] for row in registries.rows["citizen"])
    findings += _strangers(reading, listed)
    findings += (finding for record in reading.records for finding in _talkative(record, numbers))
    findings += log_findings(reading, listed, grounds.consents, keys)
    return Verdict(tuple(tallies), tuple(findings), reading.dead_letters)


@dataclass(frozen=True, slots=True)
class Holdings:
    """What a recipient must hold, key → view, and under which keys an older copy may have stayed."""

    views: Mapping[str, View]
    may_stay: frozenset[str]


def holdings_of(agreement: Agreement, grounds: Grounds) -> Holdings:
    """What the recipient must hold now."""
    accepted = grounds.revisions.get(agreement.name)
    if accepted is None or not agreement.in_force(grounds.now):
        return Holdings({}, frozenset())
    hide, column = pseudonyms_of(grounds.keys, agreement.recipient), SUBJECT[agreement.table]
    views: dict[str, View] = {}
    outside = set()
    for row in grounds.registries.rows[agreement.table]:
        if agreement.by_consent:
            given = grounds.consents.given(row[column], agreement.name) if column else None
            if given is None or not holds(given, accepted, grounds.now):
                continue
        view = agreement.view(row, hide)
        if view is not None:
            views[agreement.key(row, hide)] = view
        elif agreement.keeps:
            outside.add(agreement.key(row, hide))
    return Holdings(views, frozenset(outside))


def _history(records: Iterable[Record]) -> tuple[dict[str, Record], list[Finding]]:
    """What is held at the end, and what was said twice on the way."""
    held: dict[str, Record] = {}
    ever: dict[str, int] = {}
    findings = []
    for record in records:
        before = held.get(record.key)
        if record.view is None and not record.unreadable:
            if before is None:
                kind, what = (
                    (Kind.DUPLICATED, "erased again")
                    if record.key in ever
                    else (Kind.SURPLUS, "an erasure of what was never released")
                )
                findings.append(_finding(kind, record, what))
            held.pop(record.key, None)
        else:
            if before is not None and before.view == record.view:
                findings.append(_finding(Kind.DUPLICATED, record, "the same value again"))
            held[record.key] = record
        if ever.setdefault(record.key, record.partition) != record.partition:
            findings.append(_finding(Kind.OUT_OF_ORDER, record, "a key that changed its partition"))
    return held, findings


def _compared(topic: str, must: Holdings, held: Mapping[str, Record]) -> Iterator[Finding]:
    for key in sorted(must.views.keys() - held.keys()):
        yield Finding(Kind.LOST, topic, masked(key), "it must be there, and is not")
    for key, record in held.items():
        wanted = must.views.get(key)
        if record.unreadable or record.view is None:
            yield _finding(Kind.SURPLUS, record, "bytes that no schema explains")
        elif wanted is not None:
            yield from _differences(record, record.view, wanted)
        elif key not in must.may_stay:
            yield _finding(Kind.SURPLUS, record, "nothing lets the recipient hold it")


def _differences(record: Record, view: View, wanted: View) -> Iterator[Finding]:
    """Fields are named, values never."""
    too_many = sorted(view.keys() - wanted.keys())
    if too_many:
        yield _finding(Kind.SURPLUS, record, f"fields too many: {', '.join(too_many)}")
    other = sorted(name for name, value in wanted.items() if name not in view or view[name] != value)
    if other:
        yield _finding(Kind.LOST, record, f"other than in the registry: {', '.join(other)}")


def _strangers(reading: BusReading, agreements: Iterable[Agreement]) -> Iterator[Finding]:
    known = {agreement.topic(reading.prefix) for agreement in agreements}
    for record in reading.records:
        if record.topic not in known:
            yield _finding(Kind.SURPLUS, record, "the reference knows no agreement of this topic")


def _talkative(record: Record, numbers: frozenset[str]) -> Iterator[Finding]:
    """Headers tell nothing of a person, and nothing that is not agreed."""
    unknown = sorted(record.headers.keys() - HEADERS)
    if unknown:
        yield _finding(Kind.SURPLUS, record, f"headers too many: {', '.join(unknown)}")
    if any(_names(text, numbers) for text in record.headers.values()):
        yield _finding(Kind.SURPLUS, record, "a header names a person")


def _names(text: str, numbers: frozenset[str]) -> bool:
    return any(found in numbers for found in _TWELVE_DIGITS.findall(text))


def _tally(agreement: Agreement, records: Iterable[Record], reading: BusReading, *, held: int, expected: int) -> Tally:
    kinds = Counter(record.kind for record in records)
    withheld: Counter[str] = Counter()
    for block in reading.blocks:
        for name, reason, count in block.withheld:
            if name == agreement.name:
                withheld[reason] += count
    return Tally(agreement.name, agreement.recipient, kinds["RELEASE"], kinds["ERASE"], held, expected, dict(withheld))


def _finding(kind: Kind, record: Record, what: str) -> Finding:
    return Finding(kind, f"{record.topic}/{record.partition}/{record.offset}", masked(record.key), what)
