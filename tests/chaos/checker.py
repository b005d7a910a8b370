"""The judge of a bus under faults: counts what must be zero. Pure, and free of the bus's own code.

What is judged by: offsets and numbers, never a clock. The load's numbers only grow, so the order of any two releases of
one record is known; a block names the offset of consents that its transaction knew.
"""

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from tests.chaos.evidence import Change, ConsentSeen, Copy, Evidence, number_of

HEADERS = frozenset(
    {
        "content-type",
        "ce_specversion",
        "ce_id",
        "ce_source",
        "ce_type",
        "ce_time",
        "ce_agreementid",
        "ce_agreementrevision",
        "ce_purpose",
        "ce_legalbasis",
        "ce_consentref",
        "ce_erasurereason",
        "traceparent",
    }
)
"""What a recipient may find in headers."""

SECRET = b"SECRET"
"""The load puts this into a field that no agreement releases."""

Step = int | None
"""What happened to a recipient's copy: the number released, or None for an erasure."""


@dataclass(frozen=True, slots=True)
class Flow:
    """An agreement as a person would say it: stated here anew, not taken from the bus."""

    agreement: str
    topic: str
    fields: frozenset[str]
    by_consent: bool
    admits: Callable[[Mapping[str, Any]], bool]


@dataclass(slots=True)
class Verdict:
    """How often each fault was found, with a few places of each."""

    counts: Counter[str] = field(default_factory=Counter)
    places: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))

    def add(self, fault: str, place: str, count: int = 1) -> None:
        """Count a fault; a count of 0 is none."""
        if count:
            self.counts[fault] += count
            self.places[fault].append(place)

    @property
    def clean(self) -> bool:
        """Whether nothing was found."""
        return not self.counts

    def __str__(self) -> str:
        """The counts, and the first places of each fault."""
        return "; ".join(f"{fault} {count}: {self.places[fault][:5]}" for fault, count in self.counts.items()) or "none"


FAULTS = ("lost", "duplicated", "torn", "out-of-order", "after-withdrawal", "kept", "leaked")
"""`kept`: a copy that should have been erased is still held."""


def judge(evidence: Evidence, flows: Iterable[Flow], *, largest: int = 1 << 20) -> Verdict:
    """Everything that must not be. `largest`: a bigger change may be buried as a dead letter, though it is readable."""
    verdict = Verdict()
    listed = list(flows)
    dead = Counter(evidence.dead)
    alive = [change for change in evidence.changes if change.readable and change.origin not in dead]
    _buried(verdict, evidence, dead, largest)
    _read_to_the_ends(verdict, evidence)
    _torn(verdict, evidence)
    _blocks_in_order(verdict, evidence)
    for flow in listed:
        copies = [copy for copy in evidence.copies if copy.topic == flow.topic]
        _steps(verdict, flow, copies, alive)
        _contents(verdict, flow, copies, alive, evidence.consents)
        _leaks(verdict, flow, copies)
    _after_withdrawal(verdict, evidence, listed)
    return verdict


def behind(evidence: Evidence) -> list[str]:
    """The inputs that the lanes' committed positions have not passed yet."""
    newest = {stand.lane: stand for stand in evidence.positions}
    found = {}
    for change in evidence.changes:
        dataset = change.topic.partition("changes.")[2]
        stand = newest.get(change.lane)
        if stand is None or dict(stand.inputs).get(dataset, 0) <= change.offset:
            found[(change.lane, dataset)] = f"changes of lane {change.lane} to {change.offset}"
    for event in evidence.consents:
        stand = newest.get(event.lane)
        if stand is None or stand.consents_offset <= event.offset:
            found[(event.lane, "consents")] = f"consents of lane {event.lane} to {event.offset}"
    return list(found.values())


def _read_to_the_ends(verdict: Verdict, evidence: Evidence) -> None:
    for place in behind(evidence):
        verdict.add("lost", f"unread: {place}")


def _buried(verdict: Verdict, evidence: Evidence, dead: Counter[str], largest: int) -> None:
    """What cannot be read lies in deadletters exactly once, and nothing else does."""
    for change in evidence.changes:
        due = not change.readable
        verdict.add("lost", f"no dead letter of {change.origin}", int(due and dead[change.origin] == 0))
        verdict.add("duplicated", f"dead letter of {change.origin}", max(0, dead[change.origin] - 1))
        verdict.add(
            "lost", f"buried: {change.origin}", int(not due and change.size <= largest and change.origin in dead)
        )


def _torn(verdict: Verdict, evidence: Evidence) -> None:
    """Outputs and disclosures are the same, one for one; a block stands where its lane's position says."""
    written = Counter((copy.topic, copy.partition, copy.event_id, copy.kind) for copy in evidence.copies)
    logged = Counter((entry.topic, entry.partition, entry.event_id, entry.kind) for entry in evidence.entries)
    for place, count in (written - logged).items():
        verdict.add("torn", f"not disclosed: {place}", count)
    for place, count in (logged - written).items():
        verdict.add("torn", f"disclosed only: {place}", count)
    for place, count in written.items():
        verdict.add("duplicated", f"event id: {place}", count - 1)
    stands = set(evidence.positions)
    for block in evidence.blocks:
        verdict.add("torn", f"no position of block {block.lane}/{block.block}", int(block not in stands))


def _blocks_in_order(verdict: Verdict, evidence: Evidence) -> None:
    """One owner a lane: its transactions count up by one and never go back in any input."""
    newest: dict[int, Any] = {}
    for stand in evidence.positions:
        before = newest.get(stand.lane)
        newest[stand.lane] = stand
        if before is None:
            continue
        place = f"position {stand.lane}/{stand.block} after {before.block}"
        verdict.add("torn", place, int(stand.block != before.block + 1))
        went_back = stand.consents_offset < before.consents_offset or any(
            dict(stand.inputs).get(dataset, 0) < offset for dataset, offset in before.inputs
        )
        verdict.add("out-of-order", place, int(went_back))


def _steps(verdict: Verdict, flow: Flow, copies: list[Copy], alive: list[Change]) -> None:
    """Release by release: order, repetition, and under an article of law exactly what the registry said."""
    found: dict[str, list[Step]] = defaultdict(list)
    for copy in copies:
        found[copy.key].append(copy.number)
    for key, steps in found.items():
        place = f"{flow.agreement} key {key}"
        numbers = [step for step in steps if step is not None]
        backwards = sum(later < earlier for earlier, later in pairwise(numbers))
        verdict.add("out-of-order", place, backwards)
        held: list[Step] = [None, *steps]
        again = sum(later == earlier for earlier, later in pairwise(held))
        verdict.add("duplicated", place, again)
    if not flow.by_consent:
        due = _due_by_law(flow, alive)
        for key in due.keys() | found.keys():
            _compare(verdict, f"{flow.agreement} key {key}", due.get(key, []), found.get(key, []))


def _due_by_law(flow: Flow, alive: list[Change]) -> dict[str, list[Step]]:
    due: dict[str, list[Step]] = defaultdict(list)
    for change in alive:
        steps = due[change.key]
        if change.record is not None and flow.admits(change.record):
            steps.append(number_of(change.record))
        elif steps and steps[-1] is not None:
            steps.append(None)
    return due


def _compare(verdict: Verdict, place: str, due: list[Step], found: list[Step]) -> None:
    missing, surplus = Counter(due) - Counter(found), Counter(found) - Counter(due)
    verdict.add("lost", place, missing.total())
    verdict.add("duplicated", place, surplus.total())
    verdict.add("out-of-order", place, int(not missing and not surplus and due != found))


def _contents(
    verdict: Verdict, flow: Flow, copies: list[Copy], alive: list[Change], consents: list[ConsentSeen]
) -> None:
    """What the recipient holds at the end is what it must hold at the end."""
    newest = {change.key: change.record for change in alive}
    standing = _standing(consents, flow.agreement)
    due = {
        key: number_of(record)
        for key, record in newest.items()
        if record is not None
        and flow.admits(record)
        and (not flow.by_consent or standing.get(key.partition("/")[0], False))
    }
    held = {copy.key: copy.number for copy in copies}
    for key in due.keys() | held.keys():
        place = f"{flow.agreement} key {key}: due {due.get(key)}, held {held.get(key)}"
        if key not in due:
            verdict.add("kept", place, int(held[key] is not None))
        else:
            verdict.add("lost", place, int(held.get(key) != due[key]))


def _standing(consents: list[ConsentSeen], agreement: str, below: int | None = None) -> dict[str, bool]:
    """How everybody stands by the events below an offset; an event that is seen again changes nothing."""
    standing: dict[str, bool] = {}
    seen: set[str] = set()
    for event in consents:
        if event.agreement == agreement and event.event_id not in seen and (below is None or event.offset < below):
            seen.add(event.event_id)
            standing[event.subject] = event.gives
    return standing


def _after_withdrawal(verdict: Verdict, evidence: Evidence, flows: list[Flow]) -> None:
    """No release in a block that knew of the withdrawal, or that knew of no consent."""
    by_consent = {flow.topic: flow.agreement for flow in flows if flow.by_consent}
    keys = {copy.event_id: copy.key for copy in evidence.copies}
    events: dict[tuple[str, str], list[ConsentSeen]] = defaultdict(list)
    for event in evidence.consents:
        events[(event.subject, event.agreement)].append(event)
    for entry in evidence.entries:
        if entry.kind != "RELEASE" or entry.topic not in by_consent or entry.event_id not in keys:
            continue
        agreement = by_consent[entry.topic]
        subject = keys[entry.event_id].partition("/")[0]
        known = [one for one in events[(subject, agreement)] if one.offset < entry.consents_offset]
        allowed = _standing(known, agreement).get(subject, False)
        named = any(one.event_id == entry.consent and one.gives for one in known)
        verdict.add("after-withdrawal", f"block {entry.lane}/{entry.block}", int(not (allowed and named)))


def _leaks(verdict: Verdict, flow: Flow, copies: list[Copy]) -> None:
    for copy in copies:
        surplus = (copy.record.keys() - flow.fields if copy.record else set()) | (copy.headers - HEADERS)
        place = f"{flow.agreement} {copy.partition}/{copy.offset}"
        verdict.add("leaked", f"{place}: {sorted(surplus)}", int(bool(surplus)))
        verdict.add("leaked", f"{place}: a hidden value", int(SECRET in copy.raw))
