"""What a changed agreement would do otherwise: said by meaning first, by text second."""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from bus.agreements.document import AgreementDocument, FieldRule
from bus.agreements.finding import words_of
from bus.agreements.widening import widens
from bus.agreements.written import as_written

BESIDE = " + "
"""Between the ways in which a field is released that is released twice."""


@dataclass(frozen=True, slots=True)
class Difference:
    """One difference: its code, and the names that fill the sentence of that code."""

    code: str
    names: tuple[tuple[str, str], ...] = ()

    def sentence(self, language: str) -> str:
        """In words."""
        words = words_of(language)["differences"]
        said = {
            name: BESIDE.join(part or words["as-it-is"] for part in text.split(BESIDE)) for name, text in self.names
        }
        return str(words[self.code].format(**said))


def differences(
    old: AgreementDocument | None, new: AgreementDocument, others: Iterable[AgreementDocument]
) -> tuple[Difference, ...]:
    """How `new` differs from `old` in meaning; None stands for an agreement that was not there.

    `others` are all agreements in force: with them it is told how many recipients a field has before and after.
    """
    return tuple(_all(old, new, [one for one in others if one.id != new.id]))


def _all(
    old: AgreementDocument | None, new: AgreementDocument, others: Sequence[AgreementDocument]
) -> Iterator[Difference]:
    before = {} if old is None else _fields(old)
    after = _fields(new)
    if old is None:
        yield _said("first", recipient=new.recipient, dataset=new.dataset)
    elif old.needs_consent and not new.needs_consent:
        yield _said("law")
    for name in after:
        if name not in before:
            yield _said("adds-as", field=name, how=after[name]) if after[name] else _said("adds", field=name)
            yield from _spread(name, old, new, others)
        elif before[name] != after[name]:
            yield _said("changes", field=name, before=before[name], after=after[name])
    yield from (_said("removes", field=name) for name in before if name not in after)
    if old is not None:
        yield from _keys(old, new)
        wider = widens(old, new)
        if wider and new.needs_consent:
            yield _said("consents", keys=", ".join(wider))
        elif old.needs_consent and new.needs_consent and _holds_longer(old.valid.until, new.valid.until):
            yield _said("longer", until=str(new.valid.until)) if new.valid.until else _said("longer-open")


def _holds_longer(old: date | None, new: date | None) -> bool:
    """Whether the new last day is later; None is without an end."""
    return old is not None and (new is None or new > old)


def _keys(old: AgreementDocument, new: AgreementDocument) -> Iterator[Difference]:
    """Everything but the fields, key by key."""
    for key in AgreementDocument.model_fields:
        if key in {"id", "fields", "examples"}:
            continue
        was, is_now = (_parts(key, getattr(one, key)) for one in (old, new))
        for part in dict.fromkeys((*was, *is_now)):
            before, after = was.get(part, "-"), is_now.get(part, "-")
            if before != after:
                yield _said("key", key=part, before=before, after=after)


def _spread(
    name: str, old: AgreementDocument | None, new: AgreementDocument, others: Sequence[AgreementDocument]
) -> Iterator[Difference]:
    """How many agencies receive a field of the dataset, before and after."""
    have = {one.recipient for one in others if one.dataset == new.dataset and name in _fields(one)}
    if old is not None and name in _fields(old):
        have.add(old.recipient)
    now = have | {new.recipient}
    if now != have:
        yield _said("recipients", field=name, before=str(len(have)), after=str(len(now)))


def _fields(document: AgreementDocument) -> dict[str, str]:
    """What is done to each released field; a field that is released twice is told with both."""
    found: dict[str, list[str]] = {}
    for rule in document.fields:
        found.setdefault(rule.name, []).append(_how(rule))
    return {name: BESIDE.join(hows) for name, hows in found.items()}


def _how(rule: FieldRule) -> str:
    if rule.transform is None:
        return ""
    argument = "" if rule.transform.argument is None else f" {rule.transform.argument}"
    day = "" if rule.transform.day is None else f" {rule.transform.day}"
    return f"{rule.transform.kind.value}{argument}{day}"


def _parts(key: str, value: Any) -> dict[str, str]:
    """The value of a key; of one with keys of its own each part by itself, as `purpose.vi`."""
    if value is None:
        return {}
    dumped = value.model_dump(mode="json", exclude_defaults=True) if hasattr(value, "model_dump") else value
    if not isinstance(dumped, dict):
        return {key: ", ".join(map(str, dumped)) if isinstance(dumped, tuple) else str(dumped)}
    words = dumped.pop("text", {}) if key == "purpose" else {}  # the languages stand beside the code, as in a file
    return {f"{key}.{name}": str(one) for name, one in (*dumped.items(), *words.items())}


def _said(code: str, **names: str) -> Difference:
    return Difference(code, tuple(names.items()))


def text_diff(old: AgreementDocument | None, new: AgreementDocument) -> list[str]:
    """The lines that differ, each text written in the same way."""
    before = [] if old is None else as_written(old).splitlines()
    return list(difflib.unified_diff(before, as_written(new).splitlines(), "before", "after", lineterm="", n=1))
