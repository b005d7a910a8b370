"""The core of a lane against a model of dictionaries, over random histories.

The model keeps every input whole and judges every record under every agreement again at each step, in the plainest
words; the lane judges only what an input touches. Both must end with the same records at each recipient.
"""

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from bus.model.consent import ConsentAction, ConsentEvent
from bus.register.state import Standing
from bus.route.lane import Inputs, LaneCore, UnreadableConsent
from tests.unit.route.lanes import KEYRING, PERSON, Nutshell, rules, value, values, withdraw
from tests.unit.route.lanes import give as consent_given
from tests.unit.route.lanes import rule as agreement_rule
from tests.unit.route.test_state import read_back

SUBJECTS, RECORDS, NAMES = ("p1", "p2", "-"), ("1", "2"), ("An", "Bình", "Chi")
PEOPLE = SUBJECTS[:2]
AGREEMENTS = ("law", "kept", "asked", "asked-too")
STANDINGS = (Standing.ACTIVE, Standing.ACTIVE, Standing.SUSPENDED, Standing.ENDED, Standing.PAUSED)
ASKED = st.sampled_from(("asked", "asked", "asked-too", "law"))
FILTERS: dict[str, Callable[[dict[str, Any]], bool]] = {
    "all": bool,
    "living": lambda record: bool(record["living"]),
    "An": lambda record: bool(record["name"] == "An"),
}
MOMENTS = st.integers(0, 400)
LATELY = st.none() | st.none() | MOMENTS  # mostly after everything before: then it counts


@dataclass
class Terms:
    """An agreement as the model sees it."""

    needs_consent: bool
    keep: bool
    filter: str = "all"
    revision: int = 1
    accepted: frozenset[int] = frozenset({1})
    standing: Standing = Standing.ACTIVE
    valid_from: int = 0
    valid_until: int | None = None


@dataclass
class Model:
    """Everything that ever came in, and what each recipient must hold."""

    terms: dict[str, Terms]
    now: int = 100
    records: dict[str, dict[str, Any]] = field(default_factory=dict)
    events: dict[tuple[str, str], list[ConsentEvent | UnreadableConsent]] = field(default_factory=dict)
    held: dict[str, dict[str, str]] = field(default_factory=lambda: {name: {} for name in AGREEMENTS})

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
        at_end = "keep" if terms.keep else "erase"
        if terms.standing is Standing.ENDED:
            return at_end
        if terms.standing is Standing.SUSPENDED:
            return "keep"
        if self.now < terms.valid_from or (terms.valid_until is not None and self.now >= terms.valid_until):
            return at_end
        if terms.needs_consent and not self.consented(agreement, key.partition("/")[0]):
            return "erase"
        outcome = "release" if FILTERS[terms.filter](record) else at_end
        return "keep" if terms.standing is Standing.PAUSED else outcome

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
        verdict = self.verdict(agreement, key)
        if verdict == "release":
            self.held[agreement][key] = self.records[key]["name"]
        elif verdict == "erase":
            self.held[agreement].pop(key, None)

    def judge_everything(self) -> None:
        for agreement in AGREEMENTS:
            for key in {*self.records, *self.held[agreement]}:
                self.judge(agreement, key)


class LaneAgainstModel(RuleBasedStateMachine):
    """Random histories; each step is one or more transactions, until nothing waits."""

    @initialize(limit=st.integers(1, 5))
    def begin(self, limit: int) -> None:
        self.model = Model(
            {
                "law": Terms(needs_consent=False, keep=False, filter="living"),
                "kept": Terms(needs_consent=False, keep=True, filter="living"),
                "asked": Terms(needs_consent=True, keep=False),
                "asked-too": Terms(needs_consent=True, keep=False, filter="living"),
            }
        )
        self.lane = Nutshell(now=100)
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
                st.none() | st.tuples(st.sampled_from(NAMES), st.booleans()),
            ),
            min_size=1,
            max_size=4,
        ),
        refused=st.booleans(),
    )
    def records_change(self, changes: list[tuple[str, str, tuple[str, bool] | None]], *, refused: bool) -> None:
        listed = []
        for subject, record, content in changes:
            framed = None if content is None else value(content[0], living=content[1])
            listed.append(self.lane.change(subject, framed, record=record))
        if refused:  # drafted, not committed, drafted again
            self.lane.core.draft(self.lane.state, self.rules_now(), Inputs(changes=listed), self.lane.now)
        self.lane.step(self.rules_now(), *listed, existing_limit=self.limit)
        for subject, record, content in changes:
            key = f"{subject}/{record}"
            if content is None:
                self.model.records.pop(key, None)
            else:
                self.model.records[key] = {"name": content[0], "living": content[1]}
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
        self.lane.state, self.lane.core = read_back(self.lane.state), LaneCore(0, KEYRING, values)

    # --- how it is carried out ----------------------------------------------------------------------------------------

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
                    keep_on_exit=terms.keep,
                    keep_on_end=terms.keep,
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
            assert self.lane.held(agreement) == self.model.held[agreement], agreement

    @invariant()
    def holdings_are_what_recipients_hold(self) -> None:
        """The lane's book of holdings names exactly what the topics hold."""
        for agreement in AGREEMENTS:
            booked = {holding.key.decode() for holding in self.lane.state.held_under(PERSON, agreement)}
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
