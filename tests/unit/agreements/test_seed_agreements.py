"""The pretend country's agreements: sound, varied, and their views tell nothing beyond what they release."""

import io
import json
import re

import fastavro
import pytest

from bus.agreements.check import check
from bus.agreements.document import AgreementDocument
from bus.agreements.lint import joins_on
from bus.agreements.sentence import article_words, sentence
from bus.agreements.shape import shape_of
from bus.agreements.trial import try_out
from bus.agreements.values import raw_record
from bus.agreements.view import compile_view, view_schema
from bus.avro.names import named_types
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS, SEEDS

DOCUMENTS = {document.id: document for document in AGREEMENTS}
each = pytest.mark.parametrize("document", DOCUMENTS.values(), ids=list(DOCUMENTS))


def test_what_the_agreements_show() -> None:
    """There are at least ten, to seven recipients, by law and by consent, one pseudonymous, one about no person."""
    documents = DOCUMENTS.values()
    assert len(documents) >= 10
    assert len({document.recipient for document in documents}) == 7
    assert {document.dataset for document in documents} == set(DATASETS)
    assert {document.needs_consent for document in documents} == {True, False}
    assert {document.identifier for document in documents} == {"personal-id", "pseudonym", "none"}
    pairs = [(document.recipient, document.dataset) for document in documents]
    assert any(pairs.count(pair) > 1 for pair in pairs)


def test_private_recipients_get_by_consent() -> None:
    """What a consent-only agency gets about people, it gets by consent."""
    for document in DOCUMENTS.values():
        agency = AGENCIES.agency(document.recipient)
        assert agency is not None
        assert document.needs_consent or not agency.consent_only


@each
def test_each_example_decides(document: AgreementDocument) -> None:
    """Turning an example's expectation around makes the check fail, so that examples are really run."""
    text = (SEEDS / f"{document.id}.yaml").read_text(encoding="utf-8")
    turned = re.sub(r"\{withhold: [a-z-]+\}", "{withhold: agreement-over}", text)
    assert turned != text
    result = check(turned, DATASETS, AGENCIES, BASES)
    assert "example-other-reason" in {finding.code for finding in result.findings}


@each
def test_the_view_can_be_written(document: AgreementDocument) -> None:
    """The view's schema is sound Avro, and each example that is released can be written with it and read back."""
    dataset = DATASETS[document.dataset]
    schema = fastavro.parse_schema(json.loads(json.dumps(view_schema(document, dataset))))
    view = compile_view(document, dataset, lambda value: f"pseudonym of {value}")
    for example in document.examples:
        if example.expect.release is None:
            continue
        cut = view(raw_record(example.given, shape_of(dataset.schema)))
        out = io.BytesIO()
        fastavro.schemaless_writer(out, schema, cut, strict=True)
        out.seek(0)
        assert list(cut) == [field["name"] for field in view_schema(document, dataset)["fields"]]
        assert fastavro.schemaless_reader(out, schema, None)


@each
def test_the_view_tells_nothing_else(document: AgreementDocument) -> None:
    """A view's schema names no field that it does not release, nor the dataset's names, subject or record id."""
    dataset = DATASETS[document.dataset]
    schema = view_schema(document, dataset)
    assert set(schema) == {"type", "name", "namespace", "doc", "fields"}
    assert schema["namespace"] == f"agency.{document.recipient.replace('-', '_')}"
    released = {rule.name for rule in document.fields}
    text = json.dumps(schema)
    named = set(re.findall(r'"name": "([^"]*)"', text)) - {rule.view_name for rule in document.fields}
    for field in dataset.fields:
        if field.name not in released:
            assert field.name not in named
            assert json.dumps(field.doc) not in text
    assert dataset.schema["namespace"] not in text
    assert all(name.startswith("agency.") for name in named_types(schema))
    for rule, field in zip(document.fields, schema["fields"], strict=True):
        known = dataset.field(rule.name)
        assert known is not None
        assert (field["category"], field["doc"].startswith(known.doc)) == (known.category, True)


@each
def test_nothing_identifying_in_a_pseudonymous_view(document: AgreementDocument) -> None:
    """The view of a pseudonymous agreement releases no field that identifies, and no day."""
    if not document.pseudonymous:
        assert joins_on(document, DATASETS[document.dataset]) != "pseudonym"
        return
    schema = view_schema(document, DATASETS[document.dataset])
    assert not any("identifies" in field for field in schema["fields"])
    assert "logicalType" not in json.dumps(schema)


@each
@pytest.mark.parametrize("language", ["en", "vi"])
def test_the_sentence(document: AgreementDocument, language: str) -> None:
    """The plain sentence names recipient, ground and purpose, in both languages."""
    said = sentence(document, DATASETS[document.dataset], AGENCIES, language, BASES)
    agency = AGENCIES.agency(document.recipient)
    assert agency is not None
    assert agency.name[language] in said
    article = article_words(document, BASES, language)
    assert article in said
    assert document.needs_consent or (article == document.basis.article) is (language == "en")
    assert document.purpose.text[language] in said


def test_the_trial_explains() -> None:
    """A trial names the clause that failed, and stops there."""
    document = DOCUMENTS["person-to-tax"]
    record = raw_record({"status": "ALIVE"}, shape_of(DATASETS[document.dataset].schema))
    trial = try_out(document, DATASETS[document.dataset], record, at=document.valid.from_)
    assert [step.passed for step in trial.steps] == [True, True, True, True, False]
    assert trial.steps[-1].what() == "filter has(residence_province)"
    assert (trial.release, trial.reason) == (None, "outside-filter")
