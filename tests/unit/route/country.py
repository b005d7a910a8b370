"""A lane of the pretend country for tests: real agreements and schemas, the core of a lane, and time that passes."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any
from zoneinfo import ZoneInfo

from bus.avro.codec import decode, encode, parse
from bus.avro.frame import frame, unframe
from bus.clock import iso
from bus.model.change import Change
from bus.model.consent import ConsentEvent
from bus.model.key import RecordKey
from bus.model.record import Incoming
from bus.register.state import RegisterState
from bus.route.batch import Inputs, Outcome
from bus.route.label import Label, Moment
from bus.route.lane import LaneCore
from bus.route.outlet import Delivery
from bus.route.rules import RuleBook
from bus.route.store.memory import MemoryState
from tests.unit.agreements.ground import DATASETS
from tests.unit.route.lanes import KEYRING, PERSON

HANOI = ZoneInfo("Asia/Ho_Chi_Minh")
PEOPLE = parse(DATASETS[PERSON].schema, schema_id=1)


def moment(text: str) -> int:
    """2026-03-02T10:00 in Hanoi, in milliseconds since 1970."""
    return round(datetime.fromisoformat(text).replace(tzinfo=HANOI).timestamp() * 1000)


def read(framed: bytes) -> Mapping[str, Any]:
    """The decoder that the lane is given."""
    record: Mapping[str, Any] = decode(PEOPLE, unframe(framed)[1])
    return record


@dataclass(frozen=True)
class Told:
    """One record that a recipient got; `view` None for an erasure."""

    at: str
    topic: str
    partition: int
    key: str
    view: Mapping[str, Any] | None
    headers: Mapping[str, str]


@dataclass
class CountryLane:
    """A lane with its clock. Whatever falls due by itself happens at its moment, to the millisecond."""

    register: RegisterState
    now: int
    told: list[Told] = field(default_factory=list)
    core: LaneCore = field(default_factory=lambda: LaneCore(0, KEYRING, read))
    state: MemoryState = field(default_factory=MemoryState)
    book: RuleBook = field(default_factory=lambda: RuleBook(KEYRING, lanes=3, pseudonymous_partitions=8))
    offset: int = 0

    def until(self, text: str) -> None:
        """Let time pass."""
        self.work()
        end = moment(text)
        while (wake := self.core.wake_at_ms(self.state, self.book.compile(self.register))) is not None and wake <= end:
            self.now = max(wake, self.now)
            self.work()
        self.now = end
        self.work()

    def person(self, **changes: Any) -> None:
        """A version of An's record, from now."""
        schema = DATASETS[PERSON].schema
        record = dict.fromkeys(one["name"] for one in schema["fields"]) | {
            "personal_id": "001090000017",
            "full_name": "Nguyễn Văn An",
            "birth_date": 7425,
            "sex": "MALE",
            "nationality": "VN",
            "birth_province": "001",
            "residence_province": "01",
            "marital_status": "SINGLE",
            "status": "ALIVE",
            "eid_level": 2,
            "record_version": 1,
            "updated_at": self.now,
            **changes,
        }
        key = RecordKey("001090000017", "001090000017").encode()
        value = frame(1, encode(PEOPLE, record))
        origin = Incoming(f"changes.{PERSON}", 0, self.offset, self.now, key, value)
        self.offset += 1
        self.work(changes=[Change(PERSON, key, "001090000017", value, origin)])

    def consents(self, *events: ConsentEvent) -> None:
        """What people say."""
        self.work(consents=events)

    def work(self, *, changes: Iterable[Change] = (), consents: Iterable[ConsentEvent] = ()) -> None:
        """Transactions until nothing waits."""
        inputs = Inputs(changes=tuple(changes), consents=tuple(consents), input_offsets={PERSON: self.offset})
        before = None
        while before is None or outcome.worth_writing(before):  # noqa: F821 - set in the first round
            before = self.state.position
            outcome = self.core.draft(self.state, self.book.compile(self.register), inputs, self.now)
            self._commit(outcome)
            inputs = Inputs(input_offsets={PERSON: self.offset})

    def _commit(self, outcome: Outcome) -> None:
        self.state.apply(outcome.draft)
        self.told += [self._told(one, outcome.draft.position.block) for one in outcome.deliveries]

    def _told(self, one: Delivery, block: int) -> Told:
        label = Label.of(one.rule, one.where.revision, one.reason, Moment(0, block, self.now), KEYRING)
        view = None if one.value is None else decode(parse(one.rule.route.view_schema), unframe(one.value)[1])
        headers = {name: text.decode() for name, text in label.headers}
        place = (one.where.topic, one.where.partition, one.key.decode())
        return Told(iso(self.now), *place, view, headers)

    def story(self) -> list[tuple[str, str]]:
        """When what was told: a name that was released, or why a copy was erased; moments in Hanoi."""
        return [
            (
                datetime.fromisoformat(one.at).astimezone(HANOI).strftime("%Y-%m-%dT%H:%M"),
                one.headers.get("ce_erasurereason", "") if one.view is None else str(one.view["full_name"]),
            )
            for one in self.told
        ]
