"""`bus agreement`: what policy staff do with the texts of agreements. Works without a running bus."""

import json
import sys
from collections.abc import Mapping
from dataclasses import replace
from datetime import date, datetime
from pathlib import Path
from typing import Any

import click

from bus import clock
from bus.agreements.check import Checked
from bus.agreements.document import revision
from bus.agreements.examples import read_record
from bus.agreements.finding import LANGUAGES, Finding, reason_words, words_of
from bus.agreements.jsonschema import schema_text
from bus.agreements.lint import lint as lint_all
from bus.agreements.sentence import sentence, transform_words
from bus.agreements.text import read_text
from bus.agreements.trial import CONSENTS, Step, Trial, try_out
from bus.agreements.view import view_schema
from bus.cli.ground import ANY, FILE, FINDINGS, FOLDER, Ground, grounded, sound, tell, today
from bus.cli.life import COMMANDS
from bus.cli.preview import preview
from bus.cli.publish import publish
from bus.cli.speaking import Day, SpokenGroup, language_of, on_one_line, translated
from bus.cli.standing import asked, place_of
from bus.register.state import RegisterState

SECTIONS = (
    ("Write a text (no bus is needed)", ("new", "schema", "check", "show", "try", "lint", "list")),
    ("See what it would do", ("preview", "diff")),
    ("Take it through its life", ("submit", "text", "approve", "return", "activate", "suspend", "resume", "end")),
    ("Know what happened", ("history", "publish")),
)


class _InOrder(SpokenGroup):
    """Lists its commands in the order in which policy staff meet them."""

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write each section with its commands, none of them cut short."""
        words = words_of(language_of(ctx))
        commands = self.commands
        if "help" in words:
            commands = {name: translated(one, words) for name, one in commands.items()}
        for title, names in SECTIONS:
            told = [(name, commands[name].get_short_help_str(200)) for name in names]
            with formatter.section(title):
                formatter.write_dl(told)


@click.group(cls=_InOrder)
@click.option("--lang", type=click.Choice(LANGUAGES), expose_value=False, help="Language (default: the locale's).")
def agreement() -> None:
    """Sharing agreements: write and check their texts, and take them through their life.

    The guide for policy staff stands in the README of the country's folder of agreements. `--lang vi` and `--lang en`
    choose the language of answers. Exit codes: 0 fine, 1 findings or not done, 2 wrong use, 3 refused.
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
    _tally(ground, "check", err=as_json, sound=sound, all=len(results))
    sys.exit(0 if sound == len(results) else FINDINGS)


@agreement.command(name="lint")
@click.argument("folder", required=False, type=FOLDER)
@click.option("--at", type=Day(), help="The day to look from (default: today).")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of findings on stdout.")
@grounded
def lint_command(ground: Ground, folder: Path | None, *, at: datetime | None, as_json: bool) -> None:
    """Look across all agreements: what recipients can join, what runs out, whom nobody can reach, unlisted articles."""
    results = ground.check(folder or ground.folder)
    errors = [finding for result in results for finding in result.findings]
    found = [*errors, *lint_all(results, ground.datasets, ground.agencies, ground.bases, _day(at))]
    tell(found, ground, as_json=as_json)
    _tally(ground, "lint", err=as_json, count=len(found), all=len(results))
    sys.exit(FINDINGS if found else 0)


@agreement.command(name="list")
@click.argument("folder", required=False, type=FOLDER)
@click.option("--json", "as_json", is_flag=True, help="A JSON list of agreements on stdout.")
@grounded
def list_command(ground: Ground, folder: Path | None, *, as_json: bool) -> None:
    """List the agreements of a folder (default: the country's).

    Where a bus runs it is told, too, how each stands there, and whether its file has the same text.
    """
    results, state = ground.check(folder or ground.folder), asked(ground.language)
    if as_json:
        click.echo(json.dumps([_listed(one, state) for one in results], ensure_ascii=False, indent=2))
        return
    words = words_of(ground.language)["tally"]
    for result in results:
        found = result.document
        if found is None:
            told = words["broken"].format(count=len(result.findings))
            click.echo(f"{Path(result.file).stem:28} {told}")
        else:
            basis = words["consent"] if found.needs_consent else found.basis.statutory
            place = "" if state is None else place_of(state, found, clock.now_ms()).sentence(ground.language)
            line = f"{found.id:28} {found.dataset:20} → {found.recipient:22} {basis:16} {place}"
            click.echo(line.rstrip())


def _listed(result: Checked, state: RegisterState | None) -> dict[str, Any]:
    """One agreement of a list, for programs; `bus` is null where none was asked."""
    found = result.document
    if found is None:
        return {"id": Path(result.file).stem, "findings": len(result.findings)}
    return {
        "id": found.id,
        "dataset": found.dataset,
        "recipient": found.recipient,
        "basis": found.basis.statutory,
        "revision": revision(found),
        "bus": None if state is None else place_of(state, found, clock.now_ms()).as_json(),
    }


@agreement.command()
@click.argument("named", metavar="ID|FILE")
@click.option(
    "--json", "as_json", is_flag=True, help="Document, revision, view schema and standing as one JSON object."
)
@grounded
def show(ground: Ground, named: str, *, as_json: bool) -> None:
    """Say in plain words what an agreement does, and show what its recipient gets.

    Where a bus runs it is told, too, how the agreement stands there, and whether the file has the same text.
    """
    found = sound(ground.find(named), ground)
    state = asked(ground.language)
    place = None if state is None else place_of(state, found, clock.now_ms())
    view = view_schema(found, ground.datasets[found.dataset])
    if as_json:
        whole = {
            "document": found.model_dump(mode="json"),
            "revision": revision(found),
            "view": view,
            "bus": None if place is None else place.as_json(),
        }
        click.echo(json.dumps(whole, ensure_ascii=False, indent=2))
        return
    words = words_of(ground.language)["show"]
    title = found.title.get(ground.language, found.id)
    click.echo(on_one_line(words["revision"].format(title=title, id=found.id, revision=revision(found))))
    if place is not None:
        click.echo(words_of(ground.language)["standing"]["said"].format(sentence=place.sentence(ground.language)))
    click.echo()
    said = sentence(found, ground.datasets[found.dataset], ground.agencies, ground.language, ground.bases)
    click.echo(on_one_line(said))
    click.echo(f"\n{view['namespace']}.{view['name']}")
    for field, rule in zip(view["fields"], found.fields, strict=True):
        of_dataset = ground.datasets[found.dataset].field(rule.name)
        assert of_dataset is not None, "a sound text names fields of its dataset"
        how = transform_words(rule, words_of(ground.language)["sentence"]["transforms"])
        if rule.transform is not None and isinstance(rule.transform.argument, tuple):
            how = f"{how} ({', '.join(map(str, rule.transform.argument))})"
        meaning = of_dataset.said(ground.language)
        doc = meaning if how is None else f"{meaning} {words['given'].format(how=how)}"
        category = words["categories"].get(field["category"], field["category"])
        click.echo(f"  {field['name']:24} {_type_name(field['type'], words):28} {category:10} {doc}")


@agreement.command()
@click.option("--lang", type=click.Choice(LANGUAGES), expose_value=False, help="Language (default: the locale's).")
def schema() -> None:
    """Print the JSON Schema of agreements, for editors: completion, and the meaning of each key in the language.

    Name it in the first line of a file: "# yaml-language-server: $schema=agreement.schema.json".
    """
    click.echo(schema_text(language_of(click.get_current_context())), nl=False)


@agreement.command(name="try")
@click.argument("named", metavar="ID|FILE")
@click.option("--record", "record_file", type=FILE, required=True, help="The record, as YAML or JSON.")
@click.option("--at", type=Day(), help="The day to judge on (default: today).")
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

    Exit code 0 whether the record is released or withheld; 1 when the agreement or the record has findings.
    """
    found = sound(ground.find(named), ground)
    dataset = ground.datasets[found.dataset]
    written = read_text(record_file)
    if written.findings or written.data is None:
        tell([_quiet(one) for one in written.findings], ground, as_json=False)
        sys.exit(FINDINGS)
    record, unfit = read_record(written.data, dataset, written)
    if unfit is not None:
        tell([_quiet(unfit)], ground, as_json=False)
        sys.exit(FINDINGS)
    trial = try_out(found, dataset, record, consent=consent, at=_day(at))
    _tell_trial(trial, ground.language, as_json=as_json)


def _quiet(finding: Finding) -> Finding:
    """A finding in a record, which may be somebody's, told without what it says: its place is enough."""
    place = replace(finding.place, line_text="")
    if not finding.code.startswith("yaml"):
        return replace(finding, place=place)
    details = tuple((name, "…" if name == "text" else value) for name, value in finding.details)
    return replace(finding, place=place, details=details, suggestion=None)


def _tell_trial(trial: Trial, language: str, *, as_json: bool) -> None:
    words = words_of(language)["trial"]
    if as_json:
        steps = [_step_as_json(one) for one in trial.steps]
        whole = {"steps": steps, "release": trial.release, "withhold": trial.reason}
        click.echo(json.dumps(whole, ensure_ascii=False, indent=2))
        return
    for step in trial.steps:
        click.echo(f"{'✓' if step.passed else '✗'} {step.what(language)}: {step.found(language)}")
    if trial.reason is None:
        click.echo(words["released"].format(view=json.dumps(trial.release, ensure_ascii=False)))
    else:
        meaning, remedy = reason_words(trial.reason, language)
        click.echo(f"{words['withheld'].format(reason=trial.reason, meaning=meaning)}\n{remedy}")


def _step_as_json(step: Step) -> dict[str, Any]:
    """For machines, which go by the code; the sentences in each language are for whoever they show them to."""
    what, found = ({one: said(one) for one in LANGUAGES} for said in (step.what, step.found))
    return {"code": step.code, "what": what, "found": found, "passed": step.passed}


def _day(given: datetime | None) -> date:
    return today() if given is None else given.date()


def _type_name(avro: Any, words: Mapping[str, Any]) -> str:
    if isinstance(avro, list):
        inner = _type_name(next(one for one in avro if one != "null"), words)
        return str(words["nullable"].format(type=inner))
    name = str(avro.get("logicalType") or avro["type"]) if isinstance(avro, dict) else str(avro)
    return str(words["types"].get(name, name))


def _tally(ground: Ground, what: str, *, err: bool, **counts: int) -> None:
    click.echo(words_of(ground.language)["tally"][what].format(**counts), err=err)
