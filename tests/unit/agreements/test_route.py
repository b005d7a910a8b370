"""The compiled route: what a lane obeys."""

from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest

from bus.agreements.compile import compile_route, hides_ids
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.route import Route
from bus.agreements.rules import unfit
from bus.agreements.shape import shape_of
from bus.agreements.values import raw_record
from bus.avro.datasets import dataset_of
from bus.errors import AgreementUnfit, FieldMissing, FilterError
from tests.unit.agreements.ground import DATASETS, SAMPLE, SHAPE, WRITTEN

RAW = raw_record(WRITTEN, SHAPE)
HANOI = timezone(timedelta(hours=7))


def document(**changes: Any) -> AgreementDocument:
    plain = {
        "id": "sample-to-x",
        "title": {"en": "Sample"},
        "dataset": "test.sample",
        "recipient": "some-agency",
        "purpose": {"code": "trial", "en": "Trying"},
        "basis": {"statutory": "LAW-1", "article": "Article 1"},
        "identifier": "personal-id",
        "fields": ["person", "number", "text"],
        "valid": {"from": "2026-01-01", "until": "2026-12-31"},
        "timezone": "Asia/Ho_Chi_Minh",
    }
    return AgreementDocument.model_validate({**plain, **changes})


def route(**changes: Any) -> Route:
    return compile_route(
        document(**changes),
        SAMPLE,
        number=3,
        topic="t",
        view_schema_id=5,
        pseudonym=lambda value: f"[{value}]",
        consent_basis_code="CONSENT",
        accepted_revisions=frozenset({"old"}),
        no_wider=frozenset({"narrow"}),
    )


def test_validity_runs_from_midnight_to_midnight() -> None:
    """The first and the last day count whole, in the agreement's time zone."""
    made = route()
    assert made.valid_from_ms == datetime(2026, 1, 1, tzinfo=HANOI).timestamp() * 1000
    assert made.valid_until_ms == datetime(2027, 1, 1, tzinfo=HANOI).timestamp() * 1000
    assert route(valid={"from": "2026-01-01"}).valid_until_ms is None
    assert route(timezone="UTC").valid_from_ms == datetime(2026, 1, 1, tzinfo=UTC).timestamp() * 1000


def test_a_day_of_a_changing_clock() -> None:
    """Where clocks change, a day still ends at the next midnight."""
    made = route(timezone="Europe/Berlin", valid={"from": "2026-03-29", "until": "2026-03-29"})
    assert made.valid_until_ms is not None
    assert made.valid_until_ms - made.valid_from_ms == 23 * 3_600_000


def test_far_days() -> None:
    """Until the last day that there is means for ever; a range that reaches before the first day lets all through."""
    assert route(valid={"from": "2026-01-01", "until": "9999-12-31"}).valid_until_ms is None
    assert route(valid={"from": "2026-01-01", "until": "9999-12-30"}).valid_until_ms is not None
    made = route(
        data_range={"last": "P1000Y", "by": "moment"}, timezone="Asia/Ho_Chi_Minh", valid={"from": "0900-01-01"}
    )
    assert not made.too_old({"moment": -60_000_000_000_000}, made.valid_from_ms)


@pytest.mark.parametrize(("field", "a_second"), [("moment", 1000), ("fine_moment", 1_000_000)])
def test_the_age_of_a_record(field: str, a_second: int) -> None:
    """What is older than agreed stays back, by whole days, in whichever unit the dataset keeps its moments."""
    made = route(data_range={"last": "P1Y", "by": field})
    now = datetime(2026, 6, 15, 18, tzinfo=HANOI).timestamp() * 1000
    first = round(datetime(2025, 6, 15, tzinfo=HANOI).timestamp()) * a_second
    assert [made.too_old({field: one}, round(now)) for one in (first - 1, first)] == [True, False]


@pytest.mark.parametrize("length", ["P1001Y", "P99999999999999999999D", "P৪Y"])
def test_lengths_beyond_all_calendars(length: str) -> None:
    """A length of more than a thousand years is none, nor is one in digits that look like others."""
    for key in ({"retention": length}, {"data_range": {"last": length, "by": "moment"}}):
        with pytest.raises(ValueError, match="P5Y"):
            document(**key)


def test_basis_and_revisions() -> None:
    """A statutory route names its law, a consented one the code of consent; its own revision is always accepted."""
    by_law, by_consent = route(), route(basis={"consent": "required"})
    assert (by_law.legal_basis, by_law.article, by_law.needs_consent) == ("LAW-1", "Article 1", False)
    assert (by_consent.legal_basis, by_consent.article, by_consent.needs_consent) == ("CONSENT", "", True)
    assert by_law.accepted_revisions == {"old", revision(document())}
    assert by_law.no_wider == {"narrow"}
    assert by_law.revision == revision(document())


def test_what_the_key_may_show() -> None:
    """Subject and record id may stand in the key only where the view releases them as they are."""
    shown, hidden = route(), route(fields=["text", {"name": "person", "as": {"mask": 1}}])
    assert (shown.subject_shown, shown.record_id_shown) == (True, True)
    assert (hidden.subject_shown, hidden.record_id_shown) == (False, False)


@pytest.mark.parametrize(
    ("fields", "hidden"),
    [
        (["person", "number", "text"], False),
        (["person", "text"], True),
        (["number", "text"], True),
        ([{"name": "person", "as": {"mask": 1}}, "number"], True),
        (["person", {"name": "number", "as": "pseudonym"}], True),
        (["person", "number", {"name": "maybe", "as": "pseudonym"}], True),
    ],
)
def test_who_needs_pseudonyms(fields: list[Any], *, hidden: bool) -> None:
    """Whoever is not shown an id as it is gets a pseudonym in its place, in the key if nowhere else."""
    assert hides_ids(document(fields=fields), SAMPLE) is hidden


def test_a_pseudonymous_route() -> None:
    """In a pseudonymous flow names are pseudonyms, neither key part is shown, and times are whole days."""
    fields = [{"name": "person", "as": "pseudonym"}, {"name": "day", "as": "year"}, "colour"]
    made = route(identifier="pseudonym", fields=fields)
    assert made.view(RAW) == {"person": "[p1]", "day": 2000, "colour": "RED"}
    assert (made.subject_shown, made.record_id_shown, made.time_grain_ms) == (False, False, 86_400_000)


def test_filter_and_view() -> None:
    """The filter lets through and the view cuts, in the order of the agreement."""
    made = route(filter="number == 7", fields=["text", "person", {"name": "maybe_text", "as": "present"}])
    assert made.admits(RAW) is True
    assert made.admits(RAW | {"number": 8}) is False
    assert made.view(RAW) == {"text": "Nguyễn An", "person": "p1", "maybe_text": False}
    assert list(made.view(RAW)) == ["text", "person", "maybe_text"]
    assert route().admits({}) is True


def test_errors_name_no_value() -> None:
    """A record that does not fit is an error that names agreement and field, and never a value."""
    made = route(filter='text == "secret"', fields=["person", "colour", "number"])
    with pytest.raises(FilterError) as caught:
        made.admits(RAW | {"text": 5})
    assert str(caught.value) == "the filter of sample-to-x could not be evaluated on a record"
    assert caught.value.__cause__ is None
    for wrong in ({"colour": "PINK"}, {"person": None}, {"number": "7"}):
        with pytest.raises(FieldMissing) as missing:
            made.view(RAW | wrong)
        assert next(iter(wrong)) in str(missing.value)
        assert "PINK" not in str(missing.value)
    with pytest.raises(FieldMissing):
        made.view({name: value for name, value in RAW.items() if name != "colour"})


@pytest.mark.parametrize(
    ("says", "changes"),
    [
        ("A field that the schema no longer has.", {"fields": ["gone"]}),
        ("A filter that does not fit.", {"filter": "gone == 1"}),
        ("A filter that cannot be read.", {"filter": "number =="}),
        ("A transform of the wrong kind.", {"fields": [{"name": "text", "as": "year"}]}),
        ("A person's field in a pseudonymous agreement.", {"identifier": "pseudonym", "fields": ["person"]}),
        ("A record id in a pseudonymous agreement.", {"identifier": "pseudonym", "fields": ["number"]}),
        ("A day in a pseudonymous agreement.", {"identifier": "pseudonym", "fields": ["day"]}),
        ("A record with a day in a pseudonymous agreement.", {"identifier": "pseudonym", "fields": ["inner"]}),
        ("Copies kept by consent.", {"basis": {"consent": "required"}, "on_end": "keep"}),
        ("Two bases.", {"basis": {"consent": "required", "statutory": "LAW-1"}}),
        ("Another dataset.", {"dataset": "test.other"}),
        ("Validity backwards.", {"valid": {"from": "2026-01-02", "until": "2026-01-01"}}),
        ("No time zone.", {"timezone": "Nowhere/Nowhere"}),
    ],
)
def test_what_is_not_compiled(says: str, changes: dict[str, Any]) -> None:
    """A document that breaks a rule is refused even when it comes from the register, and the error says why."""
    with pytest.raises(AgreementUnfit, match="sample-to-x does not fit"):
        route(**changes)


_DAY = {"type": "int", "logicalType": "date"}


@pytest.mark.parametrize(
    "avro",
    [
        {"type": "array", "items": _DAY},
        {"type": "map", "values": ["null", _DAY]},
        [_DAY, "string"],
        {"type": "long", "logicalType": "local-timestamp-millis"},
        ["null", {"type": "long", "logicalType": "timestamp-nanos"}],
    ],
)
def test_no_time_in_any_form(avro: Any) -> None:
    """A pseudonymous agreement releases no day or moment as it is, in a list or in a kind that filters cannot read."""
    field = {"name": "times", "type": avro, "doc": "Times.", "category": "personal"}
    made = dataset_of({**SAMPLE.schema, "fields": [*SAMPLE.schema["fields"], field]}, place="test")
    finding = unfit(document(identifier="pseudonym", fields=["times"]), made)
    assert finding is not None
    assert finding.code == "pseudonym-time"
    assert unfit(document(identifier="pseudonym", fields=["tags"]), made) is None


def test_provinces() -> None:
    """A place's province comes from the field, or from as many characters, as the schema says."""
    parcel, taxpayer, person = (DATASETS[name] for name in ("land.parcel", "tax.taxpayer", "population.person"))
    for dataset, field, given, expected in (
        (parcel, "commune", {"commune": "00025", "province": "01"}, "01"),
        (person, "residence_address", {"residence_address": "12 Hàng Bông", "residence_province": "01"}, "01"),
        (person, "residence_address", {"residence_address": None, "residence_province": None}, None),
        (taxpayer, "tax_office", {"tax_office": "48-02"}, "48"),
    ):
        identifier = "none" if dataset.subject is None else "personal-id"
        rules = [{"name": field, "as": "province"}]
        made = compile_route(
            document(dataset=dataset.name, identifier=identifier, fields=rules),
            dataset,
            number=1,
            topic="t",
            view_schema_id=1,
            pseudonym=str,
            consent_basis_code="CONSENT",
        )
        assert made.view(raw_record(given, shape_of(dataset.schema))) == {field: expected}
