"""Checks an agreement's text: everything that is wrong with it, at once, each with its place and what to do."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from bus.agreements.agencies import Agencies, LegalBasis
from bus.agreements.document import AgreementDocument
from bus.agreements.examples import run_examples
from bus.agreements.finding import Finding, Severity
from bus.agreements.form import read_form
from bus.agreements.rules import RULES, Case
from bus.agreements.text import Text, read_text
from bus.avro.datasets import Dataset
from bus.errors import AgreementWrong


@dataclass(frozen=True, slots=True)
class Checked:
    """A text after its check. `document` is None when there is an error; warnings leave it usable."""

    file: str
    document: AgreementDocument | None
    findings: tuple[Finding, ...]


def check(
    source: Path | str,
    datasets: Mapping[str, Dataset],
    agencies: Agencies,
    bases: Mapping[str, LegalBasis] | None = None,
) -> Checked:
    """Check a file, or a text. Without `bases`, the codes of legal bases are taken as given."""
    text = read_text(source)
    if text.data is None:
        return Checked(text.file, None, _ordered(text.findings))
    form = read_form(text, agencies.timezone, {"dataset": tuple(datasets), "recipient": agencies.receivers})
    surprises = {finding.place for finding in text.findings}  # what YAML misread is not wrong twice
    findings = [*text.findings, *(finding for finding in form.findings if finding.place not in surprises)]
    if form.document is not None:
        known = datasets.get(form.document.dataset)
        case = Case(form.document, text, form.kept, known, datasets, agencies, bases)
        for rule, keys in RULES:
            if not keys & form.spoiled:
                findings.extend(rule(case))
        if isinstance(source, Path) and "id" not in form.spoiled:
            findings.extend(_file_name(case, source))
        whole = len(form.kept["examples"]) == len(text.data.get("examples") or ())
        if known is not None and whole and not form.spoiled & {"dataset", "basis", "examples"}:
            findings.extend(run_examples(case, known, sound=not _wrong(findings)))
    wrong = _wrong(findings)
    return Checked(text.file, None if wrong else form.document, _ordered(findings))


def check_folder(
    folder: Path,
    datasets: Mapping[str, Dataset],
    agencies: Agencies,
    bases: Mapping[str, LegalBasis] | None = None,
) -> tuple[Checked, ...]:
    """Check every `*.yaml` of a folder, by name; an id that two files have is a finding of the second."""
    results: list[Checked] = []
    owners: dict[str, str] = {}
    for path in sorted(folder.glob("*.yaml")):
        result = check(path, datasets, agencies, bases)
        if result.document is not None:
            first = owners.setdefault(result.document.id, path.name)
            if first != path.name:
                twice = _id_twice(read_text(path), result.document.id, first)
                result = replace(result, document=None, findings=(*result.findings, twice))
        results.append(result)
    return tuple(results)


def load_agreements(
    folder: Path,
    datasets: Mapping[str, Dataset],
    agencies: Agencies,
    bases: Mapping[str, LegalBasis] | None = None,
) -> tuple[AgreementDocument, ...]:
    """Every agreement of a folder. Raises AgreementWrong for the first that has an error."""
    documents = []
    for result in check_folder(folder, datasets, agencies, bases):
        if result.document is None:
            shown = "\n".join(finding.render() for finding in result.findings)
            raise AgreementWrong(file=result.file, count=len(result.findings), findings=shown)
        documents.append(result.document)
    return tuple(documents)


def _wrong(findings: list[Finding]) -> bool:
    return any(finding.severity is Severity.ERROR for finding in findings)


def _ordered(findings: list[Finding]) -> tuple[Finding, ...]:
    return tuple(sorted(findings, key=lambda finding: (finding.place.line, finding.place.column, finding.code)))


def _file_name(case: Case, path: Path) -> list[Finding]:
    if path.stem == case.document.id:
        return []
    return [case.finding("id-not-file-name", "id", text=case.document.id, file=path.name)]


def _id_twice(text: Text, name: str, first: str) -> Finding:
    return Finding("id-twice", text.value(("id",)), (("text", name), ("file", first)))
