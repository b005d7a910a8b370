"""`bus agreement`: what policy staff do with the texts of agreements. Works without a running bus."""

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar

import click

from bus import clock
from bus.agreements.agencies import Agencies, LegalBasis, load_agencies, load_legal_bases
from bus.agreements.check import Checked, check, check_folder
from bus.agreements.document import AgreementDocument, revision
from bus.agreements.finding import LANGUAGES, Finding
from bus.agreements.jsonschema import json_schema
from bus.agreements.lint import lint as lint_all
from bus.agreements.sentence import sentence
from bus.agreements.shape import shape_of
from bus.agreements.text import read_text
from bus.agreements.trial import CONSENTS, Trial, try_out
from bus.agreements.values import FieldUnknown, ValueUnfit, raw_record
from bus.agreements.view import view_schema
from bus.avro.datasets import Dataset, load_datasets
from bus.errors import NotFound, WrongUse

_FINDINGS = 1
Command = TypeVar("Command", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Ground:
    """What agreements are checked against, and the language to speak."""

    folder: Path
    datasets: Mapping[str, Dataset]
    agencies: Agencies
    bases: Mapping[str, LegalBasis] | None
    language: str

    def check(self, path: Path) -> tuple[Checked, ...]:
        """A file, or all of a folder."""
        if path.is_dir():
            return check_folder(path, self.datasets, self.agencies, self.bases)
        return (check(path, self.datasets, self.agencies, self.bases),)

    def find(self, named: str) -> Checked:
        """An agreement by file, or by id in the country's folder. Raises NotFound."""
        path = Path(named) if Path(named).is_file() else self.folder / f"{named}.yaml"
        if not path.is_file():
            known = ", ".join(sorted(one.stem for one in self.folder.glob("*.yaml")))
            raise NotFound(kind="agreement", name=named, known=known or "none")
        return self.check(path)[0]


def _grounded(command: Command) -> Command:
    """Adds the options that say what to check against, and hands the command a Ground."""

    @click.option("--schemas", type=_FOLDER, help="Folder of the datasets' schemas (default: the country's).")
    @click.option("--agencies", type=_FILE, help="File of the agencies (default: the country's).")
    @click.option("--bases", type=_FILE, help="File of legal bases (default: legal_bases.yaml beside the agencies).")
    @click.option("--lang", type=click.Choice(LANGUAGES), default=None, help="Language (default: the locale's).")
    @wraps(command)
    def grounded(
        *args: Any, schemas: Path | None, agencies: Path | None, bases: Path | None, lang: str | None, **rest: Any
    ) -> Any:
        return command(_ground(schemas, agencies, bases, lang), *args, **rest)

    return grounded  # type: ignore[return-value]  # click replaces the parameters


_FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
_ANY = click.Path(exists=True, path_type=Path)


def _ground(schemas: Path | None, agencies: Path | None, bases: Path | None, lang: str | None) -> Ground:
    folder = Path()
    if schemas is None or agencies is None:
        from bus.wiring import country_plugin  # noqa: PLC0415 - it imports every stage: not for --help

        country = country_plugin()
        schemas, agencies = schemas or country.schemas_dir, agencies or country.agencies_file
        folder = country.agreements_dir
    beside = agencies.parent / "legal_bases.yaml"
    bases = bases or (beside if beside.is_file() else None)
    return Ground(
        folder,
        load_datasets(schemas),
        load_agencies(agencies),
        None if bases is None else load_legal_bases(bases),
        lang or _locale_language(),
    )


def _locale_language() -> str:
    named = next((os.environ[name] for name in ("LC_ALL", "LC_MESSAGES", "LANG") if os.environ.get(name)), "")
    return next((language for language in LANGUAGES if named.lower().startswith(language)), LANGUAGES[0])


@click.group()
def agreement() -> None:
    """Sharing agreements: check their texts, try one on a record, see what one does.

    Exit codes: 0 fine, 1 findings, 2 wrong use.
    """


@agreement.command(name="check")
@click.argument("paths", nargs=-1, type=_ANY)
@click.option("--json", "as_json", is_flag=True, help="A JSON list of findings on stdout.")
@_grounded
def check_command(ground: Ground, paths: tuple[Path, ...], *, as_json: bool) -> None:
    """Check files or folders of agreements (default: the country's), examples included."""
    results = [result for path in paths or (ground.folder,) for result in ground.check(path)]
    _tell([finding for result in results for finding in result.findings], ground, as_json=as_json)
    sound = sum(result.document is not None for result in results)
    click.echo(f"{sound} of {len(results)} agreements are fine", err=as_json)
    sys.exit(0 if sound == len(results) else _FINDINGS)


@agreement.command(name="lint")
@click.argument("folder", required=False, type=_FOLDER)
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The day to look from (default: today).")
@click.option("--json", "as_json", is_flag=True, help="A JSON list of findings on stdout.")
@_grounded
def lint_command(ground: Ground, folder: Path | None, *, at: datetime | None, as_json: bool) -> None:
    """Look across all agreements: what a recipient can join, what runs out, whom nobody can reach."""
    results = ground.check(folder or ground.folder)
    errors = [finding for result in results for finding in result.findings]
    found = [*errors, *lint_all(results, ground.datasets, ground.agencies, _day(at))]
    _tell(found, ground, as_json=as_json)
    click.echo(f"{len(found)} findings in {len(results)} agreements", err=as_json)
    sys.exit(_FINDINGS if found else 0)


@agreement.command(name="list")
@click.argument("folder", required=False, type=_FOLDER)
@_grounded
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
@_grounded
def show(ground: Ground, named: str, *, as_json: bool) -> None:
    """Say in plain words what an agreement does, and show what its recipient gets."""
    found = _sound(ground.find(named), ground)
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
@click.option("--record", "record_file", type=_FILE, required=True, help="The record, as YAML or JSON.")
@click.option("--at", type=click.DateTime(["%Y-%m-%d"]), help="The day to judge on (default: today).")
@click.option(
    "--consent",
    type=click.Choice(sorted(CONSENTS)),
    default="given",
    show_default=True,
    help="What the person has said to this agreement, where it needs consent.",
)
@click.option("--json", "as_json", is_flag=True, help="One JSON object on stdout.")
@_grounded
def try_command(  # noqa: PLR0913 - one parameter an option
    ground: Ground, named: str, *, record_file: Path, at: datetime | None, consent: str, as_json: bool
) -> None:
    """Explain one decision step by step: which clause, which consent, which field became what.

    Exit code 0 whether the record is released or withheld.
    """
    found = _sound(ground.find(named), ground)
    dataset = ground.datasets[found.dataset]
    written = read_text(record_file)
    if written.findings or written.data is None:
        _tell(written.findings, ground, as_json=False)
        sys.exit(_FINDINGS)
    try:
        record = raw_record(written.data, shape_of(dataset.schema))
    except (ValueUnfit, FieldUnknown) as error:
        raise WrongUse(what=f"{record_file} is no record of {dataset.name}: {error}", instead="Mend it.") from None
    trial = try_out(found, dataset, record, consent=consent, at=_day(at))
    _tell_trial(trial, as_json=as_json)


def _tell_trial(trial: Trial, *, as_json: bool) -> None:
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
        click.echo(f"withheld: {trial.reason}. {trial.reason.meaning}")


def _sound(result: Checked, ground: Ground) -> AgreementDocument:
    """The document, or its findings and exit code 1."""
    if result.document is None:
        _tell(result.findings, ground, as_json=False)
        sys.exit(_FINDINGS)
    return result.document


def _tell(findings: Sequence[Finding], ground: Ground, *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps([finding.as_json() for finding in findings], ensure_ascii=False, indent=2))
        return
    for finding in findings:
        click.echo(finding.render(ground.language))


def _day(given: datetime | None) -> date:
    return datetime.fromtimestamp(clock.now_ms() / 1000, UTC).date() if given is None else given.date()


def _type_name(avro: Any) -> str:
    if isinstance(avro, list):
        return f"{_type_name(next(one for one in avro if one != 'null'))}, may be null"
    if isinstance(avro, dict):
        return str(avro.get("logicalType") or avro["type"])
    return str(avro)
