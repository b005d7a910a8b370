"""The two messages that each delivery causes, put together by hand: fastavro's bytes at a fraction of its time.

The fields stand in the order of `schemas/bus/lane_holdings.avsc` and `disclosure_block.avsc`; a test compares the bytes
with fastavro's.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from bus.avro.wire import data, items, known_text, maybe_data, maybe_number, maybe_text, number, text
from bus.route.rules import Rule
from bus.route.state import Holding, Holdings

RELEASE, ERASE = b"\0", b"\2"
"""The enum `Kind`."""


def holdings_body(holdings: Holdings, record_key: bytes) -> bytes:
    """What recipients hold of a record, as `lane-state` keeps it."""
    due_ms = min((one.due_ms for one in holdings.values() if one.due_ms is not None), default=None)
    listed = [_holding(agreement, holding, record_key) for agreement, holding in holdings.items()]
    return maybe_number(due_ms) + items(listed)


def _holding(agreement: str, holding: Holding, record_key: bytes) -> bytes:
    revision, topic, partition, key, consent, view_hash, released_at_ms, due_ms, epoch = holding
    return b"".join(
        (
            _where(agreement, revision, topic, partition),
            b"\0" if key == record_key else maybe_data(key),
            maybe_text(consent),
            data(view_hash),
            number(released_at_ms),
            maybe_number(due_ms),
            number(epoch),
        )
    )


@lru_cache(maxsize=4096)
def _where(agreement: str, revision: str, topic: str, partition: int) -> bytes:
    """How a holding begins; the same for all records of an agreement in a lane."""
    return text(agreement) + text(revision) + text(topic) + number(partition)


def entry_head(rule: Rule, revision: str) -> bytes:
    """What all entries under a revision of an agreement have in common, from `agreement` to `basis`."""
    route = rule.route
    return (
        text(route.agreement) + number(route.number) + text(revision) + text(route.recipient) + text(route.legal_basis)
    )


def entry_body(begin: bytes, holding: Holding, subject: bytes, event_id: bytes, end: bytes) -> bytes:
    """An entry of a disclosure block.

    `begin` is its kind and its `entry_head`. The subject, and the reason in `end`, may be none; they are encoded
    already, for many entries share them.
    """
    return b"".join(
        (
            begin,
            maybe_text(holding.consent),
            subject,
            known_text(holding.topic),
            number(holding.partition),
            data(event_id),
            end,
        )
    )


def block_body(block: Mapping[str, Any], entries: Sequence[bytes]) -> bytes:
    """A disclosure block; `block` holds every other field under its name in the schema."""
    inputs = [text(dataset) + number(offset) for dataset, offset in block["inputs"].items()]
    withheld = [text(one["agreement"]) + text(one["reason"]) + number(one["count"]) for one in block["withheld"]]
    traces = [text(agreement) + text(trace) for agreement, trace in block["traces"].items()]
    return b"".join(
        (
            *(number(block[name]) for name in ("lane", "block", "part", "at", "consents_offset", "register_offset")),
            items(inputs),
            items(entries),
            items(withheld),
            items(traces),
            number(block["aborted"]),
        )
    )
