"""`bus agreement preview`: what an edited text would release and erase, before anybody approves it."""

import asyncio
import json
import sys
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import click
from rich.console import Console
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

from bus import clock
from bus.agreements.difference import differences
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.finding import number, words_of
from bus.agreements.sentence import sentence
from bus.agreements.view import place_field
from bus.cli.ground import FINDINGS, Ground, grounded, sound
from bus.cli.speaking import SpokenCommand, on_one_line
from bus.errors import NotFound
from bus.route.foresight.found import Foresight
from bus.route.foresight.report import Told, as_html, as_json, as_text, judged
from bus.settings import Settings


@click.command(cls=SpokenCommand)
@click.argument("named", metavar="ID|FILE")
@click.option("--by", metavar="FIELD", help="Count also by this field of the dataset (default: its place, if any).")
@click.option(
    "--sample", type=click.IntRange(1), metavar="N", help="Judge about N records drawn by chance, and tell the error."
)
@click.option(
    "--examples", type=click.IntRange(0, 100), default=3, show_default=True, help="Masked examples of each kind."
)
@click.option(
    "--html", "page", type=click.Path(dir_okay=False, path_type=Path), help="Write a page that needs nothing else."
)
@click.option("--json", "json_too", is_flag=True, help="One JSON object on stdout.")
@grounded
def preview(  # noqa: PLR0913 - one parameter an option
    ground: Ground,
    named: str,
    *,
    by: str | None,
    sample: int | None,
    examples: int,
    page: Path | None,
    json_too: bool,
) -> None:
    """Judge every record of the running bus under an edited text, and write nothing to anybody.

    ID names an agreement of the country's folder, FILE a text of your own. Records, consents and copies held are those
    of one moment in each lane, however busy the bus is.

    Ctrl-C ends it at once with what it has until then: the answer says that it is a part. Exit code 0 for a whole
    answer (or a whole sample), 1 for a part or a text with findings.
    """
    text = sound(ground.find(named), ground)
    found = Foresight(
        text.id, text.recipient, Settings().lanes, by=_place(ground, text, by), most_examples=examples, sample=sample
    )
    zone = ground.agencies.timezone
    moment = f"{datetime.fromtimestamp(clock.now_ms() / 1000, ZoneInfo(zone)):%Y-%m-%d %H:%M} ({zone})"
    try:
        known = _foresee(ground, text, found)
    except KeyboardInterrupt:  # before there was anything to count: what differs is not known either
        click.echo("\n".join(judged(Told(found, (), "", ground.language))))
        sys.exit(FINDINGS)
    old = next((one for one in known if one.id == text.id), None)
    told = Told(
        found,
        tuple(one.sentence(ground.language) for one in differences(old, text, known)),
        sentence(text, ground.datasets[text.dataset], ground.agencies, ground.language, ground.bases),
        ground.language,
        _meanings(ground, text),
        revision(text),
        moment,
    )
    if page is not None:
        page.write_text(as_html(told), encoding="utf-8")
    if json_too:
        click.echo(json.dumps(as_json(told), ensure_ascii=False, indent=2))
    else:
        for line in "\n".join(as_text(told)).split("\n"):
            click.echo(on_one_line(line))
    sys.exit(0 if found.complete else FINDINGS)


def _place(ground: Ground, text: AgreementDocument, by: str | None) -> str | None:
    """The field that was asked for, or the one that the dataset's schema marks. Raises NotFound."""
    dataset = ground.datasets[text.dataset]
    if by is not None and dataset.field(by) is None:
        raise NotFound(kind=f"field of {dataset.name}", name=by, known=", ".join(one.name for one in dataset.fields))
    return by or place_field(dataset)


def _meanings(ground: Ground, text: AgreementDocument) -> dict[str, str]:
    """What the view's fields are, where the schema says it in the reader's language; their names speak English."""
    known = ((rule.view_name, ground.datasets[text.dataset].field(rule.name)) for rule in text.fields)
    words = {name: field.translations.get(ground.language) for name, field in known if field is not None}
    return {name: said for name, said in words.items() if said is not None}


def _foresee(ground: Ground, text: AgreementDocument, found: Foresight) -> tuple[AgreementDocument, ...]:
    from bus.wiring import preview_agreement  # noqa: PLC0415 - it imports every stage: not for --help

    words = words_of(ground.language)["preview"]
    columns = (TextColumn("{task.description}"), BarColumn(), TaskProgressColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(text.id, total=None)

        def tell(done: int, whole: int) -> None:
            progress = words["progress"].format(lane=min(found.lanes_done + 1, found.lanes), lanes=found.lanes)
            judged = number(f"{found.judged:,}", ground.language)
            bar.update(task, completed=done, total=whole, description=f"{text.id}: {progress}, {judged}")

        return asyncio.run(preview_agreement(Settings(), text, ground.agencies.consent_basis, found, tell))
