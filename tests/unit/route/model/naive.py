"""What a lane must do, in the plainest words: dictionaries, and everything judged again at each step."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from bus.model.command import CommandKind, Ending
from bus.model.consent import ConsentAction, ConsentEvent, UnreadableConsent
from bus.register.state import Standing
from tests.unit.route.lanes import PERSON

LATER = "tax.payer"
"""A dataset that is registered when the lane has long been running."""

DAY = 25
"""A day of the model's calendar."""

FILTERS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "all": bool,
    "living": lambda record: bool(record["living"]),
    "An": lambda record: bool(record["name"] == "An"),
}

Place = tuple[str, str]
"""(dataset, key) of a record."""


@dataclass
class Terms:
    """An agreement as the model sees it."""

    needs_consent: bool
    keep_on_exit: bool = False
    keep_on_end: bool = False
    retention: int | None = None
    data_range: int | None = None
    frequency: int | None = None
    filter: str = "all"
    revision: int = 1
    accepted: frozenset[int] = frozenset({1})
    no_wider: frozenset[int] = frozenset({1})
    """Texts that let out no more than this one."""

    standing: Standing = Standing.ACTIVE
    valid_from: int = 0
    valid_until: int | None = None
    dataset: str = PERSON
    epoch: int = 0
    """Of the pseudonyms in its keys; 0 where it shows who and what a record is about."""

    major: int = 1
    """Which topic: one for each version of the view that readers of the one before cannot follow."""

    backfill: int = 0

    def named(self, now: int) -> tuple[object, ...]:
        """What makes all records be judged anew when it changes."""
        phase = now < self.valid_from, self.over(now)
        return self.revision, self.standing, self.epoch, self.backfill, phase

    def over(self, now: int) -> bool:
        """Whether its validity is over."""
        return self.valid_until is not None and now >= self.valid_until

    def within(self, now: int) -> bool:
        """Whether something may be released under it at all."""
        return self.standing is Standing.ACTIVE and self.valid_from <= now and not self.over(now)

    def shown(self, key: str) -> str:
        """Topic and key under which a record lies at the recipient."""
        if self.epoch:
            key = "/".join(pseudonym(part, self.epoch) for part in key.split("/"))
        return f"v{self.major}:{key}"


def pseudonym(text: str, epoch: int) -> str:
    """How an id stands where the recipient must not see it."""
    return f"{text}.in.{epoch}"


@dataclass
class Copy:
    """What a recipient holds of a record: where, under which text, since when, and until when it may."""

    shown: str
    name: str
    revision: int
    epoch: int
    released_at: int
    due: int | None


@dataclass
class Model:
    """Everything that ever came in, and what each recipient must hold."""

    terms: dict[str, Terms]
    now: int = 100
    records: dict[Place, dict[str, Any]] = field(default_factory=dict)
    versions: dict[Place, list[str]] = field(default_factory=dict)
    """The names that a record was given, one after the other."""

    letters: dict[Place, int] = field(default_factory=dict)
    """The change that came last for a record, by its offset, where it could not be read."""

    lost: set[Place] = field(default_factory=set)
    """Records of which nothing is known any more but that their last change could not be read."""

    discarded: set[tuple[Place, int]] = field(default_factory=set)
    events: dict[tuple[str, str], list[ConsentEvent | UnreadableConsent]] = field(default_factory=dict)
    held: dict[str, dict[str, Copy]] = field(default_factory=dict)
    judged_under: dict[str, tuple[object, ...]] = field(default_factory=dict)
    covered: dict[str, dict[str, str | None]] = field(default_factory=dict)

    # --- what comes in ------------------------------------------------------------------------------------------------

    def take(self, place: Place, record: dict[str, Any] | None) -> None:
        """A change that can be read."""
        self.letters.pop(place, None)
        self.lost.discard(place)
        if record is None:
            self.records.pop(place, None)
        else:
            self.records[place] = record
            self.versions.setdefault(place, []).append(record["name"])
        for agreement, terms in self.terms.items():
            if terms.dataset == place[0]:
                self.judge(agreement, place[1])

    def forget(self) -> None:
        """Of a record whose last change could not be read, nobody remembers what it said before."""
        self.lost |= self.letters.keys() & self.records.keys()
        for place in self.lost:
            self.records.pop(place, None)

    def order(self, kind: CommandKind, place: Place, offset: int, record: dict[str, Any] | None) -> Ending:
        """An order about a dead letter; `record` is what it says when it is read again, None while it says nothing."""
        if self.letters.get(place) != offset:
            return Ending.SUPERSEDED
        if (place, offset) in self.discarded:
            return Ending.CLOSED_BEFORE
        if kind is CommandKind.DISCARD:
            self.discarded.add((place, offset))
            return Ending.DISCARDED
        if record is None:
            return Ending.STILL_UNREADABLE
        self.take(place, record)
        return Ending.RELEASED

    # --- who may have what --------------------------------------------------------------------------------------------

    def given(self, subject: str, agreement: str) -> ConsentEvent | None:
        """The consent that stands, from the whole list of events, by the rules as a lawyer would say them."""
        seen: set[str] = set()
        standing: ConsentEvent | None = None
        stopped_at = -1
        for event in self.events.get((subject, agreement), []):
            told_at = event.at_ms if standing is None else max(event.at_ms, standing.at_ms)
            if isinstance(event, UnreadableConsent):
                standing, stopped_at = None, max(stopped_at, told_at)
            elif event.action is ConsentAction.WITHDRAW and (
                event.event_id not in seen or (standing is not None and standing.event_id == event.event_id)
            ):
                seen.add(event.event_id)
                standing, stopped_at = None, max(stopped_at, told_at)
            elif event.event_id in seen:
                continue
            elif event.at_ms > stopped_at:
                seen.add(event.event_id)
                standing = event
        return standing

    def consent(self, agreement: str, subject: str) -> ConsentEvent | None:
        """The consent that covers a release now."""
        given = self.given(subject, agreement)
        covers = (
            subject != "-"
            and given is not None
            and int(given.revision[1:]) in self.terms[agreement].accepted
            and given.valid_from_ms <= self.now
            and (given.valid_until_ms is None or self.now < given.valid_until_ms)
        )
        return given if covers else None

    def verdict(self, agreement: str, key: str) -> str:
        """release, erase or keep."""
        terms = self.terms[agreement]
        if (terms.dataset, key) not in self.records.keys() | self.lost:
            return "erase"
        if terms.standing is Standing.ENDED or terms.over(self.now):
            return "keep" if terms.keep_on_end else "erase"
        if terms.standing is Standing.SUSPENDED:
            return "erase" if terms.needs_consent and self.consent(agreement, key.partition("/")[0]) is None else "keep"
        if self.now < terms.valid_from:
            return "keep" if terms.keep_on_end else "erase"
        return self.verdict_in_force(agreement, key)

    def verdict_in_force(self, agreement: str, key: str) -> str:
        """The same where the agreement itself is no obstacle, except that an operator may hold it up."""
        terms = self.terms[agreement]
        if terms.needs_consent and self.consent(agreement, key.partition("/")[0]) is None:
            return "erase"
        if terms.standing is Standing.PAUSED:
            return "keep"
        if (terms.dataset, key) in self.lost:
            return self.verdict_on_lost(agreement, key)
        if self.in_scope(terms, self.records[(terms.dataset, key)]):
            return "release"
        return "keep" if terms.keep_on_exit else "erase"

    def verdict_on_lost(self, agreement: str, key: str) -> str:
        """A copy of which nobody can tell what of it may go out now: it stays where it may stay as it is."""
        terms, copy = self.terms[agreement], self.held.get(agreement, {}).get(key)
        if copy is None or not copy.shown.startswith(f"v{terms.major}:"):
            return "erase"
        if copy.epoch != terms.epoch or copy.revision not in terms.no_wider:
            return "erase"
        return "keep" if terms.data_range is None or terms.keep_on_exit else "erase"

    def in_scope(self, terms: Terms, record: dict[str, Any]) -> bool:
        """Whether the record is one of those that the agreement shares."""
        today = self.now // DAY * DAY
        too_old = terms.data_range is not None and record["since"] < today - terms.data_range
        return FILTERS[terms.filter](record) and not too_old

    # --- what follows -------------------------------------------------------------------------------------------------

    def judge(self, agreement: str, key: str) -> None:
        """Give, take away, or leave one copy."""
        verdict = self.verdict(agreement, key)
        if verdict == "release":
            self.release(agreement, key)
        elif verdict == "erase":
            self.held.setdefault(agreement, {}).pop(key, None)

    def judge_person(self, subject: str, agreement: str) -> None:
        """What a consent that comes or goes brings about."""
        terms = self.terms.get(agreement)
        if terms is not None and terms.needs_consent:
            for dataset, key in [*self.records, *self.lost]:
                if dataset == terms.dataset and key.partition("/")[0] == subject:
                    self.judge(agreement, key)

    def release(self, agreement: str, key: str) -> None:
        """Give the newest version, where it is not held already and need not wait."""
        terms, held = self.terms[agreement], self.held.setdefault(agreement, {})
        copy, name, shown = held.get(key), self.records[(terms.dataset, key)]["name"], terms.shown(key)
        due = None if terms.retention is None else self.now + terms.retention
        if copy is not None and copy.shown == shown:
            if copy.name == name:
                if copy.revision != terms.revision and terms.retention is not None:  # it may be shorter, never longer
                    ends = copy.released_at + terms.retention
                    copy.due = ends if copy.due is None else min(ends, copy.due)
                copy.revision = terms.revision
                return
            if copy.revision == terms.revision and self.waits(terms, copy):
                return
        elif copy is not None and copy.revision == terms.revision:
            due = copy.due  # another name for what is kept, not another copy
        held[key] = Copy(shown, name, terms.revision, terms.epoch, self.now, due)

    def waits(self, terms: Terms, copy: Copy) -> bool:
        """Whether the copy was brought up to date in this span already."""
        return terms.frequency is not None and copy.released_at // terms.frequency == self.now // terms.frequency

    def judge_everything(self) -> None:
        """What must be so when nothing waits."""
        for agreement, terms in self.terms.items():
            held = self.held.setdefault(agreement, {})
            self.erase_what_is_over(terms, held)
            named, every = terms.named(self.now), [key for dataset, key in self.records if dataset == terms.dataset]
            anew = terms.retention is None or self.judged_under.get(agreement) != named
            self.judged_under[agreement] = named
            people = self.whose_consent_changed(agreement)
            told = every if anew else [key for key in every if key.partition("/")[0] in people]
            for key in {*told, *held}:  # what a retention erased does not come back by itself
                self.judge(agreement, key)
            self.erase_what_is_over(terms, held)

    def whose_consent_changed(self, agreement: str) -> set[str]:
        """People under whom another consent, or none any more, counts since the last look."""
        before = self.covered.get(agreement, {})
        people = {key.partition("/")[0] for _, key in [*self.records, *self.lost]}
        needed = people if self.terms[agreement].needs_consent else set()
        now = {one: None if (given := self.consent(agreement, one)) is None else given.event_id for one in needed}
        self.covered[agreement] = {**before, **now}
        return {one for one, given in now.items() if given != before.get(one)}

    def erase_what_is_over(self, terms: Terms, held: dict[str, Copy]) -> None:
        """The end of retention."""
        for key, copy in list(held.items()):
            if copy.due is not None and copy.due <= self.now and not terms.keep_on_end:
                del held[key]
