"""`bus deadletter`."""

import asyncio
import getpass
import json
import sys

import click
from rich.console import Console
from rich.table import Table

from bus import clock
from bus.avro.own import Message
from bus.cli.speaking import on_drawn_line, on_one_line
from bus.kafka.rights import CUSTODIAN
from bus.model.command import CommandKind, Ending
from bus.model.record import Incoming
from bus.settings import Settings
from bus.watch.letters import Letter, Order, carry_out, letter_at, letters
from bus.watch.reach import looking

PATIENCE_SECONDS = 30.0

_reason = click.option("--reason", required=True, help="Why: it is kept with what became of the letter.")
_by = click.option("--by", default=getpass.getuser, show_default="the user of this machine", help="Who orders it.")
_json = click.option("--json", "as_json", is_flag=True, help="JSON alone instead of words.")


@click.group()
def deadletter() -> None:
    """Records that could not be read. They block nothing and are never dropped: each waits here for a decision.

    A letter is named by its lane and offset, as `3:17`; what a connector set aside, by that one too, as
    `population/3:17`. Only the Kafka user `custodian` may read them.
    """


@deadletter.command("list")
@click.option("--closed", is_flag=True, help="Also those that were released, discarded or superseded.")
@_json
def list_(*, closed: bool, as_json: bool) -> None:
    """List dead letters: where each lies, why, whence and how old; never what it says."""
    found = [one for one in asyncio.run(_letters()) if closed or one.closed is None]
    if as_json:
        click.echo(json.dumps([one.as_json() for one in found], ensure_ascii=False, indent=2))
    elif found:
        Console().print(table(found))
    else:
        click.echo("No dead letter waits.")


@deadletter.command()
@click.argument("letter")
@click.option("--value", is_flag=True, help="Also the key and the value, which may hold personal data.")
@_json
def show(letter: str, *, value: bool, as_json: bool) -> None:
    """Show the headers of one dead letter, and with --value what it says."""
    found, record = asyncio.run(_letter(letter))
    told = found.as_json() | {"headers": record.header_texts()}
    if value:
        click.echo("This may be personal data: do not copy it into a ticket or a log.", err=True)
        told |= _content(record)
    if as_json:
        click.echo(json.dumps(told, ensure_ascii=False, indent=2))
        return
    for name, text in told.items():
        if not isinstance(text, dict):
            click.echo(f"{name:<10} {'' if text is None else on_one_line(str(text))}")
    for group in ("closed", "headers"):
        for name, text in (told[group] or {}).items():
            click.echo(f"{group:<10} {on_one_line(f'{name}: {text}' if text is not None else name)}")


@deadletter.command()
@click.argument("letter")
@_reason
@_by
@_json
def release(letter: str, reason: str, by: str, *, as_json: bool) -> None:
    """Put a dead letter back into the flow: it is judged under the rules of this moment, once.

    Where a newer version of its record has been taken meanwhile, it is closed as superseded and nothing is sent. One
    that still cannot be read stays open. Ends with 1 when the letter stays open.
    """
    _order(letter, Order(CommandKind.RELEASE, by, reason), as_json=as_json)


@deadletter.command()
@click.argument("letter")
@_reason
@_by
@_json
def discard(letter: str, reason: str, by: str, *, as_json: bool) -> None:
    """Close a dead letter for good; it stays in its topic, and is never judged."""
    _order(letter, Order(CommandKind.DISCARD, by, reason), as_json=as_json)


def table(found: list[Letter]) -> Table:
    """Dead letters for human eyes."""
    drawn = Table(box=None, header_style="bold")
    for heading in ("letter", "since"):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("why", "from"):
        drawn.add_column(heading, overflow="fold")
    drawn.add_column("bytes", justify="right")
    drawn.add_column("state", overflow="fold")
    for one in found:
        closed = one.closed and on_drawn_line(f"{one.closed['outcome']} by {one.closed['by']}")
        why, whence = on_drawn_line(one.reason), on_drawn_line(one.origin)
        drawn.add_row(one.name, clock.iso(one.at_ms), why, whence, f"{one.size:,}", closed or "[yellow]open[/]")
    return drawn


def _order(letter: str, order: Order, *, as_json: bool) -> None:
    done = asyncio.run(_ordered(letter, order))
    ending = next(one for one in Ending if one.value == done["outcome"])
    if as_json:
        click.echo(json.dumps({"letter": letter, "outcome": ending.value, "command_id": done["command_id"]}))
    else:
        click.echo(f"{letter} {ending.value}: {ending.meaning}")
    if not ending.closes:
        sys.exit(1)


def _content(record: Incoming) -> dict[str, str | None]:
    return {
        "key": None if record.key is None else record.key.decode("utf-8", "backslashreplace"),
        "value": None if record.value is None else record.value.decode("utf-8", "backslashreplace"),
    }


async def _letters() -> list[Letter]:
    async with looking(Settings(), CUSTODIAN) as look:
        return await letters(look)


async def _letter(name: str) -> tuple[Letter, Incoming]:
    async with looking(Settings(), CUSTODIAN) as look:
        return await letter_at(look, name)


async def _ordered(name: str, order: Order) -> Message:
    async with looking(Settings(), CUSTODIAN) as look:
        return await carry_out(look, name, order, timeout_seconds=PATIENCE_SECONDS)
