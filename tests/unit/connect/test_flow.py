"""The flow, event by event: keys that move, secrets, exports told again, sweeps."""

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from bus.connect.flow import Flow
from bus.connect.known import Known
from bus.connect.manifest import DatasetRule
from bus.connect.mapping import KEY_BYTES, Mapper
from bus.connect.publish import DEAD_LETTER_BYTES, Contract, Envelope, Stamp, epoch_of
from bus.connect.source import Chunk, ExportBegan, ExportEnded, Position, Restarted, SourceChange, Unreadable
from bus.connect.standing import UNFIT_KEPT, Cursor, Standing, from_message, to_message
from bus.connect.unfit import original_bytes
from bus.kafka.batch import batches
from bus.model.change import Operation
from bus.model.key import RecordKey
from bus.model.record import Outgoing
from bus.topics import MAX_RECORD_BYTES
from tests.unit.connect.conftest import headers_of

DATASET = "test.right"


def row(record_id: str, holder: str | None = "p1", worth: int = 1, mark: str = "") -> dict[str, Any]:
    return {"ma": record_id, "chu": holder, "gia": worth, "mat": mark}


def at(place: int) -> Position:
    return {"seq": place}


def change(old: Any, new: Any, place: int = 1, kind: Operation = Operation.UPDATED) -> SourceChange:
    return SourceChange(DATASET, kind, old, new, str(place), at(place))


Make = Callable[..., Flow]


@pytest.fixture
def make(contract: Contract, envelope: Envelope) -> Make:
    """A flow at position 0 of epoch 1."""

    def flow(known: Known | None = None, **standing: Any) -> Flow:
        at_start = replace(Standing("test", epoch=1, stream=at(0)), **standing)
        return Flow(envelope, {DATASET: contract}, at_start, lambda one, goal: bool(one["seq"] >= goal["seq"]), known)

    return flow


def keys(records: list[Outgoing]) -> list[tuple[str, bool]]:
    """Key, and whether it is a tombstone."""
    return [((record.key or b"").decode(), record.value is None) for record in records]


def test_a_moved_record_leaves_its_old_key(make: Make) -> None:
    """Tombstone and record are drained together, each in the lane of its own subject, with ids of their own."""
    flow = make()
    flow.take(change(row("r1", "p1"), row("r1", "p2")), 0)
    records = flow.drain()
    assert keys(records) == [("p1/r1", True), ("p2/r1", False)]
    assert len({headers_of(record)["ce_id"] for record in records}) == 2
    assert flow.standing.stream == at(1)


def test_a_change_says_what_it_is(make: Make) -> None:
    """Beside key and value stand the attributes of a CloudEvent: id, source, type and time."""
    flow = make()
    flow.take(change(None, row("r1")), 1_767_225_600_123)
    (record,) = flow.drain()
    assert headers_of(record) == {
        "content-type": b"application/avro",
        "ce_specversion": b"1.0",
        "ce_source": b"/registries/test",
        "ce_type": b"test.right.updated",
        "ce_time": b"2026-01-01T00:00:00.123Z",
        "ce_id": b"test.1.1",
    }


def test_an_unfit_row_under_a_new_key_still_leaves_the_old_one(make: Make) -> None:
    """Where the new row is unreadable but its key is not, the old holder's copy goes, and the row is a dead letter."""
    flow = make()
    flow.take(change(row("r1", "p1"), row("r1", "p2") | {"gia": "?"}), 0)
    tombstone, dead = flow.drain()
    assert keys([tombstone]) == [("p1/r1", True)]
    assert dead.topic == "deadletters.test"
    assert dead.key == b"p2/r1"


def test_a_row_whose_key_cannot_be_read_any_more_leaves_its_old_one(make: Make) -> None:
    """Its row is a dead letter; the old key goes with it, for no later change of the row would tell it again."""
    flow = make()
    flow.take(change(row("r1", "p1"), row("r1", "p/2"), 1), 0)
    flow.take(change(row("r1", "p/2"), row("r1", "p2"), 2), 0)
    tombstone, dead, mended = flow.drain()
    assert dead.topic == "deadletters.test"
    assert keys([tombstone, mended]) == [("p1/r1", True), ("p2/r1", False)]


@pytest.mark.parametrize(
    ("old", "new", "published"),
    [
        (None, row("r1", mark="x"), []),
        (row("r1"), row("r1", mark="x"), [("p1/r1", True)]),
        (row("r1", mark="x"), row("r1", mark="x"), []),
        (row("r1", mark="x"), row("r1"), [("p1/r1", False)]),
        (row("r1", mark="x"), None, []),
    ],
    ids=["appears", "becomes one", "changes", "ceases to be one", "vanishes"],
)
def test_a_state_secret(make: Make, old: Any, new: Any, published: list[tuple[str, bool]]) -> None:
    """A secret row is never published; what was open before is erased when it becomes one."""
    flow = make()
    flow.take(change(old, new), 0)
    assert keys(flow.drain()) == published


def test_a_deletion_by_id_finds_its_subject(make: Make) -> None:
    """Without the old row, the record id leads to the key under which the record was published."""
    known = Known()
    known.recover(DATASET, RecordKey("p7", "r1"), b"")
    flow = make(known)
    flow.take(SourceChange(DATASET, Operation.DELETED, None, None, "1", at(1), "r1"), 0)
    flow.take(SourceChange(DATASET, Operation.DELETED, None, None, "2", at(2), "r1"), 0)
    assert keys(flow.drain()) == [("p7/r1", True)]


def test_a_deletion_by_id_finds_it_however_it_is_written(envelope: Envelope, contract: Contract) -> None:
    """The id of a deletion takes the one form of its rule, for what is published and for an open chunk."""
    words = {
        "origin": "rights",
        "fields": {"id": {"column": "ma", "id": {"case": "upper", "drop": "-"}}, "worth": "gia"},
    }
    mapper = Mapper(contract.mapper.dataset, DatasetRule.model_validate(words), "manifest.yaml")
    known = Known()
    known.recover(DATASET, RecordKey("-", "R1"), b"")
    standing = Standing("test", epoch=1, stream=at(0), snapshot=Cursor((DATASET,)))
    flow = Flow(
        envelope, {DATASET: Contract.of(mapper, 7)}, standing, lambda one, goal: one["seq"] >= goal["seq"], known
    )
    flow.open(Chunk(DATASET, (row("R-1"),), None, at(1)), 0)
    flow.take(SourceChange(DATASET, Operation.DELETED, None, None, "1", at(1), "r-1"), 0)
    assert keys(flow.drain()) == [("-/R1", True)]


def test_a_deletion_that_names_no_record_is_a_dead_letter(make: Make) -> None:
    """A deleted row without a readable id is told as it came; one that was never published is nothing to tell."""
    flow = make(Known())
    flow.take(change(row(""), None, 1, Operation.DELETED), 0)
    flow.take(change(row("r9"), None, 2, Operation.DELETED), 0)
    (dead,) = flow.drain()
    assert dead.topic == "deadletters.test"
    assert dead.value == original_bytes(row(""))


def test_half_a_pair_of_utf_16_stops_nothing(make: Make) -> None:
    """JSON can name what no encoding takes: such a row is a dead letter that names it too, in its key or elsewhere."""
    flow = make()
    for one in (row("r1", "p\ud800"), row("r1") | {"gia": "\ud800"}, row("r1") | {"gia": "?", "note": "\udfff"}):
        flow.take(change(None, one), 0)
        (dead,) = flow.drain()
        assert dead.topic == "deadletters.test"
        assert json.loads(dead.value or b"") == one


def test_what_is_long_stays_within_what_kafka_takes(make: Make, envelope: Envelope) -> None:
    """A key beyond its room, by either part, is a dead letter; a key, a reason and a row at their limits fit."""
    flow = make()
    flow.take(change(None, row("r", "p" * KEY_BYTES)), 0)
    flow.take(change(None, row("r" * KEY_BYTES, "ế")), 0)
    flow.take(change(None, row("r" * (KEY_BYTES - 3), "ế")), 0)
    *dead, whole = flow.drain()
    assert [record.topic for record in dead] == ["deadletters.test"] * 2
    longest = RecordKey("p", "r" * (KEY_BYTES - 1))
    letter = envelope.dead(Stamp(DATASET, "1", 0), longest, bytes(2 * DEAD_LETTER_BYTES), "lý do; " * 9999)
    for record, most in ((whole, MAX_RECORD_BYTES), (letter, 2 * MAX_RECORD_BYTES)):
        ((batch,),) = batches([record]).values()
        assert batch.size() <= most


def test_a_chunk_leaves_the_old_key_of_what_is_known(make: Make) -> None:
    """Of a source without old rows: after a kill, a record that is published twice would be erased once.

    So a chunk erases what is published under another key at once, as it does where the row is a state secret now.
    """
    known = Known()
    known.recover(DATASET, RecordKey("p1", "r1"), b"")
    known.recover(DATASET, RecordKey("p1", "r2"), b"")
    flow = make(known, epoch=2, snapshot=Cursor((DATASET,), sweeping=(DATASET,)))
    flow.open(Chunk(DATASET, (row("r1", "p2"), row("r2", mark="x")), None, at(0)), 0)
    assert keys(flow.drain()) == [("p1/r1", True), ("p2/r1", False), ("p1/r2", True)]


def test_rows_of_one_record_id_are_several_records(make: Make) -> None:
    """In a chunk each holder's row is published; a change takes its own row out of it, and no other."""
    flow = make(snapshot=Cursor((DATASET,)))
    flow.open(Chunk(DATASET, (row("r1", "p1"), row("r1", "p2"), row("r1", "p3")), None, at(5)), 0)
    flow.take(change(row("r1", "p3"), row("r1", "p3", 2), 5), 0)
    assert keys(flow.drain()) == [("p3/r1", False), ("p1/r1", False), ("p2/r1", False)]


def test_a_dataset_that_left_the_manifest_leaves_its_snapshot(make: Make) -> None:
    """A snapshot that was under way goes on with what is still there, from where it stood; alone, it is over."""
    flow = make(datasets=(DATASET, "test.old"), snapshot=Cursor(("test.old", DATASET), "k9", 3, ("test.old", DATASET)))
    flow.adopt((DATASET,))
    assert flow.standing.snapshot == Cursor((DATASET,), None, 3, (DATASET,))
    flow = make(datasets=(DATASET, "test.old"), snapshot=Cursor((DATASET, "test.old"), "k9", 3, ("test.old",)))
    flow.adopt((DATASET,))
    assert flow.standing.snapshot == Cursor((DATASET,), "k9", 3, ())
    flow = make(datasets=(DATASET, "test.old"), snapshot=Cursor(("test.old",), "k9", 3))
    flow.adopt((DATASET,))
    assert flow.standing.snapshot is None


@pytest.mark.parametrize(("unfit", "erased"), [(2, 1), (UNFIT_KEPT + 5, 0)])
def test_a_snapshot_erases_nothing_whose_row_does_not_fit(make: Make, unfit: int, erased: int) -> None:
    """A row that was met is not gone, also after a restart; where too many do not fit, nobody knows what is gone."""
    flow = make(epoch=2, snapshot=Cursor((DATASET,), sweeping=(DATASET,)))
    rows = [row(f"r{number}") | {"gia": "?"} for number in range(unfit)]
    flow.take(change(rows[0], rows[0]), 0)
    flow.open(Chunk(DATASET, (*rows[1:], row("new")), None, at(0)), 0)
    flow.drain()
    again = make(**{name: getattr(recovered(flow), name) for name in ("epoch", "stream", "snapshot")})
    older = [RecordKey("p1", f"r{number}") for number in range(unfit)]
    again.sweep(DATASET, [*older, RecordKey("p9", "gone")])
    again.sweep_some(9, 0)
    assert keys(again.drain()) == [("p9/gone", True)] * erased
    assert again.standing.snapshot is None


def recovered(flow: Flow) -> Standing:
    """Where a flow stands, as the next start reads it."""
    return from_message(to_message(flow.standing, 0))


def export(flow: Flow, rows: list[dict[str, Any]], *, first: int = 1) -> None:
    flow.take(ExportBegan(DATASET, at(first)), 0)
    for place, one in enumerate(rows, first + 1):
        flow.take(change(None, one, place, Operation.READ), 0)
    flow.take(ExportEnded(DATASET, at(100)), 0)


def test_an_export_becomes_its_difference(make: Make) -> None:
    """Of a full export only new and changed rows are published; what it lacks is swept, then the position moves."""
    flow = make(Known(compare=True))
    export(flow, [row("r1"), row("r2"), row("r3")])
    assert len(flow.drain()) == 3
    flow.standing = Standing("test", epoch=1, stream=at(0))
    export(flow, [row("r1"), row("r2", worth=2)])
    assert keys(flow.drain()) == [("p1/r2", False)]
    assert flow.sweeping
    assert flow.standing.stream == at(3)
    flow.sweep_some(10, 0)
    assert keys(flow.drain()) == [("p1/r3", True)]
    assert flow.standing.stream == at(100)


def test_an_export_told_again_publishes_only_the_rest(make: Make) -> None:
    """After a crash in the middle, what was published counts as met and is not published again, nor swept."""
    known = Known(compare=False)
    known.recover(DATASET, RecordKey("p1", "r1"), b"")
    flow = make(known, stream=at(2))
    export(flow, [row("r1"), row("r2")])
    assert keys(flow.drain()) == [("p1/r2", False)]
    assert not flow.sweeping


@pytest.mark.parametrize("broken", [True, False], ids=["a line that names no record", "no line at all"])
def test_a_doubtful_export_erases_nothing(make: Make, *, broken: bool) -> None:
    """What an empty or torn export lacks may exist: its records stay."""
    known = Known(compare=True)
    known.recover(DATASET, RecordKey("p1", "r1"), b"")
    flow = make(known)
    flow.take(ExportBegan(DATASET, at(1)), 0)
    if broken:
        flow.take(change(None, row("r2"), 2, Operation.READ), 0)
        flow.take(Unreadable(DATASET, b"?", "torn", "3", at(3)), 0)
    flow.take(ExportEnded(DATASET, at(4)), 0)
    assert not flow.sweeping
    assert flow.standing.stream == at(4)


def test_a_restarted_source_begins_a_new_epoch(make: Make) -> None:
    """A truncated table is read anew and then swept; a snapshot that ran begins again with it."""
    flow = make(snapshot=Cursor((DATASET,), after_key="r5", chunks=3))
    flow.take(Restarted((DATASET,), "truncated", at(9)), 0)
    assert flow.standing.epoch == 2
    assert flow.standing.snapshot == Cursor((DATASET,), sweeping=(DATASET,))
    assert flow.wants_chunk == (DATASET, None)


def test_the_epoch_is_read_back_from_an_id() -> None:
    """Ids of this kit carry their epoch; any other text counts as older than all."""
    assert epoch_of("land.12.5f.3") == 12
    assert [epoch_of(text) for text in (None, "", "a.b", "a.1", "urn:x.y.z")] == [0, 0, 0, 0, 0]
    assert [epoch_of(text) for text in ("land.².s0", f"land.{'9' * 5000}.s0", "land.9999999999.s0")] == [0, 0, 0]


@pytest.mark.parametrize(
    "standing",
    [
        Standing("a"),
        Standing(
            "a", 3, {"lsn": 5, "row": 2, "recent": [1]}, Cursor(("x", "y"), ["k", 1], 7, ("y",), ("y p/r",)), 1, 2, 3, 4
        ),
    ],
)
def test_a_standing_survives_its_message(standing: Standing) -> None:
    """What is written to `positions` is read back the same."""
    assert from_message(to_message(standing, 0)) == standing


def test_what_is_nested_as_deep_as_can_be_read_is_a_dead_letter(make: Make) -> None:
    """Whatever of JSON Python reads, a row with it that does not fit ends no connector; its plain columns are told."""
    deepest = None
    for depth in range(800, 1200):
        try:
            deepest = json.loads("[" * depth + "]" * depth)
        except RecursionError:
            break
    flow = make()
    flow.take(change(None, {**row("r1"), "gia": deepest}), 0)
    (dead,) = flow.drain()
    assert json.loads(dead.value or b"") == {**row("r1"), "gia": "nested too deep to be told"}
    assert original_bytes([[deepest]]) == b'"nested too deep to be told"'
