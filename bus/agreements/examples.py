"""The examples of an agreement: they are run at every check, and a document whose examples fail is not used."""

import json
from collections.abc import Iterator, Mapping
from typing import Any

from bus.agreements.document import Example
from bus.agreements.finding import Finding, nearest
from bus.agreements.rules import Case
from bus.agreements.shape import shape_of
from bus.agreements.text import Text, Where
from bus.agreements.trial import try_out
from bus.agreements.values import FieldUnknown, ValueUnfit, raw_record
from bus.avro.datasets import Dataset
from bus.model.reasons import Reason

_REASONS = tuple(Reason)


def run_examples(case: Case, dataset: Dataset, *, sound: bool) -> Iterator[Finding]:
    """What the examples find. They are tried out where the agreement is sound: where it has no other finding."""
    yield from _one_of_each(case)
    for number, example in enumerate(case.document.examples):
        finding = next(_run(case, dataset, number, example, sound=sound), None)
        if finding is not None:
            yield finding


def read_record(
    given: Mapping[str, Any], dataset: Dataset, text: Text, where: Where = ()
) -> tuple[dict[str, Any], Finding | None]:
    """A record as people write it, in raw values; or what is wrong with it, at its place in the text."""
    try:
        return raw_record(given, shape_of(dataset.schema)), None
    except FieldUnknown as error:
        place, name = text.key((*where, *error.path)), str(error.path[-1])
        details = (("text", name), ("dataset", dataset.name))
        return {}, Finding("example-field", place, details, error.known, nearest(name, error.known))
    except ValueUnfit as error:
        place = text.value((*where, *error.path))
        details = (("text", str(error.path[-1])), ("kind", error.kind.value))
        return {}, Finding("example-value", place, details, error.allowed)


def _one_of_each(case: Case) -> Iterator[Finding]:
    """One record that is released and one that is withheld show where the line runs."""
    expectations = [example.expect for example in case.document.examples]
    place = case.text.key(("examples",))
    if not any(expect.release is not None for expect in expectations):
        yield Finding("example-release-missing", place)
    if not any(expect.withhold is not None for expect in expectations):
        yield Finding("example-withhold-missing", place)


def _run(case: Case, dataset: Dataset, number: int, example: Example, *, sound: bool) -> Iterator[Finding]:
    document, expect = case.document, example.expect
    if (expect.release is None) is (expect.withhold is None):
        yield case.finding("example-one", "examples", number, "expect")
    if expect.withhold is not None and expect.withhold not in _REASONS:
        where = ("examples", number, "expect", "withhold")
        yield case.finding("example-reason", *where, text=expect.withhold, known=_REASONS)
    if example.consent is not None and document.basis.statutory is not None and not document.needs_consent:
        yield case.finding("example-consent", "examples", number, "consent")
    record, unfit = read_record(example.given, dataset, case.text, case.at("examples", number, "given"))
    if unfit is not None:
        yield unfit
    if unfit is not None or not sound:
        return
    trial = try_out(
        document, dataset, record, consent=example.consent or "given", at=example.at or document.valid.from_
    )
    yield from _compare(case, number, example, trial.release, trial.reason)


def _compare(
    case: Case, number: int, example: Example, release: dict[str, object] | None, reason: Reason | None
) -> Iterator[Finding]:
    expect = example.expect
    if expect.withhold is not None and reason is None:
        yield case.finding("example-released", "examples", number, "expect")
    elif expect.withhold is not None and reason != expect.withhold:
        yield case.finding("example-other-reason", "examples", number, "expect", "withhold", got=str(reason))
    elif expect.release is not None and reason is not None:
        yield case.finding("example-withheld", "examples", number, "expect", got=str(reason))
    elif expect.release is not None and expect.release != release:
        got = json.dumps(release, ensure_ascii=False)
        yield case.finding("example-differs", "examples", number, "expect", "release", got=got)
