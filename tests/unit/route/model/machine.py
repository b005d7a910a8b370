"""Random histories of everything that can happen to a lane."""

from dataclasses import replace

from hypothesis import strategies as st
from hypothesis.stateful import initialize, invariant, precondition, rule

from bus.model.change import Change
from bus.model.command import CommandKind
from bus.model.consent import ConsentEvent, UnreadableConsent
from bus.register.state import Standing
from bus.route.commands import Command
from tests.unit.route.lanes import PERSON, give, holdings, withdraw
from tests.unit.route.model.naive import FILTERS, LATER, Model, Place, Terms
from tests.unit.route.model.running import Running, name_in, written

SUBJECTS, RECORDS, NAMES = ("p1", "p2", "-"), ("1", "2"), ("An", "Bình", "Chi")
PEOPLE = SUBJECTS[:2]
EVERY_KEY = [f"{subject}/{record}" for subject in SUBJECTS for record in RECORDS]
AGREEMENTS = ("law", "kept", "asked", "asked-too", "spaced")
EVERY_AGREEMENT = (*AGREEMENTS, "later")
STANDINGS = (Standing.ACTIVE, Standing.ACTIVE, Standing.SUSPENDED, Standing.ENDED, Standing.PAUSED)
POISON = (b"no frame", b"\0\0\0\0\x09x", b"\0\0\0\0\x01", b"\0\0\0\0\x02\x06")
"""No frame, a schema that nobody knows, and records that break off, of either schema."""

Content = tuple[str, bool, int, int]
"""Name, living, age, schema."""

ASKED = st.sampled_from(("asked", "asked", "asked-too", "law", "later"))
CONTENTS = st.tuples(st.sampled_from(NAMES), st.booleans(), st.integers(0, 60), st.sampled_from((1, 1, 2)))
DATASETS = st.sampled_from((PERSON, PERSON, LATER))
KEYS = st.sampled_from(EVERY_KEY)
MOMENTS = st.integers(0, 400)
AGO = st.none() | st.none() | st.integers(0, 8)  # mostly after everything before: then it counts


class LaneAgainstModel(Running):
    """Each step is one or more transactions, until nothing waits."""

    @initialize(limit=st.integers(1, 5))
    def begin(self, limit: int) -> None:
        terms = {
            "law": Terms(needs_consent=False, filter="living", retention=70, epoch=1),
            "kept": Terms(
                needs_consent=False, keep_on_exit=True, keep_on_end=True, filter="living", retention=60, data_range=80
            ),
            "asked": Terms(needs_consent=True, frequency=40),
            "asked-too": Terms(needs_consent=True, filter="living", data_range=60),
            "spaced": Terms(needs_consent=False, keep_on_end=True, retention=90, data_range=70, frequency=30),
        }
        self.past: list[ConsentEvent] = []
        self.unread: list[tuple[Place, Change]] = []
        self.datasets = {PERSON}
        self.latest = 0
        self.start(Model(terms), limit)

    # --- records ------------------------------------------------------------------------------------------------------

    @rule(
        changes=st.lists(st.tuples(DATASETS, KEYS, st.none() | CONTENTS), min_size=1, max_size=4), refused=st.booleans()
    )
    def records_change(self, changes: list[tuple[str, str, Content | None]], *, refused: bool) -> None:
        self.take([((dataset, key), content) for dataset, key, content in changes], refused=refused)

    @rule(dataset=DATASETS, key=KEYS, to=st.sampled_from(SUBJECTS), content=CONTENTS)
    def subject_changes(self, dataset: str, key: str, to: str, content: Content) -> None:
        """As a corrected personal number does: gone from the old key, there under the new one, in one transaction."""
        subject, record = key.split("/")
        if to != subject:
            self.take([((dataset, key), None), ((dataset, f"{to}/{record}"), content)])

    @rule(dataset=DATASETS, key=KEYS, content=CONTENTS)
    def deleted_and_made_again(self, dataset: str, key: str, content: Content) -> None:
        self.take([((dataset, key), None), ((dataset, key), content)])

    @rule(dataset=DATASETS, key=KEYS, poison=st.sampled_from(POISON), then=st.none() | st.tuples(KEYS, CONTENTS))
    def poisoned(self, dataset: str, key: str, poison: bytes, then: tuple[str, Content] | None) -> None:
        """A version that cannot be read: nothing changes for anybody, and what comes after it flows."""
        if dataset not in self.datasets:
            return
        bad = self.change((dataset, key), poison)
        self.unread.append(((dataset, key), bad))
        self.model.letters[(dataset, key)] = bad.origin.offset
        after = []
        if then is not None:
            after.append(self.change((dataset, then[0]), self.framed(then[1])))
            self.model.take((dataset, then[0]), self.record(then[1]))
        outcome = self.transact(bad, *after)
        assert [letter.record for letter in outcome.dead] == [bad.origin]
        self.settle()

    @rule(
        back=st.sampled_from((1, 1, 1, 2, 3)),
        kinds=st.lists(st.sampled_from((*CommandKind, CommandKind.RELEASE)), min_size=1, max_size=2),
        content=st.none() | CONTENTS,
        newer=st.none() | CONTENTS,
    )
    def ordered(self, back: int, kinds: list[CommandKind], content: Content | None, newer: Content | None) -> None:
        """Orders about a dead letter, which can be read by now or still not; a newer version may come with them."""
        if not self.unread:
            return
        place, letter = self.unread[-min(back, len(self.unread))]
        changes, record = [], None if content is None else self.record(content)
        if newer is not None:
            changes.append(self.change(place, self.framed(newer)))
            self.model.take(place, self.record(newer))
        if content is not None:
            letter = letter._replace(value=self.framed(content))
        expected = [self.model.order(kind, place, letter.origin.offset, record) for kind in kinds]
        orders = [Command(f"c{number}", kind, 0, "op", "", 0, letter) for number, kind in enumerate(kinds)]
        outcome = self.transact(*changes, commands=orders)
        assert [one.ending for one in outcome.completions] == expected
        self.settle()

    # --- consents -----------------------------------------------------------------------------------------------------

    @rule(
        subject=st.sampled_from(PEOPLE),
        agreement=ASKED,
        ago=AGO,
        valid_from=st.just(0) | MOMENTS,
        lasts=st.none() | st.integers(-50, 150),
        revision=st.none() | st.integers(1, 3),
    )
    def given(  # noqa: PLR0917 - drawn by name
        self, subject: str, agreement: str, ago: int | None, valid_from: int, lasts: int | None, revision: int | None
    ) -> None:
        until = None if lasts is None else self.model.now + lasts
        self.consent(self.giving(subject, agreement, ago=ago, valid_from=valid_from, until=until, revision=revision))

    @rule(subject=st.sampled_from(PEOPLE), agreement=ASKED, ago=AGO)
    def withdrawn(self, subject: str, agreement: str, ago: int | None) -> None:
        self.consent(self.withdrawal(subject, agreement, ago=ago))

    @rule(back=st.lists(st.integers(1, 4), min_size=1, max_size=3))
    def seen_again(self, back: list[int]) -> None:
        if len(self.past) >= max(back):
            self.consent(*(self.past[-one] for one in back))

    @rule(subject=st.sampled_from(PEOPLE), agreement=ASKED, late=st.booleans())
    def stopped(self, subject: str, agreement: str, *, late: bool) -> None:
        """A withdrawal that is told once more after a new consent; or a consent of before it that is told too late."""
        end, then = self.withdrawal(subject, agreement), self.giving(subject, agreement, ago=1 if late else None)
        for event in (end, then) if late else (end, then, end):
            self.consent(event)

    @rule(subject=st.sampled_from(PEOPLE), agreement=ASKED, ago=AGO)
    def unreadable(self, subject: str, agreement: str, ago: int | None) -> None:
        self.consent(UnreadableConsent(subject, agreement, self.moment(ago)))

    @rule(
        crowd=st.lists(st.tuples(st.sampled_from(PEOPLE), ASKED, st.booleans()), min_size=2, max_size=6),
        first=st.integers(1, 5),
        again=st.lists(st.integers(0, 4), max_size=2),
    )
    def more_come_than_fit(self, crowd: list[tuple[str, str, bool]], first: int, again: list[int]) -> None:
        """Some of the events are taken while others are known to wait, some of which are told once more."""
        events = [(self.giving if given else self.withdrawal)(subject, one) for subject, one, given in crowd]
        now, rest = events[:first], events[first:]
        rest += [now[one] for one in again if one < len(now)]
        self.consent(*now, later=rest)
        self.consent(*rest)

    @rule(lasts=st.integers(1, 60), key=KEYS, content=CONTENTS)
    def all_expire_at_once(self, lasts: int, key: str, content: Content) -> None:
        """At that moment a change comes too: nothing is released any more, though many copies wait to be erased."""
        until = self.model.now + lasts
        self.consent(*(self.giving(who, what, until=until) for who in PEOPLE for what in ("asked", "asked-too")))
        self.lane.now = self.model.now = max(until, self.model.now)
        self.take([((PERSON, key), content)])

    # --- time, register, process --------------------------------------------------------------------------------------

    @rule(ahead=st.integers(1, 150) | st.integers(-100, 0))
    def time_passes(self, ahead: int) -> None:
        self.lane.now = max(0, self.lane.now + ahead)
        self.model.now = max(self.model.now, self.lane.now)
        self.settle()

    @precondition(lambda self: "later" not in self.model.terms)
    @rule()
    def registered_later(self) -> None:
        """A new dataset, then an agreement about it: consents for it may long be there, and records."""
        if LATER in self.datasets:
            self.model.terms["later"] = Terms(needs_consent=True, dataset=LATER, filter="living")
        self.datasets.add(LATER)
        self.register_changed()

    @rule(
        agreement=st.sampled_from(AGREEMENTS),
        chosen=st.sampled_from(sorted(FILTERS)),
        wider=st.booleans(),
        narrower=st.booleans(),
        kept=st.none() | st.integers(1, 60),
    )
    def revised(self, agreement: str, chosen: str, kept: int | None, *, wider: bool, narrower: bool) -> None:
        terms = self.model.terms[agreement]
        terms.retention = terms.retention if kept is None else kept
        terms.filter, terms.revision = chosen, terms.revision + 1
        terms.accepted = frozenset({terms.revision}) if wider else terms.accepted | {terms.revision}
        terms.no_wider = frozenset({terms.revision}) if narrower else terms.no_wider | {terms.revision}
        self.register_changed()

    @rule(agreement=st.sampled_from(AGREEMENTS))
    def moved(self, agreement: str) -> None:
        """A view that readers of the one before cannot follow has a topic of its own."""
        terms = self.model.terms[agreement]
        terms.major, terms.revision = terms.major + 1, terms.revision + 1
        terms.accepted |= {terms.revision}
        terms.no_wider |= {terms.revision}
        self.register_changed()

    @rule(agreement=st.sampled_from(EVERY_AGREEMENT), standing=st.sampled_from(STANDINGS))
    def stands(self, agreement: str, standing: Standing) -> None:
        if agreement in self.model.terms:
            self.model.terms[agreement].standing = standing
            self.register_changed()

    @rule(agreement=st.sampled_from(AGREEMENTS), begins=MOMENTS, lasts=st.none() | st.integers(1, 200))
    def validity(self, agreement: str, begins: int, lasts: int | None) -> None:
        terms = self.model.terms[agreement]
        terms.revision += 1
        terms.accepted |= {terms.revision}
        terms.no_wider |= {terms.revision}
        terms.valid_from, terms.valid_until = begins, None if lasts is None else begins + lasts
        self.register_changed()

    @rule()
    def pseudonyms_renewed(self) -> None:
        self.model.terms["law"].epoch += 1
        self.register_changed()

    @rule(agreement=st.sampled_from(AGREEMENTS))
    def backfill_asked(self, agreement: str) -> None:
        self.model.terms[agreement].backfill += 1
        self.register_changed()

    @rule()
    def restarted(self) -> None:
        """Everything that a process knows is gone; what was committed is read back."""
        self.lane.state = self.state_again()

    @rule()
    def built_anew(self) -> None:
        """What was kept on the machine is gone, and the log has forgotten what a change took the place of."""
        self.model.forget()
        self.lane.state = self.state_again(without=self.model.letters.keys())
        self.look_for_lost()
        self.settle()

    # --- how it is said -----------------------------------------------------------------------------------------------

    def take(self, changes: list[tuple[Place, Content | None]], *, refused: bool = False) -> None:
        """Changes of one transaction; `refused`: drafted, not committed, drafted again."""
        known = [(place, content) for place, content in changes if place[0] in self.datasets]
        listed = [self.change(place, None if content is None else self.framed(content)) for place, content in known]
        if refused:
            self.refuse(*listed)
        for place, content in known:
            self.model.take(place, None if content is None else self.record(content))
        self.transact(*listed)
        self.settle()

    def record(self, content: Content) -> dict[str, object]:
        """A record that is so old today."""
        name, living, age, _ = content
        return {"name": name, "living": living, "since": max(0, self.model.now - age)}

    def framed(self, content: Content) -> bytes:
        """The same in bytes."""
        return written(self.record(content), content[3])

    def moment(self, ago: int | None) -> int:
        """When somebody acted; None: later than everybody before."""
        if ago is not None:
            return max(0, self.latest - ago)
        self.latest += 1
        return self.latest

    def giving(
        self,
        subject: str,
        agreement: str,
        *,
        ago: int | None = None,
        valid_from: int = 0,
        until: int | None = None,
        revision: int | None = None,
    ) -> ConsentEvent:
        """A consent, to the text of now unless another is named."""
        shown = self.model.terms[agreement].revision if agreement in self.model.terms else 1
        event = give(
            subject,
            agreement,
            at=self.moment(ago),
            event_id=f"event-{len(self.past)}",
            revision=f"r{revision or shown}",
            valid_from_ms=valid_from,
            valid_until_ms=until,
        )
        self.past.append(event)
        return event

    def withdrawal(self, subject: str, agreement: str, *, ago: int | None = None) -> ConsentEvent:
        """The end of one."""
        event = replace(withdraw(subject, agreement, at=self.moment(ago)), event_id=f"event-{len(self.past)}")
        self.past.append(event)
        return event

    # --- what must hold -----------------------------------------------------------------------------------------------

    @invariant()
    def recipients_hold_what_they_must(self) -> None:
        """Each recipient's compacted topics equal what the model says they must hold."""
        for agreement in self.model.terms:
            must = {copy.shown: copy.name for copy in self.model.held[agreement].values()}
            assert self.held(agreement) == must, agreement

    def held(self, agreement: str) -> dict[str, str]:
        """Topic and key → name, of what a recipient holds."""
        beginning = f"agency.agency-of-{agreement}.{agreement}."
        return {
            f"{topic.removeprefix(beginning)}:{key.decode()}": name_in(framed)
            for topic, records in self.lane.topics.items()
            if topic.startswith(beginning)
            for key, framed in records.items()
        }

    @invariant()
    def holdings_are_what_recipients_hold(self) -> None:
        """The lane's book of holdings names exactly what the topics hold."""
        booked: set[tuple[str, bytes]] = set()
        for dataset in self.datasets:
            for key in EVERY_KEY:
                held = holdings(self.lane.state, dataset, key.encode()).values()
                booked.update((one.topic, one.key) for one in held)
        assert booked == {(topic, key) for topic, records in self.lane.topics.items() for key in records}
