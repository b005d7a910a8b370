"""Reads a filter.

filter   := and ("||" and)*
and      := relation ("&&" relation)*
relation := unary (("==" | "!=" | "<" | "<=" | ">" | ">=" | "in") unary)?
unary    := "!" unary | member
member   := primary ("." NAME | "." METHOD "(" filter ")")*
primary  := literal | NAME | "has" "(" NAME ("." NAME)* ")" | "(" filter ")" | "[" literal ("," literal)* "]"
literal  := "true" | "false" | STRING | "-"? INT | "-"? DOUBLE | "date" "(" STRING ")" | "timestamp" "(" STRING ")"
"""

from datetime import UTC, datetime, timedelta

from bus.agreements.filters.lexer import Piece, Token, pieces, quote, unescape, written_elsewhere
from bus.agreements.filters.syntax import (
    And,
    Call,
    Compare,
    Field,
    FilterUnreadable,
    Has,
    ListLiteral,
    Literal,
    Node,
    Not,
    Or,
    Problem,
)
from bus.agreements.moments import EPOCH_DAY, read_day, read_moment
from bus.agreements.shape import Kind

DEEPEST = 32
"""How deep parentheses and negations may nest."""

LONGEST_LIST = 500
METHODS = ("contains", "endsWith", "startsWith")
_RELATIONS = frozenset({"==", "!=", "<", "<=", ">", ">=", "in"})
_RESERVED = frozenset({"in", "null"})
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


def parse(text: str) -> Node:
    """The tree of a filter. Raises FilterUnreadable at the first place that does not follow the grammar."""
    return _Parser(text).whole()


class _Parser:
    """Recursive descent over the tokens of one filter."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._pieces = pieces(text)
        self._at = 0
        self._depth = 0

    def whole(self) -> Node:
        node = self._or()
        if self._next.token is not Token.END:
            raise self._unexpected()
        return node

    @property
    def _next(self) -> Piece:
        return self._pieces[self._at]

    def _take(self) -> Piece:
        piece = self._next
        self._at += 1
        return piece

    def _is(self, sign: str) -> bool:
        return self._next.token in {Token.SIGN, Token.NAME} and self._next.text == sign

    def _expect(self, sign: str) -> Piece:
        if not self._is(sign):
            raise self._unexpected(sign)
        return self._take()

    def _unexpected(self, *wanted: str) -> FilterUnreadable:
        piece = self._next
        if elsewhere := written_elsewhere(self._text, piece.start):
            return FilterUnreadable(elsewhere)
        code = "filter-ends-early" if piece.token is Token.END else "filter-unexpected"
        start = max(piece.start - 1, 0) if piece.token is Token.END else piece.start
        return FilterUnreadable(Problem(code, start, max(piece.end, 1), (("text", piece.text),), allowed=wanted))

    def _deeper(self, start: int) -> None:
        self._depth += 1
        if self._depth > DEEPEST:
            raise FilterUnreadable(Problem("filter-too-deep", start, start + 1, (("deepest", str(DEEPEST)),)))

    def _or(self) -> Node:
        operands = [self._and()]
        while self._is("||"):
            self._take()
            operands.append(self._and())
        if len(operands) == 1:
            return operands[0]
        return Or(_flat(operands, Or), operands[0].start, operands[-1].end)

    def _and(self) -> Node:
        operands = [self._relation()]
        while self._is("&&"):
            self._take()
            operands.append(self._relation())
        if len(operands) == 1:
            return operands[0]
        return And(_flat(operands, And), operands[0].start, operands[-1].end)

    def _relation(self) -> Node:
        left = self._unary()
        if self._next.text not in _RELATIONS:
            return left
        op = self._take().text
        right = self._unary()
        if self._next.text in _RELATIONS:
            raise FilterUnreadable(Problem("filter-chained", self._next.start, self._next.end))
        return Compare(op, left, right, left.start, right.end)

    def _unary(self) -> Node:
        if not self._is("!"):
            return self._member()
        start = self._take().start
        self._deeper(start)
        operand = self._unary()
        self._depth -= 1
        return Not(operand, start, operand.end)

    def _member(self) -> Node:
        node = self._primary()
        while self._is("."):
            self._take()
            name = self._take()
            if name.token is not Token.NAME:
                self._at -= 1
                raise self._unexpected(*METHODS)
            if self._is("("):
                node = self._call(node, name)
            elif isinstance(node, Field):
                node = Field((*node.path, name.text), node.start, name.end)
            else:
                raise FilterUnreadable(Problem("filter-unexpected", name.start, name.end, (("text", name.text),)))
        return node

    def _call(self, target: Node, method: Piece) -> Node:
        if method.text not in METHODS:
            details = (("text", method.text),)
            raise FilterUnreadable(Problem("filter-function", method.start, method.end, details, None, METHODS))
        self._deeper(self._expect("(").start)
        argument = self._or()
        self._depth -= 1
        return Call(method.text, target, argument, target.start, self._expect(")").end)

    def _primary(self) -> Node:
        piece = self._next
        if self._is("("):
            return self._parenthesis()
        if self._is("["):
            return self._list()
        if piece.token is Token.NAME and piece.text not in {"true", "false", "date", "timestamp"}:
            return self._name()
        return self._literal()

    def _parenthesis(self) -> Node:
        self._deeper(self._take().start)
        inner = self._or()
        self._depth -= 1
        self._expect(")")
        return inner

    def _list(self) -> Node:
        start = self._take().start
        items = [self._literal()]
        while self._is(","):
            self._take()
            items.append(self._literal())
        end = self._expect("]").end
        if len(items) > LONGEST_LIST:
            raise FilterUnreadable(Problem("filter-too-long", start, end, (("length", str(len(items))),)))
        return ListLiteral(tuple(items), start, end)

    def _name(self) -> Node:
        name = self._take()
        if name.text == "has":
            return self._has(name)
        if name.text in _RESERVED:
            code = "filter-null" if name.text == "null" else "filter-unexpected"
            raise FilterUnreadable(Problem(code, name.start, name.end, (("text", name.text),)))
        if self._is("("):
            details = (("text", name.text),)
            known = ("has", "date", "timestamp", *METHODS)
            raise FilterUnreadable(Problem("filter-function", name.start, name.end, details, None, known))
        return Field((name.text,), name.start, name.end)

    def _has(self, name: Piece) -> Node:
        self._expect("(")
        inner = self._member()
        if not isinstance(inner, Field):
            raise FilterUnreadable(Problem("filter-has", inner.start, inner.end))
        return Has(inner, name.start, self._expect(")").end)

    def _literal(self) -> Literal:
        piece = self._next
        if self._is("date") or self._is("timestamp"):
            return self._moment(self._take())
        if self._is("true") or self._is("false"):
            self._take()
            return Literal(Kind.BOOL, piece.text == "true", piece.text, piece.start, piece.end)
        if piece.token is Token.STRING:
            value = unescape(self._take())
            return Literal(Kind.TEXT, value, quote(value), piece.start, piece.end)
        return self._number()

    def _number(self) -> Literal:
        start = self._next.start
        minus = "-" if self._is("-") else ""
        if minus:
            self._take()
        if self._next.token not in {Token.INT, Token.DOUBLE}:
            raise self._unexpected()
        piece = self._take()
        text = minus + piece.text
        if piece.token is Token.DOUBLE:
            return Literal(Kind.DOUBLE, float(text), repr(float(text)), start, piece.end)
        if not -(2**63) <= int(text) < 2**63:
            raise FilterUnreadable(Problem("filter-number", start, piece.end, (("text", text),)))
        return Literal(Kind.INT, int(text), str(int(text)), start, piece.end)

    def _moment(self, function: Piece) -> Literal:
        self._expect("(")
        if self._next.token is not Token.STRING:
            raise self._unexpected('"2026-01-01"')
        piece = self._take()
        end = self._expect(")").end
        written = unescape(piece)
        try:
            kind, value = _moment(function.text, written)
        except ValueError:
            code = "filter-date" if function.text == "date" else "filter-timestamp"
            raise FilterUnreadable(Problem(code, piece.start, piece.end, (("text", written),))) from None
        return Literal(kind, value, f"{function.text}({quote(written)})", function.start, end)


def _moment(function: str, text: str) -> tuple[Kind, int]:
    """A date as days, a timestamp as microseconds since 1970. Raises ValueError."""
    if function == "date":
        return Kind.DATE, read_day(text).toordinal() - EPOCH_DAY
    return Kind.TIMESTAMP, (read_moment(text) - _EPOCH) // _MICROSECOND


def _flat(operands: list[Node], kind: type[And | Or]) -> tuple[Node, ...]:
    """`(a && b) && c` means what `a && b && c` means."""
    flat: list[Node] = []
    for operand in operands:
        flat.extend(operand.operands if isinstance(operand, kind) else (operand,))
    return tuple(flat)
