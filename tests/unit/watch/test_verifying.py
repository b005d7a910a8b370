"""What `bus route verify` makes of topics that somebody has damaged; the look at a broker is in `tests/broker`."""

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from click.testing import CliRunner

from bus.cli import route
from bus.errors import RecordUnreadable
from bus.model.record import Incoming
from bus.register.state import Standing
from bus.topics import Topics
from bus.watch.verify import KINDS, Book, Verified
from tests.unit.route.lanes import KEYRING

if TYPE_CHECKING:
    from bus.watch.reach import Look

TOPIC = "agency.tax.person-to-tax.v1"
ENTRY = {"topic": TOPIC, "partition": 0, "event_id": "e1", "kind": "RELEASE"}
SAID: dict[bytes, Any] = {
    b"block": {"lane": 0, "block": 1, "entries": [ENTRY]},
    b"books": {"held": [{"topic": TOPIC, "partition": 0, "key": None, "view_hash": KEYRING.view_hash(b"view")}]},
    b"another": {"something": "else"},
}


def book() -> Book:
    """Of one agreement; a value is what `SAID` makes of it, and anything else cannot be read."""

    async def decode(value: bytes) -> Any:
        if value not in SAID:
            raise RecordUnreadable(schema_id="unknown", reason="a test")
        return SAID[value]

    look = SimpleNamespace(topics=Topics("", 8), messages=SimpleNamespace(decode=decode))
    return Book(KEYRING, {TOPIC}, cast("Look", look))


async def told(found: Book, *records: tuple[str, int, bytes, bytes | None]) -> dict[str, int]:
    """How many findings of each kind there are after these records."""
    for topic, offset, key, value in records:
        await found.take(Incoming(topic, 0, offset, 0, key, value, (("ce_id", b"e1"),)))
    return {kind: len(places) for kind, places in found.compare({}).items()}


BLOCK, BOOKS = ("disclosures", 0, b"", b"block"), ("lane-state", 0, b"holding/person/p/1", b"books")


async def test_what_cannot_be_read_is_a_finding() -> None:
    """One record that no release of the bus wrote is named, and everything else is compared: it ended the command."""
    strange = [("disclosures", 3 + number, b"", value) for number, value in enumerate((b"x", None, b"another"))]
    strange += [("lane-state", 6, b"holding/person/q/1", b"x"), ("lane-state", 7, b"holding/x", b"books")]
    found = book()
    assert await told(found, BLOCK, *strange, BOOKS, (TOPIC, 0, b"p/1", b"view")) == {"unreadable": 5}
    assert "lane-state/0/6" in found.compare({})["unreadable"]


async def test_a_topic_that_is_gone() -> None:
    """The topic of a flow that has ended may be deleted; else that it is gone is told, and what of it is booked."""
    found = book()
    found.gone = {TOPIC: Standing.ENDED}
    assert await told(found, BLOCK) == {}
    found.gone = {TOPIC: Standing.ACTIVE}
    assert await told(found, BOOKS) == {"topic-gone": 1, "booked-and-not-held": 1}


def test_each_finding_has_a_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    """Who reads what does not agree is told what that means and what to do."""

    async def verified(*_: object) -> Verified:
        return Verified(("a",), 1, 1, 1, {kind: frozenset({"there"}) for kind in KINDS})

    monkeypatch.setattr(route, "_verified", verified)
    answer = CliRunner().invoke(route.verify)
    assert answer.exit_code == 1
    for meaning, remedy in KINDS.values():
        assert f"{meaning}\n  remedy: {remedy}\n  there" in answer.stdout
