"""A filter said in plain words, in the language of whoever reads an agreement."""

from collections.abc import Mapping

from bus.agreements.filters.syntax import And, Call, Compare, Field, Has, ListLiteral, Literal, Node, Not, Or
from bus.agreements.finding import number
from bus.agreements.shape import Kind
from bus.avro.said import PlainNames

_PLAIN = frozenset({Kind.INT, Kind.DOUBLE})
_LONG = 10_000
"""From here on a whole number is read wrongly without marks between its thousands."""

_TURNED = {"==": "!=", "!=": "=="}
_MOMENTS = frozenset({Kind.DATE, Kind.TIMESTAMP})


def in_words(node: Node, words: Mapping[str, str], names: PlainNames) -> str:  # noqa: PLR0911 - one a kind of node
    """The condition as a sentence's part; `words` are those of the language, under `filter`."""
    match node:
        case Has():
            return words["has"].format(field=_thing(node.field, words, names))
        case Not():
            return _not(node, words, names)
        case And() | Or():
            word = words["and" if isinstance(node, And) else "or"]
            return word.join(_grouped(part, words, names) for part in node.operands)
        case Compare():
            return _compare(node, words, names)
        case Call():
            target, argument = (_thing(one, words, names) for one in (node.target, node.argument))
            return words[node.method].format(target=target, argument=argument)
        case Field():
            return words["yes"].format(field=_thing(node, words, names))
    return _thing(node, words, names)


def _thing(node: Node, words: Mapping[str, str], names: PlainNames, other: Node | None = None) -> str:
    """What is compared: a field, or a constant, which means what the field on the `other` side says of it."""
    match node:
        case Field():
            *around, text = names.fields(node.path)
            for whole in reversed(around):
                text = words["of"].format(part=text, whole=whole)
            return text
        case ListLiteral():
            return words["list"].join(_thing(item, words, names, other) for item in node.items)
        case Literal():
            return _literal(node, words, names, other)
    return f"({in_words(node, words, names)})"  # a condition that is compared


def _literal(node: Literal, words: Mapping[str, str], names: PlainNames, other: Node | None) -> str:
    if node.kind is Kind.BOOL:
        return words["true" if node.value else "false"]
    if isinstance(node.value, int | float) and node.kind in _PLAIN:
        grouped = node.kind is Kind.INT and abs(node.value) >= _LONG  # a year, 2026, has no mark in it
        return number(f"{node.value:,}" if grouped else node.text, names.language)
    if node.kind in _MOMENTS:
        return node.text.partition("(")[2].strip(")\"' ")
    value = str(node.value)
    return f"“{names.value(other.path, value) if isinstance(other, Field) else value}”"


def _not(node: Not, words: Mapping[str, str], names: PlainNames) -> str:
    inner = node.operand
    match inner:
        case Has():
            return words["has-not"].format(field=_thing(inner.field, words, names))
        case Field():
            return words["no"].format(field=_thing(inner, words, names))
        case Compare(op=op) if op in _TURNED:
            return _compare(Compare(_TURNED[op], inner.left, inner.right, inner.start, inner.end), words, names)
        case Compare(op="in"):
            return _compare(inner, words, names, " not")
    return words["not"].format(inner=in_words(inner, words, names))


def _compare(node: Compare, words: Mapping[str, str], names: PlainNames, turned: str = "") -> str:
    op, left, right = node.op, node.left, node.right
    if op == "in":
        op = "in" if isinstance(right, ListLiteral) else "holds"
    elif any(isinstance(one, Literal) and one.kind in _MOMENTS for one in (left, right)):
        op = f"{op} day" if f"{op} day" in words else op
    return words[f"{op}{turned}"].format(
        left=_thing(left, words, names, right), right=_thing(right, words, names, left)
    )


def _grouped(node: Node, words: Mapping[str, str], names: PlainNames) -> str:
    text = in_words(node, words, names)
    return f"({text})" if isinstance(node, And | Or) else text
