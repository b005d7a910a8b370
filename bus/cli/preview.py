"""`bus agreement preview`: what an edited text would release and erase, before anybody approves it."""

import asyncio
import json
import sys
from pathlib import Path

import click
from rich.console import Console
from rich.progress import Progress

from bus.agreements.difference import differences
from bus.cli.ground import FINDINGS, Ground, grounded, sound
from bus.route.foresight import Foresight
from bus.route.foresight_report import as_html, as_json, as_text
from bus.settings import Settings


@click.command()
@click.argument("named", metavar="ID|FILE")
@click.option("--by", help="Count also by this field of the dataset (default: its province, where it has one).")
@click.option("--examples", type=click.IntRange(0, 100), default=3, show_default=True, help="Masked examples to show.")
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that needs nothing else."
)
@click.option("--json", "json_too", is_flag=True, help="One JSON object on stdout.")
@grounded
def preview(  # noqa: PLR0913 - one parameter an option
    ground: Ground, named: str, *, by: str | None, examples: int, page: Path | None, json_too: bool
) -> None:
    """Judge every record of the running bus under an edited text, and write nothing to anybody.

    Ctrl-C ends it with what it has until then, and exit code 1.
    """
    from bus.wiring import preview_agreement  # noqa: PLC0415 - it imports every stage: not for --help

    text = sound(ground.find(named), ground)
    names = [one["name"] for one in ground.datasets[text.dataset].schema["fields"]]
    field = by or next((name for name in names if name.endswith("province")), None)
    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text.id, total=None)
        settings, basis = Settings(), ground.agencies.consent_basis
        found = Foresight(text.id, text.recipient, settings.lanes, by=field, most_examples=examples)
        old = asyncio.run(preview_agreement(settings, text, basis, found, lambda step, _: bar.advance(task, step)))
    said = [one.sentence(ground.language) for one in differences(old, text, ())]
    agency = ground.agencies.agency(text.recipient)
    recipient = text.recipient if agency is None else agency.name.get(ground.language, text.recipient)
    if page is not None:
        page.write_text(as_html(found, said, recipient, ground.language), encoding="utf-8")
    if json_too:
        click.echo(json.dumps(as_json(found, said), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(as_text(found, said, recipient, ground.language)))
    sys.exit(0 if found.complete else FINDINGS)
