"""An agreement that cannot be compiled any more: it releases nothing, and what ends a copy ends it all the same."""

from copy import deepcopy
from dataclasses import replace

import pytest

from bus.agreements.document import revision
from bus.model.change import Change
from bus.model.consent import ConsentEvent
from bus.model.key import RecordKey
from bus.model.reasons import Reason
from bus.model.record import Incoming
from bus.register.state import AgreementEntry, DatasetEntry, RegisterState, Standing
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import DATASETS
from tests.unit.route.country import CountryLane, moment
from tests.unit.route.lanes import PERSON, give, withdraw

AN = "001090000017"
BANK = next(one for one in AGREEMENTS if one.id == "person-address-to-bank")
GIVEN = give(AN, BANK.id, revision=revision(BANK))
HELD = ("2026-03-02T10:00", "Nguyễn Văn An")


def register(*, fits: bool, offset: int) -> RegisterState:
    """The bank's agreement, over a dataset whose schema it fits, or in which names became sensitive meanwhile."""
    schema = deepcopy(dict(DATASETS[PERSON].schema))
    if not fits:
        next(one for one in schema["fields"] if one["name"] == "full_name")["category"] = "sensitive"
    entry = AgreementEntry(
        agreement=BANK.id,
        number=1,
        revision=revision(BANK),
        document=BANK.model_dump(mode="json", by_alias=True),
        topic="agency.commercial-bank.person-address-to-bank.v1",
        view_schema_id=7,
        standing=Standing.ACTIVE,
        accepted_revisions=frozenset(),
        consent_basis="CONSENT",
        since_offset=0,
    )
    dataset = DatasetEntry(PERSON, "population", schema, 1 if fits else 2)
    return RegisterState(offset=offset, datasets={PERSON: dataset}, agreements={BANK.id: entry})


def held() -> CountryLane:
    """A lane after An's record went to the bank, and after the agreement fitted no more."""
    lane = CountryLane(register(fits=True, offset=1), moment("2026-03-02T10:00"))
    lane.consents(GIVEN)
    lane.person(residence_commune="00025")
    lane.register = register(fits=False, offset=2)
    lane.person(residence_commune="00025", full_name="Nguyễn Văn Bình")
    assert lane.story() == [HELD]
    return lane


@pytest.mark.parametrize(
    ("event", "reason"),
    [(withdraw(AN, BANK.id), Reason.CONSENT_WITHDRAWN), (None, Reason.RETENTION_OVER)],
    ids=["withdrawal", "retention"],
)
def test_what_ends_a_copy(event: ConsentEvent | None, reason: Reason) -> None:
    """A withdrawal erases at once, the end of retention at its moment."""
    lane = held()
    if event is not None:
        lane.consents(event)
    lane.until("2027-03-02T10:00")
    assert [told for _, told in lane.story()] == [HELD[1], reason.value]


def test_a_deletion() -> None:
    """What the registry deletes is erased, under the text that it was released by."""
    lane, key = held(), RecordKey(AN, AN).encode()
    lane.work(changes=[Change(PERSON, key, AN, None, Incoming("changes", 0, 2, lane.now, key, None))])
    assert lane.told[-1].headers["ce_erasurereason"] == Reason.DELETED.value
    assert lane.told[-1].headers["ce_agreementrevision"] == revision(BANK)


def test_it_fits_again() -> None:
    """When it can be compiled again, all that exists is judged again: what changed meanwhile is released."""
    lane = held()
    lane.register = register(fits=True, offset=3)
    lane.work()
    assert [told for _, told in lane.story()] == [HELD[1], "Nguyễn Văn Bình"]


def test_an_agreement_whose_dataset_nobody_knows() -> None:
    """It lets nothing through, and what others let through flows."""
    lane = held()
    stray = {**lane.register.agreements[BANK.id].document, "id": "stray", "dataset": "nobody.knows"}
    entry = replace(register(fits=True, offset=3).agreements[BANK.id], agreement="stray", document=stray)
    now = register(fits=True, offset=3)
    lane.register = replace(now, agreements={"stray": entry, **now.agreements})
    lane.work()
    assert [told for _, told in lane.story()] == [HELD[1], "Nguyễn Văn Bình"]


def test_an_end() -> None:
    """Ended while it fits no more, its copies are erased."""
    lane = held()
    entry = replace(lane.register.agreements[BANK.id], standing=Standing.ENDED)
    lane.register = replace(lane.register, offset=3, agreements={BANK.id: entry})
    lane.work()
    assert [told for _, told in lane.story()] == [HELD[1], Reason.AGREEMENT_ENDED.value]


@pytest.mark.parametrize(
    ("zone", "then"),
    [("Asia/Ho_Chi_Minh", [("2026-04-01T00:00", Reason.AGREEMENT_OVER.value)]), ("Nowhere", []), ("Asia", [])],
)
def test_its_last_day_passes(zone: str, then: list[tuple[str, str]]) -> None:
    """Its validity is over though it fits no more: copies are erased then, unless nobody can tell when that is."""
    lane = held()
    entry = lane.register.agreements[BANK.id]
    document = {**entry.document, "valid": {"from": "2026-01-01", "until": "2026-03-31"}, "timezone": zone}
    changed = replace(entry, document=document, accepted_revisions=frozenset({revision(BANK)}))
    lane.register = replace(lane.register, offset=3, agreements={BANK.id: changed})
    lane.until("2026-04-30T10:00")
    assert lane.story() == [HELD, *then]
