"""What keeps a text from being YAML, in our own words: the parser's messages are English, and meant for programmers.

Each message that people meet has a code of the catalogue of findings, whose sentence says what to write instead. One
that is not known here keeps the parser's text, behind a general sentence.
"""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from ruamel.yaml.error import MarkedYAMLError, StringMark, YAMLError
from ruamel.yaml.reader import ReaderError

Spot = tuple[int, int]
"""Line and column, from 0."""

_KEY = re.compile(r"\s*(?:- +)?[^\s#:][^:]*:(\s|$)")
"""The beginning of a line that says `key:`, or `- key:`."""


_ODD_BLANK = re.compile("(?:^|[-:,{\\[]) *([\u00a0\u2002-\u200b\u202f\u2060\u3000\ufeff])")


@dataclass(frozen=True, slots=True)
class Trouble:
    """A code, its place (line and column from 0), and what fills the sentence."""

    code: str
    line: int
    column: int
    length: int = 1
    details: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class _Seen:
    """What the parser says: where it gave up, and where what it was reading had begun."""

    problem: str
    at: Spot
    begun: Spot
    lines: Sequence[str]

    def line(self, number: int) -> str:
        return self.lines[number] if number < len(self.lines) else ""

    def here(self) -> str:
        return self.line(self.at[0])

    def before(self) -> str:
        """What stands in the line before the place."""
        return self.here()[: self.at[1]]

    def line_above(self) -> int | None:
        """The number of the nearest line above that says something."""
        told = (number for number in range(self.at[0] - 1, -1, -1) if self.line(number).split("#")[0].strip())
        return next(told, None)


def trouble_of(error: YAMLError, source: str, lines: Sequence[str]) -> Trouble:
    """The parser's complaint as a finding's code and place."""
    if isinstance(error, ReaderError):
        line, column = _spot(source, error.position)
        return Trouble("yaml-character", line, column, details=(("text", f"U+{error.character:04X}"),))
    if not isinstance(error, MarkedYAMLError):
        return Trouble("yaml", 0, 0, details=(("problem", str(error).splitlines()[0]),))
    at, begun = _marked(error.problem_mark), _marked(error.context_mark)
    seen = _Seen(str(error.problem), at or begun or (0, 0), begun or at or (0, 0), lines)
    if odd := _odd_blank(seen):
        return odd
    whole = f"{error.context or ''}: {error.problem or ''}"
    for pattern, told in _MESSAGES:
        if re.search(pattern, whole):
            return told(seen)
    return Trouble("yaml", *seen.at, details=(("problem", seen.problem),))


def _marked(mark: StringMark | None) -> Spot | None:
    return None if mark is None else (mark.line, mark.column)


def _spot(source: str, index: int) -> Spot:
    before = source[:index]
    return before.count("\n"), index - (before.rfind("\n") + 1)


def _odd_blank(seen: _Seen) -> Trouble | None:
    """A blank that looks like one and is none, where a plain one must stand: word processors write them."""
    above = seen.line_above()
    for line in sorted({seen.begun[0], seen.at[0]} | ({above} if above is not None else set())):
        if found := _ODD_BLANK.search(seen.line(line)):
            return Trouble("yaml-blank", line, found.start(1), details=(("text", f"U+{ord(found[1]):04X}"),))
    return None


def _plain(code: str) -> Callable[[_Seen], Trouble]:
    return lambda seen: Trouble(code, *seen.at)


def _where_it_began(code: str) -> Callable[[_Seen], Trouble]:
    return lambda seen: Trouble(code, *seen.begun)


def _sign(seen: _Seen) -> Trouble:
    """A character that begins no value, or one that YAML takes for something else."""
    line, column = seen.begun
    text = seen.line(line)[column : column + 1]
    return Trouble("yaml-sign", line, column, details=(("text", text or "…"),))


def _beginning(seen: _Seen) -> Trouble:
    """The same for what gave the parser up at once; a tab is one of them."""
    if seen.here()[seen.at[1] : seen.at[1] + 1] == "\t":
        return Trouble("yaml-tab", *seen.at)
    return _sign(_Seen(seen.problem, seen.at, seen.at, seen.lines))


def _escape(seen: _Seen) -> Trouble:
    """From the backslash to what the parser stumbled over."""
    line, column = seen.at
    begun = seen.before().rfind("\\")
    text = seen.here()[begun : column + 1]
    return Trouble("yaml-escape", line, begun, len(text), (("text", text),))


def _block(seen: _Seen) -> Trouble:
    line, column = seen.begun
    return Trouble("yaml-block", *seen.at, details=(("text", seen.line(line)[column : column + 1]),))


def _tag(seen: _Seen) -> Trouble:
    line, column = seen.at
    text = seen.line(line)[column:].split(" ")[0]
    return Trouble("yaml-tag", line, column, len(text), (("text", text),))


def _bracket(seen: _Seen) -> Trouble:
    """In one line a comma is missing, or another bracket meant; over several, the first one is not closed.

    A colon too many may be the next key's, which lacks its comma, or part of a value, which lacks its quotes.
    """
    if seen.at[0] == seen.begun[0]:
        return Trouble("yaml-comma-colon" if "but got ':'" in seen.problem else "yaml-comma", *seen.at)
    line, column = seen.at
    return Trouble("yaml-bracket", *seen.begun, details=(("line", str(line + 1)), ("column", str(column + 1))))


def _ended(seen: _Seen) -> Trouble:
    """The text ends right behind a bracket or a comma: the last bracket is open."""
    line, column = seen.at
    begun = next(((n, at) for n in range(line, -1, -1) if (at := max(map(seen.line(n).rfind, "[{"))) >= 0), seen.begun)
    return _bracket(_Seen(seen.problem, (line, column), begun, seen.lines))


def _no_colon(line: int, text: str) -> Trouble:
    start = len(text) - len(text.lstrip())
    told = text.strip()
    return Trouble("yaml-colon", line, start, len(told), (("text", told),))


def _unexpected_key(seen: _Seen) -> Trouble:
    """A colon where no key can be: in a value, below a line that lacks its own, or in a line that is too far in."""
    if _KEY.match(seen.before()):
        return Trouble("yaml-colon-inside", *seen.at)
    above = seen.line_above()
    if above is not None and not _KEY.match(seen.line(above)):
        return _no_colon(above, seen.line(above))
    return _indent(seen)


def _expected_colon(seen: _Seen) -> Trouble:
    line, _ = seen.begun
    return _no_colon(line, seen.line(line))


def _left_over(seen: _Seen) -> Trouble:
    """Something behind the end of a value, or a line that fits no group."""
    return Trouble("yaml-behind", *seen.at) if seen.before().strip() else _indent(seen)


def _indent(seen: _Seen) -> Trouble:
    line = seen.at[0]
    text = seen.line(line)
    start = len(text) - len(text.lstrip())
    return Trouble("yaml-indent", line, start, max(1, len(text.strip())))


_MESSAGES: Sequence[tuple[str, Callable[[_Seen], Trouble]]] = (
    (r"quoted scalar: found unexpected (end of stream|document separator)", _where_it_began("yaml-quote")),
    (r"found unknown escape character|expected escape sequence", _escape),
    (r"that cannot start any token", _beginning),
    (r"expected the node content, but found '<stream end>'", _ended),
    (r"expected the node content", _beginning),
    (r"scanning an (alias|anchor)|found undefined alias", _sign),
    (r"mapping values are not allowed", _unexpected_key),
    (r"could not find expected ':'", _expected_colon),
    (r"expected ',' or '[\]}]'", _bracket),
    (r"expected <block end>", _left_over),
    (r"sequence entries are not allowed", _plain("yaml-dash")),
    (r"scanning a block scalar", _block),
    (r"expected a single document", _plain("yaml-documents")),
    (r"found undefined tag handle", _tag),
)
"""What the parser says (context: problem), and what it means to whoever wrote the text."""
