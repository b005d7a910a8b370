"""Judges what a lane holds under the edited text, by the same decision that the lane would make, and counts.

What follows from a decision (released, changed, erased) is told here in the lane's own order; a test lets the lane's
core draft the same records and compares.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from hashlib import blake2b
from itertools import islice
from typing import Any

from bus.agreements.view import province_source, schema_field
from bus.avro.codec import decode
from bus.avro.frame import unframe
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.model.consent import NO_COVER
from bus.model.key import subject_of
from bus.model.keyring import KeyRing
from bus.model.reasons import Reason
from bus.route.batch import Decode
from bus.route.decide import UNJUDGED, Term, decide, due_under, erases, too_soon, unjudged
from bus.route.foresight.fields import field_change
from bus.route.foresight.found import Example, Foresight
from bus.route.foresight.question import Question
from bus.route.foresight.snapshot import Held, Snapshot, Step
from bus.route.outlet import agency_key
from bus.route.seen import LOST, Seen, Sight

AT_ONCE = 2_000
"""Records judged before others of this process get their turn."""

PLACES_KNOWN = 4096

FOR_WANT_OF_CONSENT = {
    Reason.CONSENT_MISSING,
    Reason.CONSENT_WITHDRAWN,
    Reason.CONSENT_EXPIRED,
    Reason.CONSENT_NOT_YET,
    Reason.CONSENT_REVISION,
    Reason.CONSENT_UNREADABLE,
}

NOWHERE = "-"
"""Stands for the place of a record that has none."""


class Judge:
    """Judges the records of snapshots, adding to `found`."""

    def __init__(self, question: Question, keyring: KeyRing, decode: Decode, found: Foresight) -> None:
        self._question = question
        self._rule = question.new.rule
        self._hash = keyring.view_hash
        self._decode = decode
        self._found = found
        self._change = field_change(question)
        self._has_subject = question.dataset.subject is not None
        reads = self._rule.route.reads | self._change.reads | ({found.by} if found.by else set())
        self._sight = Sight.of(question.dataset, question.schema_id, reads)
        source = province_source(schema_field(question.dataset, found.by)) if found.by else None
        self._place_length = source if isinstance(source, int) else None
        names = [one["name"] for one in question.dataset.schema["fields"]]
        self._place_at = names.index(found.by) if found.by else 0
        self._places: dict[bytes, str] = {}
        self._shown = Counter[str]()
        self._categories = {one["name"]: one.get("category") for one in question.route.view_schema["fields"]}

    async def judge(self, snapshot: Snapshot, share: float, now_ms: int, step: Step) -> None:
        """A lane's records, or `share` of them drawn by chance."""
        found = self._found
        lost = snapshot.dead - snapshot.records.keys()
        found.known += len(snapshot.records) + len(lost)
        found.consents_lost += self._consents_lost(snapshot)
        term = Term.of(self._rule, now_ms)
        anyhow = replace(term, needs_consent=False)
        keys = iter(drawn([*snapshot.records, *lost], share))
        while part := list(islice(keys, AT_ONCE)):
            for key in part:
                self._one(snapshot, key, term, anyhow, now_ms)
            step(len(part))
            await asyncio.sleep(0)  # a Ctrl-C must find its moment
        if share >= 1:
            found.unchanged += len(snapshot.held.keys() - snapshot.records.keys() - lost)

    def finish(self) -> None:
        """What follows from the counts: each released record has every field of the view."""
        released = self._found.released
        self._found.fields_released = Counter(dict.fromkeys(self._categories, released) if released else {})

    def _one(self, snapshot: Snapshot, key: bytes, term: Term, anyhow: Term, now_ms: int) -> None:
        """One record under the text; `anyhow` is the same without regard to consent."""
        value, held = snapshot.records.get(key), snapshot.held.get(key)
        try:
            subject = subject_of(key, has_subject=self._has_subject)
            seen = LOST if value is None else self._sight.see(value) or Seen(value, self._decode(value))
        except (ValueError, RecordUnreadable, SchemaUnknown):
            return  # a dead letter, whatever it is
        self._found.judged += 1
        cover = snapshot.consents.get(subject or "", NO_COVER) if term.needs_consent else NO_COVER
        decision = decide(seen, subject, cover, term, now_ms)
        if isinstance(decision, bytes):
            shown, _ = agency_key(self._rule, key, subject, snapshot.lane)
            self._released(shown, seen, decision, held, now_ms)
        else:
            self._withheld(seen, decision, held)
            if decision in FOR_WANT_OF_CONSENT:
                self._found.if_consented += isinstance(decide(seen, subject, cover, anyhow, now_ms), bytes)

    def _released(self, key: bytes, seen: Seen, view: bytes, held: Held | None, now_ms: int) -> None:
        route = self._rule.route
        if held is not None and (held.topic, held.key) != (route.topic, key):
            renewed = held.epoch != self._rule.epoch
            self._count("erased", seen, held.key)
            self._found.reasons_erased[Reason.PSEUDONYMS_RENEWED if renewed else Reason.RECORD_MOVED] += 1
            held = None
        if held is not None:
            hashed = self._hash(view)
            if held.view_hash == hashed:
                self._kept(seen, held, now_ms)
                return
            if too_soon(held, self._rule, now_ms):
                self._found.unchanged += 1
                self._found.reasons_withheld[Reason.TOO_SOON.value] += 1
                return
        what = "released" if held is None else "changed"
        self._count(what, seen, key)
        if held is not None:
            change = self._change
            fields = change.of(seen.record) if change.sometimes else change.always
            for name in fields:
                self._found.fields_changed[name] += 1
            self._found.resent += not fields
        if self._shown[what] < self._found.most_examples:
            self._shown[what] += 1
            self._found.examples.append(Example(what, self._masked(view)))

    def _kept(self, seen: Seen, held: Held, now_ms: int) -> None:
        """A copy that stays as it is, unless the edited text lets it be kept for a time that is over."""
        route = self._rule.route
        due_ms = due_under(held, route)
        if due_ms is not None and due_ms <= now_ms and erases(Reason.RETENTION_OVER, route):
            self._count("erased", seen, held.key)
            self._found.reasons_erased[Reason.RETENTION_OVER] += 1
        else:
            self._found.unchanged += 1

    def _withheld(self, seen: Seen, reason: Reason, held: Held | None) -> None:
        if held is not None and reason in UNJUDGED:
            reason = unjudged(reason, held, self._rule)
        self._found.reasons_withheld[reason.value] += 1
        if held is None:
            return
        if erases(reason, self._rule.route):
            self._count("erased", seen, held.key)
            self._found.reasons_erased[reason.value] += 1
        else:
            self._found.unchanged += 1

    def _count(self, what: str, seen: Seen, key: bytes) -> None:
        found = self._found
        setattr(found, what, getattr(found, what) + 1)
        if found.by is not None:
            place = self._place(seen, found.by)
            if place not in found.places:
                found.places[place] = Counter()
            found.places[place][what] += 1
        if found.keys is not None:
            found.keys.setdefault(what, set()).add(key)

    def _place(self, seen: Seen, by: str) -> str:
        """Where a record belongs: there are few places, and each is known by its bytes once it was read."""
        at, bounds = self._place_at, seen.bounds
        told = seen.value[bounds[at] : bounds[at + 1]] if bounds else b""
        place = self._places.get(told)
        if place is None:
            place = str(seen.record.get(by) or NOWHERE)[: self._place_length]
            if told and len(self._places) < PLACES_KNOWN:
                self._places[told] = place
        return place

    def _consents_lost(self, snapshot: Snapshot) -> int:
        """People whose consent covers the agreement in force and would not cover the edited one."""
        old, new = self._question.old, self._question.route
        if old is None or not new.needs_consent:
            return 0
        lost = old.rule.route.accepted_revisions - new.accepted_revisions
        return sum(one.lacking is None and one.revision in lost for one in snapshot.consents.values())

    def _masked(self, value: bytes) -> dict[str, str]:
        """Values that say what kind of value it is, and nothing of whom."""
        view: Mapping[str, Any] = decode(self._rule.view, unframe(value)[1])
        return {
            name: "-" if value is None else str(value) if self._categories.get(name) == "public" else mask(value)
            for name, value in view.items()
        }


def drawn(keys: Sequence[bytes], share: float) -> Sequence[bytes]:
    """About a share of the keys, each drawn by a hash of itself: the same ones every time, whatever the records say."""
    if share >= 1:
        return keys
    bound = round(share * (1 << 32))
    return [key for key in keys if int.from_bytes(blake2b(key, digest_size=4).digest(), "big") < bound]


def mask(value: Any) -> str:
    """A value as it may stand in an example: its kind and its length class, no character of it."""
    if isinstance(value, bool):
        return "✓/✗"
    if isinstance(value, int | float):
        return "###"
    return "•••" if len(str(value)) < 8 else "••••••••"
