"""Whether a new revision of an agreement asks for more than people consented to.

Consent is for what was shown: a revision that widens fields, records, purpose, onward transfer or retention needs it
anew. What cannot be told to be narrower counts as wider.
"""

from collections.abc import Iterator

from bus.agreements.document import AgreementDocument, DataRange, FieldRule
from bus.agreements.filters.parser import parse
from bus.agreements.filters.syntax import And, unparse
from bus.agreements.retention import duration_ms


def widens(old: AgreementDocument, new: AgreementDocument) -> tuple[str, ...]:
    """The keys by which the new revision asks for more than the old; empty where the old consents still hold."""
    return tuple(_wider(old, new))


def _wider(old: AgreementDocument, new: AgreementDocument) -> Iterator[str]:
    for key in ("id", "dataset", "recipient", "purpose", "identifier"):
        if getattr(old, key) != getattr(new, key):
            yield key
    if not _clauses(old.filter) <= _clauses(new.filter):
        yield "filter"
    if not _released(new.fields, new) <= _released(old.fields, old):
        yield "fields"
    if _kept_ms(new.retention) > _kept_ms(old.retention):
        yield "retention"
    yield from _more_often_or_older(old, new)
    if not set(new.onward_transfer) <= set(old.onward_transfer):
        yield "onward_transfer"
    for key in ("on_scope_exit", "on_end"):
        if getattr(new, key) == "keep" and getattr(old, key) != "keep":
            yield key


_ORDER = ("monthly", "weekly", "daily", None)
"""From the rarest update to any."""


def _more_often_or_older(old: AgreementDocument, new: AgreementDocument) -> Iterator[str]:
    if not _ranges_within(new.data_range, old.data_range):
        yield "data_range"
    if _ORDER.index(new.frequency) > _ORDER.index(old.frequency):
        yield "frequency"


def _ranges_within(new: DataRange | None, old: DataRange | None) -> bool:
    """Whether the new range lets through no record that the old one did not."""
    if old is None:
        return True
    return new is not None and new.by == old.by and duration_ms(new.last) <= duration_ms(old.last)


def _clauses(text: str | None) -> frozenset[str]:
    """What all must hold of a record: more clauses let through fewer records."""
    if text is None:
        return frozenset()
    node = parse(text)
    return frozenset(unparse(part) for part in (node.operands if isinstance(node, And) else (node,)))


def _released(rules: tuple[FieldRule, ...], document: AgreementDocument) -> frozenset[str]:
    """Each field with what is done to it; its name in the view does not matter, the day of an age does."""
    released = set()
    for rule in rules:
        day = document.valid.from_ if rule.transform is not None and rule.transform.day is None else None
        released.add(f"{rule.name} {rule.transform!r} {day if _ages(rule) else ''}")
    return frozenset(released)


def _ages(rule: FieldRule) -> bool:
    return rule.transform is not None and rule.transform.kind.value == "age_over"


def _kept_ms(retention: str | None) -> float:
    return float("inf") if retention is None else duration_ms(retention)
