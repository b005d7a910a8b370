"""The filter language against the official CEL engine: the same answer, or the documented stricter one.

A filter is handed to the engine as CEL: fields become members of a map from which nulls are left out, and a date the
timestamp of its midnight in UTC. Where the engine answers, ours must answer the same or refuse to answer.
"""

from collections import Counter
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from bus.agreements.filters.compile import compile_filter
from bus.agreements.filters.lexer import quote
from bus.agreements.filters.parser import parse
from bus.agreements.filters.syntax import And, Call, Compare, Field, Has, ListLiteral, Literal, Node, Not, Or
from bus.agreements.shape import Kind, Shape
from tests.unit.agreements.ground import SHAPE, data
from tests.unit.agreements.test_filter_cases import record_of, says
from tests.unit.agreements.test_filter_random import filters, records

cel = pytest.importorskip("cel_expr_python.cel", reason="the official CEL engine is not installed (cel-expr-python)")
ENGINE = cel.NewEnv(variables={"r": cel.Type.DYN})
EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
STRICTER = {
    "Even where CEL would let || swallow it.",
    "A number where a text is due is an error, not a difference.",
    "True is no number.",
    "What is no number is neither less nor more.",
    "A symbol of a newer schema is an error, not a difference.",
    "So it is in a list.",
    "So it is where nothing is compared.",
}
"""Cases of the table in which the engine answers and ours does not."""

EXACT = {"Nor against a fraction."}
"""Cases in which the engine rounds a whole number beyond 2^53 to compare it with a fraction, and ours does not."""


COMPARED: Counter[str] = Counter()
"""Pairs of a filter and a record that both engines have judged, by where they came from."""


@pytest.fixture(scope="module", autouse=True)
def _told(request: pytest.FixtureRequest) -> Iterator[None]:
    """Prints at the end how much was compared, whatever pytest captures."""
    yield
    told = ", ".join(f"{count:,} {what}" for what, count in COMPARED.items())
    with request.config.pluginmanager.getplugin("capturemanager").global_and_fixture_disabled():
        print(f"\ncompared with the official CEL engine: {told or 'nothing'}")  # noqa: T201 - the count is the evidence


def as_cel(node: Node) -> str:  # noqa: C901, PLR0911 - one case a kind of node
    match node:
        case Literal() if node.kind is Kind.DATE:
            return f"timestamp({quote(rfc3339(timedelta(days=int(node.value))))})"
        case Literal():
            return node.text
        case ListLiteral():
            return f"[{', '.join(as_cel(item) for item in node.items)}]"
        case Field():
            return member(node.path)
        case Has():
            return there(node.field.path)
        case Not():
            return f"!({as_cel(node.operand)})"
        case And():
            return " && ".join(f"({as_cel(operand)})" for operand in node.operands)
        case Or():
            return " || ".join(f"({as_cel(operand)})" for operand in node.operands)
        case Compare():
            return f"dyn({as_cel(node.left)}) {node.op} dyn({as_cel(node.right)})"
        case Call():
            return f"({as_cel(node.target)}).{node.method}({as_cel(node.argument)})"


def member(path: tuple[str, ...]) -> str:
    """A field; the engine makes a time of the text that stands for one."""
    shape = SHAPE
    for name in path:
        shape = shape.fields[name]
    text = ".".join(("r", *path))
    return f"timestamp({text})" if shape.kind in {Kind.DATE, Kind.TIMESTAMP} else text


def there(path: tuple[str, ...]) -> str:
    """Ours asks for every step of a path; the engine's has() wants the steps before the last to be there."""
    return " && ".join(f"has(r.{'.'.join(path[:length])})" for length in range(1, len(path) + 1))


def rfc3339(since_1970: timedelta) -> str:
    return (EPOCH + since_1970).isoformat()


def for_cel(value: Any, shape: Shape) -> Any:
    """A raw value as the engine takes it."""
    match shape.kind:
        case Kind.DATE if isinstance(value, int):
            return rfc3339(timedelta(days=value))
        case Kind.TIMESTAMP if isinstance(value, int):
            return rfc3339(timedelta(microseconds=value * 1000 // shape.per_ms))
        case Kind.RECORD if isinstance(value, dict):
            return dict(members(value, shape))
    return value


def members(record: Mapping[str, Any], shape: Shape) -> Iterator[tuple[str, Any]]:
    for name, value in record.items():
        if value is not None:
            yield name, for_cel(value, shape.fields[name])


def engine_says(expression: Any, record: Mapping[str, Any]) -> bool | None:
    """True or false; None where the engine has an error."""
    answer = expression.eval(ENGINE.Activation({"r": dict(members(record, SHAPE))}))
    return {"true": True, "false": False}.get(str(answer).lower())


@pytest.mark.parametrize("case", data("filters.yaml"), ids=says)
def test_the_table_holds_for_the_engine(case: dict[str, Any]) -> None:
    """Each case of the table is the engine's answer too, or one of those listed where ours is stricter."""
    record = {name: value for name, value in record_of(case).items() if name != "blob"}
    said = engine_says(ENGINE.compile(as_cel(parse(case["filter"]))), record)
    COMPARED["cases by hand"] += 1
    if case["holds"] == "error":
        assert (said is not None) is (case["says"] in STRICTER)
    else:
        assert (said is case["holds"]) is (case["says"] not in EXACT)


def compare(text: str, several: list[dict[str, Any]]) -> None:
    node = parse(text)
    ours, engine = compile_filter(node, SHAPE), ENGINE.compile(as_cel(node))
    for record in several:
        assert engine_says(engine, record) is ours(record), text
        COMPARED["random pairs"] += 1


pairs = {"text": filters, "several": st.lists(records, min_size=10, max_size=10)}


@settings(max_examples=80, deadline=None, suppress_health_check=list(HealthCheck))
@given(**pairs)
def test_random_filters_agree(text: str, several: list[dict[str, Any]]) -> None:
    """On 800 random well-typed pairs of filter and record, ours says what the engine says."""
    compare(text, several)


@pytest.mark.long
@pytest.mark.timeout(900)
@settings(max_examples=2500, deadline=None, suppress_health_check=list(HealthCheck))
@given(**pairs)
def test_many_random_filters_agree(text: str, several: list[dict[str, Any]]) -> None:
    """So it is on 25,000 pairs."""
    compare(text, several)
