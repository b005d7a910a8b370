"""Column values: from PostgreSQL's text to Python, by the type's OID; the same for the stream and for chunks."""

import json
from datetime import date, datetime
from decimal import Decimal
from typing import Any

from bus.connect.cells import Read

_ARRAY_ITEMS = {
    1000: 16,
    1005: 21,
    1007: 23,
    1016: 20,
    1009: 25,
    1014: 1042,
    1015: 1043,
    1021: 700,
    1022: 701,
    1115: 1114,
    1182: 1082,
    1185: 1184,
    1231: 1700,
    2951: 2950,
}
"""OID of an array type → OID of its items."""


def reader(oid: int) -> Read:
    """How a value of this type is read; a type that is not known stays text, as PostgreSQL writes it."""
    if oid in _ARRAY_ITEMS:
        item = reader(_ARRAY_ITEMS[oid])
        return lambda text: _array(text, item)
    return _READERS.get(oid, str)


def steady(read: Read) -> bool:
    """Whether every text is read as a value of one kind; JSON may hold any."""
    return read in _STEADY


def _time(text: str) -> datetime:
    """ISO style; PostgreSQL leaves the minutes of the offset out (+00), which Python takes from 3.11 on."""
    return datetime.fromisoformat(text)


def _bytes(text: str) -> bytes:
    return bytes.fromhex(text.removeprefix("\\x"))


def _json(text: str) -> Any:
    """Of lists within lists within lists no value is made: PostgreSQL keeps deeper ones than Python reads."""
    try:
        return json.loads(text)
    except RecursionError:
        raise ValueError("too deep") from None


def _array(text: str, item: Read) -> list[Any]:
    """An array's text form, of any depth: {a,"b c",NULL}. Bounds before it ([0:1]=) are dropped."""
    start = text.index("{")
    values, _ = _items(text, start + 1, item)
    return values


def _items(text: str, at: int, item: Read) -> tuple[list[Any], int]:
    values: list[Any] = []
    while True:
        sign = text[at]
        if sign == "}":
            return values, at + 1
        if sign == ",":
            at += 1
        elif sign == "{":
            inner, at = _items(text, at + 1, item)
            values.append(inner)
        elif sign == '"':
            quoted, at = _quoted(text, at + 1)
            values.append(item(quoted))
        else:
            end = at
            while text[end] not in ",}":
                end += 1
            bare, at = text[at:end], end
            values.append(None if bare == "NULL" else item(bare))


def _quoted(text: str, at: int) -> tuple[str, int]:
    found: list[str] = []
    while text[at] != '"':
        if text[at] == "\\":
            at += 1
        found.append(text[at])
        at += 1
    return "".join(found), at + 1


_READERS: dict[int, Read] = {
    16: lambda text: text == "t",
    17: _bytes,
    20: int,
    21: int,
    23: int,
    26: int,
    114: _json,
    700: float,
    701: float,
    1082: date.fromisoformat,
    1114: _time,
    1184: _time,
    1700: Decimal,
    3802: _json,
}

_STEADY = frozenset({*_READERS.values(), str} - {_json})
