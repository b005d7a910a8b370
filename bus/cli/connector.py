"""`bus connector`: the connectors of the registries."""

import asyncio
import dataclasses
import json
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.table import Table

from bus.cli import joining, ordering, showing, trying
from bus.cli.contract import dataset_contract
from bus.cli.speaking import on_one_line
from bus.settings import Settings

if TYPE_CHECKING:
    from bus.connect.status import ConnectorStatus


@click.group()
def connector() -> None:
    """Connectors publish what happens in a registry; each is a folder with a manifest and a source."""


for further in (*joining.ALL, trying.test, *ordering.ALL, *showing.ALL, dataset_contract):
    connector.add_command(further)


@connector.command("list")
def list_() -> None:
    """Name every connector that is installed or known here, with its kind and the datasets that it publishes."""
    from bus.connect.process import class_here, names_here  # noqa: PLC0415 - keeps `bus --help` quick

    settings = Settings()
    table = Table("connector", "kind", "datasets")
    for name in names_here(settings):
        manifest = class_here(name, settings).manifest
        table.add_row(name, manifest.kind, ", ".join(manifest.datasets))
    Console().print(table)


@connector.command()
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object alone.")
def status(*, as_json: bool) -> None:
    """Show how far each connector has come, and whether it has caught up with its source.

    Where a connector was killed, what the others have done since counts when its open transaction is over, in seconds.
    Ends with 1 when one has not caught up.
    """
    from bus.connect.status import statuses  # noqa: PLC0415 - keeps `bus --help` quick

    found = asyncio.run(statuses(Settings()))
    if as_json:
        click.echo(json.dumps([dataclasses.asdict(one) for one in found], default=dict, ensure_ascii=False))
    else:
        table = Table("connector", "published", "dead letters", "refused", "snapshot", "caught up")
        for one in found:
            at = one.standing
            if at is None:
                table.add_row(one.name, "-", "-", "-", "-", "not asked" if one.trouble else "not started")
                continue
            snapshot = "-" if at.snapshot is None else ", ".join(at.snapshot.waiting or at.snapshot.sweeping)
            counts = (f"{at.published:,}", f"{at.dead:,}", f"{at.refused:,}")
            table.add_row(one.name, *counts, snapshot, "not asked" if one.trouble else _caught_up(one))
        Console().print(table)
        for one in found:
            if one.trouble:
                click.echo(f"{one.name}: {one.trouble}\n  remedy: {one.remedy}")
            for strange in one.standing.drift.found if one.standing else ():
                click.echo(on_one_line(f"{one.name}: {strange}, {strange.mode}, in {strange.rows:,} rows"))
            if one.standing and one.standing.drift.frozen:
                frozen = on_one_line(one.standing.drift.frozen)
                click.echo(f"{one.name}: stands still before {frozen}; see `bus connector accept`")
    if not all(one.caught_up for one in found):
        raise SystemExit(1)


def _caught_up(one: "ConnectorStatus") -> str:
    if one.standing is not None and one.standing.paused:
        return "paused"
    if one.standing is not None and one.standing.drift.frozen:
        return "frozen"
    return "yes" if one.caught_up else "no"


@connector.command()
@click.argument("name", metavar="NAME|FOLDER")
def run(name: str) -> None:
    """Run a connector in this process until Ctrl-C; its settings lie in BUS_HOME/connectors/NAME.json."""
    from bus.connect.process import run as serve  # noqa: PLC0415 - keeps `bus --help` quick

    settings = Settings()
    serve(joining.located(name, settings)[0], settings)
