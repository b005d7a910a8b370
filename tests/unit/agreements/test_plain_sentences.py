"""The sentence that stands at the top of each review calls fields and values as people do, in both languages."""

import re
from typing import Any

import pytest

from bus.agreements.document import AgreementDocument
from bus.agreements.filters.parser import parse
from bus.agreements.filters.words import in_words
from bus.agreements.finding import LANGUAGES, words_of
from bus.agreements.sentence import sentence
from bus.avro.datasets import Dataset, dataset_of, load_datasets
from bus.avro.said import PlainNames
from bus.errors import DatasetSchemaWrong
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS, SAMPLE, data
from tests.unit.agreements.test_two_languages import FOLDERS, TEXTS, fields

SHIPPED = {name: one for folder in FOLDERS for name, one in load_datasets(folder).items()}
PERSON = DATASETS["population.person"]
TAX = next(one for one in TEXTS if one.id == "person-to-tax")
SAID = data("sentences.yaml")
"""What is given of one field, and what a filter says: each in both languages."""


def of_document(**keys: Any) -> AgreementDocument:
    return AgreementDocument.model_validate({**TAX.model_dump(by_alias=True), **keys})


def symbols(avro: Any) -> set[str]:
    """The symbols of an enum that is defined in a field's type, by itself, nullable or in a list."""
    if isinstance(avro, list):
        return {symbol for branch in avro for symbol in symbols(branch)}
    if isinstance(avro, dict):
        return set(avro.get("symbols", ())) | symbols(avro.get("items"))
    return set()


@pytest.mark.parametrize("dataset", SHIPPED.values(), ids=list(SHIPPED))
def test_everything_has_a_plain_name(dataset: Dataset) -> None:
    """Each dataset, field (nested ones too) and value of an enum is called something in both languages."""
    for one in (dataset.schema, *fields(dataset.schema)):
        assert one["title"] != one["title_vi"], one["name"]
        expected = set() if one is dataset.schema else symbols(one["type"])
        assert set(one.get("meanings", ())) == set(one.get("meanings_vi", ())) == expected, one["name"]
    titles = [one["title"] for one in dataset.schema["fields"]]
    assert len(titles) == len(set(titles))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("document", TEXTS, ids=lambda one: one.id)
def test_no_code_stands_in_a_sentence(document: AgreementDocument, language: str) -> None:
    """The sentence of a shipped agreement calls fields and values by their plain names; no code of either is in it."""
    dataset = SHIPPED[document.dataset]
    names = PlainNames(dataset.schema, language)
    said = sentence(document, dataset, AGENCIES, language, BASES)
    record = names.record()
    assert record is not None
    assert record in said
    for rule in document.fields:
        if rule.transform is None:
            assert names.fields([rule.name])[0] in said
    codes = {one["name"] for one in fields(dataset.schema) if "_" in one["name"]}
    codes |= {symbol for one in fields(dataset.schema) for symbol in one.get("meanings", ())}
    assert codes & set(re.findall(r"\w+", said)) == set()


def test_the_whole_sentence() -> None:
    """It says in plain words who receives what of whom, because of what, what for, and how long."""
    assert sentence(TAX, PERSON, AGENCIES, "en", BASES) == (
        "Tax Department receives personal number, full name, year of birth and province of residence of every person "
        "where status is “living” and province of residence is known, because of Law 91/2025/QH15, Article 19(1)(c); "
        "Circular 86/2024/TT-BTC (VN-PDPL-19.1.c). Purpose: Administration of taxes on people. People are named by "
        "their personal id. A copy is erased after 5 years. Valid from 2026-01-01 to 2035-12-31."
    )
    assert sentence(TAX, PERSON, AGENCIES, "vi", BASES).startswith(
        "Cục Thuế nhận số định danh cá nhân, họ và tên, năm sinh và tỉnh thường trú của mỗi người mà tình trạng là "
        "“còn sống” và có tỉnh thường trú, căn cứ điểm c khoản 1 Điều 19"
    )


@pytest.mark.parametrize("case", SAID["fields"], ids=lambda case: str(case["field"]))
def test_what_is_given_of_a_field(case: dict[str, Any]) -> None:
    """A transform reads as a person would say it."""
    dataset = SHIPPED[case["dataset"]]
    text = of_document(dataset=case["dataset"], fields=[case["field"]], filter=None)
    assert f"receives {case['en']} of every " in sentence(text, dataset, AGENCIES, "en")
    assert f"nhận {case['vi']} của mỗi " in sentence(text, dataset, AGENCIES, "vi")


@pytest.mark.parametrize("case", SAID["filters"], ids=lambda case: str(case["filter"]))
def test_what_a_filter_says(case: dict[str, Any]) -> None:
    """A filter reads as a condition on people, not on codes."""
    for language in LANGUAGES:
        names = PlainNames(SHIPPED[case["dataset"]].schema, language)
        assert in_words(parse(case["filter"]), words_of(language)["filter"], names) == case[language]


def test_a_record_age_is_counted_from_a_plain_name() -> None:
    """`data_range` calls its field as the rest does."""
    text = of_document(data_range={"last": "P2Y", "by": "updated_at"})
    assert "until it is 2 years old, counted from time of the last change." in sentence(text, PERSON, AGENCIES)


def test_codes_stand_where_there_are_no_words() -> None:
    """Without a dataset, and where a schema has no word of it, the code is said: nothing is left out."""
    text = of_document(dataset="test.sample", fields=["maybe_text"], filter='colour == "RED" && inner.text == "x"')
    for dataset in (None, SAMPLE):
        said = sentence(text, dataset, AGENCIES, "vi")
        assert "nhận maybe_text của mỗi bản ghi test.sample mà colour là “RED” và text của inner là “x”" in said


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ({"title": ""}, "person: `title` must be a plain name"),
        ({"title_vi": 7}, "person: `title_vi` must be a plain name"),
        ({"meanings": "RED"}, "person: `meanings` must say what each value means"),
        ({"meanings_vi": {"RED": " "}}, "person: `meanings_vi` must say what each value means"),
    ],
)
def test_names_must_be_names(attributes: dict[str, Any], said: str) -> None:
    """A plain name that says nothing is refused with its field."""
    schema = {**SAMPLE.schema, "fields": [{**SAMPLE.schema["fields"][0], **attributes}]}
    with pytest.raises(DatasetSchemaWrong, match=said):
        dataset_of(schema, place="test")


def test_no_meaning_of_a_value_that_is_not_there() -> None:
    """A misspelt symbol among the meanings is refused."""
    colour = next(one for one in SAMPLE.schema["fields"] if one["name"] == "colour")
    schema = {**SAMPLE.schema, "fields": [SAMPLE.schema["fields"][0], {**colour, "meanings": {"REDD": "red"}}]}
    with pytest.raises(DatasetSchemaWrong, match="colour: `meanings` tells of REDD, which is no value"):
        dataset_of({**schema, "record_id": ["person"]}, place="test")


@pytest.mark.parametrize(
    ("language", "erased", "kept", "stays"),
    [
        (
            "en",
            "A copy is erased after 5 years.",
            "A copy has a term of 5 years, after which",
            "keep the copy of a record",
        ),
        ("vi", "Bản sao bị xóa sau 5 năm.", "Bản sao có thời hạn 5 năm, sau đó", "giữ bản sao của bản ghi"),
    ],
)
def test_copies_that_stay(language: str, erased: str, kept: str, stays: str) -> None:
    """Where copies stay, the sentence says so, and does not say that time erases them."""
    told, whole = (
        sentence(one, PERSON, AGENCIES, language, BASES)
        for one in (of_document(), of_document(on_end="keep", on_scope_exit="keep"))
    )
    of_staying = (kept, stays, words_of(language)["sentence"]["keep-end"])
    assert [one in told for one in (erased, *of_staying)] == [True, False, False, False]
    assert [one in whole for one in (erased, *of_staying)] == [False, True, True, True]
