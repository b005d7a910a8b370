"""`bus demo`."""

import asyncio
import json
import signal
import sys

import click
from rich.console import Console

from bus.cli.status import table
from bus.platform.health import survey
from bus.platform.home import Home
from bus.settings import Settings


@click.command()
@click.option("--people", type=click.IntRange(50), default=2000, show_default=True, help="How many people live there.")
@click.option("--seed", type=int, default=2026, show_default=True, help="The same seed makes the same country and day.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
@click.option("--keep", is_flag=True, help="Leave everything running, and tell where.")
def demo(*, people: int, seed: int, as_json: bool, keep: bool) -> None:
    """Run a small country for a day and check what every agency got.

    Real Kafka, real PostgreSQL, four registries, seven agencies. Citizens give and withdraw consents, one record is
    unreadable, the router is killed once. At the end an independent checker compares what each agency holds with the
    registries. Ends with 0 only when nothing was lost, doubled, or disclosed without a log entry.

    BUS_KAFKA and BUS_POSTGRES name your own servers; everything else lives in a scratch folder.
    """
    from bus.demo.report import print_report  # noqa: PLC0415 - imports every stage: not for `bus demo --help`
    from bus.demo.session import hold_demo  # noqa: PLC0415 - as above

    try:
        session = asyncio.run(hold_demo(Settings(), Console(stderr=True), people=people, seed=seed, keep=keep))
    except asyncio.CancelledError:
        click.echo("ended by SIGTERM; nothing runs any more", err=True)
        sys.exit(128 + signal.SIGTERM)
    if as_json:
        click.echo(json.dumps(session.result.as_json(), ensure_ascii=False))
    else:
        print_report(session.result, Console())
    if keep:
        _tell_where(session.settings, Console(stderr=True))
    sys.exit(0 if session.result.passed else 1)


def _tell_where(settings: Settings, console: Console) -> None:
    """Where it runs, and what to try."""
    home = Home.from_settings(settings)
    console.print(table(survey(settings, home)))
    console.print("It stays up. Try:", style="bold")
    for words in (
        f"export BUS_HOME={home.path}" + (f" BUS_PREFIX={settings.prefix}" if settings.prefix else ""),
        "bus status",
        "bus agency list",
        "bus agency tail tax-authority --from-beginning --max 5",
        "bus connector status",
        "bus country live --rate 5",
        "bus down",
    ):
        console.print(f"  {words}", highlight=False, markup=False, soft_wrap=True)
