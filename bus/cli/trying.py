"""`bus connector test`: what a connector must show before it is trusted."""

import asyncio
from pathlib import Path
from typing import TYPE_CHECKING

import click
from rich.console import Console

from bus.cli.joining import located, schemas_of
from bus.connect.folder import SCHEMAS
from bus.connect.place import Place
from bus.connect.process import source_settings
from bus.settings import Settings

if TYPE_CHECKING:
    from bus.connect.acceptance.case import Case

ROWS = 1000
_STYLE = {"passed": "green", "failed": "red", "not shown": "yellow"}


@click.command()
@click.argument("connector", metavar="NAME|FOLDER")
@click.option("--rows", default=ROWS, show_default=True, type=click.IntRange(1), help="How many rows of each dataset.")
@click.option("--html", "page", type=click.Path(path_type=Path), help="Write the report as a page, too.")
def test(connector: str, rows: int, page: Path | None) -> None:
    """Put a connector to the test on its own source: settings, rows, restarts, letters, deletions, logs.

    Its tables stay as they are; PostgreSQL gets a slot and a publication for the time of the test. Ends with 1 when
    something failed. No Kafka is needed.
    """
    from bus.connect.acceptance.report import as_page, exit_code, run  # noqa: PLC0415 - keeps `bus --help` quick

    name, case = case_of(connector, rows)
    if page is not None:
        page.touch()  # a place that cannot be written is told now, and not when everything has been tried
    lines = asyncio.run(run(case))
    console = Console(highlight=False, soft_wrap=True)
    for line in lines:
        verdict = line.result.verdict.value
        console.print(f"[{_STYLE[verdict]}]{verdict:10}[/]", end="")
        console.print(f"{line.name}: {line.result.detail}", markup=False)
    if page is not None:
        page.write_text(as_page(name, lines, case.datasets), encoding="utf-8")
        click.echo(f"wrote {page}")
    raise SystemExit(exit_code(lines))


def case_of(connector: str, rows: int) -> "tuple[str, Case]":
    """A connector's name, and it under test with the settings of this home.

    Raises NoSuchConnector, ConnectorFolderWrong, ConnectorSettingsUnreadable, DatasetSchemaWrong.
    """
    from bus.connect.acceptance.case import Case  # noqa: PLC0415 - keeps `bus --help` quick

    settings = Settings()
    name, found, folder = located(connector, settings)
    place = Place(name, settings.prefix, source_settings(name, settings))
    return name, Case(found, place, schemas_of(found.manifest, folder / SCHEMAS if folder else None), rows)
