"""`bus route`: what an operator may do to flows."""

import asyncio

import click

from bus.kafka.rights import OPERATOR
from bus.settings import Settings
from bus.watch.effect import until_effective
from bus.watch.reach import looking

PATIENCE_SECONDS = 30.0

_reason = click.option("--reason", required=True, help="Why: it stands in the register for ever.")
_no_wait = click.option("--no-wait", is_flag=True, help="Return when it is written, before it has taken effect.")


@click.group()
def route() -> None:
    """Flows: hold one up, let it go on, have it judged again, check it."""


@route.command()
@click.argument("name", metavar="AGREEMENT|DATASET")
@_reason
@_no_wait
def pause(name: str, reason: str, *, no_wait: bool) -> None:
    """Hold up the flow of an agreement, or of every agreement of a dataset.

    Nothing is released; recipients keep what they hold, as it was. What must be erased is erased all the same: after
    a deletion at the source, a withdrawal, an expired consent.
    """
    _step(name, "paused", reason, no_wait=no_wait)


@route.command()
@click.argument("name", metavar="AGREEMENT|DATASET")
@_reason
@_no_wait
def resume(name: str, reason: str, *, no_wait: bool) -> None:
    """Let a flow go on that was held up; what changed meanwhile is caught up.

    An agreement that is held up by its own name and by its dataset's needs both resumed.
    """
    _step(name, "resumed", reason, no_wait=no_wait)


@route.command()
@click.argument("name", metavar="AGREEMENT|DATASET")
@_reason
@_no_wait
def backfill(name: str, reason: str, *, no_wait: bool) -> None:
    """Have every record judged again under an agreement, beside the live flow.

    A recipient gets what it lacks and loses what it must not hold; a view that has not changed is not sent again.
    """
    _step(name, "backfill-asked", reason, no_wait=no_wait)


def _step(name: str, action: str, reason: str, *, no_wait: bool) -> None:
    from bus.wiring import step_route  # noqa: PLC0415 - it imports every stage: not for --help

    settings = Settings()
    offset = asyncio.run(step_route(settings, name, action, reason))
    click.echo(f"{name} is {action.replace('-', ' ')}: fact {offset} of the register")
    if not no_wait:
        seconds = asyncio.run(_until_effective(settings, offset))
        click.echo(f"effective in every lane, as told after {seconds:.1f} s")


async def _until_effective(settings: Settings, offset: int) -> float:
    async with looking(settings, OPERATOR) as look:
        return await until_effective(look, offset, PATIENCE_SECONDS)
