"""What an agreement does, in plain words: the first thing that a reviewer reads."""

from collections.abc import Mapping
from typing import Any

from bus.agreements.agencies import Agencies
from bus.agreements.document import AgreementDocument, FieldRule
from bus.agreements.finding import words_of


def sentence(document: AgreementDocument, agencies: Agencies, language: str = "en") -> str:
    """One agreement in the words of a language."""
    words = words_of(language)["sentence"]
    agency = agencies.agency(document.recipient)
    name = document.recipient if agency is None else agency.name.get(language, document.recipient)
    where = "" if document.filter is None else words["where"].format(filter=" ".join(document.filter.split()))
    text: str = words["whole"].format(
        recipient=name,
        fields=", ".join(_field(rule, words) for rule in document.fields),
        dataset=document.dataset,
        where=where,
        purpose=document.purpose.text.get(language, document.purpose.code),
        basis=_basis(document, words),
        people=words[document.identifier],
        kept=words["retention"].format(retention=document.retention) if document.retention else words["no-retention"],
        days=_days(document, words),
    )
    return text


def _field(rule: FieldRule, words: Mapping[str, Any]) -> str:
    if rule.transform is None:
        return rule.name
    how = words["transforms"][rule.transform.kind.value].format(argument=rule.transform.argument)
    return str(words["as"].format(name=rule.name, transform=how))


def _basis(document: AgreementDocument, words: Mapping[str, Any]) -> str:
    if document.needs_consent:
        return str(words["consent"])
    return str(words["statutory"].format(article=document.basis.article, code=document.basis.statutory))


def _days(document: AgreementDocument, words: Mapping[str, Any]) -> str:
    first, last = document.valid.from_, document.valid.until
    return str((words["open-days"] if last is None else words["days"]).format(start=first, end=last))
