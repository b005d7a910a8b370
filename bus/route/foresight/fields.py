"""Which fields of a view would differ from what the text in force lets through; from the texts where they tell."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from bus.agreements.document import AgreementDocument, FieldRule
from bus.agreements.view import compile_view, view_reads
from bus.avro.datasets import Dataset
from bus.errors import FieldMissing
from bus.route.foresight.question import Question, Text

Read = Callable[[Mapping[str, Any]], Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class FieldChange:
    """`always` differ in every record; of `sometimes` both values are made and compared."""

    always: tuple[str, ...]
    sometimes: tuple[str, ...]
    reads: frozenset[str]
    """The fields of the dataset that are read for that."""

    before: Read
    after: Read

    def of(self, record: Mapping[str, Any]) -> tuple[str, ...]:
        """The fields that differ in a record."""
        if not self.sometimes:
            return self.always
        try:
            before, after = self.before(record), self.after(record)
        except FieldMissing:
            return (*self.always, *self.sometimes)
        return (*self.always, *(name for name in self.sometimes if before[name] != after[name]))


def field_change(question: Question) -> FieldChange:
    """How the two views of a question differ."""
    new, old = question.new, question.old
    now = _rules(new.document)
    was = {} if old is None else _rules(old.document)
    both = [name for name in now if name in was and not (old and _same(was[name], now[name], old, new))]
    names = (*(name for name in now if name not in was), *(name for name in was if name not in now))
    if old is None or not both:
        return FieldChange(names, (), frozenset(), _nothing, _nothing)
    texts = [_only(one.document, both) for one in (old, new)]
    reads = frozenset[str]().union(*(view_reads(text, question.dataset) for text in texts))
    before, after = (
        _reader(text, question.dataset, one.rule.pseudonym) for text, one in zip(texts, (old, new), strict=True)
    )
    return FieldChange(names, tuple(both), reads, before, after)


def _rules(document: AgreementDocument) -> dict[str, FieldRule]:
    return {rule.view_name: rule for rule in document.fields}


def _same(was: FieldRule, now: FieldRule, old: Text, new: Text) -> bool:
    """Whether equal records give equal values: an untouched field does, others where days and names are equal too."""
    if was != now or was.transform is None:
        return was == now
    first, second = old.document, new.document
    return (first.timezone, first.valid.from_, first.recipient) == (
        second.timezone,
        second.valid.from_,
        second.recipient,
    )


def _only(document: AgreementDocument, names: list[str]) -> AgreementDocument:
    return document.model_copy(update={"fields": tuple(one for one in document.fields if one.view_name in names)})


def _reader(text: AgreementDocument, dataset: Dataset, pseudonym: Callable[[str], str]) -> Read:
    return compile_view(text, dataset, pseudonym)


def _nothing(record: Mapping[str, Any]) -> Mapping[str, Any]:
    del record
    return {}
