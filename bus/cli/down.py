"""`bus down`."""

import asyncio

import click

from bus.platform.home import Home
from bus.platform.session import bring_down
from bus.settings import Settings


@click.command()
def down() -> None:
    """End everything that `bus up` started in BUS_HOME, in order; also what a parent that was killed left behind."""
    home = Home.from_settings(Settings())
    ended = asyncio.run(bring_down(home))
    if ended.parent:
        click.echo(f"ended the parent, process {ended.parent}")
    for record in ended.processes:
        click.echo(f"ended {record.name}, process {record.pid}")
    if not ended.parent and not ended.processes:
        click.echo(f"nothing runs in {home.path}")
