"""Codes of administrative units that change: a table of units with their times, and what became of each.

The table is a CSV file with the columns `code`, `valid_from`, `valid_until` (the first day on which the unit was no
more) and `became` (the code of what it then was part of); other columns are for people. A unit that was split has a
line for each part. A code may be given again: it then has several times, which do not overlap.
"""

import csv
from bisect import bisect_right
from collections.abc import Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import NamedTuple

from bus.connect.unfit import RowUnfit

COLUMNS = ("code", "valid_from", "valid_until", "became")


class Unit(NamedTuple):
    """One time of a code: from its first day up to, not including, the last; then it became these others."""

    first: date
    last: date
    became: tuple[str, ...]


class Units:
    """A table, read and checked; `name` is what its manifest calls it."""

    def __init__(self, name: str, units: Mapping[str, tuple[Unit, ...]]) -> None:
        self.name = name
        self._units = units

    def __repr__(self) -> str:
        return f"Units({self.name!r})"

    def newest(self, code: str, at: date | None = None, as_of: date | None = None) -> str:
        """The code of what a unit is part of: as of a day, otherwise after everything that the table knows.

        It is the unit that had the code `at` a day, otherwise the last that had it. Raises RowUnfit, without the code:
        where the table has no such unit, or it was split or dissolved, so that its code doesn't say what it became.
        """
        goal = as_of or date.max
        times = self._units.get(code)
        if times is None:
            raise RowUnfit(f"holds a code that {self.name} does not list")
        unit = times[-1] if at is None else _at(times, at)
        if unit is None:
            raise RowUnfit(f"holds a code that {self.name} does not list for that day")
        while unit.last <= goal and unit.last != date.max:
            if len(unit.became) != 1:
                how = "split: its code does not say which part is meant" if unit.became else "dissolved"
                raise RowUnfit(f"holds the code of a unit that was {how} (as {self.name} has it)")
            code = unit.became[0]
            unit = _at(self._units[code], unit.last)
            assert unit is not None  # `_checked` has seen to it
        if unit.first > goal:
            raise RowUnfit(f"holds the code of a unit that {self.name} does not list before {goal.isoformat()}")
        return code


def read_units(path: Path, name: str) -> Units:
    """Read and check a table. Raises ValueError, which names the line."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            lines = csv.DictReader(file)
            if lacking := [one for one in COLUMNS if one not in (lines.fieldnames or ())]:
                raise ValueError(f"{name} lacks the column {', '.join(lacking)}")
            return Units(name, _checked(name, ((lines.line_num, line) for line in lines)))
    except UnicodeDecodeError:
        raise ValueError(f"{name} is not written in UTF-8") from None
    except OSError as error:
        raise ValueError(f"{name} cannot be read ({error.strerror})") from None
    except csv.Error as error:
        raise ValueError(f"{name} is no CSV file ({error})") from None


def _checked(name: str, lines: Iterable[tuple[int, Mapping[str, str | None]]]) -> dict[str, tuple[Unit, ...]]:
    """The units by code. No two times of a code overlap, and what one became is there on that day."""
    times: dict[_Time, tuple[int, list[str]]] = {}
    for number, line in lines:
        code, first, last, became = ((line[one] or "").strip() for one in COLUMNS)
        try:
            time = _Time(code, _day(first, date.min), _day(last, date.max))
        except ValueError:
            raise ValueError(f"{name}, line {number}: days are written as 2025-07-01") from None
        if wrong := _wrong(time, became):
            raise ValueError(f"{name}, line {number}: {wrong}")
        times.setdefault(time, (number, []))[1].extend([became] if became else [])
    found: dict[str, tuple[Unit, ...]] = {}
    for time, (number, others) in sorted(times.items()):
        before = found.get(time.code, ())
        if before and before[-1].last > time.first:
            raise ValueError(f"{name}, line {number}: two times of the code {time.code} overlap")
        found[time.code] = (*before, Unit(time.first, time.last, tuple(dict.fromkeys(others))))
    for time, (number, others) in times.items():
        if lacking := [one for one in others if _at(found.get(one, ()), time.last) is None]:
            raise ValueError(f"{name}, line {number}: there is no unit {lacking[0]} on {time.last.isoformat()}")
    if not found:
        raise ValueError(f"{name} lists no unit")
    return found


class _Time(NamedTuple):
    code: str
    first: date
    last: date


def _wrong(time: _Time, became: str) -> str:
    if not time.code:
        return "the code is missing"
    if time.last <= time.first:
        return "valid_until must be a day after valid_from"
    if became and time.last == date.max:
        return "a unit that became another needs valid_until, the first day on which it was no more"
    return ""


def _day(text: str, otherwise: date) -> date:
    return date.fromisoformat(text) if text else otherwise


def _at(times: tuple[Unit, ...], day: date) -> Unit | None:
    """The time that a day lies in."""
    place = bisect_right([one.first for one in times], day) - 1
    return times[place] if place >= 0 and day < times[place].last else None
