"""Edits of a text leave every other character of it as it was."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner
from hypothesis import given
from hypothesis import strategies as st

from bus.agreements.edit import with_value
from bus.agreements.text import read_text
from bus.cli.agreement import agreement
from tests.unit.agreements.ground import SEEDS

TEXTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted(SEEDS.glob("*.yaml"))}
WRITTEN = ("{}", '"{}"', "'{}'")
BEHIND = ("", "   ", "   # tên, không đổi", "  # chú thích: 'lạ' \"và\" {dài}")
"""How a value may be written, and what may stand behind it."""

ODD = """\
# Chú thích đầu tệp: giữ nguyên

id:      {id}
title: {{vi: "Tên dài",   en: 'Long name'}}   # dòng này thẳng hàng


recipient: {recipient}
purpose: {{code: x,
          vi: "một mục đích rất dài, được viết trên một dòng duy nhất, dài hơn dòng mà trình soạn thảo sẽ ngắt",
   en: y}}
# recipient: không phải khóa này
filter: >-
  status == "ALIVE"
    && has(phone)   # một phần của bộ lọc
fields: [ personal_id,  full_name ]
\tĐuôi
"""
names = st.from_regex(r"[a-z][a-z0-9]{0,8}(-[a-z0-9]{1,8}){0,3}", fullmatch=True)


sources = {
    "name": names,
    "text": st.sampled_from(sorted(TEXTS)),
    "written": st.sampled_from(WRITTEN),
    "behind": st.sampled_from(BEHIND),
    "line_end": st.sampled_from(("\n", "\r\n")),
    "mark": st.sampled_from(("", "\ufeff")),
}


@given(**sources)
def test_nothing_but_the_value_changes(
    *, name: str, text: str, written: str, behind: str, line_end: str, mark: str
) -> None:
    """Whatever quotes, comments, line ends or byte-order mark a file has: one value is another, and no more."""
    head, line, tail = TEXTS[text].partition(f"id: {text}\n")
    assert line
    before = f"{mark}{head}id: {written.format(text)}{behind}\n{tail}".replace("\n", line_end)
    edited = with_value(before, "id", name)
    assert read_text(edited).data == {**read_text(before).data, "id": name}
    spellings = (name, json.dumps(name))
    assert edited in [f"{mark}{head}id: {one}{behind}\n{tail}".replace("\n", line_end) for one in spellings]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_an_odd_layout_stays(line_end: str) -> None:
    """Alignment, long lines, flow style, folded text and comments in Vietnamese are kept to the character."""
    text = ODD.removesuffix("\tĐuôi\n").replace("\n", line_end)
    source = text.format(id='"a"  # số một', recipient="b # hai")
    edited = with_value(with_value(source, "recipient", "tax-authority"), "id", "new-name")
    assert edited == text.format(id="new-name  # số một", recipient="tax-authority # hai")


@pytest.mark.parametrize("source", ["title: x\n", "id: {a: b}\n", "- id\n", "id: |\n  x\n", "id: [\n"])
def test_what_has_no_such_value_is_not_edited(source: str) -> None:
    """A text in which the key has no plain value is left alone, by an error."""
    with pytest.raises(KeyError):
        with_value(source, "id", "x")


@pytest.mark.parametrize("name", ["no", "true", "a b", "#x", "a: b", 'say "x"', "Đà Nẵng", ""])
def test_a_value_that_would_be_misread_is_quoted(name: str) -> None:
    """Whatever text is put in, exactly that text is read out."""
    assert read_text(with_value("id: old # c\n", "id", name)).data == {"id": name}


def test_new_like(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`new --like` copies a text as it is, but for its name and recipient, below a line for editors.

    Nothing that is there is written over.
    """
    monkeypatch.chdir(tmp_path)
    model = TEXTS["person-to-tax"].replace("\n", "\r\n").replace("retention:", "# giữ bao lâu?\r\nretention:  ")
    Path("person-to-tax.yaml").write_bytes(model.encode())
    words = ["new", "my-copy", "--like", "person-to-tax.yaml", "--recipient", "land-office"]
    answer = CliRunner().invoke(agreement, [*words, "--lang", "vi"])
    assert answer.exit_code == 0, answer.output
    expected = model.replace("id: person-to-tax", "id: my-copy").replace(
        "recipient: tax-authority", "recipient: land-office"
    )
    expected = f"# yaml-language-server: $schema=agreement.schema.vi.json\r\n{expected}"
    assert Path("agreement.schema.vi.json").is_file()
    assert Path("my-copy.yaml").read_bytes() == expected.encode()
    assert CliRunner().invoke(agreement, words).exception is not None
    assert Path("my-copy.yaml").read_bytes() == expected.encode()
    assert CliRunner().invoke(agreement, ["check", "my-copy.yaml"]).exit_code == 0


def test_the_first_text_gets_its_schema_beside_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The modeline of a first text names a file that is there, so that an editor helps at once."""
    monkeypatch.chdir(tmp_path)
    words = ["new", "one", "--dataset", "population.person", "--recipient", "tax-authority"]
    assert CliRunner().invoke(agreement, words).exit_code == 0
    head = Path("one.yaml").read_text(encoding="utf-8").splitlines()[0]
    assert Path(head.rpartition("=")[2]).is_file()
