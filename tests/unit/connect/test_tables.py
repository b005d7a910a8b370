"""Dropped files as tables: how they are written is found out, and what is broken stays one line."""

import zipfile
from decimal import Decimal
from pathlib import Path
from typing import Any

import openpyxl
import pytest
from pydantic import ValidationError

from bus.connect.manifest import FilesRule
from bus.connect.tables import FileUnreadable, Line, looks_whole, opened
from bus.connect.unfit import RowUnfit

RULE = FilesRule.model_validate({"operation_column": "op", "deleted": ["D"]})
NAMES = ("Nguyễn Văn An", "Trần Thị Bình", "Đỗ Cường")
TEXT = "id;name\r\n" + "".join(f"{n};{name}\r\n" for n, name in enumerate(NAMES))


def cells(path: Path, rule: FilesRule = RULE) -> list[object]:
    with opened(path, rule) as table:
        return [line and (line.row and list(line.row.values())) for line in table.lines()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encoding_and_delimiter_are_found(tmp_path: Path, encoding: str, delimiter: str) -> None:
    """A file in any of these is read right without a word in the manifest."""
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.replace(";", delimiter).encode(encoding))
    assert cells(path) == [[str(n), name] for n, name in enumerate(NAMES)]
    with opened(path, RULE) as table:
        assert table.shape["delimiter"] == delimiter


def test_a_mark_is_no_part_of_the_first_column(tmp_path: Path) -> None:
    """A file of UTF-8 may begin with a byte order mark also where the manifest names its encoding."""
    path = tmp_path / "a.csv"
    for encoding in ("utf-8", "UTF8", "utf_8_sig"):
        path.write_bytes(TEXT.encode("utf-8-sig"))
        rule = FilesRule.model_validate(RULE.model_dump() | {"encoding": encoding})
        with opened(path, rule) as table:
            assert table.header == ["id", "name"]
    with pytest.raises(ValidationError, match="no such encoding is known"):
        FilesRule.model_validate(RULE.model_dump() | {"encoding": "utf-9"})


def test_an_encoding_of_old(tmp_path: Path) -> None:
    """The named other encoding is taken for a file that is written in it, and not for a single broken line."""
    rule = RULE.model_copy(update={"encoding_otherwise": "cp1252"})
    old, torn = tmp_path / "old.csv", tmp_path / "torn.csv"
    old.write_bytes("id;name\n1;Café\n2;Façade\n".encode("cp1252"))
    assert cells(old, rule) == [["1", "Café"], ["2", "Façade"]]
    torn.write_bytes("id;name\n1;Café\n2;Façade\n".encode() + b"3;Caf\xe9\n")
    assert cells(torn, rule)[:2] == [["1", "Café"], ["2", "Façade"]]


def test_broken_and_empty_lines(tmp_path: Path) -> None:
    """A line of other columns than the header's is handed on as it stands; an empty one is none."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'id;name\n1;a;b\n\n2;"open\n3;c\n')
    with opened(path, RULE) as table:
        found = list(table.lines())
    reason = "does not have the 2 columns of the header"
    torn = [Line(None, original, reason) for original in (b"1;a;b\n", b'2;"open\n')]
    assert found == [torn[0], None, torn[1], Line({"id": "3", "name": "c"})]


def test_a_record_over_several_lines(tmp_path: Path) -> None:
    """What stands between quotes belongs to its record: no line of a note is a record of its own, nor after a fault."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'id;name\r\n1;"say ""hi""\r\n2;forged\r\n\r\n3;forged"\r\n4;"a\n5;b";c\n6;"open\n7;"d"\n8;"e\n')
    with opened(path, RULE) as table:
        found = list(table.lines())
    reason = "does not have the 2 columns of the header"
    assert found == [
        Line({"id": "1", "name": 'say "hi"\r\n2;forged\r\n\r\n3;forged'}),
        Line(None, b'4;"a\n5;b";c\n', reason),
        Line(None, b'6;"open\n', reason),
        Line({"id": "7", "name": "d"}),
        Line(None, b'8;"e\n', reason),
    ]


def test_a_large_cell(tmp_path: Path) -> None:
    """A cell as large as a record may be is read; what of it is too large is told by its contract."""
    path, large = tmp_path / "a.csv", "x" * (1 << 20)
    path.write_text(f'id;name\n1;{large}\n2;"{large}"\n')
    assert cells(path) == [["1", large], ["2", large]]


@pytest.mark.parametrize("name", ["a.csv", "a.jsonl"])
@pytest.mark.parametrize("content", ["x" * 80, "id;name\n1;An\n" + "\x00" * 80], ids=["header", "later"])
def test_a_line_that_does_not_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, name: str, content: str) -> None:
    """A file without ends of lines, or with a hole in it, is told, and is not held as the one line that it is."""
    monkeypatch.setattr("bus.connect.tables.LONGEST_LINE", 64)
    (tmp_path / name).write_text(content)
    with pytest.raises(FileUnreadable, match="has a line of more than"):
        cells(tmp_path / name)
    (tmp_path / name).write_text("id;name\n" + "1;An\n" * 80)
    assert len(cells(tmp_path / name)) > 79


def test_a_return_alone_within_a_line(tmp_path: Path) -> None:
    """A record with one is broken as a whole: what stands before it would pass for the whole value."""
    path = tmp_path / "a.csv"
    path.write_bytes(b'id;name\n1;a\rb\n2;"a\rb"\n3;c\n')
    assert cells(path) == [None, ["2", "a\rb"], ["3", "c"]]
    path.write_bytes(b"id;name\r1;a\r2;b\r")
    assert cells(path) == [["1", "a"], ["2", "b"]]


@pytest.mark.parametrize("ending", ["csv", "xlsx"])
def test_a_column_that_the_header_has_twice(tmp_path: Path, ending: str) -> None:
    """No value is taken for that of a column that is there twice: each has a name of its own, and none is lost."""
    path = tmp_path / f"a.{ending}"
    lines = [["id", "born", "born", "", "", "end"], ["1", "1990-01-01", "2020-02-02", "x", "y", "z"]]
    if ending == "csv":
        path.write_text("".join(";".join(line) + "\n" for line in lines))
    else:
        book = openpyxl.Workbook()
        sheet: Any = book.active
        for line in lines:
            sheet.append(line)
        book.save(path)
    with opened(path, RULE) as table:
        (found,) = table.lines()
    row = (found and found.row) or {}
    assert [row["id"], row["born (1)"], row["born (2)"]] == ["1", "1990-01-01", "2020-02-02"]
    assert "born" not in row
    with pytest.raises(RowUnfit, match=r"more than once: say which by `born \(1\)`"):
        row["born"]


def test_a_workbook_that_tells_too_few_columns(tmp_path: Path) -> None:
    """Every column of a sheet is read, whatever extent the program that wrote it told."""
    made, path = openpyxl.Workbook(), tmp_path / "a.xlsx"
    for row in (("id", "name"), ("1", "An")):
        made.worksheets[0].append(row)
    made.save(tmp_path / "made.xlsx")
    with zipfile.ZipFile(tmp_path / "made.xlsx") as whole, zipfile.ZipFile(path, "w") as book:
        for name in whole.namelist():
            book.writestr(name, whole.read(name).replace(b'ref="A1:B2"', b'ref="A1"'))
    assert cells(path) == [["1", "An"]]


def test_a_workbook_that_memory_could_not_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A small file whose texts would fill the memory is refused by what it says of itself, and ends nothing."""
    path = tmp_path / "a.xlsx"
    monkeypatch.setattr("bus.connect.tables.HELD_BYTES", 1 << 20)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as book:
        book.writestr("xl/sharedStrings.xml", bytes(2 << 20))
    with pytest.raises(FileUnreadable, match="write it as CSV"), opened(path, RULE):
        pass


def test_objects_in_objects_and_lists(tmp_path: Path) -> None:
    """Inner objects become columns, each entry of the named list a row; what is none of it stays one broken record."""
    path = tmp_path / "a.jsonl"
    whole = '{"n": 1, "at": {"y": "01", "z": null}, "who": [{"id": "a"}, {"id": "b"}]}'
    path.write_text(f'{whole}\n\n{{"n": 2, "at": null, "who": []}}\n{{"n": 3}}\n{{torn\n', encoding="utf-8")
    with opened(path, RULE.model_copy(update={"each": "who"})) as table:
        found = list(table.lines())
    both = [{"n": 1, "at.y": "01", "at.z": None, "who.id": one} for one in "ab"]
    assert [line and line.row for line in found] == [*both, None, None, None]
    assert [line.original for line in found[3:] if line] == [b'{"n": 3}\n', b"{torn\n"]
    path.write_text('{"n": 2, "at": null}\n')
    with opened(path, RULE) as table:
        (line,) = table.lines()
    assert line
    assert line.row
    assert line.row["at.y"] is None
    with pytest.raises(KeyError):
        line.row["n.y"]


def test_what_nobody_can_read_breaks_its_own_line_alone(tmp_path: Path) -> None:
    """Lists within thousands of lists, and half a pair of UTF-16, stop no other record of a file."""
    deep, half, good = "[" * 99999 + "]" * 99999, '{"n": "\\ud800"}', '{"n": "a"}'
    for name, text in (("a.jsonl", f"{deep}\n{half}\n{good}\n"), ("a.json", f"[{half}, {good}]")):
        (tmp_path / name).write_text(text)
        with opened(tmp_path / name, RULE) as table:
            assert [line and line.row for line in table.lines()][-2:] == [{"n": "\ud800"}, {"n": "a"}]


def test_an_object_that_has_a_key_twice(tmp_path: Path) -> None:
    """Which of two values is meant nobody knows: the record is broken, and an array of such is no table."""
    lines, array = tmp_path / "a.jsonl", tmp_path / "a.json"
    lines.write_text('{"id": 1, "at": {"x": 1, "x": 2}}\n{"id": 1, "id": 2}\n{"id": 3}\n')
    with opened(lines, RULE) as table:
        found = list(table.lines())
    assert [line and line.reason for line in found] == ["has a key twice in one object"] * 2 + [""]
    array.write_text('[{"id": 3}, {"id": 1, "id": 2}]')
    with pytest.raises(FileUnreadable, match="an object in it has a key twice"):
        cells(array)


def test_an_array_of_objects(tmp_path: Path) -> None:
    """A file that is one array gives its objects; one that is something else is told as a whole."""
    path = tmp_path / "a.json"
    path.write_text('[{"n": 1.50}, 5]')
    with opened(path, RULE) as table:
        assert [line and line.row for line in table.lines()] == [{"n": Decimal("1.50")}, None]
    for wrong in ("{}", '[{"n": 1}', "[" * 99999 + "]" * 99999, f"[{'9' * 9999}]"):
        path.write_text(wrong)
        with opened(path, RULE) as table, pytest.raises(FileUnreadable):
            list(table.lines())


@pytest.mark.parametrize(
    ("name", "content", "whole"),
    [
        ("a.csv", b"", False),
        ("a.csv", b"a\n", True),
        ("a.csv", b"a\nb", False),
        ("a.csv", "a\n".encode("utf-16"), True),
        ("a.xlsx", b"PK\x03\x04half", False),
        ("a.json", b'[{"a": 1}', False),
        ("a.json", b"[]\n\n", True),
        ("a.jsonl", b'{"a": 1}', False),
        ("a.jsonl", b'{"a": 1}\n', True),
        ("a.xlsx", b"PK\x05\x06" + bytes(18), True),
    ],
)
def test_half_written_files(tmp_path: Path, name: str, content: bytes, whole: bool) -> None:  # noqa: FBT001 - data
    """A file counts as whole when it ends as its kind does."""
    (tmp_path / name).write_bytes(content)
    assert looks_whole(tmp_path / name) is whole
