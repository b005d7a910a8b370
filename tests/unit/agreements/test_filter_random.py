"""The filter language on random well-typed filters and records."""

from collections.abc import Mapping
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from bus.agreements.filters.compile import compile_filter
from bus.agreements.filters.lexer import quote
from bus.agreements.filters.parser import parse
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
    unparse,
)
from bus.agreements.filters.types import check_filter
from tests.unit.agreements.ground import SHAPE

texts = st.text(st.sampled_from("ab\"'\\é\n ễ"), max_size=4)
numbers = st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 3)
records = st.fixed_dictionaries(
    {
        "text": texts,
        "maybe_text": st.none() | texts,
        "number": numbers,
        "maybe_number": st.none() | st.integers(-3, 3),
        "ratio": st.floats(-3, 3),
        "flag": st.booleans(),
        "colour": st.sampled_from(["RED", "GREEN", "BLUE"]),
        "day": st.integers(-2, 2),
        "tags": st.lists(texts, max_size=3),
    }
)
orders = st.sampled_from(["==", "!=", "<", "<=", ">", ">="])
days = st.sampled_from(['date("1969-12-31")', 'date("1970-01-01")', 'date("1970-01-02")'])
quoted = texts.map(quote)
atoms = st.one_of(
    st.sampled_from(["flag", "true", "false", "has(maybe_text)", "has(maybe_number)"]),
    st.builds("number {} {}".format, orders, numbers | st.floats(-3, 3)),
    st.builds("{1} {0} ratio".format, orders, numbers),
    st.builds("text {} {}".format, orders, quoted),
    st.builds("text.{}({})".format, st.sampled_from(["startsWith", "endsWith", "contains"]), quoted),
    st.builds("day {} {}".format, orders, days),
    st.builds('colour {} "{}"'.format, st.sampled_from(["==", "!="]), st.sampled_from(["RED", "BLUE"])),
    st.builds("{} in tags".format, quoted),
    st.builds("number in {}".format, st.lists(st.integers(-3, 3), min_size=1, max_size=3)),
    st.builds("has(maybe_number) && maybe_number {} {}".format, orders, st.integers(-3, 3)),
    st.builds("(!has(maybe_text) || maybe_text {} {})".format, orders, quoted),
)
filters = st.recursive(
    atoms,
    lambda inner: st.one_of(
        st.builds("({}) && ({})".format, inner, inner),
        st.builds("({}) || ({})".format, inner, inner),
        st.builds("!({})".format, inner),
        st.builds("({}) == ({})".format, inner, inner),
    ),
    max_leaves=8,
)


def naive(node: Node, record: Mapping[str, Any]) -> Any:  # noqa: PLR0911 - one return a kind of node
    """What a filter says, word for word as the grammar has it; nulls and missing fields do not occur unguarded."""
    match node:
        case Literal():
            return node.value
        case ListLiteral():
            return [item.value for item in node.items]
        case Field():
            return record[node.path[0]]
        case Has():
            return record[node.field.path[0]] is not None
        case Not():
            return not naive(node.operand, record)
        case And():
            return all(naive(operand, record) for operand in node.operands)
        case Or():
            return any(naive(operand, record) for operand in node.operands)
        case Call():
            target, argument = naive(node.target, record), naive(node.argument, record)
            found = target.find(argument)
            wanted = {"startsWith": found == 0, "contains": found >= 0}
            return wanted.get(node.method, target[len(target) - len(argument) :] == argument and found >= 0)
        case Compare():
            return relation(node.op, naive(node.left, record), naive(node.right, record))


def relation(op: str, left: Any, right: Any) -> bool:
    if op == "in":
        return any(left == one for one in right)
    less, equal = left < right, left == right
    return bool(
        {"==": equal, "!=": not equal, "<": less, "<=": less or equal, ">": right < left, ">=": right < left or equal}[
            op
        ]
    )


@settings(max_examples=300, deadline=None)
@given(text=filters, record=records)
def test_compiled_filters_say_what_the_grammar_says(text: str, record: dict[str, Any]) -> None:
    """A compiled filter agrees with a naive reading of its tree on every record, and always answers true or false."""
    node = parse(text)
    assert check_filter(node, SHAPE) == ()
    answer = compile_filter(node, SHAPE)(record)
    assert type(answer) is bool
    assert answer == naive(node, record)


@settings(max_examples=150, deadline=None)
@given(text=filters, record=records)
def test_the_canonical_text_means_the_same(text: str, record: dict[str, Any]) -> None:
    """Writing a filter out and reading it again changes neither its canonical text nor what it says."""
    node = parse(text)
    again = parse(unparse(node))
    assert unparse(again) == unparse(node)
    assert compile_filter(again, SHAPE)(record) == compile_filter(node, SHAPE)(record)


def read(text: str) -> tuple[Node | None, Problem | None]:
    try:
        return parse(text), None
    except FilterUnreadable as error:
        return None, error.problem


@settings(max_examples=250, deadline=None)
@given(st.text(st.sampled_from("abhs()[]&|!=<>.,'\"\\01-_ \néin"), max_size=30))
def test_any_text_is_read_or_refused_at_a_place(text: str) -> None:
    """Whatever is typed, the reader returns a tree or one problem that lies within the text."""
    node, problem = read(text)
    if node is not None:
        assert unparse(parse(unparse(node))) == unparse(node)
    else:
        assert problem is not None
        assert 0 <= problem.start <= problem.end <= max(len(text), 1)
