"""Questions that name the epoch in which a leader is asked, or tell it; the client leaves it out.

A leader that has just been elected may not know yet how far its log goes: that some records are committed it is told by
the others. A question for the end it answers when it knows (KIP-207), a fetch at once. An epoch in which it has told an
end is one in which whatever it tells later is no older; in any other one it refuses a fetch that names that epoch.
"""

from collections.abc import Mapping
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.fetch import FetchRequest
from aiokafka.protocol.offset import OffsetResetStrategy
from aiokafka.protocol.types import Array, Int8, Int16, Int32, Int64, Schema, String

from bus.kafka.requests import by_topic

_FIRST_WITH_EPOCHS = 9
_CLIENT, _ANY = -1, -1
"""Who asks; and an epoch that is not named."""


class _Told(Response):
    API_KEY, API_VERSION = 2, 5
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                (
                    "partitions",
                    Array(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("timestamp", Int64),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                    ),
                ),
            ),
        ),
    )


class _AskEnds(RequestStruct):
    API_KEY, API_VERSION = 2, 5
    RESPONSE_TYPE = _Told
    SCHEMA = Schema(
        ("replica_id", Int32),
        ("isolation_level", Int8),
        (
            "topics",
            Array(
                ("topic", String("utf-8")),
                ("partitions", Array(("partition", Int32), ("current_leader_epoch", Int32), ("timestamp", Int64))),
            ),
        ),
    )


class AskEnds(Request[_AskEnds]):
    """Where partitions end, and in which epoch their leader tells it."""

    API_KEY = 2

    def __init__(self, isolation_level: int, places: list[tuple[str, int]]) -> None:
        self._isolation_level = isolation_level
        self._topics = by_topic((topic, (number, _ANY, OffsetResetStrategy.LATEST)) for topic, number in places)

    def build(self, request_struct_class: type[_AskEnds]) -> _AskEnds:
        """As bytes are made of it."""
        return request_struct_class(_CLIENT, self._isolation_level, self._topics)


class Fetch(FetchRequest):
    """A fetch that is answered for some partitions only in the epochs that it names."""

    def __init__(self, *words: Any, epochs: Mapping[Any, int]) -> None:
        super().__init__(*words)
        self._epochs = epochs

    def build(self, request_struct_class: Any) -> Any:
        """As bytes are made of it."""
        built: Any = super().build(request_struct_class)
        if self._epochs and request_struct_class.API_VERSION >= _FIRST_WITH_EPOCHS:
            built.topics = [
                (topic, [(number, self._epochs.get((topic, number), _ANY), *rest) for number, _, *rest in listed])
                for topic, listed in built.topics
            ]
        return built
