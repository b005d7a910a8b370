"""One decision, tried out and explained step by step: which clause, which consent, which field became what.

The order is the lane's: validity, consent, filter, view; the first that fails says why the record is withheld.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from bus.agreements.compile import compile_oldest
from bus.agreements.document import AgreementDocument, DataRange
from bus.agreements.filters.compile import compile_filter
from bus.agreements.filters.parser import parse
from bus.agreements.filters.syntax import And, unparse
from bus.agreements.moments import midnight_ms
from bus.agreements.shape import shape_of
from bus.agreements.values import written_value
from bus.agreements.view import compile_view, view_schema
from bus.avro.datasets import Dataset
from bus.errors import FieldMissing
from bus.model.reasons import Reason

CONSENTS: Mapping[str, Reason | None] = {
    "given": None,
    "none": Reason.CONSENT_MISSING,
    "withdrawn": Reason.CONSENT_WITHDRAWN,
    "expired": Reason.CONSENT_EXPIRED,
}
"""What each standing of a consent, as examples name it, comes to."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was asked: `what` it is, what was found, and whether the record passed it."""

    what: str
    found: str
    passed: bool


@dataclass(frozen=True, slots=True)
class Trial:
    """What the agreement makes of one record: a view as people write it, or the reason for withholding."""

    steps: tuple[Step, ...]
    release: dict[str, Any] | None
    reason: Reason | None


def try_out(
    document: AgreementDocument, dataset: Dataset, record: Mapping[str, Any], *, consent: str = "given", at: date
) -> Trial:
    """Judge a record with raw Avro values on a day, as the lane would. Pseudonyms are shown as `pseudonym of …`."""
    steps: list[Step] = []
    for reason, step in _questions(document, dataset, record, consent=consent, at=at):
        steps.append(step)
        if not step.passed:
            return Trial(tuple(steps), None, reason)
    try:
        view = compile_view(document, dataset, lambda value: f"pseudonym of {value}")(record)
    except FieldMissing as error:
        steps.append(Step("view", str(error), passed=False))
        return Trial(tuple(steps), None, Reason.FIELD_MISSING)
    shapes = shape_of(view_schema(document, dataset)).fields
    release = {name: written_value(value, shapes[name]) for name, value in view.items()}
    for rule in document.fields:
        how = rule.name if rule.transform is None else f"{rule.name} as {rule.transform.kind.value}"
        steps.append(Step(f"field {rule.view_name}", f"{how}: {release[rule.view_name]!r}", passed=True))
    return Trial(tuple(steps), release, None)


def _questions(
    document: AgreementDocument, dataset: Dataset, record: Mapping[str, Any], *, consent: str, at: date
) -> Iterator[tuple[Reason, Step]]:
    """Each step with the reason that it gives when it fails."""
    first, last = document.valid.from_, document.valid.until
    days = f"{first} to {last or 'the end'} ({document.timezone}); judged at {at}"
    yield Reason.AGREEMENT_NOT_YET, Step("validity begins", days, passed=at >= first)
    yield Reason.AGREEMENT_OVER, Step("validity ends", days, passed=last is None or at <= last)
    if document.needs_consent:
        reason = CONSENTS[consent]
        yield reason or Reason.CONSENT_MISSING, Step("consent", consent, passed=reason is None)
    else:
        yield Reason.CONSENT_MISSING, Step("consent", f"not needed: {document.basis.statutory}", passed=True)
    yield from _clauses(document, dataset, record)
    if document.data_range is not None:
        yield Reason.TOO_OLD, _age(document.data_range, document, dataset, record, at)


def _age(
    allowed: DataRange, document: AgreementDocument, dataset: Dataset, record: Mapping[str, Any], at: date
) -> Step:
    """How old the record may be, against the day on which it is judged."""
    oldest = compile_oldest(allowed, document.timezone, dataset)(midnight_ms(at, document.timezone))
    shape = shape_of(dataset.schema).fields[allowed.by]
    moment = record.get(allowed.by)
    words = "not known" if moment is None else str(written_value(moment, shape))
    found = f"{allowed.by} is {words}; {written_value(oldest, shape)} at the earliest"
    return Step(f"not older than {allowed.last}", found, passed=moment is not None and moment >= oldest)


def _clauses(document: AgreementDocument, dataset: Dataset, record: Mapping[str, Any]) -> Iterator[tuple[Reason, Step]]:
    """Each clause of the filter, as the lane reads them: from the left, up to the first that is false."""
    if document.filter is None:
        yield Reason.OUTSIDE_FILTER, Step("filter", "none: every record", passed=True)
        return
    whole, shape = parse(document.filter), shape_of(dataset.schema)
    for clause in whole.operands if isinstance(whole, And) else (whole,):
        try:
            passed = compile_filter(clause, shape)(record)
        except Exception as error:  # noqa: BLE001 - told to the person who tries the agreement out
            found = f"could not be evaluated ({type(error).__name__}: {error})"
            yield Reason.FILTER_ERROR, Step(f"filter {unparse(clause)}", found, passed=False)
            return
        yield Reason.OUTSIDE_FILTER, Step(f"filter {unparse(clause)}", str(passed).lower(), passed=passed)
