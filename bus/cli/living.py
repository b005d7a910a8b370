"""A table that is drawn again and again, and that says so when it can't be: an operator looks most when things fail."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.markup import escape

from bus import clock
from bus.errors import BusError
from bus.kafka.log import KafkaError
from bus.kafka.words import last_heard, said

SILENT_SECONDS = 5.0
"""A survey usually takes a few milliseconds; after so long what is shown counts as old."""

Found = TypeVar("Found")


def is_looked_at() -> bool:
    """Whether somebody looks: a table that is drawn again and again would never come out of a pipe or into a file."""
    return Console().is_terminal


async def draw_on(
    first: Found,
    survey: Callable[[], Awaitable[Found]],
    draw: Callable[[Found], RenderableType],
    period_seconds: float,
    console: Console | None = None,
) -> None:
    """Draw what was found, and what a survey finds after each period, until cancelled.

    While no survey comes to its end, for Kafka or the schema registry does not answer, the last figures stay, with
    since when they are old and why; the survey is made again until it succeeds.
    """
    drawn, of_ms = draw(first), clock.now_ms()
    with Live(drawn, console=console or Console(), auto_refresh=False) as live:
        while True:
            await asyncio.sleep(period_seconds)
            task = asyncio.ensure_future(survey())
            try:
                while not (await asyncio.wait([task], timeout=SILENT_SECONDS))[0]:
                    live.update(Group(drawn, _old(of_ms, last_heard())), refresh=True)
                drawn, of_ms = draw(task.result()), clock.now_ms()
                live.update(drawn, refresh=True)
            except KafkaError as error:
                live.update(Group(drawn, _old(of_ms, said(error))), refresh=True)
            except BusError as error:
                if not error.retryable:
                    raise
                live.update(Group(drawn, _old(of_ms, str(error))), refresh=True)
            finally:
                task.cancel()


def _old(of_ms: int, reason: str) -> str:
    since = clock.iso(of_ms)[:19].replace("T", " ")
    words = f"These figures are of {since} UTC and grow old: {escape(reason)}. Asked again until there is an answer;"
    return f"[yellow]{words} `bus status` shows what runs here.[/]"
