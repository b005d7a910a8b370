"""Checks a filter against the schema of its dataset: every field known, every comparison sensible, every null guarded.

A field that can be null may be used only where has() was shown to be true: `has(phone) && phone.startsWith("09")`.
"""

import difflib
from collections.abc import Iterator

from bus.agreements.filters.syntax import (
    And,
    Call,
    Compare,
    Field,
    Has,
    ListLiteral,
    Literal,
    Node,
    Not,
    Or,
    Problem,
    unparse,
)
from bus.agreements.shape import Kind, Shape

Path = tuple[str, ...]
Guards = frozenset[Path]
"""Fields that are known to be there."""

_NUMBERS = frozenset({Kind.INT, Kind.DOUBLE})
_ORDERED = frozenset({Kind.INT, Kind.DOUBLE, Kind.TEXT, Kind.DATE, Kind.TIMESTAMP})
_NOTHING: Guards = frozenset()
_LITERAL_OF = {Kind.DATE: 'date("2026-01-01")', Kind.TIMESTAMP: 'timestamp("2026-01-01T00:00:00Z")'}


def check_filter(node: Node, record: Shape) -> tuple[Problem, ...]:
    """All that is wrong with a filter over records of a shape, in the order of the text."""
    problems = _condition(node, record, _NOTHING)
    return tuple(sorted(problems, key=lambda problem: problem.start))


def fields_of(node: Node) -> frozenset[Path]:  # noqa: PLR0911 - one return a kind of node
    """Every field that a filter touches."""
    match node:
        case Field():
            return frozenset({node.path})
        case Has():
            return frozenset({node.field.path})
        case Not():
            return fields_of(node.operand)
        case And() | Or():
            return _NOTHING.union(*(fields_of(operand) for operand in node.operands))
        case Compare():
            return fields_of(node.left) | fields_of(node.right)
        case Call():
            return fields_of(node.target) | fields_of(node.argument)
        case Literal() | ListLiteral():
            return _NOTHING


def _condition(node: Node, record: Shape, guards: Guards) -> Iterator[Problem]:
    """Problems of a node that must be true or false."""
    match node:
        case Has():
            yield from _known(node.field, record)[1]
        case Not():
            yield from _condition(node.operand, record, guards)
        case And() | Or():
            for operand in node.operands:
                yield from _condition(operand, record, guards)
                guards |= _shown(operand, when=isinstance(node, And))
        case Compare():
            yield from _comparison(node, record, guards)
        case Call():
            yield from _call(node, record, guards)
        case Field() | Literal() | ListLiteral():
            shape, problems = _value(node, record, guards)
            yield from problems
            if shape is not None and shape.kind is not Kind.BOOL:
                yield _problem("filter-not-condition", node, kind=shape.kind.value)


def _shown(node: Node, *, when: bool) -> Guards:
    """The fields that are there for certain when the node is true (or, `when=False`, when it is false)."""
    match node:
        case Has() if when:
            path = node.field.path
            return frozenset(path[:length] for length in range(1, len(path) + 1))
        case Not():
            return _shown(node.operand, when=not when)
        case And() | Or():
            sets = [_shown(operand, when=when) for operand in node.operands]
            whole = isinstance(node, And) is when
            return _NOTHING.union(*sets) if whole else sets[0].intersection(*sets[1:])
        case _:
            return _NOTHING


def _value(node: Node, record: Shape, guards: Guards) -> tuple[Shape | None, list[Problem]]:
    """The shape of a node that is compared, None where it is not known."""
    match node:
        case Literal():
            return Shape(node.kind), []
        case ListLiteral():
            return Shape(Kind.LIST, item=Shape(node.items[0].kind)), list(_one_kind(node))
        case Field():
            shape, problems = _known(node, record)
            return shape, problems or list(_unguarded(node, record, guards))
        case _:
            return Shape(Kind.BOOL), list(_condition(node, record, guards))


def _one_kind(node: ListLiteral) -> Iterator[Problem]:
    first = node.items[0].kind
    for item in node.items[1:]:
        if item.kind is not first and not {item.kind, first} <= _NUMBERS:
            yield _problem("filter-types", item, left=first.value, right=item.kind.value)


def _known(node: Field, record: Shape) -> tuple[Shape | None, list[Problem]]:
    """The shape of a field, or the problem that there is none."""
    at, shape = node.start, record
    for depth, name in enumerate(node.path):
        if shape.kind is not Kind.RECORD or name not in shape.fields:
            names = tuple(shape.fields)
            close = difflib.get_close_matches(name, names, 1)
            details = (("text", name), ("inside", ".".join(node.path[:depth])))
            place = node.end - len(name) if depth else at
            suggestion = close[0] if close else None
            return None, [Problem("filter-unknown-field", place, place + len(name), details, suggestion, names)]
        shape = shape.fields[name]
    return shape, []


def _unguarded(node: Field, record: Shape, guards: Guards) -> Iterator[Problem]:
    shape = record
    for length, name in enumerate(node.path, 1):
        shape = shape.fields[name]
        path = node.path[:length]
        if shape.nullable and path not in guards:
            guard = f"has({'.'.join(node.path)})"
            yield _problem("filter-unguarded", node, guard=f"{guard} && …")
            return


def _comparison(node: Compare, record: Shape, guards: Guards) -> Iterator[Problem]:
    left, left_problems = _value(node.left, record, guards)
    right, right_problems = _value(node.right, record, guards)
    yield from (*left_problems, *right_problems)
    if left is None or right is None or left_problems or right_problems:
        return
    if node.op == "in":
        yield from _membership(node, left, right)
    elif node.op in {"==", "!="}:
        yield from _equality(node.left, left, node.right, right)
    elif not ({left.kind, right.kind} <= _NUMBERS or left.kind is right.kind in _ORDERED):
        yield _clash(node, left, right)


def _membership(node: Compare, left: Shape, right: Shape) -> Iterator[Problem]:
    if right.kind is not Kind.LIST or right.item is None:
        yield _problem("filter-in", node.right, kind=right.kind.value)
        return
    if isinstance(node.right, ListLiteral):
        for item in node.right.items:
            found = next(_equality(node.left, left, item, Shape(item.kind)), None)
            if found is not None:
                yield found
                return
    else:
        yield from _equality(node.left, left, node.right, right.item)


def _equality(left_node: Node, left: Shape, right_node: Node, right: Shape) -> Iterator[Problem]:
    for value, value_shape, other in ((left_node, left, right), (right_node, right, left)):
        if other.kind is Kind.ENUM and value_shape.kind is Kind.TEXT and isinstance(value, Literal):
            yield from _symbol(value, other)
            return
    both = {left.kind, right.kind}
    comparable = both <= _NUMBERS or (left.kind is right.kind and left.kind in {*_ORDERED, Kind.BOOL, Kind.ENUM})
    if not comparable:
        whole = Compare("==", left_node, right_node, min(left_node.start, right_node.start), right_node.end)
        yield _clash(whole, left, right)


def _symbol(value: Literal, enum: Shape) -> Iterator[Problem]:
    text = str(value.value)
    if text in enum.symbols:
        return
    close = difflib.get_close_matches(text.upper(), enum.symbols, 1)
    details = (("text", text),)
    yield Problem("filter-symbol", value.start, value.end, details, close[0] if close else None, enum.symbols)


def _clash(node: Compare, left: Shape, right: Shape) -> Problem:
    """Two kinds that cannot be compared; where a date meets a text, how to write a date."""
    details = {"left": left.kind.value, "right": right.kind.value}
    suggestion = None
    for one, other, other_node in ((left, right, node.right), (right, left, node.left)):
        if one.kind in _LITERAL_OF and other.kind is Kind.TEXT and isinstance(other_node, Literal):
            suggestion = f"{'date' if one.kind is Kind.DATE else 'timestamp'}({unparse(other_node)})"
            return Problem("filter-types", other_node.start, other_node.end, tuple(details.items()), suggestion)
    return _problem("filter-types", node, **details)


def _call(node: Call, record: Shape, guards: Guards) -> Iterator[Problem]:
    for part in (node.target, node.argument):
        shape, problems = _value(part, record, guards)
        yield from problems
        if shape is not None and shape.kind is not Kind.TEXT:
            yield _problem("filter-method", part, method=node.method, kind=shape.kind.value)


def _problem(code: str, node: Node, **details: str) -> Problem:
    return Problem(code, node.start, node.end, tuple(details.items()))
