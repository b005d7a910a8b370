"""What a lane writes: records for agencies, disclosure blocks, lane state, dead letters. Values in, records out."""

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from bus.avro.own import Message, OwnMessages
from bus.clock import iso
from bus.consent.messages import standing_message
from bus.model.key import RecordKey, lane_of
from bus.model.keyring import KeyRing
from bus.model.reasons import Reason
from bus.model.record import Headers, Incoming, Outgoing
from bus.route.rules import Rule
from bus.route.state import Cursor, Draft, Holding, Position
from bus.topics import Topics

BLOCK_ENTRIES = 1000
"""Releases and erasures in one disclosure record; more are split, so that a block stays below 500 kB."""


@dataclass(frozen=True, slots=True)
class Delivery:
    """One record for one recipient: a view, or, with `value` None, an erasure for a reason."""

    rule: Rule
    holding: Holding
    value: bytes | None
    subject: str | None
    reason: Reason | None


@dataclass(frozen=True, slots=True)
class AgencyKey:
    """Key and partition of a record in an agency topic."""

    key: bytes
    partition: int


def agency_key(rule: Rule, record_key: RecordKey, lane: int) -> AgencyKey:
    """The record's key as the view may show it: what the view does not release stands there as a pseudonym."""
    route = rule.route
    subject, record_id = record_key.subject, record_key.record_id
    if not route.record_id_shown:
        record_id = rule.pseudonym(record_id)
    if subject is None:
        shown, key = route.record_id_shown, record_id
    else:
        shown = route.subject_shown
        key = f"{subject if shown else rule.pseudonym(subject)}/{record_id}"
    partition = lane if shown else lane_of(key, rule.partitions)
    return AgencyKey(key.encode(), partition)


def view_hash(value: bytes, keyring: KeyRing) -> bytes:
    """16 bytes that tell whether two views are equal, keyed, for a view is personal."""
    return hashlib.blake2b(value, key=keyring.derive("view"), digest_size=16).digest()


class Writer:
    """Turns a drafted transaction of one lane into records."""

    def __init__(self, lane: int, topics: Topics, keyring: KeyRing, messages: OwnMessages) -> None:
        self._lane = lane
        self._topics = topics
        self._keyring = keyring
        self._messages = messages

    def records(
        self, draft: Draft, deliveries: Sequence[Delivery], withheld: Sequence[Message], dead: Sequence[Outgoing]
    ) -> list[Outgoing]:
        """Everything of one transaction. The position is always among it, a block where there is something to say."""
        event_ids = [
            self._keyring.event_id(
                delivery.rule.route.recipient, str(self._lane), str(draft.position.block), str(number)
            )
            for number, delivery in enumerate(deliveries)
        ]
        return [
            *(self._delivery(*pair, draft.position) for pair in zip(deliveries, event_ids, strict=True)),
            *self._blocks(draft.position, deliveries, event_ids, withheld),
            *dead,
            *self._state(draft),
        ]

    def dead_letter(self, record: Incoming, reason: str) -> Outgoing:
        """The record untouched, with where it came from and why it lies here in its headers."""
        headers = (
            *record.headers,
            ("dead-reason", reason.encode()),
            ("dead-origin", f"{record.topic}/{record.partition}/{record.offset}".encode()),
        )
        return Outgoing(self._topics.deadletters, self._lane, record.key, record.value, headers)

    def _delivery(self, delivery: Delivery, event_id: str, position: Position) -> Outgoing:
        held = delivery.holding
        return Outgoing(
            held.topic, held.partition, held.key, delivery.value, self._headers(delivery, event_id, position)
        )

    def _headers(self, delivery: Delivery, event_id: str, position: Position) -> Headers:
        route = delivery.rule.route
        moment = position.lane_time_ms // route.time_grain_ms * route.time_grain_ms
        words = {
            "ce_specversion": "1.0",
            "ce_id": event_id,
            "ce_source": f"/agreements/{route.agreement}",
            "ce_type": f"{route.dataset}.{'erased' if delivery.value is None else 'released'}",
            "ce_time": iso(moment),
            "ce_agreementid": route.agreement,
            "ce_agreementrevision": delivery.holding.revision,
            "ce_purpose": route.purpose,
            "ce_legalbasis": route.legal_basis,
        }
        if delivery.value is not None:
            words["content-type"] = "application/avro"
        if delivery.holding.consent is not None:
            words["ce_consentref"] = self._keyring.event_id(route.recipient, "consent", delivery.holding.consent)
        if delivery.reason is not None:
            words["ce_erasurereason"] = delivery.reason.value
        return tuple((name, text.encode()) for name, text in words.items())

    def _blocks(
        self, position: Position, deliveries: Sequence[Delivery], event_ids: Sequence[str], withheld: Sequence[Message]
    ) -> Iterator[Outgoing]:
        entries = [self._entry(*pair) for pair in zip(deliveries, event_ids, strict=True)]
        if not entries and not withheld:
            return
        for part, start in enumerate(range(0, max(1, len(entries)), BLOCK_ENTRIES)):
            block = {
                "lane": self._lane,
                "block": position.block,
                "part": part,
                "at": position.lane_time_ms,
                "consents_offset": position.consents_offset,
                "register_offset": position.register_offset,
                "inputs": dict(position.inputs),
                "entries": entries[start : start + BLOCK_ENTRIES],
                "withheld": list(withheld) if part == 0 else [],
            }
            value = self._messages.encode("disclosure_block", block)
            yield Outgoing(self._topics.disclosures, self._lane, None, value)

    def _entry(self, delivery: Delivery, event_id: str) -> Message:
        route, held = delivery.rule.route, delivery.holding
        return {
            "kind": "ERASE" if delivery.value is None else "RELEASE",
            "agreement": route.agreement,
            "number": route.number,
            "revision": held.revision,
            "recipient": route.recipient,
            "basis": route.legal_basis,
            "consent": held.consent,
            "subject": None if delivery.subject is None else self._keyring.subject_hash(delivery.subject),
            "topic": held.topic,
            "partition": held.partition,
            "event_id": event_id,
            "reason": None if delivery.reason is None else delivery.reason.value,
        }

    def _state(self, draft: Draft) -> Iterator[Outgoing]:
        for (subject, agreement), consent in draft.consents.items():
            yield self._put(f"consent/{subject}/{agreement}".encode(), "lane_consent", standing_message(consent))
        for (agreement, key), holding in draft.holdings.items():
            state_key = f"holding/{agreement}/".encode() + key
            if holding is None:
                yield Outgoing(self._topics.lane_state, self._lane, state_key, None)
            else:
                yield self._put(state_key, "lane_holding", holding_message(holding))
        for agreement, cursor in draft.cursors.items():
            yield self._put(f"cursor/{agreement}".encode(), "lane_cursor", cursor_message(cursor))
        yield self._put(b"position", "lane_position", position_message(draft.position))

    def _put(self, key: bytes, name: str, message: Message) -> Outgoing:
        return Outgoing(self._topics.lane_state, self._lane, key, self._messages.encode(name, message))


def holding_message(holding: Holding) -> Message:
    """A holding as `lane-state` keeps it."""
    return {
        "revision": holding.revision,
        "topic": holding.topic,
        "partition": holding.partition,
        "key": holding.key,
        "consent": holding.consent,
        "view_hash": holding.view_hash,
        "released_at": holding.released_at_ms,
        "due": holding.due_ms,
    }


def cursor_message(cursor: Cursor) -> Message:
    """A cursor as `lane-state` keeps it."""
    return {"standing": cursor.standing, "after": cursor.after, "done": cursor.done}


def position_message(position: Position) -> Message:
    """A position as `lane-state` keeps it."""
    return {
        "lane_time": position.lane_time_ms,
        "block": position.block,
        "consents_offset": position.consents_offset,
        "register_offset": position.register_offset,
        "inputs": dict(position.inputs),
    }
