"""The core of a lane against a model of dictionaries, over random histories.

The model keeps every input whole and judges every record under every agreement again at each step, in the plainest
words; the lane judges only what an input touches. Both must end with the same records at each recipient.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bus.model.consent import ConsentAction, ConsentEvent
from bus.register.state import Standing
from bus.route.lane import Inputs, LaneCore, UnreadableConsent
from bus.route.memory import MemoryState
from tests.unit.route.lanes import KEYRING, PERSON, Nutshell, Terms, Ticks, rules, value, values, withdraw
from tests.unit.route.lanes import give as consent_given
from tests.unit.route.lanes import rule as agreement_rule
from tests.unit.route.test_state import read_back

SUBJECTS, RECORDS, NAMES = ("p1", "p2", "-"), ("1", "2"), ("An", "Bình", "Chi")
PEOPLE = SUBJECTS[:2]
EVERY_KEY = [f"{subject}/{record}".encode() for subject in SUBJECTS for record in RECORDS]
AGREEMENTS = ("law", "kept", "asked", "asked-too", "spaced")
STANDINGS = (Standing.ACTIVE, Standing.ACTIVE, Standing.SUSPENDED, Standing.ENDED, Standing.PAUSED)
ASKED = st.sampled_from(("asked", "asked", "asked-too", "law"))
FILTERS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "all": bool,
    "living": lambda record: bool(record["living"]),
    "An": lambda record: bool(record["name"] == "An"),
}
MOMENTS = st.integers(0, 400)
DAY = 25
"""A day of the model's calendar."""

LATELY = st.none() | st.none() | MOMENTS  # mostly after everything before: then it counts


@dataclass
class Copy:
    """What a recipient holds of a record, under which text, and since when."""

    name: str
    revision: int
    released_at: int


@dataclass
class Model:
    """Everything that ever came in, and what each recipient must hold."""

    terms: dict[str, Terms]
    now: int = 100
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[tuple[str, str], list[ConsentEvent | UnreadableConsent]] = field(default_factory=dict)
    held: dict[str, dict[str, Copy]] = field(default_factory=lambda: {name: {} for name in AGREEMENTS})
    judged_under: dict[str, tuple[object, ...]] = field(default_factory=dict)

    def given(self, subject: str, agreement: str) -> ConsentEvent | None:
        """The consent that stands, from the whole list of events, by the rules as a lawyer would say them."""
        seen: set[str] = set()
        standing: ConsentEvent | None = None
        stopped_at = -1
        for event in self.events.get((subject, agreement), []):
            if isinstance(event, UnreadableConsent):
                standing, stopped_at = None, max(stopped_at, event.at_ms)
            elif event.event_id in seen:
                continue
            elif event.action is ConsentAction.WITHDRAW:
                seen.add(event.event_id)
                standing, stopped_at = None, max(stopped_at, event.at_ms)
            elif event.at_ms > stopped_at:
                seen.add(event.event_id)
                standing = event
        return standing

    def verdict(self, agreement: str, key: str) -> str:
        """release, erase or keep."""
        terms, record = self.terms[agreement], self.records.get(key)
        if record is None:
            return "erase"
        if terms.standing is Standing.SUSPENDED:
            return "keep"
        if terms.standing is Standing.ENDED or self.now < terms.valid_from or terms.over(self.now):
            return "keep" if terms.keep_on_end else "erase"
        return self.verdict_in_force(agreement, key)

    def verdict_in_force(self, agreement: str, key: str) -> str:
        terms, record = self.terms[agreement], self.records[key]
        if terms.needs_consent and not self.consented(agreement, key.partition("/")[0]):
            return "erase"
        if terms.standing is Standing.PAUSED:
            return "keep"
        if self.in_scope(terms, record):
            return "release"
        return "keep" if terms.keep_on_exit else "erase"

    def in_scope(self, terms: Terms, record: dict[str, Any]) -> bool:
        today = self.now // DAY * DAY
        too_old = terms.data_range is not None and record["since"] < today - terms.data_range
        return FILTERS[terms.filter](record) and not too_old

    def consented(self, agreement: str, subject: str) -> bool:
        given = self.given(subject, agreement)
        return (
            subject != "-"
            and given is not None
            and int(given.revision[1:]) in self.terms[agreement].accepted
            and given.valid_from_ms <= self.now
            and (given.valid_until_ms is None or self.now < given.valid_until_ms)
        )

    def judge(self, agreement: str, key: str) -> None:
        verdict, held = self.verdict(agreement, key), self.held[agreement]
        if verdict == "release":
            self.release(self.terms[agreement], held, key)
        elif verdict == "erase":
            held.pop(key, None)

    def release(self, terms: Terms, held: dict[str, Copy], key: str) -> None:
        copy, name = held.get(key), self.records[key]["name"]
        if copy is not None and copy.name == name:
            copy.revision = terms.revision
        elif copy is None or copy.revision != terms.revision or not self.waits(terms, copy):
            held[key] = Copy(name, terms.revision, self.now)

    def waits(self, terms: Terms, copy: Copy) -> bool:
        """Whether the copy was brought up to date in this span already."""
        return terms.frequency is not None and copy.released_at // terms.frequency == self.now // terms.frequency

    def judge_everything(self) -> None:
        for agreement, terms in self.terms.items():
            self.erase_what_is_over(agreement, terms)
            named, held = terms.named(self.now), self.held[agreement]
            anew = terms.retention is None or self.judged_under.get(agreement) != named
            self.judged_under[agreement] = named
            for key in {*self.records, *held} if anew else set(held):  # what a retention erased does not come back
                self.judge(agreement, key)

    def erase_what_is_over(self, agreement: str, terms: Terms) -> None:
        if terms.retention is None or terms.keep_on_end:
            return
        for key, copy in list(self.held[agreement].items()):
            if copy.released_at + terms.retention <= self.now:
                del self.held[agreement][key]


def oldest(allowed: int, now_ms: int) -> int:
    """From when a record must be today."""
    return now_ms // DAY * DAY - allowed


class LaneAgainstModel(RuleBasedStateMachine):
    """Random histories; each step is one or more transactions, until nothing waits."""

    @initialize(limit=st.integers(1, 5))
    def begin(self, limit: int) -> None:
        self.model = Model(
            {
                "law": Terms(needs_consent=False, filter="living", retention=70),
                "kept": Terms(
                    needs_consent=False,
                    keep_on_exit=True,
                    keep_on_end=True,
                    filter="living",
                    retention=60,
                    data_range=80,
                ),
                "asked": Terms(needs_consent=True, frequency=40),
                "asked-too": Terms(needs_consent=True, filter="living", data_range=60),
                "spaced": Terms(needs_consent=False, keep_on_end=True, retention=90, data_range=70, frequency=30),
            }
        )
        self.lane = Nutshell(now=100, state=self.fresh_state())
        self.limit = limit
        self.register_offset = 1
        self.past: list[ConsentEvent] = []
        self.latest = 0
        self.settle()

    # --- what can happen ----------------------------------------------------------------------------------------------

    @rule(
        changes=st.lists(
            st.tuples(
                st.sampled_from(SUBJECTS),
                st.sampled_from(RECORDS),
                st.none() | st.tuples(st.sampled_from(NAMES), st.booleans(), st.integers(0, 60)),
            ),
            min_size=1,
            max_size=4,
        ),
        refused=st.booleans(),
    )
    def records_change(self, changes: list[tuple[str, str, tuple[str, bool, int] | None]], *, refused: bool) -> None:
        listed = []
        for subject, record, content in changes:
            framed = None if content is None else value(content[0], living=content[1], since=self.ago(content[2]))
            listed.append(self.lane.change(subject, framed, record=record))
        if refused:  # drafted, not committed, drafted again
            self.lane.core.draft(self.lane.state, self.rules_now(), Inputs(changes=listed), self.lane.now)
        self.lane.step(self.rules_now(), *listed, existing_limit=self.limit)
        for subject, record, content in changes:
            key = f"{subject}/{record}"
            if content is None:
                self.model.records.pop(key, None)
            else:
                record_now = {"name": content[0], "living": content[1], "since": self.ago(content[2])}
                self.model.records[key] = record_now
            for agreement in AGREEMENTS:
                self.model.judge(agreement, key)
        self.settle()

    @rule(
        subject=st.sampled_from(PEOPLE),
        agreement=ASKED,
        at=LATELY,
        valid_from=st.just(0) | MOMENTS,
        lasts=st.none() | st.integers(-50, 150),
        revision=st.none() | st.integers(1, 3),
    )
    def give(  # noqa: PLR0917 - drawn by name
        self, subject: str, agreement: str, at: int | None, valid_from: int, lasts: int | None, revision: int | None
    ) -> None:
        event = consent_given(
            subject,
            agreement,
            at=self.moment(at),
            event_id=f"event-{len(self.past)}",
            revision=f"r{revision or self.model.terms[agreement].revision}",
            valid_from_ms=valid_from,
            valid_until_ms=None if lasts is None else self.model.now + lasts,
        )
        self.past.append(event)
        self.consent(event)

    @rule(subject=st.sampled_from(PEOPLE), agreement=ASKED, at=LATELY)
    def withdrawn(self, subject: str, agreement: str, at: int | None) -> None:
        event = replace(withdraw(subject, agreement, at=self.moment(at)), event_id=f"event-{len(self.past)}")
        self.past.append(event)
        self.consent(event)

    @rule(data=st.data())
    def seen_again(self, data: st.DataObject) -> None:
        if self.past:
            self.consent(*data.draw(st.lists(st.sampled_from(self.past[-4:]), min_size=1, max_size=3)))

    @rule(subject=st.sampled_from(PEOPLE), agreement=ASKED, at=LATELY)
    def unreadable(self, subject: str, agreement: str, at: int | None) -> None:
        self.consent(UnreadableConsent(subject, agreement, self.moment(at)))

    @rule(ahead=st.integers(1, 150) | st.integers(-100, 0))
    def time_passes(self, ahead: int) -> None:
        self.lane.now = max(0, self.lane.now + ahead)
        self.model.now = max(self.model.now, self.lane.now)
        self.settle()

    @rule(agreement=st.sampled_from(AGREEMENTS), chosen=st.sampled_from(sorted(FILTERS)), wider=st.booleans())
    def revised(self, agreement: str, chosen: str, *, wider: bool) -> None:
        terms = self.model.terms[agreement]
        terms.filter, terms.revision = chosen, terms.revision + 1
        terms.accepted = frozenset({terms.revision}) if wider else terms.accepted | {terms.revision}
        self.register_changed()

    @rule(agreement=st.sampled_from(AGREEMENTS), standing=st.sampled_from(STANDINGS))
    def stands(self, agreement: str, standing: Standing) -> None:
        self.model.terms[agreement].standing = standing
        self.register_changed()

    @rule(agreement=st.sampled_from(AGREEMENTS), begins=MOMENTS, lasts=st.none() | st.integers(1, 200))
    def validity(self, agreement: str, begins: int, lasts: int | None) -> None:
        terms = self.model.terms[agreement]
        terms.revision += 1
        terms.accepted |= {terms.revision}
        terms.valid_from, terms.valid_until = begins, None if lasts is None else begins + lasts
        self.register_changed()

    @rule()
    def restarted(self) -> None:
        """Everything that a process knows is gone; what was committed is read back."""
        self.lane.state, self.lane.core = self.state_again(), LaneCore(0, KEYRING, values)

    def fresh_state(self) -> Any:
        return MemoryState()

    def state_again(self) -> Any:
        return read_back(self.lane.state)

    # --- how it is carried out ----------------------------------------------------------------------------------------

    def ago(self, age: int) -> int:
        """From when a record is that says that it is so old."""
        return max(0, self.model.now - age)

    def moment(self, at: int | None) -> int:
        """When somebody acted; None: later than everybody before."""
        self.latest = max(self.latest, at or 0) + 1
        return self.latest if at is None else at

    def consent(self, *events: ConsentEvent | UnreadableConsent) -> None:
        self.lane.step(self.rules_now(), consents=events, existing_limit=self.limit)
        for event in events:
            self.model.events.setdefault((event.subject, event.agreement), []).append(event)
        self.settle()

    def register_changed(self) -> None:
        self.register_offset += 1
        self.settle()

    def rules_now(self) -> Any:
        listed = []
        for name, terms in self.model.terms.items():
            listed.append(
                agreement_rule(
                    name,
                    dataset=PERSON,
                    standing=terms.standing,
                    admits=FILTERS[terms.filter],  # type: ignore[arg-type]  # a record is a dictionary here
                    needs_consent=terms.needs_consent,
                    revision=f"r{terms.revision}",
                    accepted_revisions=frozenset(f"r{one}" for one in terms.accepted),
                    keep_on_exit=terms.keep_on_exit,
                    keep_on_end=terms.keep_on_end,
                    retention_ms=terms.retention,
                    age_field="since",
                    oldest=None if terms.data_range is None else partial(oldest, terms.data_range),
                    days=None if terms.data_range is None else Ticks(DAY),
                    frequency=None if terms.frequency is None else Ticks(terms.frequency),
                    valid_from_ms=terms.valid_from,
                    valid_until_ms=terms.valid_until,
                )
            )
        return rules(*listed, offset=self.register_offset)

    def settle(self) -> None:
        """Run transactions as the shell does, until there is nothing to write."""
        for _ in range(200):
            before = self.lane.state.position
            outcome = self.lane.step(self.rules_now(), existing_limit=self.limit)
            if not outcome.worth_writing(before):
                break
        else:
            raise AssertionError("the lane never comes to rest")
        self.model.judge_everything()

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def recipients_hold_what_they_must(self) -> None:
        """Each recipient's compacted topic equals what the model says it must hold."""
        for agreement in AGREEMENTS:
            must = {key: copy.name for key, copy in self.model.held[agreement].items()}
            assert self.lane.held(agreement) == must, agreement

    @invariant()
    def holdings_are_what_recipients_hold(self) -> None:
        """The lane's book of holdings names exactly what the topics hold."""
        for agreement in AGREEMENTS:
            held = [self.lane.state.holdings_of(PERSON, key) for key in EVERY_KEY]
            booked = {one[agreement].key.decode() for one in held if agreement in one}
            assert booked == self.lane.held(agreement).keys()

    @invariant()
    def nothing_without_a_basis(self) -> None:
        """Every release under a consent names the consent event that allowed it."""
        known = {event.event_id for event in self.past if event.action is ConsentAction.GIVE}
        for delivery in self.lane.log:
            if delivery.value is not None and delivery.rule.route.needs_consent:
                assert delivery.holding.consent in known


LaneAgainstModel.TestCase.settings = settings(
    max_examples=400,
    stateful_step_count=50,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
TestLaneAgainstModel = LaneAgainstModel.TestCase
