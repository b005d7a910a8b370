"""`bus agreement`: what policy staff do with the texts of agreements. Works without a running bus."""

import json
import sys
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from bus.agreements.document import revision
from bus.agreements.finding import reason_words
from bus.agreements.jsonschema import json_schema
from bus.agreements.lint import lint as lint_all
from bus.agreements.sentence import sentence
from bus.agreements.shape import shape_of
from bus.agreements.text import read_text
from bus.agreements.trial import CONSENTS, Trial, try_out
from bus.agreements.values import FieldUnknown, ValueUnfit, raw_record
from bus.agreements.view import view_schema
from bus.cli.ground import ANY, FILE, FINDINGS, FOLDER, Ground, grounded, sound, tell, today
from bus.cli.life import COMMANDS
from bus.cli.preview import preview
from bus.cli.publish import publish
from bus.errors import WrongUse

SECTIONS = (
    ("Write a text (no bus is needed)", ("new", "schema", "check", "show", "try", "lint", "list")),
    ("See what it would do", ("preview", "diff")),
    ("Take it through its life", ("submit", "approve", "return", "activate", "suspend", "resume", "end")),
    ("Know what happened", ("history", "publish")),
)


class _InOrder(click.Group):
    """Lists its commands in the order in which policy staff meet them."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click hands it
        """Write each section with its commands, none of them cut short."""
        for title, names in SECTIONS:
            told = [(name, self.commands[name].get_short_help_str(200)) for name in names]
            with formatter.section(title):
                formatter.write_dl(told)


@click.group(cls=_InOrder)
def agreement() -> None:
    """Sharing agreements: write and check their texts, and take them through their life.

    The guide for policy staff stands in the README of the country's folder of agreements. `--lang vi` and `--lang en`
    choose the language of answers. Exit codes: 0 fine, 1 findings, 2 wrong use, 3 refused.
    """


for one in (*COMMANDS, preview, publish):
    agreement.add_command(one)


@agreement.command(name="check")
@click.argument("paths", nargs=-1, type=ANY)
@click.option("--json", "as_json", is_flag=True, help="A JSON list of findings on stdout.")
@grounded
def check_command(ground: Ground, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Check files or folders of agreements (default: the country's), examples included."""
    results = [result for path in paths or (ground.folder,) for result in ground.check(path)]
    tell([finding for result in results for finding in result.findings], ground, as_json=as_json)
    sound = sum(result.document is not None for result in results)
    click.echo(f"{sound} of {len(results)} agreements are fine", err=as_json)
    sys.exit(0 if sound == len(results) else FINDINGS)


@agreement.command(name="lint")
@click.argument("folder", required=False, type=FOLDER)
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The day to look from (default: today).")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of findings on stdout.")
@grounded
def lint_command(ground: Ground, folder: Path | None, *, at: datetime | None, as_json: bool) -> None:
    """Look across all agreements: what a recipient can join, what runs out, whom nobody can reach."""
    results = ground.check(folder or ground.folder)
    errors = [finding for result in results for finding in result.findings]
    found = [*errors, *lint_all(results, ground.datasets, ground.agencies, _day(at))]
    tell(found, ground, as_json=as_json)
    click.echo(f"{len(found)} findings in {len(results)} agreements", err=as_json)
    sys.exit(FINDINGS if found else 0)


@agreement.command(name="list")
@click.argument("folder", required=False, type=FOLDER)
@grounded
def list_command(ground: Ground, folder: Path | None) -> None:
    """List the agreements of a folder (default: the country's)."""
    for result in ground.check(folder or ground.folder):
        found = result.document
        if found is None:
            click.echo(f"{Path(result.file).stem:28} {len(result.findings)} findings")
        else:
            basis = "consent" if found.needs_consent else found.basis.statutory
            click.echo(f"{found.id:28} {found.dataset:20} → {found.recipient:22} {basis}")


@agreement.command()
@click.argument("named", metavar="ID|FILE")
@click.option("--json", "as_json", is_flag=True, help="Document, revision and view schema as one JSON object.")
@grounded
def show(ground: Ground, named: str, *, as_json: bool) -> None:
    """Say in plain words what an agreement does, and show what its recipient gets."""
    found = sound(ground.find(named), ground)
    view = view_schema(found, ground.datasets[found.dataset])
    if as_json:
        whole = {"document": found.model_dump(mode="json"), "revision": revision(found), "view": view}
        click.echo(json.dumps(whole, ensure_ascii=False, indent=2))
        return
    click.echo(f"{found.title.get(ground.language, found.id)} ({found.id}, revision {revision(found)})\n")
    click.echo(sentence(found, ground.agencies, ground.language))
    click.echo(f"\n{view['namespace']}.{view['name']}")
    for field in view["fields"]:
        click.echo(f"  {field['name']:24} {_type_name(field['type']):28} {field['category']:10} {field['doc']}")


@agreement.command()
def schema() -> None:
    """Print the JSON Schema of agreements, for editors: completion, and the meaning of each key.

    Name it in the first line of a file: "# yaml-language-server: $schema=agreement.schema.json".
    """
    click.echo(json.dumps(json_schema(), ensure_ascii=False, indent=2))


@agreement.command(name="try")
@click.argument("named", metavar="ID|FILE")
@click.option("--record", "record_file", type=FILE, required=True, help="The record, as YAML or JSON.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The day to judge on (default: today).")
@click.option(
    "--consent",
    type=click.Choice(sorted(CONSENTS)),
    default="given",
    show_default=True,
    help="What the person has said to this agreement, where it needs consent.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@grounded
def try_command(  # noqa: PLR0913 - one parameter an option
    ground: Ground, named: str, *, record_file: Path, at: datetime | None, consent: str, as_json: bool
) -> None:
    """Explain one decision step by step: which clause, which consent, which field became what.

    Exit code 0 whether the record is released or withheld.
    """
    found = sound(ground.find(named), ground)
    dataset = ground.datasets[found.dataset]
    written = read_text(record_file)
    if written.findings or written.data is None:
        tell(written.findings, ground, as_json=False)
        sys.exit(FINDINGS)
    try:
        record = raw_record(written.data, shape_of(dataset.schema))
    except (ValueUnfit, FieldUnknown) as error:
        raise WrongUse(what=f"{record_file} is no record of {dataset.name}: {error}", instead="Mend it.") from None
    trial = try_out(found, dataset, record, consent=consent, at=_day(at))
    _tell_trial(trial, ground.language, as_json=as_json)


def _tell_trial(trial: Trial, language: str, *, as_json: bool) -> None:
    if as_json:
        steps = [{"what": step.what, "found": step.found, "passed": step.passed} for step in trial.steps]
        whole = {"steps": steps, "release": trial.release, "withhold": trial.reason}
        click.echo(json.dumps(whole, ensure_ascii=False, indent=2))
        return
    for step in trial.steps:
        click.echo(f"{'✓' if step.passed else '✗'} {step.what}: {step.found}")
    if trial.reason is None:
        click.echo(f"released: {json.dumps(trial.release, ensure_ascii=False)}")
    else:
        meaning, remedy = reason_words(trial.reason, language)
        click.echo(f"withheld: {trial.reason}. {meaning}\n{remedy}")


def _day(given: datetime | None) -> date:
    return today() if given is None else given.date()


def _type_name(avro: Any) -> str:
    if isinstance(avro, list):
        return f"{_type_name(next(one for one in avro if one != 'null'))}, may be null"
    if isinstance(avro, dict):
        return str(avro.get("logicalType") or avro["type"])
    return str(avro)
