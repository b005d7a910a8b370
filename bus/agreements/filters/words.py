"""A filter said in plain words, in the language of whoever reads an agreement."""

from collections.abc import Mapping

from bus.agreements.filters.syntax import And, Call, Compare, Field, Has, ListLiteral, Literal, Node, Not, Or
from bus.agreements.shape import Kind

_PLAIN = frozenset({Kind.BOOL, Kind.INT, Kind.DOUBLE})
_TURNED = {"==": "!=", "!=": "=="}


def in_words(node: Node, words: Mapping[str, str]) -> str:  # noqa: PLR0911 - one return a kind of node
    """The condition as a sentence's part; `words` are those of the language, under `filter`."""
    match node:
        case Literal():
            return _literal(node, words)
        case ListLiteral():
            return words["list"].join(_literal(item, words) for item in node.items)
        case Field():
            return ".".join(node.path)
        case Has():
            return words["has"].format(field=in_words(node.field, words))
        case Not():
            return _not(node, words)
        case And() | Or():
            word = words["and" if isinstance(node, And) else "or"]
            return word.join(_grouped(part, words) for part in node.operands)
        case Compare():
            return _compare(node, words)
        case Call():
            told = {"target": in_words(node.target, words), "argument": in_words(node.argument, words)}
            return words[node.method].format(**told)


def _literal(node: Literal, words: Mapping[str, str]) -> str:
    if node.kind is Kind.BOOL:
        return words["true" if node.value else "false"]
    if node.kind in _PLAIN:
        return node.text
    if node.kind in {Kind.DATE, Kind.TIMESTAMP}:
        return node.text.partition("(")[2].strip(")\"' ")
    return f"“{node.value}”"


def _not(node: Not, words: Mapping[str, str]) -> str:
    inner = node.operand
    if isinstance(inner, Has):
        return words["has-not"].format(field=in_words(inner.field, words))
    if isinstance(inner, Compare) and inner.op in _TURNED:
        return _compare(Compare(_TURNED[inner.op], inner.left, inner.right, inner.start, inner.end), words)
    return words["not"].format(inner=in_words(inner, words))


def _compare(node: Compare, words: Mapping[str, str]) -> str:
    op = node.op
    if op == "in":
        op = "in" if isinstance(node.right, ListLiteral) else "holds"
    elif any(isinstance(one, Literal) and one.kind in {Kind.DATE, Kind.TIMESTAMP} for one in (node.left, node.right)):
        op = f"{op} day" if f"{op} day" in words else op
    return words[op].format(left=in_words(node.left, words), right=in_words(node.right, words))


def _grouped(node: Node, words: Mapping[str, str]) -> str:
    text = in_words(node, words)
    return f"({text})" if isinstance(node, And | Or) else text
