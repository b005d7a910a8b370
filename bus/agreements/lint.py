"""What people weigh: what a recipient can join, what runs out, whom nobody can reach, which articles no list has."""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

from bus.agreements.agencies import Agencies, LegalBasis
from bus.agreements.check import Checked
from bus.agreements.document import AgreementDocument, TransformKind
from bus.agreements.finding import Finding, Severity, nearest
from bus.agreements.text import Text, read_text
from bus.avro.datasets import Dataset

SOON_DAYS = 30


@dataclass(frozen=True, slots=True)
class _Sound:
    """An agreement without errors, with its text for places."""

    document: AgreementDocument
    text: Text

    def warning(self, code: str, key: str, **details: str) -> Finding:
        return Finding(code, self.text.value((key,)), tuple(details.items()), severity=Severity.WARNING)


def lint(
    checked: Sequence[Checked],
    datasets: Mapping[str, Dataset],
    agencies: Agencies,
    bases: Mapping[str, LegalBasis] | None,
    today: date,
) -> tuple[Finding, ...]:
    """Warnings across the agreements that have no errors. Without `bases` no article is judged."""
    sound = [_Sound(one.document, read_text(Path(one.file))) for one in checked if one.document is not None]
    found = [
        *_together(sound, datasets),
        *(finding for one in sound for finding in _ending(one, today)),
        *(finding for one in sound for finding in _unreachable(one, agencies)),
        *(finding for one in sound for finding in _unlisted(one, bases or {})),
    ]
    return tuple(sorted(found, key=lambda finding: (finding.place.file, finding.place.line, finding.code)))


def joins_on(document: AgreementDocument, dataset: Dataset) -> str | None:
    """By what a recipient can tell that two views are about one person: `personal-id`, `pseudonym`, or None."""
    for rule in document.fields:
        if rule.name == dataset.subject and rule.transform is None:
            return "personal-id"
        if rule.name == dataset.subject and rule.transform and rule.transform.kind is TransformKind.PSEUDONYM:
            return "pseudonym"  # the same for one recipient in every agreement
    return None


def _together(sound: Sequence[_Sound], datasets: Mapping[str, Dataset]) -> Iterator[Finding]:
    """All agreements of a recipient that name a person in the same way, told once: the union of what they give."""
    groups: dict[tuple[str, str], list[_Sound]] = defaultdict(list)
    for one in sound:
        key = joins_on(one.document, datasets[one.document.dataset])
        if key is not None:
            groups[one.document.recipient, key].append(one)
    for (recipient, key), several in groups.items():
        given = {one.document.id: _others(one.document, datasets) for one in several}
        union = frozenset[str]().union(*given.values())
        if union in given.values():
            continue  # one of them gives all of it by itself
        names = ", ".join(given)
        yield several[0].warning(
            "together",
            "fields",
            recipient=recipient,
            by=f"by {key}",
            count=str(len(given)),
            agreements=names,
            fields=_by_dataset(union),
        )


def _others(document: AgreementDocument, datasets: Mapping[str, Dataset]) -> frozenset[str]:
    subject = datasets[document.dataset].subject
    return frozenset(f"{document.dataset}.{rule.name}" for rule in document.fields if rule.name != subject)


def _by_dataset(fields: Iterable[str]) -> str:
    """`land.right: kind, parcel_code; population.person: full_name`."""
    found: dict[str, list[str]] = defaultdict(list)
    for name in sorted(fields):
        dataset, _, field = name.rpartition(".")
        found[dataset].append(field)
    return "; ".join(f"{dataset}: {', '.join(names)}" for dataset, names in found.items())


def _ending(one: _Sound, today: date) -> Iterator[Finding]:
    until = one.document.valid.until
    if until is None:
        return
    days = (until - today).days
    if days < 0:
        yield one.warning("expired", "valid", until=str(until))
    elif days <= SOON_DAYS:
        yield one.warning("expires-soon", "valid", until=str(until), days=str(days))


def _unreachable(one: _Sound, agencies: Agencies) -> Iterator[Finding]:
    agency = agencies.agency(one.document.recipient)
    if one.document.contact is None and (agency is None or agency.contact is None):
        yield one.warning("nobody-reached", "recipient", text=one.document.recipient)


def _unlisted(one: _Sound, bases: Mapping[str, LegalBasis]) -> Iterator[Finding]:
    """Articles that the list of legal bases does not have under the agreement's basis, where it lists any."""
    basis = one.document.basis
    known = bases.get(basis.statutory or "")
    if known is None or not known.articles:
        return
    at = 0
    for part in (basis.article or "").split(";"):
        article, start = part.strip(), at + len(part) - len(part.lstrip())
        at += len(part) + 1
        if article not in known.articles:
            place = one.text.value(("basis", "article"), start, start + len(article))
            details = (("text", article), ("basis", str(basis.statutory)))
            suggestion = nearest(article, known.articles)
            yield Finding("article-unlisted", place, details, suggestion=suggestion, severity=Severity.WARNING)
