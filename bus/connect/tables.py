"""A dropped file as a table: its header, then its lines, whatever stands in them.

CSV in the encoding and with the delimiter that are found in it; the first sheet of an Excel workbook (.xlsx); JSON, one
object a line (.jsonl, .ndjson) or one array of objects (.json, held whole in memory). Of an object in an object the
columns are called `outer.inner`; where the rule names a list by `each`, every entry of it is a row of its own. A column
that a header names twice is called `name (1)` and `name (2)`: nobody knows which of them `name` is.
"""

import codecs
import csv
import json
import zipfile
from collections import Counter, deque
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Protocol

from bus.connect.manifest import FilesRule
from bus.connect.unfit import RowUnfit, original_bytes
from bus.topics import MAX_RECORD_BYTES

EXCEL = ".xlsx"
JSON, JSON_LINES = ".json", (".jsonl", ".ndjson")
ENDINGS = ("csv", EXCEL[1:], JSON[1:], *(ending[1:] for ending in JSON_LINES))
UTF_8 = "utf-8-sig"
HELD_BYTES = 1 << 28
"""Of a workbook, all but its sheets is held in memory; a small file may hold very much."""

LONGEST_LINE = 1 << 26
"""Letters of a line of a text file; a longer one is not held, as in a file that was never written to its end."""

LINES_OF_ONE = 10_000
"""Over so many lines of a CSV file one record may reach."""

csv.field_size_limit(MAX_RECORD_BYTES)  # what Python takes by itself is an eighth of what a record may hold

_MARKS = ((codecs.BOM_UTF8, UTF_8), (codecs.BOM_UTF16_LE, "utf-16"), (codecs.BOM_UTF16_BE, "utf-16"))


class FileUnreadable(Exception):
    """A file that is no table at all; the text says why, and quotes nothing."""


@dataclass(frozen=True, slots=True)
class Line:
    """One record. `row` None: it is broken, as `reason` says. `original` is what stands in the file."""

    row: Mapping[str, Any] | None
    original: bytes = b""
    reason: str = ""


class Table(Protocol):
    """An open file."""

    shape: dict[str, str]
    """What was found out about it, for the log."""

    @property
    def header(self) -> list[str] | None:
        """Its columns; None where every record names its own."""
        ...

    def lines(self) -> Iterator[Line | None]:
        """Every record in the order of the file; None for an empty line."""
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
                ending = path.suffix.lower()
                if ending == JSON or ending in JSON_LINES:
                    yield _Json(text, encoding, rule.each, whole=ending == JSON)
                else:
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
        while line := file.readline(LONGEST_LINE):
            if not line.isascii():
                try:
                    line.decode()
                    good += 1
                except UnicodeDecodeError:
                    bad += 1
    return otherwise if bad > good else UTF_8


def looks_whole(path: Path) -> bool:
    """Whether the file ends as a whole one does: with the end of a line or of an array, or a workbook's directory."""
    if path.suffix.lower() == EXCEL:
        return zipfile.is_zipfile(path)
    with path.open("rb") as file:
        if file.seek(0, 2) == 0:
            return False
        file.seek(-min(file.tell(), 8), 2)
        end = file.read()
    if path.suffix.lower() == JSON:
        return end.rstrip(b"\x00\r\n\t ").endswith(b"]")
    return end.endswith((b"\n", b"\n\x00"))


class Named(dict[str, Any]):
    """A row by its header. Of a column that is there more than once no value is taken for the column's."""

    def __missing__(self, name: str) -> None:
        first = f"{name} (1)"
        if first in self:
            raise RowUnfit(f"the header has it more than once: say which by `{first}`, `{name} (2)` …")
        raise KeyError(name)


def _told_apart(header: list[str]) -> list[str]:
    """The names of a header, each once; columns without a name stay as they are."""
    count, met = Counter(header), Counter[str]()
    found = []
    for name in header:
        met[name] += 1
        found.append(f"{name} ({met[name]})" if name and count[name] > 1 else name)
    return found


def _line_of(text: Any) -> str:
    """The next line, empty at the end. Raises FileUnreadable."""
    line: str = text.readline(LONGEST_LINE)
    if len(line) == LONGEST_LINE and not line.endswith(("\r", "\n")):
        raise FileUnreadable(f"it has a line of more than {LONGEST_LINE >> 20} million letters")
    return line


class _Csv:
    def __init__(self, text: Any, encoding: str, delimiter: str | None) -> None:
        self._text = text
        self._encoding = encoding
        self._ahead: deque[str] = deque()
        first = _line_of(text)
        self._returns = first.endswith("\r")
        self._delimiter = delimiter or max(";,\t|", key=first.count)
        self.header = _told_apart([name.strip() for name in next(csv.reader([first], delimiter=self._delimiter), [])])
        self.shape = {"encoding": encoding, "delimiter": self._delimiter}

    def lines(self) -> Iterator[Line | None]:
        while text := self._next():
            yield self._line(text) if text.strip() else None

    def _next(self) -> str:
        """The next line. A return alone ends one where it ends the header too; else it is a part of one."""
        if self._ahead:
            return self._ahead.popleft()
        text = _line_of(self._text)
        while text.endswith("\r") and not self._returns and (further := _line_of(self._text)):
            text += further
        return text

    def _line(self, text: str) -> Line:
        """A record: one line, or those over which its quotes reach. Quotes that never end break one line alone."""
        try:
            (cells,) = csv.reader([text], delimiter=self._delimiter, strict=True)
        except (csv.Error, ValueError):
            text, cells = self._quoted(text)
        original = text.encode(self._encoding.removesuffix("-sig"), "surrogateescape")
        if len(cells) != len(self.header):
            return Line(None, original, f"does not have the {len(self.header)} columns of the header")
        return Line(Named(zip(self.header, cells, strict=True)))

    def _quoted(self, first: str) -> tuple[str, list[str]]:
        """The text and the cells of a record whose quotes reach over lines; without cells, of the first line alone.

        What stands between quotes is never a record of its own: somebody may have written it into a note.
        """
        taken: list[str] = []

        def further() -> Iterator[str]:
            text = first
            while text and len(taken) < LINES_OF_ONE:
                taken.append(text)
                yield text
                text = self._next()
            self._ahead.extendleft([text] if text else [])

        try:
            cells = next(csv.reader(further(), delimiter=self._delimiter, strict=True))
        except (csv.Error, ValueError):
            self._ahead.extendleft(reversed(taken[1:]))
            return first, []
        return "".join(taken), cells


class Flat(dict[str, Any]):
    """An object whose inner objects are spread out; an inner value of an absent object is absent too."""

    @classmethod
    def of(cls, found: Mapping[str, Any]) -> "Flat":
        """`{"a": {"b": 1}}` becomes `{"a.b": 1}`; lists stay as they are."""
        flat = cls()
        for name, value in found.items():
            if isinstance(value, dict):
                flat.update({f"{name}.{inner}": one for inner, one in cls.of(value).items()})
            else:
                flat[name] = value
        return flat

    def __missing__(self, name: str) -> None:
        outer = name.rpartition(".")[0]
        while outer:
            if outer in self and self[outer] is None:
                return
            outer = outer.rpartition(".")[0]
        raise KeyError(name)


class KeyTwice(ValueError):
    """A key stands twice in one object of JSON: nobody knows which of its values is meant."""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Raises KeyTwice."""
    found = dict(pairs)
    if len(found) < len(pairs):
        raise KeyTwice
    return found


class _Json:
    """Objects, a line each or as one array. A number with a fraction is a Decimal, as the registry wrote it."""

    def __init__(self, text: Any, encoding: str, each: str | None, *, whole: bool) -> None:
        self.header = None
        self._text = text
        self._encoding = encoding.removesuffix("-sig")
        self._each = each
        self._whole = whole
        self.shape = {"encoding": encoding, "delimiter": "array" if whole else "lines"}

    def lines(self) -> Iterator[Line | None]:
        if not self._whole:
            while text := _line_of(self._text):
                yield from self._records(text) if text.strip() else [None]
            return
        try:
            found = json.loads(self._text.read(), parse_float=Decimal, object_pairs_hook=_object)
        except KeyTwice:
            raise FileUnreadable("an object in it has a key twice") from None
        except json.JSONDecodeError as error:
            raise FileUnreadable(f"it is no JSON from line {error.lineno} on") from None
        except UnicodeError:
            raise
        except (ValueError, RecursionError):  # a number of thousands of digits, lists within lists within lists
            raise FileUnreadable("it is JSON that nobody can read") from None
        if not isinstance(found, list):
            raise FileUnreadable("it is no array of objects")
        for one in found:
            yield from self._rows(one, original_bytes(one))

    def _records(self, text: str) -> Iterator[Line]:
        original = text.encode(self._encoding, "surrogateescape")
        try:
            found = json.loads(text, parse_float=Decimal, object_pairs_hook=_object)
        except KeyTwice:
            yield Line(None, original, "has a key twice in one object")
            return
        except (ValueError, RecursionError):
            found = None
        yield from self._rows(found, original)

    def _rows(self, found: Any, original: bytes) -> Iterator[Line]:
        """The rows of one object; of one with a list that the rule names, a row for each of its entries."""
        if not isinstance(found, dict):
            yield Line(None, original, "is no JSON object")
        elif self._each is None:
            yield Line(Flat.of(found))
        elif not isinstance(listed := found.get(self._each), list) or not all(isinstance(one, dict) for one in listed):
            yield Line(None, original, f"has no list of objects called {self._each}")
        else:
            for one in listed:
                yield Line(Flat.of({**found, self._each: one}))


class _Excel:
    """Cells come as what they are: text, numbers, dates. What a sheet has beyond its header is a broken line."""

    def __init__(self, file: Any) -> None:
        try:
            import openpyxl  # noqa: PLC0415 - only those who are sent workbooks need it
        except ImportError as error:
            raise FileUnreadable("Excel files need the package openpyxl") from error
        try:
            with zipfile.ZipFile(file) as parts:
                held = sum(part.file_size for part in parts.infolist() if "worksheets/" not in part.filename)
        except (zipfile.BadZipFile, OSError):
            held = 0  # told below
        if held > HELD_BYTES:
            raise FileUnreadable(f"it holds {held >> 20} MiB beside its sheets: write it as CSV")
        try:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True)
            sheet = book.worksheets[0]
            sheet.reset_dimensions()  # who wrote the file may have told too few columns
            self._rows = sheet.iter_rows(values_only=True)
            first = next(self._rows, ())
        except Exception:  # noqa: BLE001 - a broken workbook raises nearly anything
            raise FileUnreadable("it is no workbook of Excel, or it is broken") from None
        names = ["" if cell is None else str(cell).strip() for cell in first]
        while names and not names[-1]:
            names.pop()
        self.header = _told_apart(names)
        self.shape = {"encoding": "xlsx", "delimiter": "cells"}

    def lines(self) -> Iterator[Line | None]:
        while True:
            try:
                row = next(self._rows)
            except StopIteration:
                return
            except Exception:  # noqa: BLE001 - as above
                raise FileUnreadable("its first sheet breaks off") from None
            yield None if all(cell is None or cell == "" for cell in row) else self._line(row)

    def _line(self, row: tuple[Any, ...]) -> Line:
        width = len(self.header)
        if any(cell is not None for cell in row[width:]):
            original = original_bytes(row)
            return Line(None, original, f"does not have the {width} columns of the header")
        return Line(Named(zip(self.header, [*row[:width], *[None] * (width - len(row))], strict=True)))
