"""The messages that each delivery and each consent cause, put together by hand: fastavro's bytes in a part of its time.

The fields stand in the order of `schemas/bus/lane_consent.avsc` and `disclosure_block.avsc`; a
test compares the bytes with fastavro's.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from bus.avro.wire import items, known_text, maybe_number, number, text
from bus.model.consent import Consent, ConsentAction, GivenBy
from bus.route.rules import Rule

RELEASE, ERASE = b"\0", b"\2"
"""The enum `Kind`."""


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


def entry_head(rule: Rule, revision: str) -> bytes:
    """What all entries under a revision of an agreement have in common, from `agreement` to `basis`."""
    route = rule.route
    return (
        text(route.agreement) + number(route.number) + text(revision) + text(route.recipient) + text(route.legal_basis)
    )


def entry_body(begin: bytes, consent: bytes | None, subject: bytes, *end: bytes) -> bytes:
    """An entry of a disclosure block.

    `begin` is its kind and its `entry_head`, `end` what follows the subject. All but the consent, an event's id in
    UTF-8, is encoded already, for it stands elsewhere too.
    """
    if consent is None:
        return b"".join((begin, b"\0", subject, *end))
    return b"".join((begin, b"\2", number(len(consent)), consent, subject, *end))


def block_body(block: Mapping[str, Any], entries: Sequence[bytes]) -> bytes:
    """A disclosure block; `block` holds every other field under its name in the schema."""
    inputs = [known_text(dataset) + number(offset) for dataset, offset in block["inputs"].items()]
    withheld = [
        known_text(one["agreement"]) + known_text(one["reason"]) + number(one["count"]) for one in block["withheld"]
    ]
    traces = [known_text(agreement) + text(trace) for agreement, trace in block["traces"].items()]
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
