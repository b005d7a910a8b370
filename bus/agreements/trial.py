"""One decision, tried out and explained step by step: which clause, which consent, which field became what.

The order is the lane's: validity, consent, filter, view; the first that fails says why the record is withheld.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any

from bus.agreements.compile import compile_oldest
from bus.agreements.document import AgreementDocument, DataRange
from bus.agreements.filters.compile import compile_filter, unread_field
from bus.agreements.filters.parser import parse
from bus.agreements.filters.syntax import And, unparse
from bus.agreements.finding import LANGUAGES, words_of
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


_MEANING = "meaning "
"""With a language behind it, the name for what a field is in that language."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that was asked, by its code; the names that fill its sentences; and whether the record passed it."""

    code: str
    names: tuple[tuple[str, str], ...]
    passed: bool

    def what(self, language: str = "en") -> str:
        """What was asked."""
        return self._said("what", language)

    def found(self, language: str = "en") -> str:
        """What was found."""
        return self._said("found", language)

    def _said(self, part: str, language: str) -> str:
        words = words_of(language)["trial"]
        names = dict(self.names)
        if "until" in names:
            names["days"] = words["days" if names["until"] else "open-days"].format(**names)
        for name, terms in (("standing", "standings"), ("answer", "answers")):
            if name in names:
                names[name] = words[terms][names[name]]
        names["meaning"] = names.get(f"{_MEANING}{language}", "")
        return str(words[self.code][part].format(**names))


def _step(code: str, *, passed: bool, **names: str) -> Step:
    return Step(code, tuple(names.items()), passed)


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
        steps.append(_step("view", field=str(error.details["field"]), passed=False))
        return Trial(tuple(steps), None, Reason.FIELD_MISSING)
    shapes = shape_of(view_schema(document, dataset)).fields
    release = {name: written_value(value, shapes[name]) for name, value in view.items()}
    for rule in document.fields:
        known = dataset.field(rule.name)
        meanings = {} if known is None else {f"{_MEANING}{one}": known.said(one) for one in LANGUAGES}
        names = {"view": rule.view_name, "name": rule.name, "value": repr(release[rule.view_name]), **meanings}
        if rule.transform is None:
            steps.append(_step("field", **names, passed=True))
        else:
            steps.append(_step("field-as", **names, how=rule.transform.kind.value, passed=True))
    return Trial(tuple(steps), release, None)


def _questions(
    document: AgreementDocument, dataset: Dataset, record: Mapping[str, Any], *, consent: str, at: date
) -> Iterator[tuple[Reason, Step]]:
    """Each step with the reason that it gives when it fails."""
    first, last = document.valid.from_, document.valid.until
    until = "" if last is None else str(last)
    days = {"first": str(first), "until": until, "zone": document.timezone, "at": str(at)}
    yield Reason.AGREEMENT_NOT_YET, _step("begins", **days, passed=at >= first)
    yield Reason.AGREEMENT_OVER, _step("ends", **days, passed=last is None or at <= last)
    if document.needs_consent:
        reason = CONSENTS[consent]
        yield reason or Reason.CONSENT_MISSING, _step("consent", standing=consent, passed=reason is None)
    else:
        yield Reason.CONSENT_MISSING, _step("by-law", basis=str(document.basis.statutory), passed=True)
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
    names = {"last": allowed.last, "by": allowed.by, "oldest": str(written_value(oldest, shape))}
    if moment is None:
        return _step("age-unknown", **names, passed=False)
    return _step("age", **names, moment=str(written_value(moment, shape)), passed=moment >= oldest)


def _clauses(document: AgreementDocument, dataset: Dataset, record: Mapping[str, Any]) -> Iterator[tuple[Reason, Step]]:
    """Each clause of the filter, as the lane reads them: from the left, up to the first that is false."""
    if document.filter is None:
        yield Reason.OUTSIDE_FILTER, _step("no-filter", passed=True)
        return
    whole, shape = parse(document.filter), shape_of(dataset.schema)
    for clause in whole.operands if isinstance(whole, And) else (whole,):
        try:
            passed = compile_filter(clause, shape)(record)
        except (KeyError, TypeError) as error:
            field = unread_field(error)
            yield Reason.FILTER_ERROR, _step("filter-error", clause=unparse(clause), field=field, passed=False)
            return
        answer = str(passed).lower()
        yield Reason.OUTSIDE_FILTER, _step("filter", clause=unparse(clause), answer=answer, passed=passed)
