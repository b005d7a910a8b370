"""The checker can fail: each fault, planted into a faultless small bus, makes its own count rise and no other."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest

from seeds.reference.agreement import Agreement
from seeds.reference.agreements import AGREEMENTS
from seeds.reference.judge import judge
from seeds.reference.pseudonyms import Keys, pseudonyms_of, subject_hashes
from seeds.reference.readings import Block, BusReading, ConsentEvent, Entry, Record, Registries, Row
from seeds.reference.verdict import Kind, Verdict

ROOT = bytes(range(32))
KEYS = Keys(ROOT, {one.recipient: bytes([number] * 32) for number, one in enumerate(AGREEMENTS)})
NOW = datetime(2026, 6, 1, 3, tzinfo=UTC)
BEFORE = NOW - timedelta(days=1)
BY_NAME = {agreement.name: agreement for agreement in AGREEMENTS}
TAX, BANK, STATISTICS = (BY_NAME[name] for name in ("person-to-tax", "person-address-to-bank", "person-to-statistics"))
JUDGED = (TAX, BANK, STATISTICS)
AN, BINH, CUONG = "001090000017", "001190000029", "001045000011"


def citizen(number: str, **other: Any) -> Row:
    """A row of the population registry: alive, at home in Hà Nội."""
    row = dict.fromkeys(("tam_tru_tinh", "tam_tru_xa", "tam_tru_dia_chi", "tam_tru_tu", "so_dinh_danh_vc", "ngay_chet"))
    return {
        **row,
        "so_dinh_danh": number,
        "ho_ten": "Nguyễn Văn An",
        "ngay_sinh": date(1990, 5, 1),
        "gioi_tinh": 1,
        "quoc_tich": "VN",
        "thuong_tru_tinh": "01",
        "thuong_tru_xa": "00025",
        "thuong_tru_dia_chi": "12 Giảng Võ",
        "thuong_tru_tu": date(2015, 6, 1),
        "hon_nhan": 0,
        "so_dien_thoai": "0912345678",
        "tinh_trang": 1,
        "muc_dinh_danh": 2,
        **other,
    }


@dataclass
class SmallBus:
    """One lane, written as a router writes it, until a test plants a fault."""

    rows: dict[str, Row] = field(default_factory=dict)
    records: list[Record] = field(default_factory=list)
    blocks: list[Block] = field(default_factory=list)
    consents: list[ConsentEvent] = field(default_factory=list)
    dead_letters: int = 0

    def say(self, number: str, *, give: bool, **other: Any) -> ConsentEvent:
        """A consent event about the bank's agreement."""
        offset = len(self.consents)
        event = ConsentEvent(
            0,
            offset,
            number,
            BANK.name,
            give=give,
            event_id=f"consent-{offset}",
            revision="r1",
            at=BEFORE + timedelta(minutes=offset),
            valid_from=BEFORE,
        )
        self.consents.append(replace(event, **other))
        return self.consents[-1]

    def release(self, agreement: Agreement, number: str, *, consent: str | None = None) -> None:
        """What the agreement lets through of a row, with its disclosure."""
        row, hide = self.rows[number], pseudonyms_of(KEYS, agreement.recipient)
        self._write(agreement, number, agreement.key(row, hide), agreement.view(row, hide), consent)

    def erase(self, agreement: Agreement, number: str) -> None:
        """A tombstone, with its disclosure."""
        key = agreement.key(citizen(number), pseudonyms_of(KEYS, agreement.recipient))
        self._write(agreement, number, key, None, None)

    def _write(
        self, agreement: Agreement, number: str, key: str, view: dict[str, Any] | None, consent: str | None
    ) -> None:
        event_id = f"event-{len(self.records)}"
        topic = agreement.topic("t.")
        headers = {"ce_id": event_id, "ce_source": f"/agreements/{agreement.name}"}
        self.records.append(Record(topic, 0, len(self.records), key, view, headers))
        entry = Entry(
            kind="ERASE" if view is None else "RELEASE",
            agreement=agreement.name,
            recipient=agreement.recipient,
            topic=topic,
            partition=0,
            event_id=event_id,
            subject=subject_hashes(ROOT)(number),
            consent=consent,
        )
        number_of_block = len(self.blocks) + 1
        self.blocks.append(Block(0, number_of_block, 0, len(self.consents), 9, {"population.person": 1}, (entry,), ()))

    def judged(self) -> Verdict:
        """What the checker says."""
        reading = BusReading(
            prefix="t.",
            topics=frozenset(agreement.topic("t.") for agreement in JUDGED),
            records=tuple(sorted(self.records, key=lambda record: (record.topic, record.partition, record.offset))),
            blocks=tuple(self.blocks),
            consents=tuple(self.consents),
            revisions={agreement.name: frozenset({"r1"}) for agreement in JUDGED},
            dead_letters=self.dead_letters,
        )
        rows = {"citizen": tuple(self.rows.values())}
        return judge(reading, Registries(rows), JUDGED, KEYS, NOW)

    def faults(self) -> dict[str, int]:
        """The counts that are not zero."""
        verdict = self.judged()
        return {kind.value: verdict.count(kind) for kind in Kind if verdict.count(kind)}


@pytest.fixture
def bus() -> SmallBus:
    """An and Bình live; An gave the bank consent, Bình gave it and took it back; Cường was struck out."""
    small = SmallBus({number: citizen(number) for number in (AN, BINH, CUONG)})
    for number in (AN, BINH, CUONG):
        small.release(TAX, number)
        small.release(STATISTICS, number)
    for number in (AN, BINH):
        event = small.say(number, give=True)
        small.release(BANK, number, consent=event.event_id)
    small.say(BINH, give=False)
    small.erase(BANK, BINH)
    del small.rows[CUONG]
    small.erase(TAX, CUONG)
    small.erase(STATISTICS, CUONG)
    return small


def test_a_faultless_bus_is_found_faultless(bus: SmallBus) -> None:
    """Nothing is found where nothing is wrong, and the figures are those of the topics."""
    verdict = bus.judged()
    assert verdict.findings == ()
    told = {tally.agency: (tally.released, tally.erased, tally.held, tally.expected) for tally in verdict.agreements}
    assert told == {"tax-authority": (3, 1, 2, 2), "commercial-bank": (2, 1, 1, 1), "statistics-office": (3, 1, 2, 2)}


def drop_a_record(bus: SmallBus) -> None:
    """A record and its disclosure were never written."""
    del bus.records[0], bus.blocks[0]


def change_a_value(bus: SmallBus) -> None:
    """The registry says something newer than the recipient holds."""
    bus.rows[AN] = {**bus.rows[AN], "so_dien_thoai": "0987654321"}


def add_a_field(bus: SmallBus) -> None:
    """A field too many."""
    bus.records[0] = replace(bus.records[0], view={**(bus.records[0].view or {}), "phone": "0912345678"})


def release_after_withdrawal(bus: SmallBus) -> None:
    """Released, logged and erased again: too late for the holdings, and yet it was disclosed."""
    bus.release(BANK, BINH, consent="consent-1")
    bus.erase(BANK, BINH)


def release_without_consent(bus: SmallBus) -> None:
    """Somebody who never said anything is disclosed, and erased again."""
    bus.rows[CUONG] = citizen(CUONG)
    bus.release(BANK, CUONG)
    bus.erase(BANK, CUONG)
    del bus.rows[CUONG]


def release_under_another_consent(bus: SmallBus) -> None:
    """The disclosure names a consent that is not the person's."""
    bus.erase(BANK, AN)
    bus.release(BANK, AN, consent="consent-1")


def forget_a_disclosure(bus: SmallBus) -> None:
    """A release that no block tells of."""
    del bus.blocks[0]


def invent_a_disclosure(bus: SmallBus) -> None:
    """A block tells of a release that is not there."""
    entry = replace(bus.blocks[-1].entries[0], event_id="event-never")
    bus.blocks.append(replace(bus.blocks[-1], block=bus.blocks[-1].block + 1, entries=(entry,)))


def call_it_an_erasure(bus: SmallBus) -> None:
    """A block calls a release an erasure: neither is told rightly."""
    bus.blocks[0] = replace(bus.blocks[0], entries=(replace(bus.blocks[0].entries[0], kind="ERASE"),))


def name_another_person(bus: SmallBus) -> None:
    """A block that tells of somebody else."""
    wrong = replace(bus.blocks[0].entries[0], subject=subject_hashes(ROOT)(BINH))
    bus.blocks[0] = replace(bus.blocks[0], entries=(wrong,))


def say_it_twice(bus: SmallBus) -> None:
    """The same value again with nothing between."""
    bus.release(TAX, AN)


def erase_twice(bus: SmallBus) -> None:
    """A second tombstone."""
    bus.erase(TAX, CUONG)


def use_an_id_again(bus: SmallBus) -> None:
    """Two recipients could join what they got by such an id."""
    bus.records[1] = replace(bus.records[1], headers={**bus.records[1].headers, "ce_id": "event-0"})
    entry = replace(bus.blocks[1].entries[0], event_id="event-0")
    bus.blocks[1] = replace(bus.blocks[1], entries=(entry,))


def erase_what_nobody_holds(bus: SmallBus) -> None:
    """A tombstone tells a recipient of a person that it never had."""
    bus.erase(BANK, CUONG)


def keep_the_dead_row(bus: SmallBus) -> None:
    """The registry has struck a row out, and the recipient still holds it."""
    del bus.rows[AN]
    bus.erase(TAX, AN)
    bus.erase(BANK, AN)


def name_in_a_header(bus: SmallBus) -> None:
    """A pseudonymous record whose header names the person."""
    bus.records[1] = replace(bus.records[1], headers={**bus.records[1].headers, "ce_source": f"/people/{AN}"})


def an_unknown_header(bus: SmallBus) -> None:
    """A header that was never agreed."""
    bus.records[1] = replace(bus.records[1], headers={**bus.records[1].headers, "trace": "1"})


def unreadable_bytes(bus: SmallBus) -> None:
    """What no schema explains is not what was agreed."""
    bus.records[0] = replace(bus.records[0], view=None, unreadable=True)


def forget_offsets(bus: SmallBus) -> None:
    """A lane that knows fewer consents than it did."""
    bus.blocks[-1] = replace(bus.blocks[-1], consents_offset=0)


def swap_two_records(bus: SmallBus) -> None:
    """Two records of a topic in another order than the lane tells."""
    first, third = bus.records[0], bus.records[2]
    bus.records[0], bus.records[2] = replace(third, offset=first.offset), replace(first, offset=third.offset)


def release_for_nobody(bus: SmallBus) -> None:
    """A topic whose agreement nobody knows."""
    record = replace(bus.records[0], topic="t.agency.stranger.secret.v1")
    bus.records[0] = record
    bus.blocks[0] = replace(bus.blocks[0], entries=(replace(bus.blocks[0].entries[0], topic=record.topic),))


FAULTS: Mapping[Callable[[SmallBus], None], dict[str, int]] = {
    drop_a_record: {"lost": 1},
    change_a_value: {"lost": 1},
    add_a_field: {"surplus": 1},
    release_after_withdrawal: {"after_withdrawal": 1},
    release_without_consent: {"after_withdrawal": 1},
    release_under_another_consent: {"after_withdrawal": 1},
    forget_a_disclosure: {"unlogged": 1},
    invent_a_disclosure: {"unlogged": 1},
    call_it_an_erasure: {"unlogged": 2},
    name_another_person: {"unlogged": 1},
    say_it_twice: {"duplicated": 1},
    erase_twice: {"duplicated": 1},
    use_an_id_again: {"duplicated": 1},
    erase_what_nobody_holds: {"surplus": 1},
    keep_the_dead_row: {"surplus": 1},
    name_in_a_header: {"surplus": 1},
    an_unknown_header: {"surplus": 1},
    unreadable_bytes: {"surplus": 1},
    forget_offsets: {"out_of_order": 1},
    swap_two_records: {"out_of_order": 1},
    release_for_nobody: {"lost": 1, "surplus": 1, "unlogged": 1},
}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_a_planted_fault_is_found_and_no_other(bus: SmallBus, plant: Callable[[SmallBus], None]) -> None:
    """Each fault makes its own count rise by what it is, and leaves the other counts at zero."""
    plant(bus)
    assert bus.faults() == FAULTS[plant]


def test_a_release_that_could_not_know_of_the_withdrawal_is_no_fault(bus: SmallBus) -> None:
    """What counts is the offset up to which the block knew consents, not when it was written."""
    given = bus.say(BINH, give=True)
    bus.release(BANK, BINH, consent=given.event_id)
    bus.say(BINH, give=False)
    bus.erase(BANK, BINH)
    assert bus.faults() == {}


def test_a_late_consent_counts_only_if_it_was_said_after_the_withdrawal(bus: SmallBus) -> None:
    """A giving that arrives late, and was said before the withdrawal, brings nothing back."""
    bus.say(BINH, give=True, at=BEFORE - timedelta(days=3))
    assert bus.faults() == {}
    bus.release(BANK, BINH, consent=bus.consents[-1].event_id)
    assert bus.faults() == {"after_withdrawal": 1, "surplus": 1}


@pytest.mark.parametrize(
    ("other", "fault"),
    [
        ({"valid_until": BEFORE}, "surplus"),
        ({"valid_from": NOW + timedelta(days=1)}, "surplus"),
        ({"revision": "r0"}, "surplus"),
        ({"lane": 1}, "after_withdrawal"),
    ],
    ids=["over", "not yet", "another revision", "another lane"],
)
def test_a_consent_that_does_not_cover_now_lets_nothing_be_held(
    bus: SmallBus, other: dict[str, Any], fault: str
) -> None:
    """A consent for a time, for another text, or in another lane is not one by which the bank may hold Bình."""
    given = bus.say(BINH, give=True, **other)
    bus.release(BANK, BINH, consent=given.event_id)
    assert bus.faults() == {fault: 1}


def test_the_same_event_again_changes_nothing(bus: SmallBus) -> None:
    """A repeated giving does not undo the withdrawal that came between."""
    first = next(event for event in bus.consents if event.subject == BINH)
    bus.consents.append(replace(first, offset=len(bus.consents)))
    assert bus.faults() == {}


def test_an_agreement_that_keeps_copies_lets_an_older_one_stay() -> None:
    """Where a copy stays when its row leaves the scope, holding it is neither lost nor too much; a deletion erases."""
    small = SmallBus({AN: citizen(AN)})
    keeping = BY_NAME["person-to-insurance"]
    small.release(keeping, AN)
    small.rows[AN] = citizen(AN, tinh_trang=4)
    reading = BusReading(
        "t.", frozenset(), tuple(small.records), tuple(small.blocks), (), {keeping.name: frozenset()}, 0
    )
    stayed = judge(reading, Registries({"citizen": (small.rows[AN],)}), (keeping,), KEYS, NOW)
    struck_out = judge(reading, Registries({"citizen": ()}), (keeping,), KEYS, NOW)
    assert [finding.kind for finding in stayed.findings] == []
    assert [finding.kind for finding in struck_out.findings] == [Kind.SURPLUS]


def test_nothing_may_be_held_when_an_agreement_is_over(bus: SmallBus) -> None:
    """After the last day everything that is held is too much."""
    reading_time = datetime(2036, 1, 1, tzinfo=UTC)
    bus_reading = BusReading("t.", frozenset(), tuple(bus.records), tuple(bus.blocks), tuple(bus.consents), {}, 0)
    rows = Registries({"citizen": tuple(bus.rows.values())})
    allowed = replace(bus_reading, revisions={BANK.name: frozenset({"r1"})})
    over = judge(allowed, rows, (BANK,), KEYS, reading_time)
    assert Kind.SURPLUS in {finding.kind for finding in over.findings if BANK.name in finding.place}


@pytest.mark.parametrize("plant", FAULTS, ids=lambda plant: plant.__name__)
def test_findings_name_nobody(bus: SmallBus, plant: Callable[[SmallBus], None]) -> None:
    """No finding shows a personal number or a name whole."""
    plant(bus)
    told = str(bus.judged().as_json())
    assert not any(secret in told for secret in (AN, BINH, CUONG, "Nguyễn", "0912345678"))
