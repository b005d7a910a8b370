"""A folder of broken agreements: each has its findings at their places, with the nearest right thing."""

from functools import cache
from typing import Any

import pytest

from bus.agreements.check import Checked, check, check_folder, load_agreements
from bus.agreements.finding import LANGUAGES, reason_words, words_of
from bus.errors import AgreementWrong
from bus.model.reasons import Reason
from tests.unit.agreements.ground import AGENCIES, BASES, DATASETS, HERE, SEEDS, data

BROKEN = HERE / "broken"
EXPECTED: dict[str, Any] = data("broken.yaml")


@cache
def checked(name: str) -> Checked:
    return check(BROKEN / f"{name}.yaml", DATASETS, AGENCIES, BASES)


def test_each_file_has_its_expectation() -> None:
    """No broken file is left out of the table, and the table names no file that is not there."""
    assert {path.stem for path in BROKEN.glob("*.yaml")} == set(EXPECTED)
    assert len(EXPECTED) >= 40


@pytest.mark.parametrize("name", EXPECTED)
def test_findings_of_a_broken_file(name: str) -> None:
    """A broken file is refused with exactly the findings of the table: code, place, marked text, suggestion."""
    result = checked(name)
    found = [
        {
            "code": finding.code,
            "at": f"{finding.place.line}:{finding.place.column}",
            "marked": finding.place.line_text[finding.place.column - 1 :][: finding.place.length],
            **({"suggestion": finding.suggestion} if finding.suggestion else {}),
        }
        for finding in result.findings
    ]
    assert result.document is None
    assert found == EXPECTED[name]["findings"]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_finding_can_be_said(language: str) -> None:
    """Each finding of the folder renders in each language, with no place of its sentence left unfilled."""
    for name in EXPECTED:
        for finding in checked(name).findings:
            head, _, caret = finding.render(language).split("\n")
            assert finding.code in head
            assert len(finding.sentence(language)) > 5
            assert caret.count("^") == finding.place.length


def test_how_a_finding_looks() -> None:
    """A finding shows file, line, column, what is wrong, the nearest name, and a caret under the text."""
    (finding,) = checked("filter-unknown-field").findings
    head, line, caret = finding.render("en").split("\n")
    assert head.endswith(
        "filter-unknown-field.yaml:8:34: error filter-unknown-field: "
        "`residance_commune`: no such field; did you mean `residence_commune`?"
    )
    assert line[caret.index("^") : caret.rindex("^") + 1] == "residance_commune"


def test_a_value_is_told_as_it_was_written() -> None:
    """A plain `true` is told as `true`, for the file has no `True`."""
    (finding,) = checked("consent-true").findings
    assert finding.sentence("en").startswith("`true` cannot stand here")


def test_an_example_may_leave_a_field_empty() -> None:
    """Nothing behind a field of an example says that the record lacks it, and is no key left empty."""
    text = (SEEDS / "person-to-tax.yaml").read_text(encoding="utf-8").replace("given: {", "given: {phone: , ")
    assert "given: {phone: , " in text
    assert not check(text, DATASETS, AGENCIES, BASES).findings


def test_languages_have_the_same_sentences() -> None:
    """Every sentence and term is there in every language, with the same places to fill."""
    reference = places(words_of("en"))
    for language in LANGUAGES:
        words = dict(words_of(language))
        reasons = words.pop("reasons", None)  # the catalogue of reasons speaks English itself
        for own in (
            "help",
            "usage",
            "errors",
            "steps",
            "model",
        ):  # so do commands, errors and the model of an agreement
            words.pop(own, None)
        assert places(words) == reference
        assert language == "en" or set(reasons) == {one.value for one in Reason}
        assert all(min(map(len, reason_words(one, language))) > 5 for one in Reason)


def places(words: Any, path: str = "") -> dict[str, tuple[str, ...]]:
    """Each text of a tree of words, with the names between braces."""
    if isinstance(words, str):
        return {path: tuple(sorted(part.partition("}")[0] for part in words.split("{")[1:]))}
    found: dict[str, tuple[str, ...]] = {}
    for name, inner in words.items():
        found |= places(inner, f"{path}/{name}")
    return found


def test_every_code_is_tried() -> None:
    """Each finding of the catalogue that one file can have is met by a broken file or a refused filter."""
    met = {finding["code"] for case in EXPECTED.values() for finding in case["findings"]}
    met |= {case["code"] for case in data("wrong_filters.yaml")}
    met |= {finding["code"] for case in data("unparsed.yaml") for finding in case["findings"]}
    elsewhere = {
        "filter-too-long",
        "filter-too-deep",
        "id-twice",
        "other-dataset",  # told of a text from the register alone
        "together",
        "expires-soon",
        "expired",
        "nobody-reached",
        "article-unlisted",
        "yaml-encoding",
        "yaml-deep",
        "bad-value",  # the net under whatever else the form may find
    }
    assert set(words_of("en")["findings"]) - met == elsewhere


def test_an_id_that_two_files_have(tmp_path: Any) -> None:
    """The second file with one id is refused, by its place."""
    text = (SEEDS / "person-to-tax.yaml").read_text(encoding="utf-8")
    (tmp_path / "person-to-tax.yaml").write_text(text, encoding="utf-8")
    (tmp_path / "zz.yaml").write_text(text, encoding="utf-8")
    results = check_folder(tmp_path, DATASETS, AGENCIES, BASES)
    assert [finding.code for finding in results[1].findings] == ["id-not-file-name"]
    assert results[1].document is None


def test_a_folder_with_an_error_is_not_loaded() -> None:
    """Nothing is loaded from a folder in which one agreement is wrong, and the error shows the findings."""
    with pytest.raises(AgreementWrong, match=r"age-of-zero\.yaml:12:28: error age-years"):
        load_agreements(BROKEN, DATASETS, AGENCIES, BASES)
