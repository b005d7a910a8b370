"""Tables on narrow screens: a column that finds no room would be cut to a letter, or left out with what it says."""

from rich.console import Console, ConsoleOptions, RenderableType, RenderResult
from rich.padding import Padding
from rich.table import Column, Table
from rich.text import Text

_ANY_WIDTH = 1000
_GAP = 2
"""Between the columns of a table without lines."""


class Fitting:
    """The first of some tables that has room; else what the first says, row by row under the row's name.

    A column needs its widest cell, or its least width where it has one. Every cell is a text.
    """

    def __init__(self, *tables: Table) -> None:
        self._tables = tables

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        """What has room."""
        anyhow = options.update(width=_ANY_WIDTH)
        for table in self._tables:
            widths = [_needed(console, anyhow, column, footer=table.show_footer) for column in table.columns]
            if sum(widths) + _GAP * len(widths) <= options.max_width:
                yield table
                return
        yield from _listed(self._tables[0])


def _needed(console: Console, options: ConsoleOptions, column: Column, *, footer: bool) -> int:
    cells = [column.header, *column.cells, *([column.footer] if footer else [])]
    widest = max(console.measure(cell, options=options).maximum for cell in cells)
    return min(widest, column.min_width or widest)


def _listed(table: Table) -> RenderResult:
    name, *others = table.columns
    rows = [*zip(name.cells, *(column.cells for column in others), strict=True)]
    if table.show_footer:
        rows.append((name.footer, *(column.footer for column in others)))
    for title, *cells in rows:
        yield _text(f"{name.header} {title}")
        told = [
            f"{_line(column.header, ' ')} {_line(cell)}" for column, cell in zip(others, cells, strict=True) if cell
        ]
        yield Padding(_text(", ".join(told)), (0, 0, 0, _GAP))
    if table.caption:
        yield _text(table.caption)


def _line(cell: RenderableType, between: str = " / ") -> str:
    return between.join(str(cell).split("\n"))


def _text(cell: RenderableType | None) -> Text:
    return Text.from_markup(str(cell), overflow="fold")
