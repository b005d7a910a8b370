"""Rows as a database's log tells them: a cell for each column, whose text becomes a value when somebody asks for it.

What reads the rows of a table is written as Python source, once for each of its shapes: it runs for every change, and a
loop over the columns would cost half as much again as their work.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

Read = Callable[[str], Any]

UNCHANGED = object()
"""Stands for a large value that an update did not touch and that was therefore not sent."""

TEXT, NULL = b"tn"
"""How a cell begins: text follows, or it is null; a third letter says that it is unchanged and not sent."""

CELL = struct.Struct(">BI").unpack_from
"""How a cell begins, and the size of its text; what follows a cell without text is read too, and thrown away."""

ROOM = bytes(4)
"""Put behind a row, so that something may be read there."""

COUNT_BYTES = 2
"""A row begins with the count of its cells."""


class Layout:
    """The columns of a table as its log tells them now. Two are never the same one, even where they say the same.

    Each column: its name, how its text is read, whether that always gives a value of the same kind. `row` gives the
    values by column; `cells` where each cell begins, and where the row ends.
    """

    __slots__ = ("cells", "columns", "places", "row")

    def __init__(self, columns: Sequence[tuple[str, Read, bool]]) -> None:
        self.columns = tuple(columns)
        self.places = {column[0]: place for place, column in enumerate(columns)}
        self.row: Callable[[bytes, int], dict[str, Any]] = _row_of(self.columns)
        self.cells: Callable[[bytes, int], tuple[tuple[int, ...], int]] = _cells_of(len(columns))


class WireRow(Mapping[str, Any]):
    """A row in the bytes that told it, which begins at `at`. `before`: the row that it replaced, with what it left."""

    __slots__ = ("at", "before", "data", "layout")

    def __init__(self, layout: Layout, data: bytes, at: int, before: "WireRow | None" = None) -> None:
        self.layout = layout
        self.data = data
        self.at = at
        self.before = before

    def read(self) -> dict[str, Any]:
        """Every column's value; text where Python has no such value, see `read_or_text`."""
        row = self.layout.row(self.data, self.at)
        if self.before is not None and UNCHANGED in row.values():
            return {name: self.before[name] if value is UNCHANGED else value for name, value in row.items()}
        return row

    def __getitem__(self, name: str) -> Any:
        place = self.layout.places[name]
        cells, _ = self.layout.cells(self.data, self.at)
        kind, size = CELL(self.data, cells[place])
        if kind == TEXT:
            begin = cells[place] + 5
            return read_or_text(self.layout.columns[place][1], text_of(self.data[begin : begin + size]))
        if kind == NULL:
            return None
        return UNCHANGED if self.before is None else self.before[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self.layout.places)

    def __len__(self) -> int:
        return len(self.layout.columns)


def values_of(row: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
    """A row with values, where it is one that makes them when somebody asks: for those who ask for all of them."""
    return row.read() if isinstance(row, WireRow) else row


def text_of(cell: bytes) -> str:
    """A cell's text. Bytes that are none, from a database that knows no encoding, are for the contract to judge."""
    return cell.decode("utf-8", "surrogateescape")


def read_or_text(read: Read, text: str) -> Any:
    """The value; the text itself where Python has no such value (the date `infinity`), for the contract to judge."""
    try:
        return read(text)
    except (ValueError, ArithmeticError):
        return text


def written(head: str, lines: Sequence[str], names: dict[str, Any]) -> Any:
    """The function of these lines, which is to be called `head`; `names` are those that it may use."""
    source = f"def {head}:\n    " + "\n    ".join(lines)
    exec(compile(source, "<cells>", "exec"), names)  # noqa: S102 - written here; what comes from outside stands in `names`
    return names[head.partition("(")[0]]


def _cells_of(columns: int) -> Any:
    lines = [f"at += {COUNT_BYTES}"]
    for number in range(columns):
        lines += [f"c{number} = at", "kind, size = cell(data, at)", f"at += 5 + size if kind == {TEXT} else 1"]
    places = "".join(f"c{number}, " for number in range(columns))
    return written("cells(data, at)", [*lines, f"return ({places}), at"], {"cell": CELL})


def _row_of(columns: Sequence[tuple[str, Read, bool]]) -> Any:
    names: dict[str, Any] = {"cell": CELL, "UNCHANGED": UNCHANGED, "text_of": text_of}
    lines = [f"at += {COUNT_BYTES}"]
    for number, (_, read, _) in enumerate(columns):
        value = f"v{number}"
        lines += ["kind, size = cell(data, at)", f"if kind == {TEXT}:", "    start = at + 5", "    at = start + size"]
        lines += [f"    {value} = text_of(data[start:at])"]
        if read is not str:
            names[f"read{number}"] = read
            lines += ["    try:", f"        {value} = read{number}({value})"]
            lines += ["    except (ValueError, ArithmeticError):", "        pass"]
        lines += ["else:", "    at += 1", f"    {value} = None if kind == {NULL} else UNCHANGED"]
    cells = ", ".join(f"{name!r}: v{number}" for number, (name, _, _) in enumerate(columns))
    return written("row(data, at)", [*lines, f"return {{{cells}}}"], names)
