"""What the country's own files say, said in Vietnamese too: fields of datasets, legal bases and their articles."""

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from bus.agreements.agencies import LegalBasis
from bus.agreements.check import load_agreements
from bus.agreements.document import AgreementDocument
from bus.agreements.sentence import article_words, sentence
from bus.agreements.view import view_schema
from bus.avro.datasets import dataset_of, load_datasets
from bus.cli import cli
from bus.errors import DatasetSchemaWrong
from bus.route.foresight.found import Foresight
from bus.route.foresight.report import Told, as_html, as_text
from tests.country import AGREEMENTS
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS, ROOT, SAMPLE

FOLDERS = [ROOT / "schemas" / "changes", *sorted((ROOT / "connectors").glob("*/schemas"))]
TEXTS = [
    *AGREEMENTS,
    *(
        one
        for folder in sorted((ROOT / "connectors").glob("*/agreements"))
        for one in load_agreements(folder, load_datasets(folder.parent / "schemas"), AGENCIES, BASES)
    ),
]
TAX = next(one for one in TEXTS if one.id == "person-to-tax")
VI = "điểm c khoản 1 Điều 19 Luật Bảo vệ dữ liệu cá nhân số 91/2025/QH15; Thông tư 86/2024/TT-BTC"


def fields(schema: Any) -> Iterator[dict[str, Any]]:
    """Every field of a schema, nested ones too."""
    if isinstance(schema, list):
        for branch in schema:
            yield from fields(branch)
    elif isinstance(schema, dict):
        for one in schema.get("fields", ()):
            yield one
            yield from fields(one["type"])
        for inner in ("type", "items", "values"):
            yield from fields(schema.get(inner))


@pytest.mark.parametrize("folder", [pytest.param(one, id=one.parent.name) for one in FOLDERS])
def test_every_field_is_told_in_both(folder: Path) -> None:
    """Each field of each dataset, nested ones too, says what it is in English and in Vietnamese."""
    datasets = load_datasets(folder)
    assert datasets
    for dataset in datasets.values():
        for one in fields(dataset.schema):
            assert one["doc"] != one["doc_vi"], (dataset.name, one["name"])
        assert all(one.said("vi") != one.doc == one.said("en") for one in dataset.fields)


def test_every_basis_is_told_in_both() -> None:
    """Each legal basis has its title in each language, and each article that an agreement cites has its words."""
    assert all(set(basis.title) >= {"vi", "en"} for basis in BASES.values())
    cited = [one for one in TEXTS if not one.needs_consent]
    assert len(cited) > 10
    for text in cited:
        known = BASES[str(text.basis.statutory)].articles
        assert all("vi" in known[part.strip()] for part in str(text.basis.article).split(";")), text.id


def test_an_article_in_words() -> None:
    """The sentence says the article in its language; what has no words in it stands as the agreement writes it."""
    assert VI in sentence(TAX, None, AGENCIES, "vi", BASES)
    assert str(TAX.basis.article) in sentence(TAX, None, AGENCIES, "en", BASES)
    assert article_words(TAX, None, "vi") == TAX.basis.article
    basis = LegalBasis(title={"en": "A law"}, articles={"Article 1": {"vi": "Điều 1"}})
    assert basis.cited("Article 1; Article 2", "vi") == "Điều 1; Article 2"
    assert article_words(next(one for one in TEXTS if one.needs_consent), BASES, "vi") == ""


def test_the_view_stays_in_english() -> None:
    """Words of other languages are no part of a view: they change no schema that a recipient reads."""
    nested = AgreementDocument.model_validate(
        {**TAX.model_dump(by_alias=True), "fields": [{"name": "temporary_residence"}]}
    )
    for text in (TAX, nested):
        view = str(view_schema(text, DATASETS[text.dataset]))
        assert not any(word in view for word in ("doc_vi", "'title'", "title_vi", "meanings"))


@pytest.mark.parametrize("words", ["", 7])
def test_words_must_be_words(words: object) -> None:
    """A translation that says nothing is refused with its field."""
    schema = {**SAMPLE.schema, "fields": [{**SAMPLE.schema["fields"][0], "doc_vi": words}]}
    with pytest.raises(DatasetSchemaWrong, match="person: `doc_vi` must say what the field is"):
        dataset_of(schema, place="test")


def test_show_and_try_in_vietnamese(tmp_path: Path) -> None:
    """The table of `show` and the steps of `try` say in Vietnamese what each field is, and no article in English."""
    record = tmp_path / "record.yaml"
    given = 'personal_id: "1"\nfull_name: An\nbirth_date: 1990-05-01\nstatus: ALIVE\nresidence_province: "01"\n'
    record.write_text(given, encoding="utf-8")
    shown = _vietnamese("show", TAX.id)
    tried = _vietnamese("try", TAX.id, "--record", str(record), "--at", "2026-03-01")
    assert VI in shown
    for told in (shown, tried):
        assert "Ngày, tháng, năm sinh." in told
        assert "Date of birth" not in told
        assert "Law" not in told


def _vietnamese(*words: str) -> str:
    answer = CliRunner().invoke(cli, ["agreement", *words, "--lang", "vi"])
    assert answer.exit_code == 0, answer.output
    return answer.output


def test_a_preview_says_what_fields_are() -> None:
    """Where the reader's language has words for a field, the tables of a preview say them beside its name."""
    found = Foresight(TAX.id, TAX.recipient, 1, keys={})
    found.fields_released["birth_date"] = 3
    told = Told(found, (), "", "vi", {"birth_date": "Ngày, tháng, năm sinh."})
    assert any("birth_date: Ngày, tháng, năm sinh." in line for line in as_text(told))
    assert "birth_date: Ngày, tháng, năm sinh." in as_html(told)
    assert any(line.endswith("3  birth_date") for line in as_text(Told(found, (), "", "en")))


def test_a_preview_names_its_text_and_its_moment() -> None:
    """Whoever is handed a preview sees of which text and when it was made, and whether copies could be compared."""
    found = Foresight(TAX.id, TAX.recipient, 1, keys={}, lanes_done=1)
    for language in ("vi", "en"):
        told = Told(found, (), "", language, {}, "5dd3e3bb2064951c", "2026-11-29 21:17 (Asia/Ho_Chi_Minh)")
        keyless = replace(told, found=replace(found, keyless=True))
        for lines in ("\n".join(as_text(told)), as_html(told)):
            assert "5dd3e3bb2064951c" in lines
            assert "2026-11-29 21:17 (Asia/Ho_Chi_Minh)" in lines
        assert "class=warning" not in as_html(told)
        assert "class=warning" in as_html(keyless)
        assert told.words["keyless"] in "\n".join(as_text(keyless))


def test_columns_of_a_preview_have_heads() -> None:
    """Who hears the page read out is told of each count by place what is counted."""
    found = Foresight(TAX.id, TAX.recipient, 1, keys={}, by="residence_province")
    found.places["01"] = Counter(released=2, erased=1)
    page = as_html(Told(found, (), "", "en"))
    assert "<th scope=col>newly released</th><th scope=col>no longer released</th>" in page


def test_numbers_are_written_as_the_language_has_them() -> None:
    """In Vietnamese a point groups thousands and a comma begins the fraction: 1,907 records would be less than two."""
    found = Foresight(TAX.id, TAX.recipient, 1, keys={}, sample=2_000, known=400_000, judged=1_907)
    found.unchanged = 1_907
    for language, written in (("vi", ("1.907", "400.000", "0,48 %")), ("en", ("1,907", "400,000", "0.48 %"))):
        told = Told(found, (), "", language)
        for lines in ("\n".join(as_text(told)), as_html(told)):
            assert all(one in lines for one in written), lines
