"""A dropped file as a table: its header, then its lines, whatever stands in them.

CSV in the encoding and with the delimiter that are found in it; the first sheet of an Excel workbook (.xlsx).
"""

import codecs
import csv
import json
import zipfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from bus.connect.manifest import FilesRule

EXCEL = ".xlsx"
UTF_8 = "utf-8-sig"
_MARKS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class FileUnreadable(Exception):
    """A file that is no table at all; the text says why, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line. `cells` None: it is broken. `original` is what stands in the file, for a dead letter."""

    cells: Sequence[Any] | None
    original: bytes


class Table(Protocol):
    """An open file."""

    header: list[str]
    shape: dict[str, str]
    """What was found out about it, for the log."""

    def lines(self) -> Iterator[Line | None]:
        """Every line after the header; None for an empty one."""
        ...


@contextmanager
def opened(path: Path, rule: FilesRule) -> Iterator[Table]:
    """The table in a file. Raises FileUnreadable."""
    if path.suffix.lower() == EXCEL:
        with path.open("rb") as file:
            yield _Excel(file)
    else:
        encoding = rule.encoding or encoding_of(path, rule.encoding_otherwise)
        with path.open(encoding=encoding, errors="surrogateescape", newline="") as text:
            try:
                yield _Csv(text, encoding, rule.delimiter)
            except UnicodeError as error:
                raise FileUnreadable(f"it is not written in {encoding}") from error


def encoding_of(path: Path, otherwise: str | None) -> str:
    """By its byte order mark; else UTF-8, unless most lines beyond ASCII are none, and another encoding is named.

    So a few broken bytes in a file of UTF-8 make a few broken lines, and not a file in another encoding.
    """
    with path.open("rb") as file:
        begin = file.read(4)
        file.seek(0)
        for mark, encoding in _MARKS:
            if begin.startswith(mark):
                return encoding
        if otherwise is None:
            return UTF_8
        good = bad = 0
        for line in file:
            if not line.isascii():
                try:
                    line.decode()
                    good += 1
                except UnicodeDecodeError:
                    bad += 1
    return otherwise if bad > good else UTF_8


def looks_whole(path: Path) -> bool:
    """Whether the file ends as a whole one does: with the end of a line, or with a workbook's directory."""
    if path.suffix.lower() == EXCEL:
        return zipfile.is_zipfile(path)
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return False
        file.seek(-min(file.tell(), 2), 2)
        return file.read().endswith((b"\n", b"\n\x00"))


class _Csv:
    def __init__(self, text: Any, encoding: str, delimiter: str | None) -> None:
        self._text = text
        self._encoding = encoding
        first = text.readline()
        self._delimiter = delimiter or max(";,\t|", key=first.count)
        self.header = [name.strip() for name in next(csv.reader([first], delimiter=self._delimiter), [])]
        self.shape = {"encoding": encoding, "delimiter": self._delimiter}

    def lines(self) -> Iterator[Line | None]:
        for text in self._text:
            yield self._line(text) if text.strip() else None

    def _line(self, text: str) -> Line:
        original = text.encode(self._encoding.removesuffix("-sig"), "surrogateescape")
        try:
            (cells,) = csv.reader([text], delimiter=self._delimiter, strict=True)
        except (csv.Error, ValueError):
            return Line(None, original)
        return Line(cells if len(cells) == len(self.header) else None, original)


class _Excel:
    """Cells come as what they are: text, numbers, dates. What a sheet has beyond its header is a broken line."""

    def __init__(self, file: Any) -> None:
        try:
            import openpyxl  # noqa: PLC0415 - only those who are sent workbooks need it
        except ImportError as error:
            raise FileUnreadable("Excel files need the package openpyxl") from error
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            self._rows = book.worksheets[0].iter_rows(values_only=True)
            first = next(self._rows, ())
        except Exception as error:  # noqa: BLE001 - a broken workbook raises nearly anything
            raise FileUnreadable(f"it is no workbook that can be read ({type(error).__name__})") from None
        names = ["" if cell is None else str(cell).strip() for cell in first]
        while names and not names[-1]:
            names.pop()
        self.header = names
        self.shape = {"encoding": "xlsx", "delimiter": "cells"}

    def lines(self) -> Iterator[Line | None]:
        while True:
            try:
                row = next(self._rows)
            except StopIteration:
                return
            except Exception as error:  # noqa: BLE001 - as above
                raise FileUnreadable(f"its sheet breaks off ({type(error).__name__})") from None
            yield None if all(cell is None or cell == "" for cell in row) else self._line(row)

    def _line(self, row: tuple[Any, ...]) -> Line:
        original = json.dumps(row, ensure_ascii=False, default=str).encode()
        width = len(self.header)
        if any(cell is not None for cell in row[width:]):
            return Line(None, original)
        return Line([*row[:width], *[None] * (width - len(row))], original)
