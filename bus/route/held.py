"""What recipients hold of a record, as bytes: kept as `lane-state` tells it, and taken apart only as far as needed.

A release looks at the copy before it, and leaves another one. Nearly always the two differ in the view alone, and what
a copy begins with tells that; see `begin_of`. The layout is that of `schemas/bus/lane_holdings.avsc`; a test compares
the bytes with fastavro's.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache, partial
from typing import NamedTuple, TypeVar

from bus.avro.wire import data, data_at, maybe_data, maybe_number, number, number_at, text


class Where(NamedTuple):
    """Under which agreement and text, and where, a copy was released: few differ among all that a lane knows."""

    agreement: str
    revision: str
    topic: str
    partition: int


class Copy(NamedTuple):
    """What one recipient holds of a record: as it stands in `lane_holdings`, and when it falls due."""

    body: bytes
    due_ms: int | None


Held = Mapping[str, Copy]
"""What recipients hold of one record, by agreement."""

NOTHING: Held = {}
"""What recipients hold of most records that nobody may have."""


class Holding(NamedTuple):
    """A copy, told in full: where and as what it was released, and what allowed it."""

    revision: str
    topic: str
    partition: int
    key: bytes
    consent: str | None
    view_hash: bytes
    released_at_ms: int
    due_ms: int | None
    epoch: int = 0
    """The epoch of the pseudonyms in it; 0 where there are none."""


new_copy: Callable[[tuple[bytes, int | None]], Copy] = partial(tuple.__new__, Copy)
"""A copy from its parts: what is made for every release is made without the call that a name for each part costs."""

NOTHING_DUE = 0
"""The first byte of holdings of which none ever falls due."""

HASH_BYTES = 16
HASH_LENGTH = number(HASH_BYTES)


def begin_of(where: Where, key: bytes, record_key: bytes, consent: bytes | None) -> bytes:
    """How a copy begins: all of it but the view's hash and what `end_of` tells.

    No beginning is that of another one, for each part is as long as it says. So a copy that begins like this one was
    released in the same place and under the same text, name and consent.
    """
    return where_bytes(where) + maybe_data(None if key == record_key else key) + maybe_data(consent)


def end_of(released_at_ms: int, due_ms: int | None, epoch: int) -> bytes:
    """How a copy ends, after the hash of its view."""
    return number(released_at_ms) + maybe_number(due_ms) + number(epoch)


def copy_of(agreement: str, holding: Holding, record_key: bytes) -> Copy:
    """A holding as bytes."""
    revision, topic, partition, key, consent, view_hash, released_at_ms, due_ms, epoch = holding
    by = None if consent is None else consent.encode()
    begin = begin_of(Where(agreement, revision, topic, partition), key, record_key, by)
    return Copy(begin + data(view_hash) + end_of(released_at_ms, due_ms, epoch), due_ms)


def holding_of(copy: Copy, record_key: bytes) -> Holding:
    """The inverse of `copy_of`."""
    body = copy.body
    (_, revision, topic, partition), at = _where_at(body, 0)
    key, consent = record_key, None
    if body[at]:
        key, at = data_at(body, at + 1)
    else:
        at += 1
    if body[at]:
        told, at = data_at(body, at + 1)
        consent = told.decode()
    else:
        at += 1
    view_hash, at = data_at(body, at)
    released_at_ms, at = number_at(body, at)
    due_ms, at = number_at(body, at + 1) if body[at] else (None, at + 1)
    epoch, at = number_at(body, at)
    return Holding(revision, topic, partition, key, consent, view_hash, released_at_ms, due_ms, epoch)


def held_body(held: Held) -> bytes:
    """What recipients hold of a record, as `lane-state` keeps it."""
    if not held:
        return b"\0\0"
    first = min((due_ms for _, due_ms in held.values() if due_ms is not None), default=None)
    return b"".join((maybe_number(first), number(len(held)), *[body for body, _ in held.values()], b"\0"))


def held_in(body: bytes) -> dict[str, Copy]:
    """The inverse of `held_body`."""
    at = 1 if body[0] == NOTHING_DUE else number_at(body, 1)[1]
    count, at = number_at(body, at)
    held: dict[str, Copy] = {}
    for _ in range(count):
        start = at
        where, at = _where_at(body, at)
        if body[at]:
            at = _past_data(body, at + 1)
        else:
            at += 1
        if body[at]:
            at = _past_data(body, at + 1)
        else:
            at += 1
        at = _past_moment(body, _past_data(body, at))
        due_ms = None
        if body[at]:
            due_ms, at = number_at(body, at + 1)
        else:
            at += 1
        at = at + 1 if body[at] < 128 else number_at(body, at)[1]
        held[where[0]] = new_copy((body[start:at], due_ms))
    return held


@lru_cache(maxsize=4096)
def where_bytes(where: Where) -> bytes:
    """How a copy begins before its key."""
    return text(where.agreement) + text(where.revision) + text(where.topic) + number(where.partition)


Known = TypeVar("Known")

_wheres: dict[bytes, tuple[bytes, Where]] = {}
"""Those met last, with their bytes, by the bytes of the agreement's name."""

_moments: dict[bytes, None] = {}
"""Moments met last, as bytes: what a transaction releases shares one."""

KEPT = 1024
MOMENT_BYTES = 6
"""What a moment takes that is told in milliseconds, between 2004 and 2109."""


def _where_at(body: bytes, at: int) -> tuple[Where, int]:
    end = at + 1 + (body[at] >> 1)
    known = _wheres.get(body[at:end])
    if known is not None and body.startswith(known[0], at):
        return known[1], at + len(known[0])
    agreement, place = data_at(body, at)
    revision, place = data_at(body, place)
    topic, place = data_at(body, place)
    partition, place = number_at(body, place)
    where = Where(agreement.decode(), revision.decode(), topic.decode(), partition)
    _keep(_wheres, body[at:end], (body[at:place], where))
    return where, place


def _past_data(body: bytes, at: int) -> int:
    length = body[at]
    return at + 1 + (length >> 1) if length < 128 else data_at(body, at)[1]


def _past_moment(body: bytes, at: int) -> int:
    told = body[at : at + MOMENT_BYTES]
    if told in _moments:
        return at + MOMENT_BYTES
    end = number_at(body, at)[1]
    if end == at + MOMENT_BYTES:
        _keep(_moments, told, None)
    return end


def _keep(cache: dict[bytes, Known], key: bytes, value: Known) -> None:
    if len(cache) >= KEPT:
        cache.clear()
    cache[key] = value
