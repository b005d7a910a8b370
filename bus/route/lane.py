"""The core of a lane: pure. Given consents, changes, rules and the time, it drafts one transaction.

No I/O, no clock, no randomness: the shell hands in what it read and writes what comes out. The order within a draft is
the order of importance: consents and rules first, then changes, then what falls due, then catch-up with what is left.
"""

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from bus.consent.fold import fold, fold_unreadable
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.model.change import Change
from bus.model.command import Ending
from bus.model.consent import NO_COVER, ConsentEvent
from bus.model.key import subject_of
from bus.model.keyring import KeyRing
from bus.model.reasons import Reason
from bus.model.record import Incoming
from bus.route.commands import Command, Completion, ending
from bus.route.decide import Release, Term, decide, erases, too_soon
from bus.route.outputs import Delivery, agency_key
from bus.route.rules import Rule, Rules
from bus.route.seen import Seen
from bus.route.state import Cursor, DeadVersion, Draft, Holding, LaneState, Position
from bus.route.sweep import sweep_waits, swept

Decode = Callable[[bytes], Mapping[str, Any]]
"""A framed record to its values. Raises RecordUnreadable or SchemaUnknown: poison."""


@dataclass(frozen=True, slots=True)
class UnreadableConsent:
    """A consent event whose key could be read and whose value could not."""

    subject: str
    agreement: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Unreadable:
    """A record that is no change: kept in `deadletters` as it came, with the reason."""

    record: Incoming
    reason: str
    of: tuple[str, bytes] | None = None
    """(dataset, key) of the record that it was to be a version of; None where the key cannot be read."""


@dataclass(frozen=True, slots=True)
class Inputs:
    """What the shell read for one transaction, and up to where."""

    consents: Sequence[ConsentEvent | UnreadableConsent] = ()
    changes: Sequence[Change | Unreadable] = ()
    consents_offset: int = 0
    input_offsets: Mapping[str, int] = field(default_factory=dict)
    commands: Sequence[Command] = ()
    commands_offset: int = 0
    later_consents: frozenset[tuple[str, str]] | None = None
    """(subject, agreement) of consent events that are known and did not fit; None when none wait.

    While some wait nothing is judged but what the events taken are about, and no pair that a later event is about.
    """

    gone: Sequence[tuple[str, bytes]] = ()
    """(agreement, record key) of copies held of records that the log has forgotten, see `LaneCore.gone`."""

    existing_limit: int = 200
    """Records that exist already and are judged anew, at the most."""

    catch_up_limit: int | None = None
    """How many of them under rules whose standing has changed; None: as many as the changes leave room for."""


@dataclass(slots=True)
class Outcome:
    """A drafted transaction: the draft to apply after the commit, and what to write."""

    draft: Draft
    deliveries: list[Delivery] = field(default_factory=list)
    withheld: Counter[tuple[str, Reason]] = field(default_factory=Counter)
    dead: list[Unreadable] = field(default_factory=list)
    completions: list[Completion] = field(default_factory=list)
    caught_up: int = 0
    """Records that exist already and were judged under rules whose standing has changed."""

    lagging: bool = False
    """More of them wait."""

    def worth_writing(self, before: Position) -> bool:
        """False when nothing was read, judged or due: then there is no transaction."""
        after = self.draft.position
        moved = (after.consents_offset, after.register_offset, after.inputs, after.commands_offset) != (
            before.consents_offset,
            before.register_offset,
            before.inputs,
            before.commands_offset,
        )
        return moved or bool(self.deliveries or self.draft.cursors or self.draft.due_taken or self.dead)


class LaneCore:
    """Drafts transactions for one lane."""

    def __init__(self, lane: int, keyring: KeyRing, decode: Decode) -> None:
        self.lane = lane
        self.keyring = keyring
        self.decode = decode

    def draft(self, state: LaneState, rules: Rules, inputs: Inputs, now_ms: int) -> Outcome:
        """One transaction on top of `state`, which it leaves untouched."""
        lane_time = max(now_ms, state.position.lane_time_ms)
        position = Position(
            lane_time_ms=lane_time,
            block=state.position.block + 1,
            consents_offset=max(inputs.consents_offset, state.position.consents_offset),
            register_offset=max(rules.offset, state.position.register_offset),
            inputs={**state.position.inputs, **inputs.input_offsets},
            commands_offset=max(inputs.commands_offset, state.position.commands_offset),
            due_until_ms=state.position.due_until_ms,
        )
        work = _Work(self, Outcome(Draft(state, position)), rules, lane_time)
        work.take_consents(inputs.consents, inputs.later_consents or frozenset())
        if inputs.later_consents is None:
            work.take_changes(inputs.changes)
            work.take_gone(inputs.gone)
            work.take_commands(inputs.commands)
            if work.take_due(inputs.existing_limit):  # what has to go goes first
                room = max(inputs.existing_limit // 5, inputs.existing_limit - len(inputs.changes))
                work.catch_up(room if inputs.catch_up_limit is None else inputs.catch_up_limit)
        return work.outcome

    def wake_at_ms(self, state: LaneState, rules: Rules) -> int | None:
        """When something happens by itself next: a consent begins or expires, a validity or a retention is over."""
        now_ms = state.position.lane_time_ms
        moments = [rule.next_phase_ms(now_ms) for rule in rules.rules.values()]
        moments.append(state.next_due_ms())
        return min((moment for moment in moments if moment is not None), default=None)

    def gone(
        self, state: LaneState, rules: Rules, dataset: str, after: bytes, limit: int
    ) -> tuple[list[tuple[str, bytes]], bytes | None]:
        """(agreement, record key) of copies that recipients hold of a dataset's records that are not there.

        In a lane that has read everything such a record was deleted, and its tombstone compacted away, while the lane
        was down; where its newest version is a dead letter, it is left alone. Looks at `limit` keys after `after`;
        also tells where to go on, None at the end.
        """
        keys, then = state.orphans(dataset, after, limit)
        found = [
            (name, key)
            for key in keys
            if state.dead_version(dataset, key) is None
            for name in state.holdings_of(dataset, key)
            if name in rules.rules and rules.rules[name].route.dataset == dataset
        ]
        return found, then

    def behind(self, state: LaneState, rules: Rules, now_ms: int) -> list[str]:
        """The agreements under whose present standing records that exist still wait to be judged."""
        return [
            name
            for name, rule in rules.rules.items()
            for cursor in [state.cursor(name)]
            if cursor is None or not cursor.done or cursor.standing != rule.standing_text(now_ms)
        ]


class _Work:
    """The drafting of one transaction."""

    def __init__(self, core: LaneCore, outcome: Outcome, rules: Rules, now_ms: int) -> None:
        self.outcome = outcome
        self._core = core
        self._draft = outcome.draft
        self._rules = rules
        self._now_ms = now_ms
        self._hash = core.keyring.view_hash
        self._deliver = outcome.deliveries.append
        self._terms: dict[str, tuple[Term, ...]] = {}

    # --- inputs -------------------------------------------------------------------------------------------------------

    def take_consents(
        self, events: Sequence[ConsentEvent | UnreadableConsent], later: frozenset[tuple[str, str]]
    ) -> None:
        """Fold all events first, then judge what they are about once: between them nothing may be released."""
        touched: dict[tuple[str, str], None] = {}
        for event in events:
            pair = (event.subject, event.agreement)
            before = self._draft.consent(*pair)
            after = (
                fold_unreadable(before, event.at_ms) if isinstance(event, UnreadableConsent) else fold(before, event)
            )
            if after is not before:
                self._draft.consents[pair] = after
                touched[pair] = None
        for subject, agreement in touched.keys() - later:
            self._judge_person(subject, agreement)

    def take_changes(self, changes: Sequence[Change | Unreadable]) -> None:
        """Take over each change and judge it under every agreement of its dataset."""
        for change in changes:
            if isinstance(change, Unreadable):
                self._bury(change)
                continue
            try:
                seen = self._see(change.dataset, change.value)
            except (RecordUnreadable, SchemaUnknown) as error:
                self._bury(Unreadable(change.origin, type(error).__name__, (change.dataset, change.key)))
            else:
                self._take(change, seen)

    def take_commands(self, commands: Sequence[Command]) -> None:
        """Obey what operators ordered; after the changes, so that a newer version of a record wins."""
        for command in commands:
            self.outcome.completions.append(Completion(command, self._obey(command)))

    def _take(self, change: Change, seen: Seen | None) -> None:
        dataset, key, subject, value, _ = change
        if self._draft.dead_version(dataset, key) is not None:
            self._draft.dead[(dataset, key)] = None
        self._draft.records[(dataset, key)] = value
        terms = self._terms.get(dataset)
        if terms is None:
            listed = self._rules.of_dataset.get(dataset, ())
            terms = self._terms[dataset] = tuple(Term.of(rule, self._now_ms) for rule in listed)
        self._judge_under(terms, dataset, key, subject, seen)

    def _bury(self, letter: Unreadable) -> None:
        self.outcome.dead.append(letter)
        if letter.of is not None:
            self._draft.dead[letter.of] = DeadVersion(letter.record.offset)

    def _obey(self, command: Command) -> Ending:
        change = command.change
        if change is None:
            return ending(command, None)
        record = (change.dataset, change.key)
        result = ending(command, self._draft.dead_version(*record))
        if result is Ending.RELEASED:
            try:
                seen = self._see(change.dataset, change.value)
            except (RecordUnreadable, SchemaUnknown):
                return Ending.STILL_UNREADABLE
            self._take(change, seen)
        elif result is Ending.DISCARDED:
            self._draft.dead[record] = DeadVersion(change.origin.offset, discarded=True)
        return result

    def take_gone(self, gone: Sequence[tuple[str, bytes]]) -> None:
        """Judge copies whose record is no longer there as the deletion would have been judged."""
        for agreement, key in gone:
            rule = self._rules.rules[agreement]
            self._judge(rule, key)

    def take_due(self, limit: int) -> bool:
        """Judge anew whom a moment has passed for; a retention that is over erases. Whether that was all of it."""
        due = list(self._draft.take_due(limit))
        for _, kind, agreement, ident in due:
            if kind == "consent":
                self._judge_person(ident.decode(), agreement)
            else:
                self._retention_over(agreement, ident)
        return len(due) < limit

    def catch_up(self, limit: int) -> None:
        """Judge records that exist under rules whose standing has changed, from where the cursor points."""
        for name, rule in self._rules.rules.items():
            text = rule.standing_text(self._now_ms)
            cursor = self._draft.cursor(name)
            if cursor is None or cursor.standing != text:
                cursor = Cursor(text)
            elif cursor.done:
                continue
            if limit > 0:
                limit -= self._advance(name, rule, cursor, limit)
            after = self._draft.cursor(name)
            if after is None or after.standing != text or not after.done:
                self.outcome.lagging = True
                return
        for rule, key in swept(self._draft, self._rules, self._now_ms, limit):
            self._judge(rule, key)
            self.outcome.caught_up += 1
        self.outcome.lagging = sweep_waits(self._draft, self._rules, self._now_ms)

    def _advance(self, name: str, rule: Rule, cursor: Cursor, limit: int) -> int:
        dataset = rule.route.dataset
        keys = self._draft.state.keys_after(dataset, cursor.after, limit)
        for key in keys:
            if self._draft.record(dataset, key) is not None:
                self._judge(rule, key)
        self.outcome.caught_up += len(keys)
        after = keys[-1] if keys else cursor.after
        self._draft.cursors[name] = replace(cursor, after=after, done=len(keys) < limit)
        return len(keys)

    # --- judging ------------------------------------------------------------------------------------------------------

    def _judge_person(self, subject: str, agreement: str) -> None:
        rule = self._rules.rules.get(agreement)
        if rule is None or not rule.route.needs_consent:
            return  # a consent for what does not exist yet is kept, and counts when it does
        for key in self._draft.keys_of_person(rule.route.dataset, subject):
            self._judge(rule, key)

    def _judge(self, rule: Rule, key: bytes) -> None:
        dataset = rule.route.dataset
        terms, subject = (Term.of(rule, self._now_ms),), self._subject(dataset, key)
        self._judge_under(terms, dataset, key, subject, self._see(dataset, self._draft.record(dataset, key)))

    def _judge_under(
        self, terms: Iterable[Term], dataset: str, key: bytes, subject: str | None, seen: Seen | None
    ) -> None:
        draft, now_ms = self._draft, self._now_ms
        cover_of = draft.cover if draft.consents else draft.state.cover
        before = draft.holdings_of(dataset, key)
        held = dict(before)
        for term in terms:
            cover = cover_of(subject or "", term.agreement) if term.needs_consent else NO_COVER
            decision = decide(seen, subject, cover, term, now_ms)
            if isinstance(decision, Release):
                self._release(term.rule, subject, key, decision, held)
            else:
                self._withhold(term.rule, subject, decision.reason, held)
        if held != before:
            draft.holdings[(dataset, key)] = held

    def _release(
        self, rule: Rule, subject: str | None, key: bytes, decision: Release, held: dict[str, Holding]
    ) -> None:
        route, now_ms = rule.route, self._now_ms
        value, consent = decision
        shown, partition = agency_key(rule, key, subject, self._core.lane)
        hashed = self._hash(value)
        before = held.get(route.agreement)
        due_ms = None if route.retention_ms is None else now_ms + route.retention_ms
        if before is None:
            pass
        elif before.key != shown or before.topic != route.topic:
            renewed = before.epoch != rule.epoch
            self._erase(rule, subject, before, Reason.PSEUDONYMS_RENEWED if renewed else Reason.RECORD_MOVED)
            if renewed and before.revision == route.revision:
                due_ms = before.due_ms  # another name for what is kept, not another copy
        elif before.view_hash == hashed:
            if (before.revision, before.consent, before.epoch) != (route.revision, consent, rule.epoch):
                held[route.agreement] = before._replace(revision=route.revision, consent=consent, epoch=rule.epoch)
            return  # the recipient has these very bytes already
        elif route.frequency is not None and too_soon(before, hashed, route, now_ms):
            self.outcome.withheld[(route.agreement, Reason.TOO_SOON)] += 1
            return
        now = Holding(route.revision, route.topic, partition, shown, consent, hashed, now_ms, due_ms, rule.epoch)
        held[route.agreement] = now
        self._deliver(Delivery(rule, now, value, subject, None))

    def _withhold(self, rule: Rule, subject: str | None, reason: Reason, held: dict[str, Holding]) -> None:
        agreement = rule.route.agreement
        if reason is not Reason.DELETED:
            self.outcome.withheld[(agreement, reason)] += 1
        before = held.get(agreement)
        if before is not None and erases(reason, rule.route):
            self._erase(rule, subject, before, reason)
            del held[agreement]

    def _retention_over(self, agreement: str, key: bytes) -> None:
        rule = self._rules.rules.get(agreement)
        if rule is None:
            return
        held = self._draft.holdings_of(rule.route.dataset, key).get(agreement)
        if held is None or held.due_ms is None or held.due_ms > self._now_ms:
            return
        if erases(Reason.RETENTION_OVER, rule.route):
            self._erase(rule, self._subject(rule.route.dataset, key), held, Reason.RETENTION_OVER)
            self._draft.hold(rule.route.dataset, key, agreement, None)

    def _erase(self, rule: Rule, subject: str | None, held: Holding, reason: Reason) -> None:
        self._deliver(Delivery(rule, held, None, subject, reason))

    def _see(self, dataset: str, value: bytes | None) -> Seen | None:
        """None for a record that is not there. Raises RecordUnreadable, SchemaUnknown."""
        if value is None:
            return None
        sight = self._rules.sights.get(dataset)
        seen = None if sight is None else sight.see(value)
        return Seen(value, self._core.decode(value)) if seen is None else seen

    def _subject(self, dataset: str, key: bytes) -> str | None:
        return subject_of(key, has_subject=self._rules.has_subject.get(dataset, True))
