"""Codes of units that change: by day, to what each is part of now; and tables that are wrong."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest

from bus.connect.manifest import load_manifest
from bus.connect.mapping import RowUnfit
from bus.connect.units import Units, read_units
from tests.unit.connect.test_mapping import mapped

TABLE = """\
code,name,valid_from,valid_until,became
01,Upper,,2000-01-01,02
02,Lower,,2000-01-01,02
02,Both,2000-01-01,2020-01-01,03
03,All,2020-01-01,,
01,New town,2010-01-01,,
05,Torn,,2020-01-01,01
05,Torn,,2020-01-01,03
06,Gone,,2020-01-01,
"""


@pytest.fixture
def units(tmp_path: Path) -> Units:
    """Units that were merged twice, one whose code was given again, one that was split, one that was dissolved."""
    return written(tmp_path, TABLE)


def written(tmp_path: Path, text: str) -> Units:
    (tmp_path / "units.csv").write_text(text, encoding="utf-8")
    return read_units(tmp_path / "units.csv", "units.csv")


NEWEST: list[tuple[str, date | None, date | None, str]] = [
    ("03", None, None, "03"),
    ("02", None, None, "03"),
    ("02", date(1999, 12, 31), None, "03"),
    ("02", date(1999, 12, 31), date(2019, 12, 31), "02"),
    ("01", date(1999, 12, 31), None, "03"),
    ("01", date(1999, 12, 31), date(1999, 12, 31), "01"),
    ("01", date(1999, 12, 31), date(2000, 1, 1), "02"),
    ("01", date(2010, 1, 1), None, "01"),
    ("01", None, None, "01"),
    ("05", date(1999, 1, 1), date(2019, 12, 31), "05"),
]


@pytest.mark.parametrize(("code", "at", "as_of", "newest"), NEWEST)
def test_a_code_leads_to_what_its_unit_is_part_of(
    units: Units, code: str, at: date | None, as_of: date | None, newest: str
) -> None:
    """The unit that had the code on the day, and from it every change up to the day that is asked for."""
    assert units.newest(code, at, as_of) == newest


UNFIT: list[tuple[str, date | None, date | None, str]] = [
    ("99", None, None, "a code that units.csv does not list"),
    ("01", date(2005, 1, 1), None, "does not list for that day"),
    ("02", date(2020, 1, 1), None, "does not list for that day"),
    ("05", None, None, "was split"),
    ("06", None, None, "was dissolved"),
    ("03", None, date(2019, 1, 1), "does not list before 2019-01-01"),
]


@pytest.mark.parametrize(("code", "at", "as_of", "reason"), UNFIT)
def test_what_a_code_cannot_say_is_told(
    units: Units, code: str, at: date | None, as_of: date | None, reason: str
) -> None:
    """A code that is not there, not on that day, or whose unit became several or none, is told without the code."""
    with pytest.raises(RowUnfit) as unfit:
        units.newest(code, at, as_of)
    assert reason in str(unfit.value)
    assert code not in str(unfit.value).replace("2019-01-01", "")


WRONG = [
    ("code,valid_from\n", "lacks the column valid_until, became"),
    ("code,valid_from,valid_until,became\n", "lists no unit"),
    (f"{TABLE},,,,\n", "line 10: the code is missing"),
    (f"{TABLE}07,x,2020-13-01,,\n", "line 10: days are written as 2025-07-01"),
    (f"{TABLE}07,x,2020-01-01,2020-01-01,\n", "line 10: valid_until must be a day after valid_from"),
    (f"{TABLE}07,x,,,03\n", "line 10: a unit that became another needs valid_until"),
    (f"{TABLE}07,x,,2020-01-01,08\n", "line 10: there is no unit 08 on 2020-01-01"),
    (f"{TABLE}07,x,,2000-01-01,03\n", "line 10: there is no unit 03 on 2000-01-01"),
    (f"{TABLE}03,x,2021-01-01,,\n", "line 10: two times of the code 03 overlap"),
    (f"{TABLE}07\n", ""),
]


@pytest.mark.parametrize(("text", "reason"), WRONG)
def test_a_wrong_table_is_told_by_line(tmp_path: Path, text: str, reason: str) -> None:
    """What would fail for some row later is told at the start; a line that ends early has empty columns."""
    if not reason:
        assert written(tmp_path, text).newest("07") == "07"
        return
    with pytest.raises(ValueError, match=reason):
        written(tmp_path, text)


def test_a_table_that_cannot_be_read_is_told(tmp_path: Path) -> None:
    """Another encoding, a file that is not there, and one with the mark that Excel writes."""
    with pytest.raises(ValueError, match=r"units.csv cannot be read \(No such file"):
        read_units(tmp_path / "units.csv", "units.csv")
    (tmp_path / "units.csv").write_bytes(TABLE.encode("utf-16"))
    with pytest.raises(ValueError, match="is not written in UTF-8"):
        read_units(tmp_path / "units.csv", "units.csv")
    (tmp_path / "units.csv").write_bytes(TABLE.encode("utf-8-sig"))
    assert read_units(tmp_path / "units.csv", "units.csv").newest("02") == "03"


TEXT = ["null", "string"]
TOKYO = {"time_zone": "Asia/Tokyo"}
MAPPED: list[tuple[Any, dict[str, Any], dict[str, Any], Any]] = [
    (TEXT, {}, {"c": "02"}, "03"),
    (TEXT, {}, {"c": ""}, None),
    (TEXT, {"id": {"pad": 2}}, {"c": 2}, "03"),
    (TEXT, {"trim": True, "as_of": "2019-01-01"}, {"c": "02 "}, "02"),
    (TEXT, {"valid_at": "d"}, {"c": "01", "d": date(1990, 1, 1)}, "03"),
    (TEXT, {"valid_at": "d"}, {"c": "01", "d": datetime(1990, 1, 1, 8, 0)}, "03"),  # noqa: DTZ001 - as a source has it
    (TEXT, {"valid_at": "d"}, {"c": "01", "d": "2011-01-01"}, "01"),
    (TEXT, {"valid_at": "d", "date_format": "%d/%m/%Y"}, {"c": "01", "d": " 31/12/1999"}, "03"),
    (TEXT, {"valid_at": "d"}, {"c": "01", "d": None}, "01"),
    (TEXT, {"valid_at": "d"}, {"c": "01", "d": " "}, "01"),
    (TEXT, {"valid_at": "d", **TOKYO}, {"c": "01", "d": "2009-12-31T17:30:00Z"}, "01"),
    (TEXT, {"valid_at": "d", **TOKYO}, {"c": "01", "d": datetime(2009, 12, 31, 17, tzinfo=UTC)}, "01"),
    (TEXT, {"valid_at": "d"}, {"c": None, "d": None}, None),
    ({"type": "array", "items": "string"}, {"valid_at": "d", "split": ","}, {"c": "01, 03", "d": "2021-01-01"},
     ["01", "03"]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "more", "row", "value"), MAPPED)
def test_a_rule_translates(units: Units, kind: Any, more: dict[str, Any], row: dict[str, Any], value: Any) -> None:
    """A field's code is translated by its table, on the day that another column tells, if one does."""
    assert mapped(kind, {"column": "c", "units": units, **more}, row) == value


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        ({"c": "bí mật", "d": None}, "field x (column c): holds a code that units.csv does not list"),
        ({"c": "01", "d": "bí mật"}, "field x (column c): the day of its unit (column d) cannot be read as one"),
        ({"c": "01", "d": 19990101}, "field x (column c): the day of its unit (column d) cannot be read as one"),
        ({"c": "01", "d": "2009-12-31T17:30:00Z"}, "field x (column c): holds a code that units.csv does not list for"),
        ({"c": "01"}, "field x (column c): the row has no column d, which holds the day of its unit"),
        ({"d": None}, "field x (column c): the row has no such column"),
    ],
)
def test_a_row_whose_unit_cannot_be_told_names_its_columns(units: Units, row: dict[str, Any], reason: str) -> None:
    """Field, columns and reason, and no value."""
    with pytest.raises(RowUnfit) as unfit:
        mapped(TEXT, {"column": "c", "units": units, "valid_at": "d"}, row)
    assert reason in str(unfit.value)
    assert "mật" not in str(unfit.value)


def test_a_manifest_reads_its_tables_beside_it(tmp_path: Path) -> None:
    """A file is found from the manifest's folder, whatever folder one works in, and read once."""
    written(tmp_path, TABLE)
    (tmp_path / "manifest.yaml").write_text(
        "name: t\nregistry: t\nkind: postgres\ndatasets: {t.t: {origin: t, fields: {\n"
        "  a: {column: c, units: units.csv}, b: {column: d, units: units.csv, as_of: 2019-01-01}}}}\n"
    )
    rules = load_manifest(tmp_path / "manifest.yaml").datasets["t.t"].rules()
    assert rules["a"].units is rules["b"].units
    assert rules["b"].as_of == date(2019, 1, 1)
