"""From a checked agreement to the route that a lane obeys."""

from collections.abc import Callable, Mapping
from contextlib import suppress
from datetime import date, timedelta
from typing import Any

from bus.agreements.calendar import Span, Spans
from bus.agreements.document import AgreementDocument, DataRange, TransformKind, revision
from bus.agreements.filters.compile import compile_filter
from bus.agreements.filters.parser import parse
from bus.agreements.filters.types import fields_of
from bus.agreements.moments import EPOCH_DAY, midnight_ms
from bus.agreements.retention import duration_ms
from bus.agreements.route import Route
from bus.agreements.rules import unfit
from bus.agreements.shape import Kind, shape_of
from bus.agreements.view import compile_view, view_cuts, view_reads, view_schema
from bus.avro.datasets import Dataset
from bus.avro.slicer import Stretch, stretches
from bus.errors import AgreementUnfit, FieldMissing, FilterError

DAY_MS = 86_400_000
SECOND_MS = 1000


def compile_route(  # noqa: PLR0913 - each is a thing of its own that the document does not say
    document: AgreementDocument,
    dataset: Dataset,
    *,
    number: int,
    topic: str,
    view_schema_id: int,
    pseudonym: Callable[[str], str],
    consent_basis_code: str,
    accepted_revisions: frozenset[str] = frozenset(),
    no_wider: frozenset[str] = frozenset(),
) -> Route:
    """The route of an agreement. Raises AgreementUnfit for one that does not fit the dataset, or breaks a rule.

    `pseudonym` is bound to the recipient and its epoch. `consent_basis_code` is the country's code of consent as a
    legal basis. `accepted_revisions` are older revisions whose consents still hold, `no_wider` those that released no
    more than this one; see `bus.agreements.widening`.
    """
    reason = unfit(document, dataset)
    if reason is not None:
        raise AgreementUnfit(agreement=document.id, dataset=dataset.name, reason=reason)
    cuts = view_cuts(document, dataset)
    as_they_are = {rule.name for rule in document.fields if rule.transform is None}
    return Route(
        **_terms(document, accepted_revisions, consent_basis_code),
        number=number,
        subject_shown=dataset.subject in as_they_are,
        record_id_shown=as_they_are.issuperset(dataset.record_id),
        valid_from_ms=midnight_ms(document.valid.from_, document.timezone),
        valid_until_ms=_over_ms(document),
        topic=topic,
        view_schema=view_schema(document, dataset),
        view_schema_id=view_schema_id,
        admits=compile_admits(document, dataset),
        view=compile_view(document, dataset, pseudonym),
        no_wider=no_wider,
        cuts=cuts,
        filtered=document.filter is not None,
        filtered_by=fields_at(filter_reads(document), dataset),
        reads=range_reads(document)
        | filter_reads(document)
        | (view_reads(document, dataset) if cuts is None else frozenset()),
        age_field=None if document.data_range is None else document.data_range.by,
        oldest=None if document.data_range is None else compile_oldest(document.data_range, document.timezone, dataset),
        days=None if document.data_range is None else Spans(Span.DAY, document.timezone),
        frequency=None if document.frequency is None else Spans(Span(document.frequency), document.timezone),
    )


def closed_route(  # noqa: PLR0913 - as those of `compile_route`
    document: AgreementDocument,
    *,
    number: int,
    topic: str,
    view_schema_id: int,
    consent_basis_code: str,
    accepted_revisions: frozenset[str] = frozenset(),
) -> Route:
    """The route of an agreement that cannot be compiled: it says what became of copies held needs, and has no view."""

    def view(record: Mapping[str, Any]) -> dict[str, Any]:
        del record
        raise FieldMissing(field="the view", agreement=document.id)

    until_ms = None
    with suppress(ValueError, LookupError, ArithmeticError, OSError):  # its time zone may be what cannot be compiled
        until_ms = _over_ms(document)
    return Route(
        **_terms(document, accepted_revisions, consent_basis_code),
        number=number,
        subject_shown=False,
        record_id_shown=False,
        valid_from_ms=0,
        valid_until_ms=until_ms,
        topic=topic,
        view_schema={"type": "record", "name": "Nothing", "fields": []},
        view_schema_id=view_schema_id,
        admits=lambda record: False,  # noqa: ARG005 - the interface of a filter
        view=view,
    )


def _over_ms(document: AgreementDocument) -> int | None:
    """When the validity is over: with the midnight after its last day, or never."""
    last = document.valid.until
    return None if last in {None, date.max} else midnight_ms(last + timedelta(days=1), document.timezone)


def _terms(document: AgreementDocument, accepted: frozenset[str], consent_basis_code: str) -> dict[str, Any]:
    """What a route says whatever its dataset is like."""
    own = revision(document)
    return {
        "agreement": document.id,
        "revision": own,
        "recipient": document.recipient,
        "dataset": document.dataset,
        "purpose": document.purpose.code,
        "legal_basis": document.basis.statutory or consent_basis_code,
        "article": document.basis.article or "",
        "needs_consent": document.needs_consent,
        "accepted_revisions": accepted | {own},
        "pseudonymous": document.pseudonymous,
        "keep_on_exit": document.on_scope_exit == "keep",
        "keep_on_end": document.on_end == "keep",
        "retention_ms": None if document.retention is None else duration_ms(document.retention),
        "time_grain_ms": DAY_MS if document.pseudonymous else SECOND_MS,
    }


def compile_oldest(allowed: DataRange, timezone: str, dataset: Dataset) -> Callable[[int], int]:
    """The oldest value that a record's moment may have at a time, in the unit of its field.

    Ages are counted in whole days of the time zone, so that what may be released and what is swept away at midnight
    never differ.
    """
    days, length = Spans(Span.DAY, timezone), duration_ms(allowed.last) // DAY_MS
    if shape_of(dataset.schema).fields[allowed.by].kind is Kind.DATE:
        return lambda now_ms: days.begin(now_ms) - length
    avro = dataset.field(allowed.by)
    assert avro is not None, "checked before"
    a_millisecond = 1000 if "micros" in str(avro.type) else 1

    def oldest(now_ms: int) -> int:
        first = date.fromordinal(max(1, EPOCH_DAY + days.begin(now_ms) - length))
        return midnight_ms(first, timezone) * a_millisecond

    return oldest


def hides_ids(document: AgreementDocument, dataset: Dataset) -> bool:
    """Whether something stands as a pseudonym where the recipient sees it: a field, or a part of the key."""
    as_they_are = {rule.name for rule in document.fields if rule.transform is None}
    in_key = {*dataset.record_id, *([] if dataset.subject is None else [dataset.subject])}
    made = any(rule.transform and rule.transform.kind is TransformKind.PSEUDONYM for rule in document.fields)
    return made or not as_they_are.issuperset(in_key)


def compile_admits(document: AgreementDocument, dataset: Dataset) -> Callable[[Mapping[str, Any]], bool]:
    """The agreement's filter over records with raw Avro values. It raises FilterError, and nothing else."""
    if document.filter is None:
        return lambda record: True  # noqa: ARG005 - the interface of a filter
    holds, name = compile_filter(parse(document.filter), shape_of(dataset.schema)), document.id

    def admits(record: Mapping[str, Any]) -> bool:
        try:
            return holds(record)
        except Exception:  # noqa: BLE001 - whatever a filter meets, the record is withheld; the text may hold values
            raise FilterError(agreement=name) from None

    return admits


def range_reads(document: AgreementDocument) -> frozenset[str]:
    """The field that a record's age is read from, where it matters."""
    return frozenset() if document.data_range is None else frozenset({document.data_range.by})


def filter_reads(document: AgreementDocument) -> frozenset[str]:
    """The fields of a record that the agreement's filter touches."""
    return frozenset(path[0] for path in fields_of(parse(document.filter))) if document.filter else frozenset()


def fields_at(names: frozenset[str], dataset: Dataset) -> tuple[Stretch, ...]:
    """Where fields stand in a dataset's schema, in its own order."""
    every = [one["name"] for one in dataset.schema["fields"]]
    return tuple(stretches(every, [name for name in every if name in names]))
