"""What no single agreement shows."""

from datetime import date

import pytest

from bus.agreements.agencies import Agencies
from bus.agreements.check import check_folder
from bus.agreements.finding import Finding, Severity
from bus.agreements.lint import lint
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS, SEEDS

CHECKED = check_folder(SEEDS, DATASETS, AGENCIES, BASES)


def found(code: str, today: date = date(2026, 3, 1), agencies: Agencies = AGENCIES) -> list[Finding]:
    return [finding for finding in lint(CHECKED, DATASETS, agencies, today) if finding.code == code]


def test_what_a_recipient_can_join() -> None:
    """Two agreements that name a person in the same way to one recipient are shown with the fields of both."""
    pairs = {(finding.place.file.rpartition("/")[2], dict(finding.details)["other"]) for finding in found("together")}
    assert ("right-to-bank.yaml", "person-address-to-bank") in pairs
    assert ("person-to-statistics.yaml", "coverage-to-statistics") in pairs  # one pseudonym for one recipient
    assert not any("parcel-to-tax" in name for pair in pairs for name in pair)  # no person to join on
    (bank,) = [dict(one.details) for one in found("together") if "right-to-bank" in one.place.file]
    assert {"land.right.parcel_code", "population.person.phone"} <= set(bank["fields"].split(", "))


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
