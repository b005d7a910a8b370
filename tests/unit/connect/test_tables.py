"""Dropped files as tables: how they are written is found out, and what is broken stays one line."""

from pathlib import Path

import pytest

from bus.connect.manifest import FilesRule
from bus.connect.tables import Line, looks_whole, opened

RULE = FilesRule.model_validate({"operation_column": "op", "deleted": ["D"]})
NAMES = ("Nguyễn Văn An", "Trần Thị Bình", "Đỗ Cường")
TEXT = "id;name\r\n" + "".join(f"{n};{name}\r\n" for n, name in enumerate(NAMES))


def cells(path: Path, rule: FilesRule = RULE) -> list[object]:
    with opened(path, rule) as table:
        assert table.header == ["id", "name"]
        return [line and line.cells for line in table.lines()]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
@pytest.mark.parametrize("delimiter", [";", ",", "\t", "|"])
def test_encoding_and_delimiter_are_found(tmp_path: Path, encoding: str, delimiter: str) -> None:
    """A file in any of these is read right without a word in the manifest."""
    path = tmp_path / "a.csv"
    path.write_bytes(TEXT.replace(";", delimiter).encode(encoding))
    assert cells(path) == [[str(n), name] for n, name in enumerate(NAMES)]
    with opened(path, RULE) as table:
        assert table.shape["delimiter"] == delimiter


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
    assert found == [Line(None, b"1;a;b\n"), None, Line(None, b'2;"open\n'), Line(["3", "c"], b"3;c\n")]


@pytest.mark.parametrize(
    ("name", "content", "whole"),
    [
        ("a.csv", b"", False),
        ("a.csv", b"a\n", True),
        ("a.csv", b"a\nb", False),
        ("a.csv", "a\n".encode("utf-16"), True),
        ("a.xlsx", b"PK\x03\x04half", False),
        ("a.xlsx", b"PK\x05\x06" + bytes(18), True),
    ],
)
def test_half_written_files(tmp_path: Path, name: str, content: bytes, whole: bool) -> None:  # noqa: FBT001 - data
    """A file counts as whole when it ends as its kind does."""
    (tmp_path / name).write_bytes(content)
    assert looks_whole(tmp_path / name) is whole
