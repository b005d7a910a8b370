"""Entries of `lane-state`, to bytes and back: by hand where there is one for every record, else by fastavro.

The layout is that of `schemas/bus/lane_*.avsc`, as `entries.py` and `bus/route/held.py` write it; tests compare both
with fastavro.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from bus.avro.codec import Parsed, decode, encode, parse
from bus.avro.own import Message, own_schema
from bus.avro.wire import data_at, maybe_number_at, number_at
from bus.consent.covers import cover_of
from bus.consent.messages import standing
from bus.model.consent import Consent, Cover, new_cover
from bus.model.reasons import Reason
from bus.route.entries import consent_body
from bus.route.held import held_body
from bus.route.state import Cursor, DeadVersion, Draft, Entry, Position

NAMES = {b"holding": "lane_holdings", b"consent": "lane_consent", b"cursor": "lane_cursor", b"dead": "lane_dead"}
"""The schema of an entry of `lane-state`, by what its key begins with."""


@cache
def _parsed(name: str) -> Parsed:
    return parse(own_schema(name))


def _message(name: str, body: bytes) -> Message:
    message: dict[str, Any] = decode(_parsed(name), body)
    return message


def entries_of(draft: Draft) -> list[Entry]:
    """What a finished draft changes in `lane-state`: key and bare body of each entry, None for one that is removed.

    Put together once, for what is sent to Kafka and what is kept on the disk are the same bytes.
    """
    if draft.entries is None:
        draft.entries = list(_entries(draft))
    return draft.entries


def _entries(draft: Draft) -> Iterator[Entry]:
    for (subject, agreement), consent in draft.consents.items():
        yield f"consent/{subject}/{agreement}".encode(), consent_body(consent)
    for (dataset, key), held in draft.moved():
        yield b"holding/" + dataset.encode() + b"/" + key, held_body(held) if held else None
    for agreement, cursor in draft.cursors.items():
        message = {"standing": cursor.standing, "after": cursor.after, "done": cursor.done}
        yield f"cursor/{agreement}".encode(), _body("lane_cursor", message)
    for (dataset, key), dead in draft.dead.items():
        told = None if dead is None else _body("lane_dead", {"offset": dead.offset, "discarded": dead.discarded})
        yield f"dead/{dataset}/".encode() + key, told


def _body(name: str, message: Message) -> bytes:
    return encode(_parsed(name), message)


_LACKING = {reason.value: Cover(reason) for reason in Reason}


def consent_of(body: bytes) -> Consent:
    """How a person stands to an agreement."""
    return standing(_message("lane_consent", body))


def cover_in(body: bytes) -> Cover:
    """What decides of it: `cover_of(consent_of(body))`, without all the rest."""
    if not body[0]:
        withdrawn_at_ms, at = maybe_number_at(body, 1)
        return cover_of(Consent(withdrawn_at_ms=withdrawn_at_ms, unreadable=body[at] == 1))
    event_id, at = data_at(body, 1)
    for _ in ("subject", "agreement"):
        _, at = data_at(body, at)
    revision, at = data_at(body, at)
    for _ in ("action", "given_by"):
        _, at = number_at(body, at)
    _, at = data_at(body, at)
    valid_from_ms, at = number_at(body, at)
    valid_until_ms, _ = maybe_number_at(body, at)
    return Cover(None, event_id.decode(), revision.decode(), valid_from_ms, valid_until_ms)


def covers_body(covers: Mapping[str, Cover]) -> bytes:
    """What of a person's consents decides, by agreement, as the store keeps it."""
    return _write(covers).encode()


def covers_of(body: bytes) -> dict[str, Cover]:
    """The inverse of `covers_body`."""
    told, _ = _read(body.decode())
    return {name: _LACKING[one[0]] if one[0] else new_cover(one) for name, one in told.items()}


_write = json.JSONEncoder(separators=(",", ":"), check_circular=False).encode
_read = json.JSONDecoder().raw_decode
"""`json.loads` without its care for encodings and white space: what it reads was written here."""


def cursor_of(body: bytes) -> Cursor:
    """How far an agreement's catch-up has come."""
    message = _message("lane_cursor", body)
    return Cursor(message["standing"], message["after"], message["done"])


def dead_of(body: bytes) -> DeadVersion:
    """The dead letter that is a record's newest version."""
    message = _message("lane_dead", body)
    return DeadVersion(message["offset"], message["discarded"])


def position_message(position: Position) -> Message:
    """A position as `lane-state` keeps it."""
    return {
        "lane_time": position.lane_time_ms,
        "block": position.block,
        "consents_offset": position.consents_offset,
        "register_offset": position.register_offset,
        "inputs": dict(position.inputs),
        "commands_offset": position.commands_offset,
        "due_until": position.due_until_ms,
        "topics": dict(position.topics),
    }


def position_of(message: Message) -> Position:
    """The inverse of `position_message`; positions of an earlier release lack the last three."""
    return Position(
        message["lane_time"],
        message["block"],
        message["consents_offset"],
        message["register_offset"],
        message["inputs"],
        message.get("commands_offset", 0),
        message["due_until"] if "due_until" in message else message["lane_time"],
        message.get("topics", {}),
    )
