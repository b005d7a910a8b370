"""What is put together by hand has the bytes that fastavro writes."""

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from bus.avro.codec import encode, parse
from bus.avro.own import own_schema
from bus.avro.wire import data, maybe_text
from bus.consent.covers import cover_of
from bus.consent.messages import standing_message
from bus.model.consent import Consent, ConsentEvent
from bus.model.reasons import Reason
from bus.route.entries import ERASE, RELEASE, block_body, consent_body, entry_body, entry_head, holdings_body
from bus.route.state import Holding
from bus.route.store.bodies import consent_of, cover_in, covers_body, covers_of, holdings_of
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
    """Any holdings are written as their schema says."""
    messages = [message(agreement, holding, record_key) for agreement, holding in holdings.items()]
    due = min((one.due_ms for one in holdings.values() if one.due_ms is not None), default=None)
    body = holdings_body(holdings, record_key)
    assert body == encode(parse(own_schema("lane_holdings")), {"due": due, "held": messages})
    assert holdings_of(body, record_key) == holdings


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
            held,
            maybe_text(subject_hash),
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
