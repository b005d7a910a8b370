"""What is put together by hand has the bytes that fastavro writes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bus.avro.codec import encode, parse
from bus.avro.own import own_schema
from bus.avro.wire import data, maybe_text, number, text
from bus.consent.covers import cover_of
from bus.consent.messages import standing_message
from bus.model.consent import Consent, ConsentEvent
from bus.model.reasons import Reason
from bus.route.entries import ERASE, RELEASE, block_body, consent_body, entry_body, entry_head
from bus.route.held import (
    HASH_BYTES,
    HASH_LENGTH,
    KEPT,
    Copy,
    Holding,
    Where,
    begin_of,
    copy_of,
    end_of,
    held_body,
    held_in,
    holding_of,
)
from bus.route.store.bodies import consent_of, cover_in, covers_body, covers_of
from tests.unit.route.lanes import rule

LONGS = st.integers(-(1 << 63), (1 << 63) - 1)
TEXTS = st.text(max_size=200)
HOLDINGS = st.builds(
    Holding,
    revision=TEXTS,
    topic=TEXTS,
    partition=st.integers(0, 1 << 31),
    key=st.binary(max_size=200),
    consent=st.none() | TEXTS,
    view_hash=st.binary(max_size=64),
    released_at_ms=LONGS,
    due_ms=st.none() | LONGS,
    epoch=st.integers(0, 1 << 20),
)
ENTRIES = st.tuples(HOLDINGS, st.none() | TEXTS, TEXTS, st.none() | st.sampled_from(Reason))
COUNTS = st.fixed_dictionaries({"agreement": TEXTS, "reason": TEXTS, "count": LONGS})
PLACES = ("lane", "block", "part", "at", "consents_offset", "register_offset")
SMALL = st.integers(0, (1 << 31) - 1)
BLOCKS = st.fixed_dictionaries(
    {
        **dict.fromkeys(PLACES, SMALL),
        "inputs": st.dictionaries(TEXTS, LONGS, max_size=3),
        "withheld": st.lists(COUNTS, max_size=3),
        "traces": st.dictionaries(TEXTS, TEXTS, max_size=3),
        "aborted": st.integers(0, 2**31 - 1),
    }
)


@given(st.dictionaries(TEXTS, HOLDINGS, max_size=4), st.binary(max_size=3))
def test_holdings(holdings: dict[str, Holding], record_key: bytes) -> None:
    """Any holdings are written as their schema says, taken apart into copies, and each copy told in full."""
    messages = [message(agreement, holding, record_key) for agreement, holding in holdings.items()]
    due = min((one.due_ms for one in holdings.values() if one.due_ms is not None), default=None)
    held = {name: copy_of(name, one, record_key) for name, one in holdings.items()}
    body = held_body(held)
    assert body == encode(parse(own_schema("lane_holdings")), {"due": due, "held": messages})
    assert held_in(body) == held
    assert {name: holding_of(copy, record_key) for name, copy in held.items()} == holdings


def test_what_many_copies_share() -> None:
    """Copies that share a moment, and more places than are remembered, are told apart all the same."""
    now_ms, record_key = 1_790_000_000_000, b"p1/1"
    moments = (now_ms, now_ms, now_ms + 1, 1 << 40, 1 << 42, now_ms)
    told = {
        f"a{number:04}": Holding(f"r{number}", "t", 3, record_key, None, b"h" * HASH_BYTES, moments[number % 6], None)
        for number in range(KEPT + 10)
    }
    for _ in range(2):
        held = held_in(held_body({name: copy_of(name, one, record_key) for name, one in told.items()}))
        assert {name: holding_of(copy, record_key) for name, copy in held.items()} == told


@given(HOLDINGS, HOLDINGS, TEXTS, st.binary(max_size=3))
def test_how_a_copy_begins_and_ends(one: Holding, other: Holding, agreement: str, record_key: bytes) -> None:
    """A copy is its beginning, its view's hash and its end; and it begins like no other that tells something else."""
    copies: list[tuple[Copy, bytes, Holding]] = []
    for told in (one, other):
        hashed = told.view_hash[:HASH_BYTES].ljust(HASH_BYTES)
        holding = told._replace(view_hash=hashed)
        where = Where(agreement, holding.revision, holding.topic, holding.partition)
        consent = None if holding.consent is None else holding.consent.encode()
        begin = begin_of(where, holding.key, record_key, consent)
        end = end_of(holding.released_at_ms, holding.due_ms, holding.epoch)
        copies.append((copy_of(agreement, holding, record_key), begin, holding))
        assert copies[-1][0].body == begin + HASH_LENGTH + hashed + end
    (first, begin, told), (second, _, else_told) = copies
    assert first.body.startswith(begin)
    assert second.body.startswith(begin) == (told[:5] == else_told[:5])


def message(agreement: str, holding: Holding, record_key: bytes) -> dict[str, Any]:
    return {
        "agreement": agreement,
        "revision": holding.revision,
        "topic": holding.topic,
        "partition": holding.partition,
        "key": None if holding.key == record_key else holding.key,
        "consent": holding.consent,
        "view_hash": holding.view_hash,
        "released_at": holding.released_at_ms,
        "due": holding.due_ms,
        "epoch": holding.epoch,
    }


@given(
    st.builds(
        Consent,
        given=st.none()
        | st.builds(ConsentEvent, **dict.fromkeys(("valid_from_ms", "at_ms"), LONGS), valid_until_ms=st.none() | LONGS),
        withdrawn_at_ms=st.none() | LONGS,
        seen=st.frozensets(TEXTS, max_size=3),
        unreadable=st.booleans(),
    )
)
def test_covers(consent: Consent) -> None:
    """Any consent is written as its schema says, and what decides of it is read from the bytes as from itself."""
    body = consent_body(consent)
    assert body == encode(parse(own_schema("lane_consent")), standing_message(consent))
    assert cover_in(body) == cover_of(consent_of(body)) == cover_of(consent)
    covers = {"a": cover_of(consent), "b": cover_of(Consent())}
    assert covers_of(covers_body(covers)) == covers


@given(BLOCKS, st.lists(ENTRIES, max_size=5))
def test_block(block: dict[str, Any], drawn: list[tuple[Holding, str | None, str, Reason | None]]) -> None:
    """Any block is written as its schema says, releases and erasures in it included."""
    one = rule(legal_basis="LAW-§", number=3)
    entries = [
        entry_body(
            (RELEASE if reason is None else ERASE) + entry_head(one, held.revision),
            None if held.consent is None else held.consent.encode(),
            maybe_text(subject_hash),
            text(held.topic) + number(held.partition),
            data(event_id.encode()),
            maybe_text(None if reason is None else reason.value),
        )
        for held, subject_hash, event_id, reason in drawn
    ]
    expected = [
        {
            "kind": "RELEASE" if reason is None else "ERASE",
            "agreement": one.route.agreement,
            "number": one.route.number,
            "revision": held.revision,
            "recipient": one.route.recipient,
            "basis": one.route.legal_basis,
            "consent": held.consent,
            "subject": subject_hash,
            "topic": held.topic,
            "partition": held.partition,
            "event_id": event_id,
            "reason": None if reason is None else reason.value,
        }
        for held, subject_hash, event_id, reason in drawn
    ]
    whole = encode(parse(own_schema("disclosure_block")), {**block, "entries": expected})
    assert block_body(block, entries) == whole
