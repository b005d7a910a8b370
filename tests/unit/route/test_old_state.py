"""A lane that began with an old state, and what it notices of it before its first transaction ends."""

from types import SimpleNamespace
from typing import Any

import pytest

from bus.errors import StateOutdated
from bus.kafka.access import KafkaAccess
from bus.model.record import Outgoing
from bus.route.runner import Lane
from bus.settings import RouteSettings
from bus.topics import Topics

TOPICS = Topics("", 8)
RECORDS = [Outgoing(topic, 3, b"k", b"v") for topic in (TOPICS.disclosures, TOPICS.lane_state, TOPICS.lane_state)]


@pytest.fixture
def lane(monkeypatch: pytest.MonkeyPatch) -> Lane:
    """One that has read its state up to offset 7, and is served by nobody."""
    monkeypatch.setattr(Lane, "_new_transactions", lambda _: None)
    nothing = dict.fromkeys(
        ("keyring", "schemas", "messages", "register", "book", "ends", "identities", "share", "stores")
    )
    parts: Any = SimpleNamespace(**nothing, access=KafkaAccess("nowhere:1"), topics=TOPICS, settings=RouteSettings())
    parts.schemas = SimpleNamespace(decode=None)
    one = Lane(3, parts)
    one._read_to = 7
    return one


def test_something_lies_between(lane: Lane) -> None:
    """What is written first must follow what was read: else a transaction was not read, and this one must not end."""
    with pytest.raises(StateOutdated, match="lane 3 began with an old state: 4 offsets"):
        lane._require_newest(12, RECORDS)


@pytest.mark.parametrize("last", [8, None])
def test_nothing_lies_between(last: int | None, lane: Lane) -> None:
    """A lane that has read everything goes on, as does one that is not told where its records lie."""
    lane._require_newest(last, RECORDS)
    lane._require_newest(99, RECORDS)  # only the first one can tell
