"""`bus up`."""

import asyncio
from contextlib import ExitStack
from typing import TYPE_CHECKING

import click
from rich.console import Console
from rich.live import Live

from bus.cli.status import surveyed, table
from bus.errors import WrongUse
from bus.platform.health import survey
from bus.platform.home import Home
from bus.platform.jars import kafka_jars
from bus.platform.processes import Supervisor
from bus.platform.session import detach as run_detached
from bus.platform.session import keep_up
from bus.settings import Settings
from bus.telemetry import configure

if TYPE_CHECKING:
    from bus.wiring import Wanted


@click.command()
@click.option(
    "--people", type=click.IntRange(1), help="How many people the pretend country has.  [default: as before, or 2000]"
)
@click.option("--empty", is_flag=True, help="Start Kafka, PostgreSQL and the stages without a pretend country.")
@click.option("--wide", is_flag=True, help="Bring the registries that joined later too; stays so for this home.")
@click.option("--without-stages", is_flag=True, help="Found the bus and fill the country; stages run elsewhere.")
@click.option("--detach", is_flag=True, help="Return when everything is ready; `bus down` ends it.")
def up(*, people: int | None, empty: bool, wide: bool, without_stages: bool, detach: bool) -> None:
    """Start a bus on this machine: Kafka, PostgreSQL, a pretend country and every stage.

    It stays and shows what runs until Ctrl-C, which ends everything in order. State is kept in BUS_HOME: the next
    start goes on where this one ended. The first start downloads Kafka (43 MB) to BUS_CACHE, later ones need no
    network. BUS_KAFKA, BUS_POSTGRES and BUS_SCHEMA_REGISTRY name your own servers; those are then not started here.
    """
    if people and empty:
        raise WrongUse(what="--people and --empty contradict each other", instead="Give one of them.")
    if wide and empty:
        raise WrongUse(what="--wide and --empty contradict each other", instead="Give one of them.")
    from bus.wiring import Wanted, remembered_people  # noqa: PLC0415 - it imports every stage: not for `bus up --help`

    settings = Settings()
    home = Home.from_settings(settings)
    count = None if empty else people or remembered_people(home) or 2000
    if detach:
        words = ["--empty"] if count is None else ["--people", str(count)]
        flags = {"--wide": wide, "--without-stages": without_stages}
        _detach(settings, home, [*words, *(flag for flag, given in flags.items() if given)])
    else:
        asyncio.run(_stay(settings, home, Wanted(count, stages=not without_stages, wide=wide)))


def _detach(settings: Settings, home: Home, words: list[str]) -> None:
    if not settings.kafka:
        kafka_jars(settings.cache_path)  # here, where its progress can be seen
    pid = run_detached(home, ["up", *words])
    Console().print(table(surveyed(settings, home)))
    click.echo(f"The bus is up (process {pid}). `bus status` shows it, `bus down` ends it.")


async def _stay(settings: Settings, home: Home, wanted: "Wanted") -> None:
    from bus.wiring import bring_up  # noqa: PLC0415 - it imports every stage: not for `bus up --help`

    console = Console(stderr=True)
    configure("up")
    with ExitStack() as shown:

        async def start(supervisor: Supervisor) -> None:
            await bring_up(settings, supervisor, wanted)

        def ready() -> None:
            console.print("The bus is up. Ctrl-C, or `bus down` elsewhere, ends it.")
            if console.is_terminal:
                live = Live(console=console, refresh_per_second=1, get_renderable=lambda: table(survey(settings, home)))
                shown.enter_context(live)
                configure("up")  # again: log lines now go above the table

        await keep_up(home, start, ready=ready)
