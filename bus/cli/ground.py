"""What the commands of `bus agreement` stand on: the country's files, the language, and how findings are told."""

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import wraps
from pathlib import Path
from typing import Any, TypeVar
from zoneinfo import ZoneInfo

import click

from bus import clock
from bus.agreements.agencies import Agencies, LegalBasis, load_agencies, load_legal_bases
from bus.agreements.check import Checked, check, check_folder
from bus.agreements.document import AgreementDocument
from bus.agreements.finding import LANGUAGES, Finding
from bus.avro.datasets import Dataset, load_datasets
from bus.cli.speaking import language_of
from bus.errors import NotFound

FINDINGS = 1
Command = TypeVar("Command", bound=Callable[..., Any])
FOLDER = click.Path(exists=True, file_okay=False, path_type=Path)
FILE = click.Path(exists=True, dir_okay=False, path_type=Path)
ANY = click.Path(exists=True, path_type=Path)


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
        return self.check(self.path(named))[0]

    def path(self, named: str) -> Path:
        """The file of an agreement that is named like that. Raises NotFound."""
        path = Path(named) if Path(named).is_file() else self.folder / f"{named}.yaml"
        if not path.is_file() and Path(named).suffix in {".yaml", ".yml"}:
            known = ", ".join(sorted(one.name for one in Path(named).parent.glob("*.y*ml")))
            raise NotFound(kind="file", name=named, known=known or "none")
        if not path.is_file():
            known = ", ".join(sorted(one.stem for one in self.folder.glob("*.yaml")))
            raise NotFound(kind="agreement", name=named, known=known or "none")
        return path


def grounded(command: Command) -> Command:
    """Adds the options that say what to check against, and hands the command a Ground."""

    @click.option("--schemas", type=FOLDER, help="Folder of the datasets' schemas (default: the country's).")
    @click.option("--agencies", type=FILE, help="File of the agencies (default: the country's).")
    @click.option("--bases", type=FILE, help="File of legal bases (default: legal_bases.yaml beside the agencies).")
    @click.option("--lang", type=click.Choice(LANGUAGES), default=None, help="Language (default: the locale's).")
    @wraps(command)
    def grounded(
        *args: Any, schemas: Path | None, agencies: Path | None, bases: Path | None, lang: str | None, **rest: Any
    ) -> Any:
        return command(_ground(schemas, agencies, bases, lang), *args, **rest)

    return grounded  # type: ignore[return-value]  # click replaces the parameters


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
        lang or language_of(click.get_current_context(silent=True)),
    )


def sound(result: Checked, ground: Ground) -> AgreementDocument:
    """The document, or its findings and exit code 1."""
    if result.document is None:
        tell(result.findings, ground, as_json=False)
        sys.exit(FINDINGS)
    return result.document


def tell(findings: Sequence[Finding], ground: Ground, *, as_json: bool) -> None:
    """Findings on stdout, in the language or as JSON."""
    if as_json:
        click.echo(json.dumps([finding.as_json(ground.language) for finding in findings], ensure_ascii=False, indent=2))
        return
    for finding in findings:
        click.echo(finding.render(ground.language))


def today(timezone: str = "UTC") -> date:
    """The day that it is now in a time zone."""
    return datetime.fromtimestamp(clock.now_ms() / 1000, ZoneInfo(timezone)).date()
