"""`bus deadletter`."""

import asyncio
import contextlib
import getpass
import json
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

import click
from rich.console import Console
from rich.table import Table

from bus import clock
from bus.avro.own import Message
from bus.cli.fitting import Fitting
from bus.cli.speaking import on_drawn_line, on_one_line
from bus.errors import WrongUse
from bus.kafka.rights import CUSTODIAN
from bus.model.command import CommandKind, Ending
from bus.model.record import Incoming
from bus.settings import Settings
from bus.watch.letter_orders import Choice, Order, Pile, carry_out, carry_out_all, piles
from bus.watch.letters import Letter, letter_at, letters
from bus.watch.reach import looking

PATIENCE_SECONDS = 30.0
TOLD_EVERY_SECONDS = 2.0
SHOWN = 50
"""So many letters, or kinds of them, are shown to human eyes if nothing else is asked for."""


_ENDINGS = {one.value: one for one in Ending}
_WORDS = {CommandKind.RELEASE: "Release", CommandKind.DISCARD: "Discard"}


def _moment(_ctx: click.Context, _param: click.Parameter, value: str | None) -> int | None:
    """Milliseconds since 1970 of a moment as `list` shows it, or of the midnight that begins a day, in UTC."""
    for text in () if value is None else (value, f"{value}Z", f"{value}T00:00Z"):
        with contextlib.suppress(ValueError):
            return clock.parse_iso(text)
    if value is not None:
        told = f"{value!r} is no time: write 2026-03-01 or 2026-03-01T08:00, in UTC, or as `list` does"
        raise click.BadParameter(told)
    return None


def _chosen(command: Any) -> Any:
    """The words that say which letters are meant."""
    for option in (
        click.option("--until", "until_ms", metavar="TIME", callback=_moment, help="Only those set aside before; UTC."),
        click.option(
            "--since", "since_ms", metavar="TIME", callback=_moment, help="Only those set aside then or later; UTC."
        ),
        click.option("--dataset", help="Only those of a dataset, such as population.person."),
        click.option("--why", help="Only those whose reason has these words in it, as `list` shows it."),
    ):
        command = option(command)
    return command


def _ordering(command: Any) -> Any:
    """The words of an order."""
    for option in (
        click.option("--json", "as_json", is_flag=True, help="JSON alone instead of words."),
        click.option("--yes", is_flag=True, help="Many, without asking."),
        click.option("--dry-run", is_flag=True, help="Tell which letters it would be, and order nothing."),
        click.option("--by", default=getpass.getuser, show_default="the user of this machine", help="Who orders it."),
        click.option("--reason", required=True, help="Why: it is kept with what became of the letter."),
        _chosen,
        click.argument("letter", required=False),
    ):
        command = option(command)
    return command


_json = click.option("--json", "as_json", is_flag=True, help="JSON alone instead of words.")


@click.group()
def deadletter() -> None:
    """Records that could not be read. They block nothing and are never dropped: each waits here for a decision.

    A letter is named by its lane and offset, as `3:17`; what a connector set aside, by that one too, as
    `population/3:17`. Only the Kafka user `custodian` may read them.
    """


@deadletter.command("list")
@click.option("--closed", is_flag=True, help="Also those that were released, discarded or superseded.")
@_chosen
@click.option("--limit", type=click.IntRange(1), help=f"Show so many, the newest.  [default: {SHOWN}; JSON: all]")
@click.option("--count", is_flag=True, help="How many there are for each reason and dataset, not one by one.")
@_json
def list_(*, closed: bool, limit: int | None, count: bool, as_json: bool, **words: Any) -> None:
    """List dead letters: where each lies, why, whence and how old; never what it says."""
    fits = Choice(**words).fits
    found = [one for one in asyncio.run(_letters()) if (closed or one.closed is None) and fits(one)]
    if count:
        _show(piles(found), limit, pile_as_json if as_json else pile_table, as_json=as_json)
    else:
        newest = sorted(found, key=lambda one: one.at_ms, reverse=True) if limit or not as_json else found
        _show(newest, limit, Letter.as_json if as_json else table, as_json=as_json)


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
@_ordering
def release(letter: str | None, reason: str, by: str, **words: Any) -> None:
    """Put a dead letter back into the flow: it is judged under the rules of this moment, once.

    Or many: those that all of --why, --dataset, --since and --until fit; of what a connector set aside nothing can be
    released. Broken off, what was ordered is obeyed, and the same command goes on with what is still open.

    Where a newer version of its record has been taken meanwhile, it is closed as superseded and nothing is sent. One
    that still cannot be read stays open. Ends with 1 when a letter stays open.
    """
    _order(letter, Order(CommandKind.RELEASE, by, reason), **words)


@deadletter.command()
@_ordering
def discard(letter: str | None, reason: str, by: str, **words: Any) -> None:
    """Close a dead letter for good; it stays in its topic, and is never judged.

    Or many: those that all of --why, --dataset, --since and --until fit. Broken off, what was ordered is obeyed, and
    the same command goes on with what is still open.
    """
    _order(letter, Order(CommandKind.DISCARD, by, reason), **words)


def table(found: Sequence[Letter]) -> Table:
    """Dead letters for human eyes."""
    drawn = Table(box=None, header_style="bold")
    for heading in ("letter", "since"):
        drawn.add_column(heading, no_wrap=True)
    for heading in ("why", "from"):
        drawn.add_column(heading, overflow="fold", min_width=12)
    drawn.add_column("bytes", justify="right")
    drawn.add_column("state", overflow="fold", min_width=6)
    for one in found:
        closed = one.closed and on_drawn_line(f"{one.closed['outcome']} by {one.closed['by']}")
        why, whence = on_drawn_line(one.reason), on_drawn_line(one.origin)
        drawn.add_row(one.name, _to_seconds(one.at_ms), why, whence, f"{one.size:,}", closed or "[yellow]open[/]")
    return drawn


def pile_table(found: Sequence[Pile]) -> Table:
    """How many there are of each kind, for human eyes."""
    drawn = Table(box=None, header_style="bold")
    drawn.add_column("letters", justify="right", no_wrap=True)
    for heading in ("why", "dataset", "set aside by"):
        drawn.add_column(heading, overflow="fold", min_width=10)
    drawn.add_column("from / to", no_wrap=True)
    for one in found:
        why, dataset, connector = (on_drawn_line(text or "-") for text in (one.reason, one.dataset, one.connector))
        times = f"{_to_seconds(one.first_ms)}\n{_to_seconds(one.last_ms)}"
        drawn.add_row(f"{one.letters:,}", why, dataset, connector if one.connector else "the router", times)
    return drawn


def _to_seconds(ms: int) -> str:
    return f"{clock.iso(ms)[:19]}Z"


def pile_as_json(one: Pile) -> dict[str, Any]:
    """The same for machines; see the README of `bus/watch`."""
    return {
        "letters": one.letters,
        "reason": one.reason,
        "dataset": one.dataset or None,
        "connector": one.connector or None,
        "first_at": clock.iso(one.first_ms),
        "last_at": clock.iso(one.last_ms),
    }


def _show(found: Sequence[Any], limit: int | None, told: Callable[[Any], Any], *, as_json: bool) -> None:
    """So many of what was found, and that there is more."""
    shown = found[: limit or (len(found) if as_json else SHOWN)]
    if as_json:
        click.echo(json.dumps([told(one) for one in shown], ensure_ascii=False, indent=2))
    elif shown:
        Console().print(Fitting(told(shown)))
        if more := len(found) - len(shown):
            click.echo(f"and {more:,} more: --limit shows as many as you name, --count tells how many of each kind")
    else:
        click.echo("No dead letter waits.")


def _order(letter: str | None, order: Order, *, as_json: bool, dry_run: bool, yes: bool, **words: Any) -> None:
    choice = Choice(**words)
    if choice.says_nothing == (letter is None):
        what = "no letter is named and none chosen" if letter is None else "a letter is named and others are chosen"
        raise WrongUse(what=what, instead="Name one, as 3:17, or choose by --why, --dataset, --since and --until.")
    if letter is not None and not dry_run:
        _order_one(letter, order, as_json=as_json)
        return
    found = [asyncio.run(_letter(letter))[0]] if letter else _choose(asyncio.run(_letters()), choice, order)
    if dry_run:
        _show(piles(found), len(found) or None, pile_as_json if as_json else pile_table, as_json=as_json)
        return
    if found and not yes:
        Console(stderr=True).print(Fitting(pile_table(piles(found))))
        click.confirm(f"{_WORDS[order.kind]} {len(found):,} dead letters?", abort=True, err=True)
    _tell(asyncio.run(_ordered_all(found, order)), as_json=as_json)


def _choose(found: Sequence[Letter], choice: Choice, order: Order) -> list[Letter]:
    """The open letters that are meant, without those of connectors where they are to be released."""
    meant = [one for one in found if one.closed is None and choice.fits(one)]
    if order.kind is CommandKind.DISCARD:
        return meant
    ours = [one for one in meant if not one.connector]
    if left := len(meant) - len(ours):
        click.echo(f"{left:,} that a connector set aside are left out: they can be discarded, never released", err=True)
    return ours


def _order_one(letter: str, order: Order, *, as_json: bool) -> None:
    done = asyncio.run(_ordered(letter, order))
    ending = _ENDINGS[done["outcome"]]
    if as_json:
        click.echo(json.dumps({"letter": letter, "outcome": ending.value, "command_id": done["command_id"]}))
    else:
        click.echo(f"{letter} {ending.value}: {ending.meaning}")
    if not ending.closes:
        sys.exit(1)


def _tell(done: dict[str, Message], *, as_json: bool) -> None:
    outcomes = Counter(one["outcome"] for one in done.values())
    if as_json:
        click.echo(json.dumps({"letters": len(done), "outcomes": outcomes}))
    else:
        for outcome, count in outcomes.most_common():
            click.echo(f"{count:,} {outcome}: {_ENDINGS[outcome].meaning}")
        if not done:
            click.echo("No dead letter that waits is meant.")
    if not all(_ENDINGS[outcome].closes for outcome in outcomes):
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


async def _ordered_all(found: Sequence[Letter], order: Order) -> dict[str, Message]:
    began = clock.monotonic()

    def told(count: int) -> None:
        nonlocal began
        if clock.monotonic() - began > TOLD_EVERY_SECONDS:
            began = clock.monotonic()
            click.echo(f"{count:,} of {len(found):,}", err=True)

    async with looking(Settings(), CUSTODIAN) as look:
        return await carry_out_all(look, found, order, told, timeout_seconds=PATIENCE_SECONDS)
