"""Entries of `lane-state`, to bytes and back: by hand where there is one for every record, else by fastavro.

The layout is that of `schemas/bus/lane_*.avsc`, as `entries.py` writes it; tests compare both with fastavro.
"""

import json
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, TypeVar

from bus.avro.codec import Parsed, decode, encode, parse
from bus.avro.own import Message, own_schema
from bus.consent.covers import cover_of
from bus.consent.messages import standing
from bus.model.consent import Consent, Cover
from bus.model.reasons import Reason
from bus.route.entries import consent_body, holdings_body
from bus.route.state import Cursor, DeadVersion, Draft, Entry, Holding, Holdings, Position

Kept = TypeVar("Kept")

NOTHING_DUE = 0
"""The first byte of holdings of which none ever falls due."""

NAMES = {b"holding": "lane_holdings", b"consent": "lane_consent", b"cursor": "lane_cursor", b"dead": "lane_dead"}
"""The schema of an entry of `lane-state`, by what its key begins with."""

NOBODY: Holdings = {}
"""What recipients hold of most records that nobody may have."""


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
    for (dataset, key), holdings in draft.holdings.items():
        body = holdings_body(holdings, key) if holdings else None
        yield b"holding/" + dataset.encode() + b"/" + key, body
    for agreement, cursor in draft.cursors.items():
        message = {"standing": cursor.standing, "after": cursor.after, "done": cursor.done}
        yield f"cursor/{agreement}".encode(), _body("lane_cursor", message)
    for (dataset, key), dead in draft.dead.items():
        told = None if dead is None else _body("lane_dead", {"offset": dead.offset, "discarded": dead.discarded})
        yield f"dead/{dataset}/".encode() + key, told


def _body(name: str, message: Message) -> bytes:
    return encode(_parsed(name), message)


def holdings_of(body: bytes, record_key: bytes) -> Holdings:
    """What recipients hold of a record."""
    at = 1 if body[0] == NOTHING_DUE else _number(body, 1)[1]
    count, at = _number(body, at)
    held: dict[str, Holding] = {}
    for _ in range(count):
        (agreement, revision, topic, partition), at = _begin(body, at)
        key, consent, due_ms = record_key, None, None
        if body[at]:
            key, at = _data(body, at + 1)
        else:
            at += 1
        if body[at]:
            told, at = _data(body, at + 1)
            consent = told.decode()
        else:
            at += 1
        view_hash, at = _data(body, at)
        released_at_ms, at = _moment(body, at)
        if body[at]:
            due_ms, at = _number(body, at + 1)
        else:
            at += 1
        epoch, at = _number(body, at)
        held[agreement] = Holding(revision, topic, partition, key, consent, view_hash, released_at_ms, due_ms, epoch)
    return held


_Begin = tuple[str, str, str, int]
"""Agreement, revision, topic and partition of a holding: few differ among all of a lane's."""

_begins: dict[bytes, tuple[bytes, _Begin]] = {}
"""Those met last, with their bytes, by the bytes of the agreement's name."""

_moments: dict[bytes, int] = {}
"""Moments met last, by their bytes: what a transaction releases shares one."""

_LACKING = {reason.value: Cover(reason) for reason in Reason}

KEPT = 1024
MOMENT_BYTES = 6
"""What a moment takes that is told in milliseconds, between 2004 and 2109."""


def _begin(body: bytes, at: int) -> tuple[_Begin, int]:
    end = at + 1 + (body[at] >> 1)
    known = _begins.get(body[at:end])
    if known is not None and body.startswith(known[0], at):
        return known[1], at + len(known[0])
    agreement, place = _data(body, at)
    revision, place = _data(body, place)
    topic, place = _data(body, place)
    partition, place = _number(body, place)
    begin = (agreement.decode(), revision.decode(), topic.decode(), partition)
    _keep(_begins, body[at:end], (body[at:place], begin))
    return begin, place


def _moment(body: bytes, at: int) -> tuple[int, int]:
    told = body[at : at + MOMENT_BYTES]
    known = _moments.get(told)
    if known is not None:
        return known, at + MOMENT_BYTES
    moment, end = _number(body, at)
    if end == at + MOMENT_BYTES:
        _keep(_moments, told, moment)
    return moment, end


def _keep(cache: dict[bytes, Kept], key: bytes, value: Kept) -> None:
    if len(cache) >= KEPT:
        cache.clear()
    cache[key] = value


def _number(body: bytes, at: int) -> tuple[int, int]:
    """An int or a long, and where the next field begins."""
    byte = body[at]
    if byte < 128:
        return (byte >> 1) ^ -(byte & 1), at + 1
    value, shift = byte & 127, 7
    while byte > 127:
        at += 1
        byte = body[at]
        value |= (byte & 127) << shift
        shift += 7
    return (value >> 1) ^ -(value & 1), at + 1


def _data(body: bytes, at: int) -> tuple[bytes, int]:
    """Bytes or a string, and where the next field begins."""
    byte = body[at]
    if byte < 128:
        start, end = at + 1, at + 1 + (byte >> 1)
    else:
        length, start = _number(body, at)
        end = start + length
    return body[start:end], end


def _maybe_number(body: bytes, at: int) -> tuple[int | None, int]:
    """A `["null", "long"]`."""
    return _number(body, at + 1) if body[at] else (None, at + 1)


def consent_of(body: bytes) -> Consent:
    """How a person stands to an agreement."""
    return standing(_message("lane_consent", body))


def cover_in(body: bytes) -> Cover:
    """What decides of it: `cover_of(consent_of(body))`, without all the rest."""
    if not body[0]:
        withdrawn_at_ms, at = _maybe_number(body, 1)
        return cover_of(Consent(withdrawn_at_ms=withdrawn_at_ms, unreadable=body[at] == 1))
    event_id, at = _data(body, 1)
    for _ in ("subject", "agreement"):
        _, at = _data(body, at)
    revision, at = _data(body, at)
    for _ in ("action", "given_by"):
        _, at = _number(body, at)
    _, at = _data(body, at)
    valid_from_ms, at = _number(body, at)
    valid_until_ms, _ = _maybe_number(body, at)
    return Cover(None, event_id.decode(), revision.decode(), valid_from_ms, valid_until_ms)


def covers_body(covers: Mapping[str, Cover]) -> bytes:
    """What of a person's consents decides, by agreement, as the store keeps it."""
    return _write(covers).encode()


def covers_of(body: bytes) -> dict[str, Cover]:
    """The inverse of `covers_body`."""
    told, _ = _read(body.decode())
    return {name: _LACKING[one[0]] if one[0] else Cover._make(one) for name, one in told.items()}


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
    }


def position_of(message: Message) -> Position:
    """The inverse of `position_message`; positions of an earlier release lack the last two."""
    return Position(
        message["lane_time"],
        message["block"],
        message["consents_offset"],
        message["register_offset"],
        message["inputs"],
        message.get("commands_offset", 0),
        message["due_until"] if "due_until" in message else message["lane_time"],
    )
