"""`bus status`."""

import asyncio
import json
import sys

import click
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from bus.cli.fitting import Fitting
from bus.platform.health import Health, Survey, survey
from bus.platform.home import Home
from bus.settings import Settings

_COLOURS = {Health.READY: "green", Health.STARTING: "yellow"}
"""Of what is as it should be; all else is red."""

HEALTH_WIDTH = 12
"""At the least: what troubles a process takes more lines."""


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def status(*, as_json: bool) -> None:
    """Show each process of BUS_HOME: where it is, since when, and how it fares. Exit code 0 when all are ready."""
    settings = Settings()
    found = surveyed(settings, Home.from_settings(settings))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    elif found.processes:
        Console().print(Fitting(table(found)))
        if found.parent is None:
            click.echo("No parent: what dies is not started again. `bus up` takes over, `bus down` ends everything.")
    else:
        click.echo(f"nothing runs in {found.home}")
    sys.exit(0 if found.all_ready else 1)


def surveyed(settings: Settings, home: Home) -> Survey:
    """What runs in a home; a schema registry of the user's own is asked as the stages ask it."""

    def registry() -> str:
        from bus.avro.access import registry_access  # noqa: PLC0415 - keeps `bus --help` quick
        from bus.avro.client import SchemaRegistryClient, trouble_of  # noqa: PLC0415

        async def ask() -> str:
            return await trouble_of(SchemaRegistryClient(registry_access(settings, home)))

        return asyncio.run(ask())

    return survey(settings, home, registry)


def table(found: Survey) -> Table:
    """A survey for human eyes."""
    drawn = Table(box=None, header_style="bold", title=None)
    for heading, side in (("process", "left"), ("pid", "right"), ("address", "left"), ("up", "right")):
        drawn.add_column(heading, justify="right" if side == "right" else "left")
    drawn.add_column("health", min_width=HEALTH_WIDTH)
    drawn.add_column("restarts", justify="right")
    for seen in found.processes:
        more = seen.coming or seen.trouble
        drawn.add_row(
            seen.name,
            str(seen.pid or ""),
            seen.address,
            _duration(seen.uptime_seconds),
            f"[{_COLOURS.get(seen.health, 'red')}]{seen.health}[/]" + (f" ({escape(more)})" if more else ""),
            str(seen.restarts or ""),
        )
    return drawn


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
