"""`bus connector tail`: what a connector publishes."""

import asyncio
import contextlib
import dataclasses
import json
from typing import TYPE_CHECKING

import click
from rich.console import Console

from bus.cli.joining import located
from bus.cli.speaking import on_drawn_line
from bus.settings import Settings

if TYPE_CHECKING:
    from bus.connect.tail import Published


@click.command()
@click.argument("connector", metavar="NAME|FOLDER")
@click.option("--dataset", "datasets", multiple=True, help="Only this dataset; by default every one.")
@click.option("--from-beginning", is_flag=True, help="Begin with the oldest record instead of the next one.")
@click.option("--max", "most", type=click.IntRange(1), help="End after so many records.")
@click.option("--no-follow", is_flag=True, help="End when everything that is there now has been shown.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object a line.")
def tail(  # noqa: PLR0913 - one for each option
    connector: str,
    *,
    datasets: tuple[str, ...],
    from_beginning: bool,
    most: int | None,
    no_follow: bool,
    as_json: bool,
) -> None:
    """Show what a connector has published: records as they lie in its topics, under its own Kafka user.

    These are the registry's own records, whole and personal. Ctrl-C ends it.
    """
    from bus.connect.process import own_reach  # noqa: PLC0415 - keeps `bus --help` quick
    from bus.connect.tail import tail as published  # noqa: PLC0415

    settings = Settings()
    name, found, _ = located(connector, settings)
    reach = own_reach(name, settings)
    chosen = datasets or tuple(found.manifest.datasets)

    async def show() -> None:
        shown = published(reach, chosen, from_beginning=from_beginning, follow=not no_follow)
        async with contextlib.aclosing(shown):
            left = most
            async for one in shown:
                click.echo(_json(one)) if as_json else _line(one)
                left = left and left - 1
                if left == 0:
                    return

    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(show())


def _json(one: "Published") -> str:
    return json.dumps(dataclasses.asdict(one), ensure_ascii=False, default=str)


def _line(one: "Published") -> None:
    head = f"[bold]{one.dataset}[/]  {on_drawn_line(one.what):8} {on_drawn_line(one.key)}"
    fields = "" if one.fields is None else "  ".join(f"[dim]{name}[/]={_plain(at)}" for name, at in one.fields.items())
    Console(highlight=False, soft_wrap=True).print(f"{head}  {fields}".rstrip())


def _plain(value: object) -> str:
    return "-" if value is None else on_drawn_line(str(value))


ALL = (tail,)
