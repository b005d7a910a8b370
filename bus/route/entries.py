"""The messages that each delivery and each consent cause, put together by hand: fastavro's bytes in a part of its time.

The fields stand in the order of `schemas/bus/lane_holdings.avsc`, `lane_consent.avsc` and `disclosure_block.avsc`; a
test compares the bytes with fastavro's.
"""

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from bus.avro.wire import items, known_text, maybe_data, maybe_number, maybe_text, number, text
from bus.model.consent import Consent, ConsentAction, GivenBy
from bus.route.rules import Rule
from bus.route.state import Holding, Holdings

RELEASE, ERASE = b"\0", b"\2"
"""The enum `Kind`."""


def holdings_body(holdings: Holdings, record_key: bytes) -> bytes:
    """What recipients hold of a record, as `lane-state` keeps it."""
    first_due_ms: int | None = None
    parts: list[bytes] = [b"", number(len(holdings))]
    for agreement, holding in holdings.items():
        revision, topic, partition, key, consent, view_hash, released_at_ms, due_ms, epoch = holding
        if due_ms is not None and (first_due_ms is None or due_ms < first_due_ms):
            first_due_ms = due_ms
        parts += (
            _where(agreement, revision, topic, partition),
            b"\0" if key == record_key else maybe_data(key),
            b"\0" if consent is None else maybe_text(consent),
            number(len(view_hash)),
            view_hash,
            number(released_at_ms),
            b"\0" if due_ms is None else maybe_number(due_ms),
            number(epoch),
        )
    parts[0] = maybe_number(first_due_ms)
    if holdings:
        parts.append(b"\0")
    return b"".join(parts)


_ACTIONS = {one: number(rank) for rank, one in enumerate((ConsentAction.GIVE, ConsentAction.WITHDRAW))}
_GIVERS = {one: number(rank) for rank, one in enumerate((GivenBy.SELF, GivenBy.GUARDIAN, GivenBy.COUNTER))}
"""The enums `Action` and `GivenBy`."""


def consent_body(consent: Consent) -> bytes:
    """How a person stands to an agreement, as `lane-state` keeps it."""
    given = consent.given
    parts: list[bytes] = [b"\0"]
    if given is not None:
        parts = [
            b"\2",
            text(given.event_id),
            text(given.subject),
            known_text(given.agreement),
            known_text(given.revision),
            _ACTIONS[given.action],
            _GIVERS[given.given_by],
            text(given.proof),
            number(given.valid_from_ms),
            maybe_number(given.valid_until_ms),
            number(given.at_ms),
        ]
    parts += maybe_number(consent.withdrawn_at_ms), b"\1" if consent.unreadable else b"\0"
    parts.append(items([text(one) for one in sorted(consent.seen)]))
    return b"".join(parts)


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

    `begin` is its kind and its `entry_head`. The subject, and the reason in `end`, may be none; all but what the
    holding tells is encoded already, for it stands elsewhere too.
    """
    _, topic, partition, _, consent, _, _, _, _ = holding
    told = b"\0" if consent is None else maybe_text(consent)
    return b"".join((begin, told, subject, known_text(topic), number(partition), event_id, end))


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
