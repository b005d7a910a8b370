"""The filter language, case by case: what filters say, and which are refused."""

from typing import Any

import pytest

from bus.agreements.filters.compile import compile_filter, reader
from bus.agreements.filters.lexer import LONGEST
from bus.agreements.filters.parser import DEEPEST, LONGEST_LIST, parse
from bus.agreements.filters.syntax import FilterUnreadable, Problem, unparse
from bus.agreements.filters.types import check_filter, fields_of
from bus.agreements.shape import shape_of
from bus.agreements.values import raw_record
from tests.unit.agreements.ground import SHAPE, WRITTEN, data

HOLDS = data("filters.yaml")
WRONG = data("wrong_filters.yaml")


def says(case: dict[str, Any]) -> str:
    return str(case["says"])


def plain(value: Any) -> Any:
    """Cases are read by YAML, which makes dates of what people write as texts."""
    if isinstance(value, dict):
        return {name: plain(inner) for name, inner in value.items()}
    return value.isoformat() if hasattr(value, "isoformat") else value


def record_of(case: dict[str, Any]) -> dict[str, Any]:
    record = raw_record({**WRITTEN, **plain(case.get("with", {}))}, SHAPE) | case.get("raw", {})
    return {name: value for name, value in record.items() if name not in case.get("without", ())}


def problems_of(text: str) -> tuple[Problem, ...]:
    try:
        return check_filter(parse(text), SHAPE)
    except FilterUnreadable as error:
        return (error.problem,)


@pytest.mark.parametrize("case", HOLDS, ids=says)
def test_what_a_filter_says(case: dict[str, Any]) -> None:
    """Each filter of the table is well typed and says of its record what the table says."""
    node = parse(case["filter"])
    assert check_filter(node, SHAPE) == ()
    holds = compile_filter(node, SHAPE)
    if case["holds"] == "error":
        with pytest.raises((KeyError, TypeError)):
            holds(record_of(case))
    else:
        assert holds(record_of(case)) is case["holds"]


@pytest.mark.parametrize("case", WRONG, ids=says)
def test_what_is_refused(case: dict[str, Any]) -> None:
    """Each wrong filter has exactly one finding, at its place, with the nearest right thing."""
    (problem,) = problems_of(case["filter"])
    marked = case["filter"][problem.start : problem.end]
    assert (problem.code, marked, problem.suggestion) == (case["code"], case["marked"], case.get("suggestion"))


def test_all_problems_come_at_once() -> None:
    """Type problems are told together, in the order of the text."""
    problems = problems_of('txt == "x" && colour == "PINK" && maybe_number > 1')
    assert [problem.code for problem in problems] == ["filter-unknown-field", "filter-symbol", "filter-unguarded"]


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("(" * (DEEPEST + 1) + "flag" + ")" * (DEEPEST + 1), "filter-too-deep"),
        ("!" * (DEEPEST + 1) + "flag", "filter-too-deep"),
        ("flag && " * (LONGEST // 8) + "flag && flag", "filter-too-long"),
        (f"number in [{','.join('1' for _ in range(LONGEST_LIST + 1))}]", "filter-too-long"),
    ],
)
def test_limits(text: str, code: str) -> None:
    """What nobody can review is refused, and never exhausts the reader."""
    assert [problem.code for problem in problems_of(text)] == [code]


def test_limits_are_inclusive() -> None:
    """The deepest filter that is allowed is read."""
    assert problems_of("(" * DEEPEST + "flag" + ")" * DEEPEST) == ()


def test_only_named_fields_are_touched() -> None:
    """A filter reads the fields that it names and no other."""
    node = parse('has(maybe_text) && maybe_text == "x" || flag && inner.day < date("2000-01-01")')
    assert fields_of(node) == {("maybe_text",), ("flag",), ("inner", "day")}
    assert compile_filter(parse("flag && number > 1"), SHAPE)({"flag": True, "number": 2}) is True


STAY = {
    "type": "record",
    "name": "Stay",
    "fields": [
        {"name": "since", "type": {"type": "long", "logicalType": "timestamp-millis"}},
        {"name": "share", "type": "double"},
        {"name": "rooms", "type": "long"},
    ],
}
STAYS = shape_of({"type": "record", "name": "Person", "fields": [{"name": "stay", "type": STAY}]})


def test_a_field_inside_a_record_is_read_as_any_other() -> None:
    """A moment in it counts in microseconds; what is missing, of another type or no number is no value."""
    stay = {"since": 5, "share": 0.5, "rooms": 2}
    assert [reader(("stay", name), STAYS)({"stay": stay}) for name in stay] == [5000, 0.5, 2]
    for name, wrong in (("since", "5"), ("share", float("nan")), ("rooms", "2"), ("rooms", None)):
        with pytest.raises(TypeError):
            reader(("stay", name), STAYS)({"stay": {**stay, name: wrong}})
    broken: list[dict[str, Any]] = [{}, {"stay": None}, {"stay": {}}]
    for record in broken:
        with pytest.raises(TypeError):
            reader(("stay", "rooms"), STAYS)(record)


def test_canonical_spelling() -> None:
    """Spacing, quotes and needless parentheses do not make another filter."""
    assert unparse(parse("((flag)&&( number==+7))".replace("+", ""))) == unparse(parse("flag && number == 7"))
    assert unparse(parse("text=='it\\'s'")) == 'text == "it\'s"'
    assert unparse(parse("(flag || flag) && !(flag && flag)")) == "(flag || flag) && !(flag && flag)"


def test_a_blank_that_looks_like_another_is_told_by_its_number() -> None:
    """What nobody can see is named: a no-break blank would be told as ` `, which has every meaning."""
    (problem,) = problems_of("number\u00a0== 7")
    assert problem.details == (("text", "U+00A0"),)


@pytest.mark.parametrize("part", ["!flag", "(flag)", 'text.startsWith("x")'])
def test_what_stands_side_by_side_is_not_deep(part: str) -> None:
    """However many parts a filter has beside each other, only what stands within another counts as deep."""
    assert problems_of(" || ".join([part] * (DEEPEST + 1))) == ()
