"""The quick check never says yes where the thorough one finds a fault."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bus.avro.fit import misfits
from bus.connect.quick import quick_fit

SCHEMA: dict[str, Any] = {
    "type": "record",
    "name": "R",
    "fields": [
        {"name": "text", "type": "string"},
        {"name": "maybe", "type": ["null", "string"]},
        {"name": "whole", "type": "int"},
        {"name": "day", "type": {"type": "int", "logicalType": "date"}},
        {"name": "wide", "type": "long"},
        {"name": "yes", "type": "boolean"},
        {"name": "kind", "type": {"type": "enum", "name": "K", "symbols": ["A", "B"]}},
        {"name": "list", "type": {"type": "array", "items": ["null", "int"]}},
        {
            "name": "inner",
            "type": ["null", {"type": "record", "name": "I", "fields": [{"name": "x", "type": "double"}]}],
        },
    ],
}
NAMES = [one["name"] for one in SCHEMA["fields"]]
GOOD: dict[str, Any] = {
    "text": "Đà Nẵng",
    "maybe": None,
    "whole": 1,
    "day": 0,
    "wide": 2**40,
    "yes": True,
    "kind": "A",
    "list": [1, None],
    "inner": {"x": 1.5},
}
anything = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(2**70), 2**70),
    st.floats(),
    st.text(st.characters(codec=None)),
    st.sampled_from(["A", "B", "C", "\ud800"]),
    st.binary(),
    st.lists(st.none() | st.integers(-(2**40), 2**40), max_size=3),
    st.dictionaries(st.sampled_from(["x", "y"]), st.floats() | st.integers(), max_size=2),
)


def test_a_fitting_record_needs_no_slow_check() -> None:
    """A record of every kind of field that fits is recognised at once."""
    assert quick_fit(SCHEMA)(GOOD)
    assert misfits(SCHEMA, GOOD) == ()


@given(st.dictionaries(st.sampled_from([*NAMES, "strange"]), anything), st.sets(st.sampled_from(NAMES), max_size=2))
def test_a_yes_is_never_wrong(changed: dict[str, Any], dropped: set[str]) -> None:
    """Whatever is put in, left out or added: where the quick check says yes, the thorough one finds nothing."""
    record = {name: value for name, value in (GOOD | changed).items() if name not in dropped}
    if quick_fit(SCHEMA)(record):
        assert misfits(SCHEMA, record) == ()
