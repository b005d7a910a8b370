"""The acceptance tests over every connector of the country, each on its own registry's system, as that was filled."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest
from rich.console import Console
from rich.table import Table

from bus.avro.datasets import load_datasets
from bus.clock import monotonic
from bus.connect.acceptance.case import Case, Verdict
from bus.connect.acceptance.report import Line, run
from bus.connect.folder import load_folder
from bus.connect.place import Place
from bus.connect.process import source_class
from bus.model import country as model
from bus.platform.processes import ProcessSpec, Supervisor
from seeds.plugin import PRETEND
from seeds.site import Site
from tests.conftest import in_own_loop

PEOPLE, SEED = 150, 11
DATASETS = load_datasets(PRETEND.schemas_dir)
CANNOT_SHOW = {"files": {"a future position is refused"}, "sql": {"a future position is refused"}}
"""What a source of a kind has nothing to show it by; of every other test the verdict must be `passed`."""

ALL = ("population", "land", "tax", "insurance", "education", "justice", "transport", "business", "banking")


async def begin(site: Site, supervisor: Supervisor) -> None:
    """Fill every system, and start those that are services; a folder of files must hold its export."""
    await PRETEND.make(site.place, people=PEOPLE, seed=SEED)
    for one in PRETEND.processes(site.place):
        await supervisor.start(ProcessSpec(f"acceptance-{one.name}", one.argv, env=one.env))
    deadline = monotonic() + 30
    while not any(site.drop.glob("coverage-full-*.csv")):
        assert monotonic() < deadline, "the insurance system dropped no file"
        await asyncio.sleep(0.05)


@pytest.fixture(scope="module")
def places(
    postgres: str, supervisor: Supervisor, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[dict[str, model.ConnectorPlace]]:
    """Every connector of the country, with the settings of its source; the systems end with the module."""
    home = tmp_path_factory.mktemp("acceptance")
    place = model.Place(home=home, postgres=postgres, prefix="acceptance-", wide=True)
    in_own_loop(begin(Site(place), supervisor))
    yield {one.name: one for one in PRETEND.connectors(place)}
    for one in PRETEND.processes(place):
        in_own_loop(supervisor.stop(f"acceptance-{one.name}"))
    in_own_loop(PRETEND.unmake(place))


@pytest.fixture(scope="module")
def verdicts() -> Iterator[dict[str, list[Line]]]:
    """What came of the tests by connector; shown as a table in the end."""
    found: dict[str, list[Line]] = {}
    yield found
    table = Table("", *found)
    for number, line in enumerate(next(iter(found.values()), [])):
        table.add_row(line.name, *(lines[number].result.verdict.value for lines in found.values()))
    Console(width=200).print(table)


def case(one: model.ConnectorPlace) -> Case:
    """A connector under test: installed, or from its folder; files rest only a moment, for nobody writes them."""
    found = load_folder(one.folder) if one.folder else source_class(one.name)
    manifest = found.manifest
    if manifest.files:
        files = manifest.files.model_copy(update={"rest_seconds": 0.1})
        found = type("Source", (found,), {"manifest": manifest.model_copy(update={"files": files})})
    known = load_datasets(one.folder / "schemas") if one.folder else DATASETS
    datasets = {name: known[name] for name in found.manifest.datasets}
    return Case(found, Place(one.name, "", one.settings), datasets, 1000)


@pytest.mark.parametrize("name", ALL)
async def test_a_connector_passes(
    name: str, places: dict[str, model.ConnectorPlace], verdicts: dict[str, list[Line]]
) -> None:
    """Each connector passes every acceptance test, but for those that a source of its kind cannot show."""
    one = case(places[name])
    verdicts[name] = lines = await run(one)
    cannot = CANNOT_SHOW.get(one.found.manifest.kind, set())
    wrong = {line.name: line.result for line in lines if line.result.verdict is not Verdict.PASSED}
    assert {name: found for name, found in wrong.items() if name not in cannot} == {}
    assert {found.verdict for found in wrong.values()} <= {Verdict.NOT_SHOWN}


def test_no_connector_is_left_out(places: dict[str, model.ConnectorPlace]) -> None:
    """The connectors that are tested must be all that the country has, and every folder of `connectors/`."""
    folders = {path.parent.name for path in (Path(__file__).parents[3] / "connectors").glob("*/manifest.yaml")}
    assert set(ALL) == set(places) == folders
