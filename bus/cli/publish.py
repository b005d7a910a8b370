"""`bus agreement publish`: the register of agreements as pages for everybody."""

import asyncio
from pathlib import Path

import click

from bus import clock
from bus.agreements.finding import words_of
from bus.cli.ground import Ground, grounded
from bus.cli.speaking import SpokenCommand, misuse
from bus.register.published import published
from bus.register.site import LINES, Site, site_files
from bus.settings import Settings


@click.command(cls=SpokenCommand)
@click.argument("folder", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@grounded
def publish(ground: Ground, folder: Path) -> None:
    """Write a site about every agreement that is or was in force: searchable pages in each language, and data.

    DIR is new, empty, or was written by this command before: then it is written anew. No person is named in it; reasons
    of steps are in it word by word. Any web server can show it, and so can a browser without one.
    """
    _writable(folder, ground.language)
    site = asyncio.run(_site(ground))
    written = {path: text.encode() for path, text in site_files(site)}
    for stale in folder.rglob("*.*"):
        if stale.is_file() and stale.relative_to(folder).as_posix() not in written:
            stale.unlink()
    for path, data in written.items():
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    tally = words_of(ground.language)["tally"]["published"]
    click.echo(tally.format(page=folder / "index.html", agreements=len(site.agreements), files=len(written)))


def _writable(folder: Path, language: str) -> None:
    """Nothing of somebody else's is ever removed. Raises WrongUse."""
    if folder.exists() and any(folder.iterdir()) and not (folder / LINES).is_file():
        raise misuse(language, "folder-taken", folder=str(folder))


async def _site(ground: Ground) -> Site:
    from bus.wiring import registrar_of  # noqa: PLC0415 - it imports every stage: not for --help

    async with registrar_of(Settings()) as registrar:
        state, counted = await registrar.state(), registrar.counted
        now_ms = clock.now_ms()
        return Site(published(state, counted, now_ms), ground.agencies, ground.bases or {}, state.offset, now_ms)
