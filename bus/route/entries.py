"""The two messages that each delivery causes, put together by hand: fastavro's bytes at a fraction of its time.

The fields stand in the order of `schemas/bus/lane_holdings.avsc` and `disclosure_block.avsc`; a test compares the bytes
with fastavro's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bus.avro.wire import data, items, known_text, maybe_data, maybe_number, maybe_text, number, text
from bus.model.reasons import Reason
from bus.route.rules import Rule
from bus.route.state import Holding, Holdings

RELEASE, ERASE = b"\0", b"\2"
"""The enum `Kind`."""


def holdings_body(holdings: Holdings, record_key: bytes) -> bytes:
    """What recipients hold of a record, as `lane-state` keeps it."""
    return items([_holding(agreement, holding, record_key) for agreement, holding in holdings.items()])


def _holding(agreement: str, holding: Holding, record_key: bytes) -> bytes:
    return b"".join(
        (
            known_text(agreement),
            known_text(holding.revision),
            known_text(holding.topic),
            number(holding.partition),
            maybe_data(None if holding.key == record_key else holding.key),
            maybe_text(holding.consent),
            data(holding.view_hash),
            number(holding.released_at_ms),
            maybe_number(holding.due_ms),
        )
    )


def entry_head(rule: Rule, revision: str) -> bytes:
    """What all entries under a revision of an agreement have in common, from `agreement` to `basis`."""
    route = rule.route
    return (
        text(route.agreement) + number(route.number) + text(revision) + text(route.recipient) + text(route.legal_basis)
    )


def entry_body(head: bytes, holding: Holding, subject_hash: str | None, event_id: str, reason: Reason | None) -> bytes:
    """An entry of a disclosure block: a release, or, with a reason, an erasure."""
    return b"".join(
        (
            RELEASE if reason is None else ERASE,
            head,
            maybe_text(holding.consent),
            maybe_text(subject_hash),
            known_text(holding.topic),
            number(holding.partition),
            text(event_id),
            maybe_text(None if reason is None else reason.value),
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
