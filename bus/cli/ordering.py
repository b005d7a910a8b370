"""`bus connector pause|resume|snapshot|reset|accept|remove`: orders to a connector that runs, and its end."""

import asyncio
import json
import uuid
from typing import Any

import click

from bus import clock
from bus.connect.orders import Order, OrderKind
from bus.connect.process import UNMADE
from bus.connect.standing import OrderState
from bus.errors import SourceUnfit, SourceUnreachable, WrongUse
from bus.settings import Settings

WAIT_SECONDS = 15.0


def _waiting(command: Any) -> Any:
    return click.option(
        "--wait", "seconds", default=WAIT_SECONDS, show_default=True, help="Seconds to wait until it is taken."
    )(command)


@click.command()
@click.argument("name")
@_waiting
def pause(name: str, seconds: float) -> None:
    """Let a connector stand still, over restarts too, until it is resumed.

    A database keeps its log for it meanwhile: do not leave it so.
    """
    _give(name, Order(_new_id(), OrderKind.PAUSE, at_ms=clock.now_ms()), seconds)


@click.command()
@click.argument("name")
@_waiting
def resume(name: str, seconds: float) -> None:
    """Let a connector that was paused go on, exactly where it stood."""
    _give(name, Order(_new_id(), OrderKind.RESUME, at_ms=clock.now_ms()), seconds)


@click.command()
@click.argument("name")
@click.option("--dataset", "datasets", multiple=True, help="Only this dataset; by default every one.")
@click.option("--from-key", help="First key, included; of several columns a JSON array.")
@click.option("--to-key", help="Last key, included; of several columns a JSON array.")
@_waiting
def snapshot(name: str, datasets: tuple[str, ...], from_key: str | None, to_key: str | None, seconds: float) -> None:
    """Read every row anew while the stream goes on, or the rows of a range of keys.

    A whole dataset's snapshot also erases what the source does not have any more; a range erases nothing.
    """
    keys = (_key(from_key), _key(to_key))
    _give(name, Order(_new_id(), OrderKind.SNAPSHOT, datasets, *keys, at_ms=clock.now_ms()), seconds)


@click.command()
@click.argument("name")
@click.option("--yes", is_flag=True, help="Without asking.")
@_waiting
def reset(name: str, *, yes: bool, seconds: float) -> None:
    """Forget how far the source was read: a new place in its history, and a snapshot of everything.

    Nothing that was published is lost: what the snapshot does not meet is erased, the rest stays.
    """
    if not yes:
        click.confirm(f"Read the source of {name} from the beginning?", abort=True)
    _give(name, Order(_new_id(), OrderKind.RESET, at_ms=clock.now_ms()), seconds)


@click.command()
@click.argument("name")
@click.option("--dataset", "datasets", multiple=True, help="Only this dataset; by default every one.")
@_waiting
def accept(name: str, datasets: tuple[str, ...], seconds: float) -> None:
    """Take what differs at the source, and stops a connector where its manifest says `freeze`, for how it is to be."""
    _give(name, Order(_new_id(), OrderKind.ACCEPT, datasets, at_ms=clock.now_ms()), seconds)


@click.command()
@click.argument("name")
@click.option("--reason", required=True, help="Why: it stands in the register for ever.")
@click.option("--yes", is_flag=True, help="Without asking.")
@click.option("--force", is_flag=True, help="Also where its source, its folder or its settings are gone for good.")
def remove(name: str, *, reason: str, yes: bool, force: bool) -> None:
    """Take a connector down for good: its process ends, slot, publication, Kafka user, rights and settings go.

    Its datasets and what it published stay on the bus, under their agreements; its folder stays where it is.
    """
    from bus.wiring import remove_connector  # noqa: PLC0415 - it imports every stage: not for --help

    if not yes:
        click.confirm(f"Remove {name} for good?", abort=True)
    try:
        left = asyncio.run(remove_connector(Settings(), name, reason, force=force))
    except (SourceUnreachable, SourceUnfit, *UNMADE):
        if not force:
            gone = "its source, its folder or its settings are gone"
            click.echo(f"{name} is not removed; where {gone} for good, `--force` removes it", err=True)
        raise
    click.echo(f"removed {name}; what it published stays")
    if left:
        click.echo(f"left at its source: {left}")


ALL = (pause, resume, snapshot, reset, accept, remove)


def _give(name: str, order: Order, seconds: float) -> None:
    from bus.connect.status import order as give  # noqa: PLC0415 - keeps `bus --help` quick

    outcome = asyncio.run(give(Settings(), name, order, timeout_seconds=seconds))
    if outcome is None:
        click.echo(f"{name} has not taken it yet: it does when it runs within a week; `bus connector status` shows it")
    elif outcome.state is OrderState.UNDER_WAY:
        click.echo(f"{order.kind.value}: {name} is at it; `bus connector status` shows how far")
    else:
        click.echo(f"{order.kind.value}: {name} has done it")


def _new_id() -> str:
    return uuid.uuid4().hex


def _key(text: str | None) -> tuple[str, ...] | None:
    """A key of one column as it is, of several as a JSON array."""
    if text is None or not text.startswith("["):
        return None if text is None else (text,)
    try:
        return tuple(str(part) for part in json.loads(text))
    except ValueError as error:
        raise WrongUse(what=f"{text} is no JSON array", instead="Write it as '[\"A\", 7]'.") from error
