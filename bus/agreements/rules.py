"""What must hold of an agreement beyond its form: each rule is one function, and they are listed at the end."""

import contextlib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from unicodedata import category, is_normalized, normalize

from bus.agreements.agencies import Agencies, LegalBasis, is_zone
from bus.agreements.document import AgreementDocument, FieldRule, TransformKind
from bus.agreements.filters.lexer import Token, pieces
from bus.agreements.filters.parser import parse
from bus.agreements.filters.syntax import FilterUnreadable, Problem
from bus.agreements.filters.types import check_filter
from bus.agreements.finding import Finding, Place, Severity, nearest
from bus.agreements.retention import duration_ms
from bus.agreements.shape import Kind, Shape, shape_of
from bus.agreements.text import Text, Where
from bus.agreements.transforms import COARSE, MOMENTS, TAKES, argument_problem
from bus.agreements.view import province_source, schema_field
from bus.avro.datasets import Category, Dataset

_ORDER = tuple(Category)


@dataclass(frozen=True, slots=True)
class Case:
    """An agreement under check, and what it is checked against. `dataset` is None when it is not known."""

    document: AgreementDocument
    text: Text
    kept: Mapping[str, tuple[int, ...]]
    dataset: Dataset | None
    datasets: Mapping[str, Dataset]
    agencies: Agencies
    bases: Mapping[str, LegalBasis] | None

    def at(self, *where: str | int) -> Where:
        """Where something of the document stands in the file; items set aside are counted in."""
        if len(where) > 1 and where[0] in self.kept and isinstance(where[1], int):
            return (where[0], self.kept[str(where[0])][where[1]], *where[2:])
        return where

    def finding(self, code: str, *where: str | int, known: tuple[str, ...] = (), **details: str) -> Finding:
        """A finding at a value; with the names that are known, the nearest to `text` is suggested."""
        suggestion = nearest(details.get("text", ""), known) if known else None
        return Finding(code, self.text.value(self.at(*where)), tuple(details.items()), known, suggestion)


Rule = Callable[[Case], Iterator[Finding]]


def names_exist(case: Case) -> Iterator[Finding]:
    """Dataset and recipient are known."""
    document = case.document
    if case.dataset is None:
        yield case.finding("unknown-dataset", "dataset", text=document.dataset, known=tuple(case.datasets))


def recipient_receives(case: Case) -> Iterator[Finding]:
    """The recipient is an agency that receives; a consent-only one gets personal data by consent."""
    name = case.document.recipient
    agency = case.agencies.agency(name)
    if agency is None:
        yield case.finding("unknown-recipient", "recipient", text=name, known=case.agencies.receivers)
    elif not agency.receives:
        yield case.finding("not-a-recipient", "recipient", text=name)


def recipient_by_consent(case: Case) -> Iterator[Finding]:
    """Personal data go to a consent-only agency by consent."""
    agency = case.agencies.agency(case.document.recipient)
    about_people = case.dataset is not None and case.dataset.subject is not None
    by_law = case.document.basis.statutory is not None
    if agency is not None and agency.consent_only and about_people and by_law:
        yield case.finding("consent-only", "basis", text=agency.id)


def onward_to_agencies(case: Case) -> Iterator[Finding]:
    """Whoever it may be passed on to is an agency that the country knows: a name that is none could not be audited."""
    known = tuple(one.id for one in case.agencies.agencies)
    for number, name in enumerate(case.document.onward_transfer):
        if name not in known:
            yield case.finding("unknown-recipient", "onward_transfer", number, text=name, known=known)


def title_in_every_language(case: Case) -> Iterator[Finding]:
    """The title is there in each of the country's languages, and in no other."""
    yield from _languages(case, case.document.title, "title")


def description_in_every_language(case: Case) -> Iterator[Finding]:
    """So is the description, where there is one."""
    if case.document.description is not None:
        yield from _languages(case, case.document.description, "description")


def purpose_in_every_language(case: Case) -> Iterator[Finding]:
    """So is the purpose."""
    yield from _languages(case, case.document.purpose.text, "purpose")


def _languages(case: Case, words: Mapping[str, str], key: str) -> Iterator[Finding]:
    due = case.agencies.languages
    for language in due:
        if language not in words:
            place = case.text.key(case.at(key))
            yield Finding("language-missing", place, (("text", key), ("language", language)))
    for language in words:
        if language not in due:
            place, details = case.text.key(case.at(key, language)), (("text", language),)
            yield Finding("language-unknown", place, details, due, nearest(language, due))


def basis_is_one(case: Case) -> Iterator[Finding]:
    """The basis is an article of law, or consent; not both, not neither."""
    basis = case.document.basis
    if basis.consent is not None and basis.article is not None and basis.statutory is None:
        yield case.finding("basis-consent-article", "basis", "article")
    elif (basis.statutory is None) is (basis.consent is None):
        yield case.finding("basis-one", "basis")
    elif basis.statutory is not None and basis.article is None:
        yield case.finding("basis-article", "basis", "statutory")


def basis_is_known(case: Case) -> Iterator[Finding]:
    """A statutory basis is in the country's list, where there is one."""
    code = case.document.basis.statutory
    if code is None or case.bases is None:
        return
    if code not in case.bases:
        known = tuple(name for name, basis in case.bases.items() if not basis.consent)
        yield case.finding("basis-unknown", "basis", "statutory", text=code, known=known)
    elif case.bases[code].consent:
        yield case.finding("basis-is-consent", "basis", "statutory", text=code)


def people_and_identifier(case: Case) -> Iterator[Finding]:
    """What is about no person needs no consent and names nobody; what is about people says how it names them."""
    document, dataset = case.document, case.dataset
    if dataset is None:
        return
    if dataset.subject is None:
        if document.needs_consent:
            yield case.finding("consent-without-people", "basis", text=dataset.name)
        if document.identifier != "none":
            yield case.finding("identifier-none", "identifier", text=dataset.name)
    elif document.identifier == "none":
        yield case.finding("identifier-needed", "identifier", text=dataset.name)


def valid_forwards(case: Case) -> Iterator[Finding]:
    """Validity does not end before it begins."""
    first, last = case.document.valid.from_, case.document.valid.until
    if last is not None and last < first:
        yield case.finding("valid-backwards", "valid", "until", until=str(last), start=str(first))


def retention_lasts(case: Case) -> Iterator[Finding]:
    """A copy may be kept for some time: of none, it would be erased as it arrives."""
    retention = case.document.retention
    if retention is not None and not duration_ms(retention):
        yield case.finding("not-a-duration", "retention", text=retention)


def timezone_exists(case: Case) -> Iterator[Finding]:
    """The time zone is one."""
    if not is_zone(case.document.timezone):
        yield case.finding("unknown-timezone", "timezone", text=case.document.timezone)


def kept_by_law_only(case: Case) -> Iterator[Finding]:
    """Copies stay with the recipient by law only."""
    for key in ("on_scope_exit", "on_end"):
        if case.document.needs_consent and getattr(case.document, key) == "keep":
            yield case.finding("keep-by-consent", key)


def fields_fit(case: Case) -> Iterator[Finding]:
    """Every field exists, is called once, is not more guarded than agreed, and can take its transform."""
    if case.dataset is None:
        return
    called: set[str] = set()
    for number, rule in enumerate(case.document.fields):
        if rule.view_name in called:
            key = "called" if rule.called else "name"
            yield case.finding("field-twice", "fields", number, key, text=rule.view_name)
        called.add(rule.view_name)
        yield from _field(case, case.dataset, number, rule)


def _field(case: Case, dataset: Dataset, number: int, rule: FieldRule) -> Iterator[Finding]:
    known = dataset.field(rule.name)
    if known is None:
        names = tuple(field.name for field in dataset.fields)
        yield case.finding("unknown-field", "fields", number, "name", known=names, text=rule.name, dataset=dataset.name)
        return
    highest = max((known.category, *_inner(known.type, "category")), key=_ORDER.index)
    limit = case.document.max_category
    if _ORDER.index(highest) > _ORDER.index(Category(limit)):
        yield case.finding("category", "fields", number, text=rule.name, category=highest, allowed=limit)
    shape = shape_of(dataset.schema).fields[rule.name]
    if rule.transform is not None:
        yield from _transform(case, dataset, number, rule, shape)
    if case.document.pseudonymous:
        yield from _pseudonymous(case, dataset, number, rule, shape)


def _transform(case: Case, dataset: Dataset, number: int, rule: FieldRule, shape: Shape) -> Iterator[Finding]:
    transform = rule.transform
    assert transform is not None
    kind = transform.kind
    if shape.kind not in TAKES[kind]:
        takes = ", ".join(sorted(TAKES[kind]))
        found = shape.kind.value
        where = ("fields", number, "as")
        yield case.finding("transform-kind", *where, transform=kind.value, takes=takes, text=rule.name, kind=found)
    problem = argument_problem(transform)
    if problem is not None:
        yield case.finding(problem, "fields", number, "as", transform=kind.value)
    if kind is TransformKind.PROVINCE and province_source(schema_field(dataset, rule.name)) is None:
        yield case.finding("province-unknown", "fields", number, "as", text=rule.name, dataset=dataset.name)
    if kind is TransformKind.PRESENT and not shape.nullable:
        yield case.finding("present-always", "fields", number, "as", text=rule.name)


def _pseudonymous(case: Case, dataset: Dataset, number: int, rule: FieldRule, shape: Shape) -> Iterator[Finding]:
    """Nothing that names a person, nor a day, goes through as it is (parts of a record id with few values may)."""
    kind = None if rule.transform is None else rule.transform.kind
    known = dataset.field(rule.name)
    assert known is not None
    names_one = rule.name in dataset.record_id and shape.kind is not Kind.ENUM
    if (known.identifies or names_one) and kind not in {TransformKind.PSEUDONYM, TransformKind.PRESENT}:
        yield case.finding("pseudonym-field", "fields", number, text=rule.name)
    elif kind not in COARSE and (shape.kind in MOMENTS or (kind is None and _holds_time(known.type))):
        yield case.finding("pseudonym-time", "fields", number, text=rule.name)
    elif kind is None:
        inside = next(_telling(known.type), None)
        if inside is not None:
            yield case.finding("pseudonym-inside", "fields", number, text=rule.name, inside=inside)


def _telling(avro: Any) -> Iterator[str]:
    """Fields inside a type that identify a person or hold a time."""
    for field in _inner_fields(avro):
        if field.get("identifies") or _holds_time(field["type"]):
            yield field["name"]


def _holds_time(avro: Any) -> bool:
    """Whether a type is a date or a point in time of any kind, or a list, map or choice of them."""
    if isinstance(avro, list):
        return any(_holds_time(branch) for branch in avro)
    if not isinstance(avro, dict):
        return False
    logical = str(avro.get("logicalType", ""))
    inner = (avro.get(place) for place in ("type", "items", "values"))
    return logical == "date" or "timestamp" in logical or any(_holds_time(one) for one in inner)


def _inner(avro: Any, attribute: str) -> Iterator[Any]:
    for field in _inner_fields(avro):
        yield Category(field[attribute])


def _inner_fields(avro: Any) -> Iterator[Mapping[str, Any]]:
    if isinstance(avro, list):
        for branch in avro:
            yield from _inner_fields(branch)
    elif isinstance(avro, dict):
        for field in avro.get("fields", ()):
            yield field
            yield from _inner_fields(field["type"])
        for place in ("type", "items", "values"):
            yield from _inner_fields(avro.get(place))


def data_range_fits(case: Case) -> Iterator[Finding]:
    """The age of a record is counted from a date or time of its own, in whole days, where people are not pseudonyms."""
    allowed, dataset = case.document.data_range, case.dataset
    if allowed is None:
        return
    if duration_ms(allowed.last) % duration_ms("P1D") or not duration_ms(allowed.last):
        yield case.finding("range-days", "data_range", "last", text=allowed.last)
    if case.document.pseudonymous:
        yield case.finding("range-pseudonym", "data_range")
    if dataset is None:
        return
    shape = shape_of(dataset.schema).fields.get(allowed.by)
    if shape is None:
        names = tuple(field.name for field in dataset.fields)
        yield case.finding("unknown-field", "data_range", "by", known=names, text=allowed.by, dataset=dataset.name)
    elif shape.kind not in MOMENTS:
        yield case.finding("range-kind", "data_range", "by", text=allowed.by, kind=shape.kind.value)


def filter_fits(case: Case) -> Iterator[Finding]:
    """The filter can be read, and fits the dataset's schema."""
    if case.document.filter is None:
        return
    try:
        node = parse(case.document.filter)
    except FilterUnreadable as error:
        yield _in_filter(case, error.problem)
        return
    if case.dataset is not None:
        for problem in check_filter(node, shape_of(case.dataset.schema)):
            yield _in_filter(case, problem)


def _in_filter(case: Case, problem: Problem) -> Finding:
    place = case.text.value(("filter",), problem.start, problem.end)
    return Finding(problem.code, place, problem.details, problem.allowed, problem.suggestion)


def texts_are_what_they_look_like(case: Case) -> Iterator[Finding]:
    """Texts are compared as they are stored: with marks apart or another blank, one equals none that looks like it."""
    for where, text in _texts(case.text.data.get("examples"), ("examples",)):
        yield from _unlike(text, case.text.value(where))
    with contextlib.suppress(FilterUnreadable):  # `filter_fits` tells of it
        for piece in pieces(case.document.filter or ""):
            if piece.token is Token.STRING:
                yield from _unlike(piece.text, case.text.value(("filter",), piece.start, piece.end))


def _unlike(text: str, place: Place) -> Iterator[Finding]:
    plain = "".join(_plain(one) for one in text)
    if plain != text:
        seen = f"U+{ord(next(one for one in text if _plain(one) != one)):04X}"
        details = (("text", text), ("what", seen))
        yield Finding("blank-unseen", place, details, suggestion=plain, severity=Severity.WARNING)
    if not is_normalized("NFC", text):
        whole = normalize("NFC", text)
        yield Finding("marks-apart", place, (("text", text),), suggestion=whole, severity=Severity.WARNING)


def _plain(character: str) -> str:
    """A blank for each kind of it; nothing for what has no width, as a word processor or a web page leaves it."""
    return {"Zs": " ", "Cf": ""}.get(category(character), character)


def _texts(value: Any, where: Where) -> Iterator[tuple[Where, str]]:
    """Each text in a value of the file, with its place."""
    if isinstance(value, str):
        yield where, value
    elif isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _texts(inner, (*where, key))
    elif isinstance(value, list):
        for number, inner in enumerate(value):
            yield from _texts(inner, (*where, number))


def unfit(document: AgreementDocument, dataset: Dataset) -> Finding | None:
    """The first reason why a document that comes from elsewhere than a checked text must not be obeyed, or None.

    The rules of the document against its dataset's newest schema; not those about languages and agencies.
    """
    case = Case(document, Text("register", [], ""), {}, dataset, {dataset.name: dataset}, _NOBODY, None)
    if document.dataset != dataset.name:
        return case.finding("other-dataset", "dataset", text=document.dataset)
    return next((finding for rule, _ in RULES_OF_THE_DOCUMENT for finding in rule(case)), None)


_NOBODY = Agencies(languages=("en",), consent_basis="none", agencies=())

RULES_OF_THE_DOCUMENT: tuple[tuple[Rule, frozenset[str]], ...] = (
    (basis_is_one, frozenset({"basis"})),
    (people_and_identifier, frozenset({"dataset", "basis", "identifier"})),
    (valid_forwards, frozenset({"valid"})),
    (timezone_exists, frozenset({"timezone"})),
    (kept_by_law_only, frozenset({"basis", "on_scope_exit", "on_end"})),
    (fields_fit, frozenset({"fields", "dataset", "identifier", "max_category"})),
    (data_range_fits, frozenset({"data_range", "dataset", "identifier"})),
    (filter_fits, frozenset({"filter"})),
)
"""Rules that need nothing but document and dataset, each with the keys that it reads."""

RULES: tuple[tuple[Rule, frozenset[str]], ...] = (
    (names_exist, frozenset({"dataset"})),
    (recipient_receives, frozenset({"recipient"})),
    (recipient_by_consent, frozenset({"recipient", "dataset", "basis"})),
    (title_in_every_language, frozenset({"title"})),
    (description_in_every_language, frozenset({"description"})),
    (purpose_in_every_language, frozenset({"purpose"})),
    (onward_to_agencies, frozenset({"onward_transfer"})),
    (basis_is_known, frozenset({"basis"})),
    (retention_lasts, frozenset({"retention"})),
    (texts_are_what_they_look_like, frozenset()),
    *RULES_OF_THE_DOCUMENT,
)
"""Every rule: one is left out when the form of a key that it reads is wrong."""
