"""`bus country`: the pretend country beside a running bus."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator
from dataclasses import replace

import click
from rich.console import Console

from bus.citizen.reach import callers_token
from bus.model.country import Place, Step
from bus.platform.home import Home
from bus.platform.reach import postgres_dsn
from bus.settings import CitizenSettings, Settings


@click.group()
def country() -> None:
    """The pretend country: its registries' own systems, and the people in them. `bus up` makes it."""


@country.command()
@click.option("--seed", type=int, default=None, help="Which day.  [default: that of the country]")
def day(*, seed: int | None) -> None:
    """Let the scripted day happen: consents in the morning, births, moves, a sale, deaths, a tax paid."""
    from bus.wiring import country_plugin  # noqa: PLC0415 - it imports every stage: not for --help

    place, own_seed = place_here()
    plugin = country_plugin()
    chosen = own_seed if seed is None else seed

    async def whole() -> AsyncGenerator[Step]:
        async for step in plugin.consents(place, seed=chosen):
            yield step
        async for step in plugin.day(place, seed=chosen):
            yield step

    asyncio.run(_tell(whole()))


@country.command()
@click.option("--rate", type=click.FloatRange(0.01), default=5.0, show_default=True, help="Changes a second.")
@click.option("--seed", type=int, default=None, help="Which changes.  [default: that of the country]")
def live(*, rate: float, seed: int | None) -> None:
    """Keep the country busy until Ctrl-C, so that there is something to watch."""
    from bus.wiring import country_plugin  # noqa: PLC0415 - it imports every stage: not for --help

    place, own_seed = place_here()
    steps = country_plugin().live(place, rate=rate, seed=own_seed if seed is None else seed)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_tell(steps))


def place_here() -> tuple[Place, int]:
    """Where the country of BUS_HOME lives, and its seed. Consents go to BUS_CITIZEN, where that is set."""
    from bus.wiring import DEFAULT_SEED, place_of, remembered_seed  # noqa: PLC0415 - it imports every stage

    settings = Settings()
    home = Home.from_settings(settings)
    seed = remembered_seed(home)
    place = place_of(settings, home, postgres_dsn(settings, home))
    if settings.citizen:
        place = replace(place, citizen_api=settings.citizen, citizen_token=callers_token(CitizenSettings(), home))
    return place, DEFAULT_SEED if seed is None else seed


async def _tell(steps: AsyncGenerator[Step]) -> None:
    console = Console(soft_wrap=True, highlight=False)
    async with contextlib.aclosing(steps):
        async for step in steps:
            counts = ", ".join(f"{name} {count}" for name, count in step.counts.items())
            console.print(f"{step.title_en}  [dim]{counts}[/dim]")
