"""The core of a lane: pure. Given consents, changes, rules and the time, it drafts one transaction.

No I/O, no clock, no randomness: the shell hands in what it read and writes what comes out. The order within a draft is
the order of importance: consents and rules first, then changes, then what falls due, then catch-up with what is left.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import replace

from bus.consent.fold import fold, fold_unreadable
from bus.errors import RecordUnreadable, SchemaUnknown
from bus.model.change import Change
from bus.model.command import Ending
from bus.model.consent import NO_COVER, NOBODY, Consent, ConsentEvent, Cover, UnreadableConsent
from bus.model.key import subject_of
from bus.model.keyring import KeyRing
from bus.model.reasons import Reason
from bus.route.batch import Decode, Inputs, Outcome, Unreadable
from bus.route.commands import Command, Completion, ending
from bus.route.decide import UNJUDGED, Term, decide, erases, unjudged
from bus.route.held import Copy, holding_of
from bus.route.outlet import Outlet, erasure
from bus.route.rules import Rule, Rules, Standings
from bus.route.seen import LOST, Seen
from bus.route.state import Cursor, DeadVersion, Draft, DueKey, LaneState
from bus.route.sweep import sweep_waits, swept

Case = tuple[bytes, str | None, Seen | None, Mapping[str, Cover], dict[str, Copy]]
"""A record to be judged: key, whom it is about, what it says, what of their consents decides, what is held of it."""


class LaneCore:
    """Drafts transactions for one lane."""

    def __init__(self, lane: int, keyring: KeyRing, decode: Decode) -> None:
        self.lane = lane
        self.keyring = keyring
        self.decode = decode
        self._settled: tuple[LaneState, Standings] | None = None
        self._terms: tuple[Standings, dict[Rule, Term]] | None = None

    def draft(self, state: LaneState, rules: Rules, inputs: Inputs, now_ms: int) -> Outcome:
        """One transaction on top of `state`, which it leaves untouched."""
        lane_time = max(now_ms, state.position.lane_time_ms)
        position = replace(
            state.position,
            lane_time_ms=lane_time,
            block=state.position.block + 1,
            consents_offset=max(inputs.consents_offset, state.position.consents_offset),
            register_offset=max(rules.offset, state.position.register_offset),
            inputs={**state.position.inputs, **inputs.input_offsets},
            commands_offset=max(inputs.commands_offset, state.position.commands_offset),
        )
        work = _Work(self, Outcome(Draft(state, position, now_ms)), rules, lane_time)
        work.take_consents(inputs.consents, inputs.later_consents or ())
        if inputs.later_consents is None:
            work.take_changes(inputs.changes)
            work.take_gone(inputs.gone)
            work.take_commands(inputs.commands)
            if work.take_due(inputs.existing_limit):  # what has to go goes first
                room = max(inputs.existing_limit // 5, inputs.existing_limit - len(inputs.changes))
                work.catch_up(room if inputs.catch_up_limit is None else inputs.catch_up_limit)
        return work.outcome

    def settle(self, state: LaneState, standings: Standings) -> None:
        """Note that all that exists in that state is judged under these: it stays so until either is another one."""
        self._settled = (state, standings)

    def settled(self, state: LaneState, standings: Standings) -> bool:
        """Whether that was noted."""
        return self._settled is not None and self._settled[0] is state and self._settled[1] is standings

    def term(self, rule: Rule, standings: Standings, now_ms: int) -> Term:
        """A rule as it stands; made once for as long as all stand so."""
        if self._terms is None or self._terms[0] is not standings:
            self._terms = (standings, {})
        terms = self._terms[1]
        if rule not in terms:
            terms[rule] = Term.of(rule, now_ms)
        return terms[rule]

    def wake_at_ms(self, state: LaneState, rules: Rules) -> int | None:
        """When something happens by itself next: a consent begins or expires, a validity or a retention is over."""
        moments = rules.standings(state.position.lane_time_ms).until_ms, state.next_due_ms()
        return min((moment for moment in moments if moment is not None), default=None)

    def gone(
        self, state: LaneState, rules: Rules, dataset: str, after: bytes, limit: int
    ) -> tuple[list[tuple[str, bytes]], bytes | None]:
        """(agreement, record key) of copies that recipients hold of a dataset's records that are not there.

        In a lane that has read everything such a record was deleted, and its tombstone compacted away, while the lane
        was down; or its newest version is a dead letter, and the one before compacted away. Looks at `limit` keys
        after `after`; also tells where to go on, None at the end.
        """
        keys, then = state.orphans(dataset, after, limit)
        found = [
            (name, key)
            for key in keys
            for name in state.held(dataset, key)
            if name in rules.rules and rules.rules[name].route.dataset == dataset
        ]
        return found, then

    def fitting(self, state: LaneState, rules: Rules, pairs: Iterable[tuple[str, str] | None], limit: int) -> int:
        """Events about how many of these, subject and agreement, can be judged at once, from the first one on.

        About no more than `limit` records: one consent may be about hundreds. One event in any case.
        """
        fit, known = 0, set[tuple[str, str]]()
        for pair in pairs:
            if pair is not None and pair not in known:
                limit -= len(_keys_of(state, rules, *pair))
                known.add(pair)
            if fit and limit < 0:
                break
            fit += 1
        return fit

    def behind(self, state: LaneState, rules: Rules, now_ms: int) -> list[str]:
        """The agreements under whose present standing records that exist still wait to be judged."""
        return [
            name
            for name, text in rules.standings(now_ms).texts.items()
            for cursor in [state.cursor(name)]
            if cursor is None or not cursor.done or cursor.standing != text
        ]


class _Work:
    """The drafting of one transaction."""

    def __init__(self, core: LaneCore, outcome: Outcome, rules: Rules, now_ms: int) -> None:
        self.outcome = outcome
        self._core = core
        self._draft = outcome.draft
        self._rules = rules
        self._standings = rules.standings(now_ms)
        self._now_ms = now_ms
        self._hash = core.keyring.view_hash
        self._readied: dict[Rule, tuple[Term, Outlet]] = {}

    # --- inputs -------------------------------------------------------------------------------------------------------

    def take_consents(
        self, events: Sequence[ConsentEvent | UnreadableConsent], later: Sequence[ConsentEvent | UnreadableConsent]
    ) -> None:
        """Fold all events first, then judge what they are about once: between them nothing may be released.

        What a later event changes is judged with that one; what it leaves as it is would never be, so it is now.
        """
        touched: dict[tuple[str, str], Consent] = {}
        for event in events:
            pair = (event.subject, event.agreement)
            before = self._draft.consent(*pair)
            after = _folded(before, event)
            if after is not before:
                self._draft.take_consent(*pair, after)
                touched[pair] = after
        for event in later:
            pair = (event.subject, event.agreement)
            if pair in touched and _folded(touched[pair], event) is not touched[pair]:
                del touched[pair]
        self._judge_people(touched)

    def take_changes(self, changes: Sequence[Change | Unreadable]) -> None:
        """Take over each change, then judge them all under every agreement of their datasets."""
        cases: dict[str, list[Case]] = {}
        for change in changes:
            if isinstance(change, Unreadable):
                self._bury(change)
                continue
            try:
                seen = self._see(change.dataset, change.value)
            except (RecordUnreadable, SchemaUnknown) as error:
                self._bury(Unreadable(change.origin, type(error).__name__, (change.dataset, change.key)))
            else:
                cases.setdefault(change.dataset, []).append(self._take(change, seen))
        for dataset, listed in cases.items():
            self._judge_under(self._rules.of_dataset.get(dataset, ()), listed)

    def take_commands(self, commands: Sequence[Command]) -> None:
        """Obey what operators ordered; after the changes, so that a newer version of a record wins."""
        for command in commands:
            self.outcome.completions.append(Completion(command, self._obey(command)))

    def _take(self, change: Change, seen: Seen | None) -> Case:
        dataset, key, subject, value, _ = change
        draft, place = self._draft, (dataset, key)
        if draft.dead_version(dataset, key) is not None:
            draft.dead[place] = None
        draft.records[place] = value
        return self._case(dataset, key, subject, seen)

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
            self._judge_under(self._rules.of_dataset.get(change.dataset, ()), [self._take(change, seen)])
        elif result is Ending.DISCARDED:
            self._draft.dead[record] = DeadVersion(change.origin.offset, discarded=True)
        return result

    def take_gone(self, gone: Sequence[tuple[str, bytes]]) -> None:
        """Judge copies whose record is no longer there: as the deletion would have been judged, or as LOST."""
        for agreement, key in gone:
            self._judge(self._rules.rules[agreement], [key])

    def take_due(self, limit: int) -> bool:
        """Judge anew whom a moment has passed for; a retention that is over erases. Whether that was all of it."""
        whole = self._draft.take_due(limit, self._records_of)
        due = self._draft.due_taken
        self._judge_people((ident.decode(), agreement) for _, kind, agreement, ident in due if kind == "consent")
        for _, kind, agreement, ident in due:
            if kind != "consent":
                self._retention_over(agreement, ident)
        return whole

    def _records_of(self, due: DueKey) -> int:
        _, kind, agreement, ident = due
        return len(_keys_of(self._draft, self._rules, ident.decode(), agreement)) if kind == "consent" else 1

    def catch_up(self, limit: int) -> None:
        """Judge records that exist under rules whose standing has changed, from where the cursor points."""
        standings = self._standings
        if self._core.settled(self._draft.state, standings):
            return
        for name, text in standings.texts.items():
            cursor = self._draft.cursor(name)
            if cursor is None or cursor.standing != text:
                cursor = Cursor(text)
            elif cursor.done:
                continue
            if limit > 0:
                limit -= self._advance(name, self._rules.rules[name], cursor, limit)
            after = self._draft.cursor(name)
            if after is None or after.standing != text or not after.done:
                self.outcome.lagging = True
                return
        for rule, keys in swept(self._draft, standings, limit):
            self._judge(rule, keys)
            self.outcome.caught_up += len(keys)
        self.outcome.lagging = sweep_waits(self._draft, standings)
        if not self.outcome.lagging and not self._draft.cursors:  # what is only drafted may never be committed
            self._core.settle(self._draft.state, standings)

    def _advance(self, name: str, rule: Rule, cursor: Cursor, limit: int) -> int:
        dataset = rule.route.dataset
        keys = self._draft.state.keys_after(dataset, cursor.after, limit)
        self._judge(rule, keys)
        self.outcome.caught_up += len(keys)
        after = keys[-1] if keys else cursor.after
        self._draft.cursors[name] = replace(cursor, after=after, done=len(keys) < limit)
        return len(keys)

    # --- judging ------------------------------------------------------------------------------------------------------

    def _judge_people(self, pairs: Iterable[tuple[str, str]]) -> None:
        """What a person's standing to an agreement decides."""
        keys: dict[str, list[bytes]] = {}
        for subject, agreement in pairs:
            keys.setdefault(agreement, []).extend(_keys_of(self._draft, self._rules, subject, agreement))
        for agreement, listed in keys.items():
            if listed:
                self._judge(self._rules.rules[agreement], listed)

    def _judge(self, rule: Rule, keys: Iterable[bytes]) -> None:
        """The newest versions of records that can be read, under one agreement."""
        draft, dataset = self._draft, rule.route.dataset
        cases: list[Case] = []
        for key in keys:
            subject, seen = self._subject(dataset, key), self._see(dataset, draft.record(dataset, key))
            if seen is None and draft.dead_version(dataset, key) is not None:
                seen = LOST
            cases.append(self._case(dataset, key, subject, seen))
        self._judge_under((rule,), cases)

    def _case(self, dataset: str, key: bytes, subject: str | None, seen: Seen | None) -> Case:
        draft = self._draft
        return (key, subject, seen, NOBODY if subject is None else draft.covers(subject), draft.open(dataset, key))

    def _judge_under(self, rules: Iterable[Rule], cases: Sequence[Case]) -> None:
        """Agreement by agreement: what all records have in common there is settled before the first."""
        for rule in rules:
            term, outlet = self._ready(rule)
            now_ms, agreement, needs_consent, release = self._now_ms, term.agreement, term.needs_consent, outlet.release
            refusals: dict[Reason, int] = {}
            for key, subject, seen, covers, held in cases:
                cover = covers.get(agreement, NO_COVER) if needs_consent else NO_COVER
                decision = decide(seen, subject, cover, term, now_ms)
                if isinstance(decision, bytes):
                    refused = release(key, subject, decision, cover.event_id if needs_consent else None, held)
                else:
                    refused = self._withhold(rule, subject, key, held, decision) if agreement in held else decision
                if refused is not None:
                    refusals[refused] = refusals.get(refused, 0) + 1
            refusals.pop(Reason.DELETED, None)
            for reason, count in refusals.items():
                self.outcome.withheld[(agreement, reason)] += count

    def _withhold(self, rule: Rule, subject: str | None, key: bytes, held: dict[str, Copy], reason: Reason) -> Reason:
        """What a refusal does to the copy that is held: it stays, or is erased. Returns the reason that counts."""
        copy = held[rule.route.agreement]
        if reason in UNJUDGED:
            reason = unjudged(reason, holding_of(copy, key), rule)
        if erases(reason, rule.route):
            del held[rule.route.agreement]
            self._erase(rule, subject, key, copy, reason)
        return reason

    def _ready(self, rule: Rule) -> tuple[Term, Outlet]:
        """A rule as it stands, and where its views go out; made once a transaction."""
        known = self._readied.get(rule)
        if known is None:
            outlet = Outlet(rule, self._core.lane, self._now_ms, self._hash, self.outcome.deliveries)
            known = self._readied[rule] = (self._core.term(rule, self._standings, self._now_ms), outlet)
        return known

    def _retention_over(self, agreement: str, key: bytes) -> None:
        rule = self._rules.rules.get(agreement)
        if rule is None:
            return
        dataset = rule.route.dataset
        copy = self._draft.held(dataset, key).get(agreement)
        if copy is None or copy.due_ms is None or copy.due_ms > self._now_ms:
            return
        if erases(Reason.RETENTION_OVER, rule.route):
            self._erase(rule, self._subject(dataset, key), key, copy, Reason.RETENTION_OVER)
            del self._draft.open(dataset, key)[agreement]

    def _erase(self, rule: Rule, subject: str | None, key: bytes, copy: Copy, reason: Reason) -> None:
        self.outcome.deliveries.append(erasure(rule, subject, holding_of(copy, key), reason))

    def _see(self, dataset: str, value: bytes | None) -> Seen | None:
        """None for a record that is not there. Raises RecordUnreadable, SchemaUnknown."""
        if value is None:
            return None
        sight = self._rules.sights.get(dataset)
        seen = None if sight is None else sight.see(value)
        return Seen(value, self._core.decode(value)) if seen is None else seen

    def _subject(self, dataset: str, key: bytes) -> str | None:
        return subject_of(key, has_subject=self._rules.has_subject.get(dataset, True))


def _keys_of(known: LaneState | Draft, rules: Rules, subject: str, agreement: str) -> Collection[bytes]:
    """The records that a person's standing to an agreement decides about."""
    rule = rules.rules.get(agreement)
    if rule is None or not rule.route.needs_consent:  # a consent for what does not exist yet is kept
        return ()
    return known.keys_of_person(rule.route.dataset, subject)


def _folded(before: Consent, event: ConsentEvent | UnreadableConsent) -> Consent:
    return fold_unreadable(before, event.at_ms) if isinstance(event, UnreadableConsent) else fold(before, event)
