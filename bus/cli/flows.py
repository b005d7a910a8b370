"""`bus flows`."""

import asyncio
import contextlib
import json
from collections.abc import Sequence

import click
from rich.console import Console
from rich.table import Table

from bus import clock
from bus.cli.fitting import Fitting
from bus.cli.living import draw_on, is_looked_at
from bus.kafka.rights import OPERATOR
from bus.settings import Settings
from bus.watch.flows import Flow, flows_of, total
from bus.watch.reach import looking

PERIOD_SECONDS = 1.0
REASONS_SHOWN = 3
NAME_WIDTH = 20
"""Of an agreement and what is said of it, at the least: longer ones take more lines."""

COUNTED = (
    "Released and erased: messages sent. Withheld: judgements, by reason; a record that is judged again counts again."
)


@click.command()
@click.option("--last", "minutes", type=click.IntRange(1), default=60, show_default=True, help="Count so many minutes.")
@click.option("--all", "everything", is_flag=True, help="Count the whole log instead, which may be long.")
@click.option("--once", is_flag=True, help="Show the flows as they stand now, and end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, as they stand now.")
def flows(*, minutes: int, everything: bool, once: bool, as_json: bool) -> None:
    """Show what flows under each agreement: released, erased, withheld and why; on a terminal live until Ctrl-C.

    Counted from the log of disclosures: `released` and `erased` are messages that were sent, `withheld` are judgements
    and not records, for one that is judged twice, or again by a sweep or a catch-up, counts each time. Rate and
    latency are those of the last minute; the latency is from a decision to its entry in the log. How long a change took
    from its registry on is told by `bus lanes`.
    """
    since_ms = None if everything else max(0, clock.now_ms() - minutes * 60_000)
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(_watch(since_ms, once=once or not is_looked_at(), as_json=as_json))


async def _watch(since_ms: int | None, *, once: bool, as_json: bool) -> None:
    async with looking(Settings(), OPERATOR) as look, flows_of(look, since_ms) as reader:
        found = await reader.newest()
        if as_json:
            click.echo(json.dumps([one.as_json(clock.now_ms()) for one in found], indent=2))
        elif once:
            Console().print(shown(found, clock.now_ms()))
        if as_json or once:
            return
        await draw_on(found, reader.newest, lambda now: shown(now, clock.now_ms()), PERIOD_SECONDS)


def shown(found: Sequence[Flow], now_ms: int) -> Fitting:
    """Flows on a screen of any width."""
    return Fitting(table(found, now_ms))


def table(found: Sequence[Flow], now_ms: int) -> Table:
    """Flows for human eyes."""
    drawn = Table(box=None, header_style="bold", show_footer=True, caption=COUNTED, caption_justify="left")
    drawn.add_column("agreement", footer="all", overflow="fold", min_width=NAME_WIDTH)
    for heading, footer in zip(("released", "erased", "judgements\nwithheld"), total(found), strict=True):
        drawn.add_column(heading, justify="right", no_wrap=True, footer=f"{footer:,}")
    drawn.add_column("a second", justify="right", no_wrap=True)
    drawn.add_column("p50 / p99", justify="right", no_wrap=True)
    for flow in found:
        latency = flow.latency_ms(now_ms)
        drawn.add_row(
            f"{flow.agreement}\n  [dim]{_words(flow)}[/]",
            f"{flow.released:,}",
            f"{flow.erased:,}",
            f"{flow.withheld.total():,}",
            f"{flow.rate(now_ms):,.2f}",
            "-" if latency is None else f"{latency[0]:.0f} / {latency[1]:.0f} ms",
        )
    return drawn


def _words(flow: Flow) -> str:
    """To whom, how the flow stands, and the most frequent reasons of withholding."""
    colour = "green" if flow.standing == "active" else "yellow"
    reasons = (f"{reason} {count:,}" for reason, count in flow.withheld.most_common(REASONS_SHOWN))
    return ", ".join((f"to {flow.recipient or 'nobody'}", f"[{colour}]{flow.standing}[/]", *reasons))
