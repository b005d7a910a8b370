"""What differs at a source: learnt, met as the manifest says, remembered over a restart."""

import json
from dataclasses import replace
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from bus.connect.drift import Difference, Drift, Frozen, Strange, Watch
from bus.connect.evolve import RULES, write_proposal
from bus.connect.flow import Flow
from bus.connect.manifest import DriftMode, Manifest
from bus.connect.propose import guesses
from bus.connect.publish import Contract, Envelope
from bus.connect.source import Chunk, SourceChange
from bus.connect.standing import Cursor, Standing, from_message, to_message
from bus.connect.units import Units
from bus.model.change import Operation
from tests.unit.connect.conftest import SCHEMA

DATASET = "test.right"
ROW: dict[str, Any] = {"ma": "r1", "chu": None, "gia": 5, "mat": "", "note": "n"}


def manifest(drift: Any = "discard", **more: Any) -> Manifest:
    """A manifest of one dataset; `note` is a column that it does not read."""
    rule = {
        "origin": "rights",
        "fields": {"id": "ma", "holder": "chu", "worth": "gia"},
        "state_secret": {"column": "mat", "values": ["x"]},
        "drift": drift,
    }
    words = {"name": "test", "registry": "test", "kind": "postgres", "datasets": {DATASET: rule}}
    return Manifest.model_validate(words | more)


def learnt(drift: Any = "discard") -> Watch:
    """A watch that has seen the rows whole."""
    watch = Watch(manifest(drift), Drift())
    watch.meet(DATASET, ROW, learning=True)
    watch.meet(DATASET, ROW | {"gia": Decimal("1.5"), "chu": "p1"}, learning=True)
    watch.meet(DATASET, ROW, learning=False)
    return watch


@pytest.mark.parametrize("drift", ["freeze", "discard", "evolve"])
def test_rows_that_do_not_differ_pass(drift: str) -> None:
    """Nulls, other numbers, a column that nobody reads changing its kind or going: none of it is a difference."""
    watch = learnt(drift)
    for row in (ROW, ROW | {"gia": None}, ROW | {"gia": 2.5}, ROW | {"note": 5}):
        watch.meet(DATASET, row, learning=False)
    watch.meet(DATASET, {name: value for name, value in ROW.items() if name != "note"}, learning=False)
    assert watch.drift().found == ()


@pytest.mark.parametrize(
    ("row", "difference", "column"),
    [
        (ROW | {"more": "x"}, Difference.NEW, "more"),
        (ROW | {"gia": "5"}, Difference.KIND, "gia"),
        ({name: value for name, value in ROW.items() if name != "gia"}, Difference.GONE, "gia"),
    ],
)
def test_each_difference_is_met_as_the_manifest_says(row: Any, difference: Difference, column: str) -> None:
    """Under `freeze` it stops the row; under `discard` it is told once and its rows are counted."""
    with pytest.raises(Frozen, match=f"{DATASET}: {difference} {column}"):
        learnt("freeze").meet(DATASET, row, learning=False)
    watch = learnt("discard")
    for _ in range(3):
        watch.meet(DATASET, row, learning=False)
    (one,) = watch.drift().found
    assert (one.column, one.difference, one.mode, one.rows) == (column, difference, DriftMode.DISCARD, 3)
    assert [(new.column, new.difference) for new in watch.news] == [(column, difference)]


def test_evolving_never_takes_another_kind() -> None:
    """Under `evolve` a new column is told as one to propose, and a value of another kind stops the row."""
    watch = learnt("evolve")
    watch.meet(DATASET, ROW | {"more": "x"}, learning=False)
    assert [one.mode for one in watch.news] == [DriftMode.EVOLVE]
    with pytest.raises(Frozen):
        watch.meet(DATASET, ROW | {"gia": "5"}, learning=False)


def test_the_day_of_a_unit_is_a_column_that_is_read() -> None:
    """Without the column that dates a unit's code, the code may mean another: that it is gone is a difference."""
    dated = {"column": "chu", "units": Units("units.csv", {}), "valid_at": "note"}
    rule = {"origin": "rights", "fields": {"id": "ma", "holder": dated, "worth": "gia"}, "drift": "freeze"}
    words = {"name": "test", "registry": "test", "kind": "postgres", "datasets": {DATASET: rule}}
    watch = Watch(Manifest.model_validate(words), Drift())
    watch.meet(DATASET, ROW, learning=True)
    with pytest.raises(Frozen, match="column-gone note"):
        watch.meet(DATASET, {name: value for name, value in ROW.items() if name != "note"}, learning=False)


@pytest.mark.parametrize("drift", ["freeze", "discard", "evolve"])
def test_without_the_mark_of_secrets_nothing_goes_on(drift: str) -> None:
    """Whatever the mode, at a first reading and after `accept` too: a row that cannot tell whether it is one waits."""
    row = {name: value for name, value in ROW.items() if name != "mat"}
    accepted = learnt(drift)
    accepted.accept((DATASET,))
    for watch, learning in ((learnt(drift), False), (Watch(manifest(drift), Drift()), True), (accepted, False)):
        with pytest.raises(Frozen, match="column-gone mat"):
            watch.meet(DATASET, row, learning=learning)


def test_columns_that_may_appear_are_none() -> None:
    """What the manifest ignores, and the operation column of a delta, is no difference."""
    watch = learnt({"new_column": "freeze", "ignore": ["more"]})
    watch.meet(DATASET, ROW | {"more": "x"}, learning=False)
    files = {"operation_column": "op", "deleted": ["D"]}
    watch = Watch(manifest("freeze", kind="files", files=files), learnt().drift())
    watch.meet(DATASET, ROW | {"op": "U"}, learning=False)


def test_it_is_remembered_and_accepted() -> None:
    """After a restart the same row is counted on and not told anew; what was accepted is no difference any more."""
    watch = learnt("discard")
    watch.meet(DATASET, ROW | {"more": "x"}, learning=False)
    standing = from_message(to_message(Standing("test", drift=watch.drift()), 0))
    again = Watch(manifest("discard"), standing.drift)
    again.meet(DATASET, ROW | {"more": "y"}, learning=False)
    assert [one.rows for one in again.drift().found] == [2]
    assert again.news == []
    again.accept((DATASET,))
    again.meet(DATASET, ROW | {"more": "x"}, learning=False)
    again.meet(DATASET, ROW | {"more": "x"}, learning=False)
    assert again.drift().found == ()


def flow(contract: Contract, envelope: Envelope, **standing: Any) -> Flow:
    """A flow under `freeze` that knows its rows."""
    at_start = replace(Standing("test", epoch=1, stream={"seq": 0}), **standing)
    made = Flow(envelope, {DATASET: contract}, at_start, lambda one, goal: bool(one["seq"] >= goal["seq"]))
    return made.watched_by(Watch(manifest("freeze"), learnt().drift()))


def test_a_frozen_row_is_as_if_it_had_not_come(contract: Contract, envelope: Envelope) -> None:
    """Nothing of it goes out and the place in the stream stays before it; accepted, it is published."""
    frozen = flow(contract, envelope)
    change = SourceChange(DATASET, Operation.CREATED, None, ROW | {"more": "x"}, "1", {"seq": 1})
    with pytest.raises(Frozen) as raised:
        frozen.take(change, 0)
    assert frozen.freeze(str(raised.value))
    assert frozen.drain() == []
    assert frozen.standing.stream == {"seq": 0}
    assert frozen.standing.drift.frozen == f"{DATASET}: new-column more (text)"
    frozen.accept((DATASET,))
    frozen.take(change, 0)
    assert len(frozen.drain()) == 1
    assert frozen.standing.drift.frozen == ""


def test_a_chunk_is_taken_whole_or_not_at_all(contract: Contract, envelope: Envelope) -> None:
    """Of a chunk with one row that differs nothing goes out, so that none of its rows is published twice."""
    frozen = flow(contract, envelope, snapshot=Cursor((DATASET,)))
    rows = (ROW, ROW | {"ma": "r2", "more": "x"})
    with pytest.raises(Frozen):
        frozen.open(Chunk(DATASET, rows, None, {"seq": 0}), 0)
    assert frozen.drain() == []
    assert frozen.standing.snapshot == Cursor((DATASET,))


def test_a_dataset_that_joins_is_read_whole(contract: Contract, envelope: Envelope) -> None:
    """One more dataset in the manifest begins a snapshot of it alone; the same again, and an older record, do not."""
    grown = flow(contract, envelope, datasets=("test.left",))
    grown.adopt(("test.left", DATASET))
    assert grown.standing.snapshot is not None
    assert grown.standing.snapshot.waiting == (DATASET,)
    for before in ((), ("test.left", DATASET)):
        same = flow(contract, envelope, datasets=before)
        same.adopt(("test.left", DATASET))
        assert same.standing.snapshot is None


def test_a_proposal_is_a_schema_with_marked_fields(tmp_path: Path) -> None:
    """Each new column is one more field with a guess to decide, beside those before; nested values are none."""
    for column, kind in (("Số nhà", "text"), ("more", "number"), ("more", "number"), ("deep", "object"), ("id", "")):
        strange = Strange(DATASET, column, Difference.NEW, DriftMode.EVOLVE, kind)
        write_proposal(tmp_path, {DATASET: SCHEMA}, strange)
    found = json.loads((tmp_path / "test" / "right.avsc").read_text(encoding="utf-8"))
    added = found["fields"][len(SCHEMA["fields"]) :]
    assert [(one["name"], one["type"]) for one in added] == [
        ("so_nha", ["null", "string"]),
        ("more", ["null", "double"]),
        ("id_2", ["null", "string"]),
    ]
    assert len(guesses(found)) == 3
    lines = (tmp_path / RULES).read_text(encoding="utf-8").splitlines()[1:]
    assert lines == [f'{DATASET}: {{so_nha: "Số nhà"}}', f'{DATASET}: {{more: "more"}}', f'{DATASET}: {{id_2: "id"}}']
