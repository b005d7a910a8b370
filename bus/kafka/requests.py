"""Requests of Kafka's second transaction protocol (KIP-890), which the client does not know, and who speaks it.

By the first protocol a producer tells the coordinator which partitions it will write to, and waits, before it writes.
By the second it writes, and the broker adds the partition; each end of a transaction gives the producer a new epoch, so
that nothing late of one transaction can be taken for the next one's.
"""

from collections import defaultdict
from collections.abc import Iterable
from io import BytesIO
from typing import Any, TypeVar

from aiokafka.protocol.api import Request, RequestStruct, Response, ResponseHeader_v0
from aiokafka.protocol.types import (
    Boolean,
    CompactArray,
    CompactBytes,
    CompactString,
    Int16,
    Int32,
    Int64,
    Schema,
    TaggedFields,
)

SECOND = 2
"""Level of the feature `transaction.version` from which on a cluster speaks the second protocol."""

Item = TypeVar("Item")


def by_topic(items: Iterable[tuple[str, Item]]) -> list[tuple[str, list[Item]]]:
    """What is asked of partitions as every request lists it: by topic, in order within each."""
    of_topic = defaultdict[str, list[Item]](list)
    for topic, item in items:
        of_topic[topic].append(item)
    return list(of_topic.items())


_TAGS = ("tags", TaggedFields)
_FINALIZED = 2
"""The tag under which a broker tells the features that are in force in its cluster."""


class Produced(Response):
    """What became of each batch."""

    API_KEY, API_VERSION = 0, 12
    SCHEMA = Schema(
        (
            "topics",
            CompactArray(
                ("topic", CompactString()),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("error_code", Int16),
                        ("offset", Int64),
                        ("timestamp", Int64),
                        ("log_start_offset", Int64),
                        ("errors", CompactArray(("index", Int32), ("message", CompactString()), _TAGS)),
                        ("message", CompactString()),
                        _TAGS,
                    ),
                ),
                _TAGS,
            ),
        ),
        ("throttle_time_ms", Int32),
        _TAGS,
    )


class _Produce(RequestStruct):
    API_KEY, API_VERSION = 0, 12
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = Produced
    SCHEMA = Schema(
        ("transactional_id", CompactString()),
        ("acks", Int16),
        ("timeout", Int32),
        (
            "topics",
            CompactArray(
                ("topic", CompactString()),
                ("partitions", CompactArray(("partition", Int32), ("records", CompactBytes), _TAGS)),
                _TAGS,
            ),
        ),
        _TAGS,
    )


class Produce(Request[_Produce]):
    """Write batches, and add their partitions to the transaction. `topics` as in the client's own request."""

    API_KEY = 0

    def __init__(
        self, transactional_id: str, required_acks: int, timeout: int, topics: list[tuple[str, list[tuple[int, bytes]]]]
    ) -> None:
        self.required_acks = required_acks
        self._fields = transactional_id, required_acks, timeout
        self._topics: list[Any] = [(topic, [(*one, {}) for one in batches], {}) for topic, batches in topics]

    def build(self, request_struct_class: type[_Produce]) -> _Produce:
        """As bytes are made of it."""
        return request_struct_class(*self._fields, self._topics, {})


class Ended(Response):
    """Whether the end stands, and the epoch of the next transaction."""

    API_KEY, API_VERSION = 26, 5
    SCHEMA = Schema(
        ("throttle_time_ms", Int32), ("error_code", Int16), ("producer_id", Int64), ("producer_epoch", Int16), _TAGS
    )


class _End(RequestStruct):
    API_KEY, API_VERSION = 26, 5
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = Ended
    SCHEMA = Schema(
        ("transactional_id", CompactString()),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("committed", Boolean),
        _TAGS,
    )


class End(Request[_End]):
    """Commit or abort."""

    API_KEY = 26

    def __init__(self, transactional_id: str, producer_id: int, producer_epoch: int, *, committed: bool) -> None:
        self._fields = transactional_id, producer_id, producer_epoch, committed

    def build(self, request_struct_class: type[_End]) -> _End:
        """As bytes are made of it."""
        return request_struct_class(*self._fields, {})


class _Versions(Response):
    API_KEY, API_VERSION = 18, 3
    versions: list[tuple[int, int, int, Any]]
    tags: dict[int, bytes]
    SCHEMA = Schema(
        ("error_code", Int16),
        ("versions", CompactArray(("api_key", Int16), ("lowest", Int16), ("highest", Int16), _TAGS)),
        ("throttle_time_ms", Int32),
        _TAGS,
    )


class _AskVersions(RequestStruct):
    API_KEY, API_VERSION = 18, 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = _Versions
    SCHEMA = Schema(("name", CompactString()), ("version", CompactString()), _TAGS)

    def parse_response_header(self, read_buffer: BytesIO | bytes) -> ResponseHeader_v0:
        """Of the old kind in every version: who asks does not know yet which one the broker speaks."""
        return ResponseHeader_v0.decode(read_buffer)


class AskVersions(Request[_AskVersions]):
    """What a broker understands, and which features are in force in its cluster."""

    API_KEY = 18

    def build(self, request_struct_class: type[_AskVersions]) -> _AskVersions:
        """As bytes are made of it."""
        return request_struct_class("bus", "1", {})


_FEATURES = CompactArray(("name", CompactString()), ("highest", Int16), ("lowest", Int16), _TAGS)


def speaks_second(answer: _Versions) -> bool:
    """Whether the second protocol is in force in the cluster, and the broker knows our requests of it."""
    known = {key: range(lowest, highest + 1) for key, lowest, highest, _ in answer.versions}
    in_force = {
        name: level for name, level, _, _ in _FEATURES.decode(BytesIO(answer.tags.get(_FINALIZED, b"\1"))) or ()
    }
    ours = all(one.API_VERSION in known.get(one.API_KEY, ()) for one in (_Produce, _End))
    return ours and in_force.get("transaction.version", 0) >= SECOND
