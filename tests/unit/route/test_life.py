"""The life of an agreement as a lane of the pretend country obeys it: the real register, texts, schemas and clock."""

from datetime import date

import pytest

from bus.agreements.document import AgreementDocument, revision
from bus.register.days import facts_of_the_day
from bus.register.life import Action
from bus.register.steps import drafting, step
from tests.unit.register.book import BOSS, DESK, OPERATOR, POLICE, TAX, Book, activate, approve, peopled
from tests.unit.route.country import CountryLane, moment

TODAY = "2026-09-21T10:00"


def text(**changes: object) -> AgreementDocument:
    return TAX.model_copy(update=changes)


class Bus:
    """A register and a lane that reads it."""

    def __init__(self) -> None:
        self.book = peopled()
        self.lane = CountryLane(self.book.state, moment(TODAY))
        self.book.now_ms = self.lane.now

    def sign(self, *wishes: object) -> None:
        self.obey(self.book.sign(*wishes))  # type: ignore[arg-type]  # wishes

    def life(self, one: AgreementDocument = TAX) -> None:
        self.obey(self.book.life(one))

    def obey(self, book: Book) -> None:
        self.lane.register = book.state
        self.lane.work()

    def until(self, at: str) -> None:
        self.lane.until(at)
        self.book.now_ms = self.lane.now

    def revisions(self) -> list[str]:
        return [one.headers["ce_agreementrevision"] for one in self.lane.told]


@pytest.fixture
def bus() -> Bus:
    return Bus()


def test_activation_delivers_what_exists(bus: Bus) -> None:
    """A record that was there before its agreement is delivered when that is activated, and not while it is a draft."""
    bus.lane.person()
    bus.sign(*drafting(TAX, DESK, "a wish"), approve(POLICE))
    assert bus.lane.story() == []
    bus.sign(approve(BOSS), activate())
    assert bus.lane.story() == [(TODAY, "Nguyễn Văn An")]


@pytest.mark.parametrize("side", [POLICE, BOSS, OPERATOR])
def test_suspension_stops_at_once_and_keeps(bus: Bus, side: object) -> None:
    """Whichever side suspends: nothing more is released, what is held stays, and resumed, the newest is delivered."""
    bus.lane.person()
    bus.life()
    bus.sign(step(TAX.id, Action.SUSPENDED, side, "a leak"))  # type: ignore[arg-type]  # a key
    bus.lane.person(full_name="Nguyễn Văn Bình")
    bus.lane.person(full_name="Nguyễn Văn Chi")
    assert bus.lane.story() == [(TODAY, "Nguyễn Văn An")]
    bus.sign(step(TAX.id, Action.RESUMED, side, "mended"))  # type: ignore[arg-type]  # a key
    assert bus.lane.story() == [(TODAY, "Nguyễn Văn An"), (TODAY, "Nguyễn Văn Chi")]


@pytest.mark.parametrize(("fate", "erased"), [("erase", [(TODAY, "agreement-ended")]), ("keep", [])])
@pytest.mark.parametrize("side", [POLICE, BOSS, OPERATOR])
def test_an_end_erases_or_keeps_as_agreed(bus: Bus, side: object, fate: str, erased: list[tuple[str, str]]) -> None:
    """Whichever side ends it: copies are erased at once, or stay where a statutory text says `keep`."""
    bus.lane.person()
    bus.life(text(on_end=fate))
    bus.sign(step(TAX.id, Action.ENDED, side, "over"))  # type: ignore[arg-type]  # a key
    assert bus.lane.story()[1:] == erased
    bus.lane.person(full_name="Nguyễn Văn Bình")
    assert bus.lane.story()[1:] == erased


def test_validity_begins_and_ends_by_itself_at_midnight(bus: Bus) -> None:
    """With no record and no fact in sight, what exists is delivered at the first midnight and erased at the last."""
    valid = TAX.valid.model_copy(update={"from_": date(2026, 10, 1), "until": date(2026, 10, 31)})
    bus.lane.person()
    bus.life(text(valid=valid))
    bus.until("2027-01-01T00:00")
    assert bus.lane.story() == [("2026-10-01T00:00", "Nguyễn Văn An"), ("2026-11-01T00:00", "agreement-over")]


def test_a_scheduled_text_takes_over_at_midnight(bus: Bus) -> None:
    """A text with a later first day takes over at that midnight, told by a router, and each release names its text."""
    later = text(
        fields=TAX.fields[:2], valid=TAX.valid.model_copy(update={"from_": date(2026, 10, 1)}), retention="P1Y"
    )
    bus.lane.person()
    bus.life()
    bus.sign(*drafting(later, DESK, "less"), approve(POLICE), approve(BOSS), activate(later))
    bus.until("2026-09-30T23:59")
    bus.lane.person(full_name="Nguyễn Văn Bình")
    assert facts_of_the_day(bus.book.state, bus.book.now_ms, "route") == []
    bus.until("2026-10-01T00:00")
    bus.obey(bus.book.tell(*facts_of_the_day(bus.book.state, bus.book.now_ms, "route")))
    bus.lane.person(full_name="Nguyễn Văn Chi")
    old, new = revision(TAX), revision(later)
    assert bus.revisions() == [old, old, new, new]
    assert [one.at for one in bus.lane.told][2:] == ["2026-09-30T17:00:00.000Z"] * 2
    assert [len(one.view or ()) for one in bus.lane.told] == [4, 4, 2, 2]


def test_records_grow_too_old_at_midnight(bus: Bus) -> None:
    """A record is shared until it is as old as agreed, in whole days of the agreement's zone; then its copy goes."""
    ages = {"data_range": {"last": "P10D", "by": "updated_at"}}
    whole = AgreementDocument.model_validate(TAX.model_dump(mode="json", by_alias=True) | ages)
    bus.lane.person()
    bus.life(whole)
    bus.until("2026-10-01T23:59")
    assert bus.lane.story() == [(TODAY, "Nguyễn Văn An")]
    bus.until("2026-12-01T00:00")
    bus.lane.person(updated_at=moment("2026-11-20T23:59"))
    assert bus.lane.story()[1:] == [("2026-10-02T00:00", "too-old")]
    bus.lane.person(updated_at=moment("2026-11-21T00:00"))
    bus.until("2026-12-31T00:00")
    assert bus.lane.story()[2:] == [("2026-12-01T00:00", "Nguyễn Văn An"), ("2026-12-02T00:00", "too-old")]


@pytest.mark.parametrize(
    ("frequency", "then"),
    [("daily", "2026-09-22T00:00"), ("weekly", "2026-09-28T00:00"), ("monthly", "2026-10-01T00:00")],
)
def test_updates_are_spaced(bus: Bus, frequency: str, then: str) -> None:
    """The first version is sent at once, the newest of the others when the next day, week or month begins."""
    bus.life(text(frequency=frequency))
    for name in ("An", "Bình", "Chi", "Dũng"):
        bus.lane.person(full_name=name)
    bus.until("2026-10-10T00:00")
    assert bus.lane.story() == [(TODAY, "An"), (then, "Dũng")]
    bus.lane.person(full_name="Giang", status="DEAD")
    assert bus.lane.story()[2:] == [("2026-10-10T00:00", "outside-filter")]


def test_a_retention_that_is_over_stays_over(bus: Bus) -> None:
    """A copy that its retention erased does not come back with the next day's sweep, only with a change."""
    bus.lane.person()
    bus.life(text(retention="P5D", frequency="daily"))
    bus.until("2026-10-10T00:00")
    assert bus.lane.story()[1:] == [("2026-09-26T10:00", "retention-over")]
    bus.lane.person(full_name="Nguyễn Văn Bình")
    assert bus.lane.story()[2:] == [("2026-10-10T00:00", "Nguyễn Văn Bình")]
