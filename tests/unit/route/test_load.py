"""Which records a lane takes up again when it reads its topics back."""

import asyncio
import threading
from collections.abc import Callable

import pytest

from bus.errors import RecordUnreadable, SchemaUnknown
from bus.model.change import Change
from bus.model.key import LONGEST_KEY, lane_of
from bus.model.record import Incoming
from bus.route.batch import Unreadable
from bus.route.load import Poison, _landed, _was_taken, change_of
from bus.route.state import DeadVersion
from bus.route.store.memory import MemoryState
from bus.topics import MAX_RECORD_BYTES, Topics
from tests.unit.route.lanes import PARCEL, PERSON, Nutshell, value, values

POISON = b"\0\0\0\0\x09x"


class Decoder:
    """Knows every schema that can be known."""

    async def know(self, value: bytes) -> None:
        if not value.startswith(b"\0"):
            raise RecordUnreadable(schema_id="unknown", reason="it has no frame")
        if value[4] == 9:
            raise SchemaUnknown(schema_id=9)

    decode = staticmethod(values)


@pytest.mark.parametrize("discarded", [False, True])
async def test_a_dead_letter_stays_out(*, discarded: bool) -> None:
    """A dead letter that can be read by now, and that nobody released, stays out; the version before it is taken."""
    lane, state = Nutshell(), MemoryState()
    before, older_letter, letter = (lane.change("p1", one) for one in (value("An"), POISON, value("Bình")))
    other = lane.change("p2", value("Chi"))
    state.put_dead(PERSON, letter.key, DeadVersion(letter.origin.offset, discarded=discarded))
    taken = [await _was_taken(one, state, Decoder()) for one in (before, older_letter, letter, other)]
    assert taken == [True, False, False, True]


async def test_poison_that_a_newer_version_followed() -> None:
    """How an older dead letter begins keeps no lane from its start; what is the newest version must be readable."""
    poison, good = Poison(Decoder()), value("An")
    await poison.look_at([(PERSON, b"p1/1", good), (PERSON, b"p1/1", b"no frame"), (PERSON, b"p2/2", POISON)])
    assert poison.past() == set()
    await poison.look_at([(PERSON, b"p1/1", good)])
    assert poison.past() == {b"no fr"}
    await poison.look_at([(PERSON, b"p2/2", None)])
    assert poison.past() == {b"no fr", POISON[:5]}


async def test_who_is_cancelled_waits_for_what_lands() -> None:
    """A lane that is given up while it reads back closes its store after the last put: else the process would die."""
    begun, may_end, landed = threading.Event(), threading.Event(), list[str]()

    class Slow(MemoryState):
        def land(self, puts: Callable[[], None]) -> None:
            begun.set()
            assert may_end.wait(10)
            landed.append("all of it")

    landing = asyncio.create_task(_landed(Slow(), list.append, []))
    assert await asyncio.to_thread(begun.wait, 10)
    for _ in range(2):  # told to end, and then cut off
        landing.cancel()
        await asyncio.wait([landing], timeout=0.01)
        assert not landing.done()
    may_end.set()
    with pytest.raises(asyncio.CancelledError):
        await landing
    assert landed == ["all of it"]


@pytest.mark.parametrize(
    "key", [None, b"", b"\xff", b"k" * (LONGEST_KEY + 1)], ids=["none", "empty", "no text", "long"]
)
def test_a_key_under_which_nothing_can_be_kept(key: bytes | None) -> None:
    """No store takes an empty key, and no topic takes a note about one that fills a record: such a change is poison."""
    record = Incoming(f"changes.{PARCEL}", 0, 7, 0, key, value("An"))
    assert change_of(record, Topics("", 8), {PARCEL: False}) == Unreadable(record, "key-unreadable")


@pytest.mark.parametrize(("dataset", "has_subject"), [(PERSON, True), (PARCEL, False)])
def test_a_record_in_another_lane(dataset: str, *, has_subject: bool) -> None:
    """A record counts in the lane of its subject, or of its own id, and nowhere else: its consents lie there."""
    of_key, of_subject = lane_of("p1/1", 8), lane_of("p1", 8)
    assert of_key != of_subject, "else the test would say nothing"
    place = Incoming(f"changes.{dataset}", of_subject if has_subject else of_key, 7, 0, b"p1/1", value("An"))
    elsewhere = place._replace(partition=of_key if has_subject else of_subject)
    assert isinstance(change_of(place, Topics("", 8), {dataset: has_subject}), Change)
    assert change_of(elsewhere, Topics("", 8), {dataset: has_subject}) == Unreadable(elsewhere, "lane-wrong")


def test_a_record_that_no_topic_takes_as_it_is() -> None:
    """What came compressed and is too large to be released is poison when it comes, not when a consent lets it out."""
    whole = MAX_RECORD_BYTES - 2048
    record = Incoming(f"changes.{PERSON}", lane_of("p1", 8), 7, 0, b"p1/1", bytes(whole - 4))
    assert isinstance(change_of(record, Topics("", 8), {PERSON: True}), Change)
    larger = record._replace(value=bytes(whole - 3))
    assert change_of(larger, Topics("", 8), {PERSON: True}) == Unreadable(larger, "too-large", (PERSON, b"p1/1"))
