"""Texts that are not YAML: each has findings at their places, which say in the reader's language what to write."""

import io
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from bus.agreements.finding import LANGUAGES
from bus.agreements.text import read_text
from tests.unit.agreements.ground import data

CASES = data("unparsed.yaml")
each = pytest.mark.parametrize("case", CASES, ids=lambda case: str(case["says"]))


def parser_says(text: str) -> str | None:
    """The parser's own words; None where it reads the text."""
    yaml = YAML()
    yaml.composer.warn_double_anchors = False
    try:
        yaml.compose(io.StringIO(text))
    except MarkedYAMLError as error:
        return str(error.problem)
    except YAMLError as error:
        return str(error).splitlines()[0]
    return None


@each
def test_what_is_told_and_where(case: dict[str, Any]) -> None:
    """Each broken text has exactly its findings: code, place, marked text."""
    found = [
        {
            "code": one.code,
            "at": f"{one.place.line}:{one.place.column}",
            "marked": one.place.line_text[one.place.column - 1 :][: one.place.length],
        }
        for one in read_text(case["text"], "text.yaml").findings
    ]
    assert found == case["findings"]


@each
def test_it_is_told_in_the_language(case: dict[str, Any]) -> None:
    """Where a message is known, no word of the parser is told in any language; an unknown one stands behind ours."""
    problem = parser_says(case["text"])
    said = {one: [found.sentence(one) for found in read_text(case["text"]).findings] for one in LANGUAGES}
    assert all(english != other for english, other in zip(said["en"], said["vi"], strict=True))
    for sentence in (*said["en"], *said["vi"]):
        assert len(sentence) > 20
        known = case["findings"][0]["code"] != "yaml"
        assert problem is None or (problem not in sentence if known else sentence.endswith(f": {problem}"))


def test_a_file_in_another_encoding(tmp_path: Path) -> None:
    """A file that is not UTF-8 is told as such, at its first character that is not."""
    file = tmp_path / "text.yaml"
    file.write_bytes("id: x\ntitle: Thỏa thuận\n".encode("utf-16"))
    (found,) = read_text(file).findings
    assert (found.code, found.place.line, found.place.column) == ("yaml-encoding", 1, 1)
    file.write_bytes(b"id: x\ntitle: Vi\xeat Nam\n")
    (found,) = read_text(file).findings
    assert (found.code, found.place.line, found.place.column) == ("yaml-encoding", 2, 10)
    assert "UTF-8" in found.render("vi")
    assert "\ufffd" in found.place.line_text


def test_the_place_is_kept_far_into_a_file() -> None:
    """A character that no text holds is found where it stands, however long the file is."""
    lines = [f"key{number}: value" for number in range(2000)]
    lines[1500] = "key1500: va\x07lue"
    (found,) = read_text("\n".join(lines)).findings
    assert (found.code, found.place.line, found.place.column) == ("yaml-character", 1501, 12)


@pytest.mark.parametrize(
    ("text", "codes", "data"),
    [
        ('a: "x\\ud83d"\n', ["yaml-character"], {"a": "x"}),
        ('"a\\udc00": 1\n', ["yaml-character"], {"a": 1}),
        ("a: 1e400\n", ["yaml-number"], {"a": "1e400"}),
        (f"a: {'[' * 3000}{']' * 3000}\n", ["yaml-deep"], None),
    ],
    ids=["half a character", "half a character in a key", "a number without end", "nested too deep"],
)
def test_what_no_text_can_hold(text: str, codes: list[str], data: object) -> None:
    """What YAML can write and nothing can store, hash or tell is a finding, and not the end of the command."""
    read = read_text(text, "text.yaml")
    assert ([one.code for one in read.findings], read.data) == (codes, data)
    assert all(one.sentence(language).encode() for one in read.findings for language in LANGUAGES)
