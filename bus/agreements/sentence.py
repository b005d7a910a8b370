"""What an agreement does, in plain words: the first thing that a reviewer reads."""

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from bus.agreements.agencies import Agencies, LegalBasis
from bus.agreements.document import AgreementDocument, FieldRule, TransformKind
from bus.agreements.filters.parser import parse
from bus.agreements.filters.words import in_words
from bus.agreements.finding import words_of
from bus.agreements.retention import duration_words
from bus.agreements.view import province_source, schema_field
from bus.avro.datasets import Dataset
from bus.avro.said import PlainNames


def sentence(
    document: AgreementDocument,
    dataset: Dataset | None,
    agencies: Agencies,
    language: str = "en",
    bases: Mapping[str, LegalBasis] | None = None,
) -> str:
    """One agreement in the words of a language.

    `dataset` tells how its fields and their values are called, `bases` tell its article in that language; without them
    the codes stand.
    """
    words = words_of(language)["sentence"]
    agency = agencies.agency(document.recipient)
    name = document.recipient if agency is None else agency.name.get(language, document.recipient)
    fields = [_field(rule, document, dataset, language) for rule in document.fields]
    where = filter_words(document, dataset, language)
    text: str = words["whole"].format(
        recipient=name,
        fields=_listed(fields, words),
        record=_names(dataset, language).record() or words["record"].format(dataset=document.dataset),
        where=words["where"].format(filter=where) if where else "",
        purpose=document.purpose.text.get(language, document.purpose.code),
        basis=_basis(document, words, article_words(document, bases, language)),
        people=words[document.identifier],
        kept=_kept(document, language),
        days=_days(document, words),
    )
    return " ".join((text, *_limits(document, dataset, agencies, language)))


def _limits(document: AgreementDocument, dataset: Dataset | None, agencies: Agencies, language: str) -> Iterator[str]:
    """What an agreement may say of age, frequency, copies that stay and passing on, and most do not."""
    whole = words_of(language)
    words = whole["sentence"]
    if document.data_range is not None:
        allowed = document.data_range
        counted = _names(dataset, language).fields([allowed.by])[0]
        yield words["data_range"].format(length=length(allowed.last, language), field=counted)
    if document.frequency is not None:
        yield words["frequency"].format(span=whole["spans"][document.frequency])
    for key, code in (("on_scope_exit", "keep-exit"), ("on_end", "keep-end")):
        if getattr(document, key) == "keep":
            yield words[code]
    if document.onward_transfer:
        known = [(name, agencies.agency(name)) for name in document.onward_transfer]
        names = [name if agency is None else agency.name.get(language, name) for name, agency in known]
        yield words["onward"].format(agencies=", ".join(names))


def _kept(document: AgreementDocument, language: str) -> str:
    """What becomes of a copy with time; where copies stay at the end, the end of their term erases none either."""
    words = words_of(language)["sentence"]
    if document.retention is None:
        return str(words["no-retention"])
    code = "retention-kept" if document.on_end == "keep" else "retention"
    return str(words[code].format(retention=length(document.retention, language)))


def length(duration: str, language: str) -> str:
    """A length of time in words."""
    words = words_of(language)
    return duration_words(duration, words["duration"], words["duration-one"])


def filter_words(document: AgreementDocument, dataset: Dataset | None, language: str) -> str:
    """The agreement's filter in plain words; empty where there is none."""
    if document.filter is None:
        return ""
    return in_words(parse(document.filter), words_of(language)["filter"], _names(dataset, language))


def _names(dataset: Dataset | None, language: str) -> PlainNames:
    return PlainNames({} if dataset is None else dataset.schema, language)


def _field(rule: FieldRule, document: AgreementDocument, dataset: Dataset | None, language: str) -> str:
    """What the recipient gets of one field: `full name`, `year of birth`."""
    words, names = words_of(language)["sentence"], _names(dataset, language)
    transform, name = rule.transform, names.fields([rule.name])[0]
    if transform is None:
        return name
    source = None if dataset is None else province_source(schema_field(dataset, rule.name))
    if transform.kind is TransformKind.PROVINCE and isinstance(source, str):
        return names.fields([source])[0]
    if transform.kind in {TransformKind.YEAR, TransformKind.MONTH}:
        name = name.removeprefix(words["day-of"])
    given = words["given"]
    said = given.get(f"{transform.kind} {transform.argument}", given[transform.kind.value])
    day = transform.day or document.valid.from_
    return str(said.format(name=name, argument=transform.argument, day=day))


def _listed(parts: Sequence[str], words: Mapping[str, Any]) -> str:
    """`a, b and c`."""
    *first, last = parts
    return str(words["and"].join((", ".join(first), last))) if first else last


def transform_words(rule: FieldRule, words: Mapping[str, str]) -> str | None:
    """What is done to a field's value, in the words of `sentence.transforms`; None where it is released as it is."""
    if rule.transform is None:
        return None
    return words[rule.transform.kind.value].format(argument=rule.transform.argument)


def article_words(document: AgreementDocument, bases: Mapping[str, LegalBasis] | None, language: str) -> str:
    """The article that an agreement stands on, in a language; empty where it stands on consent."""
    article = document.basis.article or ""
    known = (bases or {}).get(document.basis.statutory or "")
    return article if known is None else known.cited(article, language)


def _basis(document: AgreementDocument, words: Mapping[str, Any], article: str) -> str:
    if document.needs_consent:
        return str(words["consent"])
    return str(words["statutory"].format(article=article, code=document.basis.statutory))


def _days(document: AgreementDocument, words: Mapping[str, Any]) -> str:
    first, last = document.valid.from_, document.valid.until
    return str((words["open-days"] if last is None else words["days"]).format(start=first, end=last))
