"""A filter's text, cut into tokens."""

import re
import unicodedata
from dataclasses import dataclass
from enum import Enum, auto

from bus.agreements.filters.syntax import FilterUnreadable, Problem
from bus.agreements.moments import read_day

LONGEST = 2000
"""Characters that a filter may have: what is longer, nobody reviews."""


class Token(Enum):
    """What a piece of text is."""

    NAME = auto()
    INT = auto()
    DOUBLE = auto()
    STRING = auto()
    SIGN = auto()
    END = auto()


@dataclass(frozen=True, slots=True)
class Piece:
    """A token with its text and place."""

    token: Token
    text: str
    start: int
    end: int


_PATTERN = re.compile(
    r"""(?P<space>\s+)
    |(?P<DOUBLE>\d+\.\d+(?:[eE][+-]?\d+)?|\d+[eE][+-]?\d+)
    |(?P<INT>\d+)
    |(?P<NAME>[A-Za-z_][A-Za-z0-9_]*)
    |(?P<STRING>"(?:[^"\\\n]|\\.)*"|'(?:[^'\\\n]|\\.)*')
    |(?P<SIGN>&&|\|\||==|!=|<=|>=|[<>!()\[\],.\-])""",
    re.VERBOSE | re.ASCII,  # a digit of another script may look like another one of ours
)
_SLIPS = {"=": "==", "&": "&&", "|": "||", "≠": "!=", "≤": "<=", "≥": ">=", "“": '"', "”": '"'}
_SLIP_NAMES = {"and": "&&", "or": "||", "not": "!", "AND": "&&", "OR": "||", "NOT": "!", "True": "true"}
_SLIP_NAMES |= {"False": "false"}
_WORD = re.compile("[\\w\u0300-\u036f]+")
_ELSEWHERE = re.compile(
    r"(?P<number>\d{1,3}(?:[.,]\d{3})+)(?![\d.])|(?P<day>\d{4}-\d{1,2}-\d{1,2}|\d{1,2}/\d{1,2}/\d{4})(?!\d)", re.ASCII
)
"""Numbers and days as they are written outside of filters."""


def pieces(text: str) -> list[Piece]:
    """The tokens of a filter, the last an END. Raises FilterUnreadable where no token fits."""
    if len(text) > LONGEST:
        details = (("length", str(len(text))), ("longest", str(LONGEST)))
        raise FilterUnreadable(Problem("filter-too-long", LONGEST, len(text), details))
    found: list[Piece] = []
    at = 0
    while at < len(text):
        match = _PATTERN.match(text, at)
        if match is None:
            raise FilterUnreadable(_unreadable(text, at))
        if match.lastgroup != "space":
            found.append(Piece(Token[str(match.lastgroup)], match.group(), at, match.end()))
            if found[-1].text in _SLIP_NAMES:
                raise FilterUnreadable(_slip(found[-1]))
        at = match.end()
    found.append(Piece(Token.END, "", len(text), len(text)))
    return found


def written_elsewhere(text: str, at: int) -> Problem | None:
    """What is wrong at a place where a number or a day is written as people write them, and not as a filter does."""
    found = _around(at, _ELSEWHERE, text)
    if found is None:
        return None
    details = (("text", found.group()),)
    if found.lastgroup == "number":
        plain = re.sub("[.,]", "", found.group())
        return Problem("filter-grouped", found.start(), found.end(), details, suggestion=plain)
    try:
        suggestion = f'date("{read_day(found.group())}")'
    except ValueError:
        suggestion = None
    return Problem("filter-date", found.start(), found.end(), details, suggestion=suggestion)


def _around(at: int, pattern: re.Pattern[str], text: str) -> re.Match[str] | None:
    """What of a text fits a pattern and has the character at that place in it, or None."""
    return next((one for one in pattern.finditer(text) if one.start() <= at < one.end()), None)


def _unreadable(text: str, at: int) -> Problem:
    if text[at] in "\"'":
        return Problem("filter-open-string", at, at + 1)
    if elsewhere := written_elsewhere(text, at):
        return elsewhere
    word = _around(at, _WORD, text)
    if word and unicodedata.name(text[at], "").startswith(("LATIN ", "COMBINING ")):  # a letter of ours, with its marks
        return Problem("filter-unknown-field", word.start(), word.end(), (("text", word.group()),))
    seen = text[at] if text[at].isprintable() else f"U+{ord(text[at]):04X}"  # a blank of another kind looks like one
    return Problem("filter-character", at, at + 1, (("text", seen),), suggestion=_SLIPS.get(text[at]))


def _slip(piece: Piece) -> Problem:
    details = (("text", piece.text),)
    return Problem("filter-character", piece.start, piece.end, details, suggestion=_SLIP_NAMES[piece.text])


_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", '"': '"', "'": "'"}
_ESCAPED = re.compile(r"\\(u[0-9a-fA-F]{4}|.)")


def unescape(piece: Piece) -> str:
    """The value of a STRING. Raises FilterUnreadable for an escape that the language does not have."""

    def value(match: re.Match[str]) -> str:
        code = match.group(1)
        found = chr(int(code[1:], 16)) if len(code) == 5 else _ESCAPES.get(code)
        if found is None or "\ud800" <= found <= "\udfff":  # half a character: no text that can be stored has one
            start = piece.start + 1 + match.start()
            raise FilterUnreadable(
                Problem("filter-escape", start, start + len(match.group()), (("text", match.group()),))
            )
        return found

    return _ESCAPED.sub(value, piece.text[1:-1])


def quote(value: str) -> str:
    """The canonical way to write a string."""
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return '"' + escaped.replace("\n", "\\n").replace("\t", "\\t").replace("\r", "\\r") + '"'
