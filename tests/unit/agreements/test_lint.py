"""What no single agreement shows."""

from datetime import date
from pathlib import Path

import pytest

from bus.agreements.agencies import Agencies
from bus.agreements.check import Checked, check_folder
from bus.agreements.document import AgreementDocument, FieldRule
from bus.agreements.finding import Finding, Severity
from bus.agreements.lint import lint
from bus.agreements.text import read_text
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS, SEEDS

CHECKED = check_folder(SEEDS, DATASETS, AGENCIES, BASES)


def found(code: str, today: date = date(2026, 3, 1), agencies: Agencies = AGENCIES) -> list[Finding]:
    return [finding for finding in lint(CHECKED, DATASETS, agencies, BASES, today) if finding.code == code]


def test_what_a_recipient_can_join() -> None:
    """All agreements that name a person in the same way to one recipient are told once, with the union of fields."""
    told = {details["recipient"]: details for details in (dict(one.details) for one in found("together"))}
    assert set(told) == {
        "tax-authority",
        "commercial-bank",
        "land-office",
        "public-service-portal",
        "statistics-office",
    }
    assert len(found("together")) == len(told)
    tax = told["tax-authority"]
    assert tax["agreements"] == "coverage-to-tax, person-address-to-tax, person-to-tax, right-to-tax"  # no parcel
    assert (tax["count"], tax["by"]) == ("4", "by personal-id")
    assert {one.partition(":")[0] for one in tax["fields"].split("; ")} == {
        "insurance.coverage",
        "land.right",
        "population.person",
    }
    assert told["statistics-office"]["by"] == "by pseudonym"  # one pseudonym for one recipient
    bank = told["commercial-bank"]["fields"]
    assert "land.right: certificate_number, " in bank
    assert "phone" in bank


def of(name: str, *fields: str) -> Checked:
    """An agreement of the tax authority about people with so many fields."""
    text = (SEEDS / "person-to-tax.yaml").read_text(encoding="utf-8")
    document = AgreementDocument.model_validate(read_text(text).data)
    rules = tuple(FieldRule(name=field) for field in ("personal_id", *fields))
    return Checked(str(SEEDS / "person-to-tax.yaml"), document.model_copy(update={"id": name, "fields": rules}), ())


@pytest.mark.parametrize(
    ("several", "told"),
    [
        ((("phone",), ("sex",), ("status",)), "population.person: phone, sex, status"),
        ((("phone",), ("sex",), ("phone", "sex")), None),
        ((("phone", "sex"), ("sex", "status"), ("status", "phone")), "population.person: phone, sex, status"),
        ((("phone",),), None),
    ],
)
def test_three_together(several: tuple[tuple[str, ...], ...], told: str | None) -> None:
    """What three agreements give together is told once, and only when no one of them gives as much by itself."""
    checked = [of(f"one-{number}", *fields) for number, fields in enumerate(several)]
    findings = [one for one in lint(checked, DATASETS, AGENCIES, BASES, date(2026, 3, 1)) if one.code == "together"]
    assert [dict(one.details)["fields"] for one in findings] == ([told] if told else [])


@pytest.mark.parametrize(
    ("today", "soon", "over"),
    [
        (date(2034, 11, 30), 0, 0),  # 31 days before
        (date(2034, 12, 1), 3, 0),
        (date(2034, 12, 31), 3, 0),
        (date(2035, 1, 1), 0, 3),
    ],
)
def test_what_runs_out(today: date, soon: int, over: int) -> None:
    """An agreement is shown from 30 days before its last day, and as over from the day after."""
    ending = {"right-to-bank", "person-address-to-bank", "taxpayer-to-portal"}
    for code, count in (("expires-soon", soon), ("expired", over)):
        names = {finding.place.file.rpartition("/")[2].removesuffix(".yaml") for finding in found(code, today)}
        assert names == (ending if count else set())


def test_whom_nobody_can_reach() -> None:
    """A recipient without a contact is shown for each of its agreements, unless the agreement names one."""
    assert found("nobody-reached") == []
    mute = tuple(agency.model_copy(update={"contact": None}) for agency in AGENCIES.agencies)
    silent = found("nobody-reached", agencies=AGENCIES.model_copy(update={"agencies": mute}))
    assert len(silent) == len(CHECKED)
    assert {finding.severity for finding in silent} == {Severity.WARNING}


def test_articles_that_are_not_listed(tmp_path: Path) -> None:
    """An article that the list does not have under the agreement's basis is shown at its place, with the nearest one.

    Where the list tells no articles of a basis, none is judged.
    """
    assert found("article-unlisted") == []
    text = (SEEDS / "person-to-tax.yaml").read_text(encoding="utf-8")
    (tmp_path / "person-to-tax.yaml").write_text(text.replace("Circular 86/2024", "Circular 68/2024"), encoding="utf-8")
    checked = check_folder(tmp_path, DATASETS, AGENCIES, BASES)
    (finding,) = lint(checked, DATASETS, AGENCIES, BASES, date(2026, 3, 1))
    place = finding.place
    assert place.line_text[place.column - 1 :][: place.length] == "Circular 68/2024/TT-BTC"
    assert (finding.code, finding.severity) == ("article-unlisted", Severity.WARNING)
    assert finding.suggestion == "Circular 86/2024/TT-BTC"
    bare = {code: basis.model_copy(update={"articles": {}}) for code, basis in BASES.items()}
    for bases in (bare, None):
        assert lint(checked, DATASETS, AGENCIES, bases, date(2026, 3, 1)) == ()
