"""`bus status`."""

import json
import sys

import click
from rich.console import Console
from rich.table import Table

from bus.platform.health import Health, Survey, survey
from bus.platform.home import Home
from bus.settings import Settings

_COLOURS = {Health.READY: "green", Health.STARTING: "yellow", Health.SILENT: "red", Health.DEAD: "red"}


@click.command()
@click.option("--json", "as_json", is_flag=True, help="One JSON object instead of a table.")
def status(*, as_json: bool) -> None:
    """Show each process of BUS_HOME: where it is, since when, and how it fares. Exit code 0 when all are ready."""
    settings = Settings()
    found = survey(settings, Home.from_settings(settings))
    if as_json:
        click.echo(json.dumps(found.as_json(), indent=2))
    elif found.processes:
        Console().print(table(found))
        if found.parent is None:
            click.echo("No parent: what dies is not started again. `bus up` takes over, `bus down` ends everything.")
    else:
        click.echo(f"nothing runs in {found.home}")
    sys.exit(0 if found.all_ready else 1)


def table(found: Survey) -> Table:
    """A survey for human eyes."""
    drawn = Table(box=None, header_style="bold", title=None)
    for heading, side in (("process", "left"), ("pid", "right"), ("address", "left"), ("up", "right")):
        drawn.add_column(heading, justify="right" if side == "right" else "left")
    drawn.add_column("health")
    drawn.add_column("restarts", justify="right")
    for seen in found.processes:
        drawn.add_row(
            seen.name,
            str(seen.pid or ""),
            seen.address,
            _duration(seen.uptime_seconds),
            f"[{_COLOURS[seen.health]}]{seen.health}[/]" + (f" ({seen.coming})" if seen.coming else ""),
            str(seen.restarts or ""),
        )
    return drawn


def _duration(seconds: int | None) -> str:
    if seconds is None:
        return ""
    hours, rest = divmod(seconds, 3600)
    return f"{hours}:{rest // 60:02}:{rest % 60:02}"
