"""The acceptance tests pass on sound connectors, and notice those that are not."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, ClassVar

import pytest

from bus.avro.datasets import load_datasets
from bus.connect.acceptance.case import Case, Verdict
from bus.connect.acceptance.report import as_page, nothing_personal_is_logged, run
from bus.connect.place import Place
from bus.connect.source import Chunk, Row
from connectors.insurance.source import Source as Insurance
from connectors.population.source import Source as Population
from connectors.tax.source import Source as Tax

DATASETS = load_datasets(Path(__file__).parents[3] / "schemas" / "changes")


def case(found: Any, settings: dict[str, str], *names: str, rows: int = 200) -> Case:
    """A connector under test."""
    place = Place(found.manifest.name, "", settings)
    return Case(found, place, {name: DATASETS[name] for name in names}, rows)


async def verdicts(one: Case) -> dict[str, Verdict]:
    """The verdict of each test."""
    return {line.name: line.result.verdict for line in await run(one)}


async def test_a_sound_connector_passes_and_leaves_nothing(population: Any) -> None:
    """The population registry's connector passes every test; no slot and no publication stay at its source."""
    population.grow(0, 50)
    lines = await run(case(Population, {"dsn": population.dsn}, "population.person"))
    assert {line.name: line.result for line in lines if line.result.verdict is not Verdict.PASSED} == {}
    assert len(lines) == 9
    left = "select slot_name from pg_replication_slots where database = current_database()"
    assert population.sql.execute(left).fetchall() == []
    page = as_page("population", lines, {"population.person": DATASETS["population.person"]})
    assert "<strong>Nothing failed.</strong> 9 passed" in page
    assert "<b>population.person</b>" in page
    assert "identifying a person: personal_id" in page
    assert "Nguyễn" not in page
    assert population.dsn not in page


class Forgetful(Population):
    """Skips a row between two chunks."""

    async def chunk(self, dataset: str, after_key: Any, limit: int) -> Chunk:
        """The rows but the first, after a key."""
        found = await super().chunk(dataset, after_key, limit)
        return found if after_key is None else Chunk(dataset, found.rows[1:], found.last_key, found.high)


class Tidy(Population):
    """Changes letters on their way."""

    def derive(self, dataset: str, row: Row) -> Row:
        """Names without their marks."""
        return {**row, "ho_ten": str(row["ho_ten"]).encode("ascii", "ignore").decode()}


class Merging(Population):
    """Gives several persons one number."""

    def derive(self, dataset: str, row: Row) -> Row:
        """The same record, whatever the row."""
        return {**row, "so_dinh_danh": "000000000001"}


class Careless(Population):
    """Reads on from any place."""

    old_rows: ClassVar[bool] = True

    async def open(self, after: Any) -> Any:
        """Believes everything."""
        opened = await super().open(None)
        return after or opened


@pytest.mark.parametrize(
    ("found", "name"),
    [
        (Forgetful, "a restart goes on where it stood"),
        (Tidy, "nulls and letters stay as they are"),
        (Merging, "the order is kept"),
        (Careless, "a future position is refused"),
    ],
)
async def test_a_broken_connector_is_noticed(population: Any, found: Any, name: str) -> None:
    """What loses a row, changes a letter, merges records or takes any position fails the one test that is about it."""
    population.grow(0, 50)
    told = await verdicts(case(found, {"dsn": population.dsn}, "population.person"))
    assert {one for one, verdict in told.items() if verdict is Verdict.FAILED} == {name}


async def test_rows_that_do_not_fit_are_counted_by_column(population: Any) -> None:
    """A row that its schema does not take fails the test, with the column and without the value."""
    population.grow(0, 3)
    population.sql.execute("update citizen set gioi_tinh = 9 where so_dinh_danh = '000000000001'")
    lines = await run(case(Population, {"dsn": population.dsn}, "population.person"))
    (line,) = [line for line in lines if line.name == "rows fit their schema"]
    assert line.result.verdict is Verdict.FAILED
    assert "1 rows: field sex (column gioi_tinh)" in line.result.detail


async def test_a_folder_of_files_passes(tmp_path: Path) -> None:
    """A connector of files passes what can be shown on files."""
    columns = "ma_so_bhxh,so_dinh_danh,loai,don_vi,mst_don_vi,muc_dong,tu_ngay,den_ngay,so_thang,so_the_bhyt,noi_kcb"
    columns += ",luong_huu"
    rows = "".join(f"{n:010d},{n:012d},BB,X,1,100,01/02/2020,,3,,,0\n" for n in range(20))
    (tmp_path / "coverage-full-1.csv").write_text(f"{columns}\n{rows}")
    told = await verdicts(case(Insurance, {"folder": str(tmp_path)}, "insurance.coverage"))
    assert {one for one, verdict in told.items() if verdict is Verdict.FAILED} == set(), told
    assert told["rows fit their schema"] is Verdict.PASSED


async def test_lines_that_nobody_can_read_fail(tmp_path: Path) -> None:
    """A line that is no row at all, as each below a title that was taken for the header, fails the test of rows."""
    (tmp_path / "coverage-full-1.csv").write_text(
        "TITLE;;\nma_so_bhxh;so_dinh_danh\n" + "0000000001;000000000001\n" * 3
    )
    lines = await run(case(Insurance, {"folder": str(tmp_path)}, "insurance.coverage"))
    (line,) = [line for line in lines if line.name == "rows fit their schema"]
    assert line.result.verdict is Verdict.FAILED
    assert "4 rows cannot be read, the first: record 1 of coverage-full-1.csv" in line.result.detail


async def test_a_source_that_is_away_fails_and_shows_no_secret() -> None:
    """Where nothing answers, the tests fail with the reason, and the token is not in the report."""
    settings = {"url": "http://127.0.0.1:1", "token": "a-hidden-token"}
    lines = await run(case(Tax, settings, "tax.taxpayer"))
    assert any(line.result.verdict is Verdict.FAILED for line in lines)
    assert "a-hidden-token" not in as_page("tax", lines, {})


def test_values_and_secrets_in_logs_are_noticed() -> None:
    """A log entry with a value of a row, or with a password of the settings, fails."""
    one = case(Population, {"dsn": "postgresql://u:a-hidden-word@h/d"}, "population.person")
    values = frozenset({"Nguyễn Văn An"})
    for entry, verdict in (
        ({"event": "fine"}, Verdict.PASSED),
        ({"event": "x", "name": "Nguyễn Văn An"}, Verdict.FAILED),
        ({"event": "a-hidden-word"}, Verdict.FAILED),
    ):
        assert nothing_personal_is_logged(one, [entry], values).verdict is verdict


def test_pytest_runs_the_tests_of_a_connector(population: Any, tmp_path: Path) -> None:
    """`pytest --bus-connector` runs each acceptance test as an item: what holds passes, what doesn't fails in words."""
    population.grow(0, 5)
    (tmp_path / "connectors").mkdir()
    (tmp_path / "connectors" / "population.json").write_text(json.dumps({"dsn": population.dsn}))
    env = os.environ | {"BUS_HOME": str(tmp_path), "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_ADDOPTS": ""}
    words = [sys.executable, "-m", "pytest", "-c", os.devnull, "--rootdir", str(tmp_path)]
    words += ["-p", "no:cacheprovider", "-p", "bus.cli.pytest_plugin", "-v", "--bus-connector", "population"]

    def ran(*more: str) -> tuple[int, str]:
        found = subprocess.run([*words, *more], cwd=tmp_path, env=env, capture_output=True, text=True, check=False)
        return found.returncode, found.stdout + found.stderr

    code, told = ran()
    assert code == 0, told
    assert "population::rows_fit_their_schema PASSED" in told
    assert "9 passed" in told
    population.sql.execute("update citizen set gioi_tinh = 9 where so_dinh_danh = '000000000001'")
    code, told = ran("-k", "rows_fit or logged")
    assert code == 1
    assert "1 rows: field sex (column gioi_tinh)" in told
    assert "1 failed, 1 passed, 7 deselected" in told
    assert "Nguyễn" not in told
