"""What all records of one transaction that go to one recipient under one revision say beside key and value.

Two recipients of one change must find no value in common there: ids, references to consents and traces are keyed for
each recipient, and times are told by a clock of each agreement's own. A label is made once a transaction, not once a
record, and of what it says the same every time once only.
"""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from itertools import count
from typing import NamedTuple, Self

from bus.agreements.route import Route
from bus.avro.wire import maybe_text
from bus.clock import iso
from bus.kafka.batch import encoded_headers, encoded_name
from bus.model.keyring import KeyRing
from bus.model.reasons import Reason
from bus.model.record import Headers
from bus.model.varint import varint
from bus.route.entries import ERASE, RELEASE, entry_head
from bus.route.rules import Rule

ID = encoded_name("ce_id")
REFERENCE = encoded_name("ce_consentref")


@dataclass(frozen=True, slots=True)
class Label:
    """What deliveries of one transaction have in common that are of one rule, revision and reason."""

    headers: Headers
    encoded: bytes
    """The same, encoded."""

    time_ms: int
    """The time of the records, as Kafka tells it: that of `ce_time`."""

    trace: str
    """The id of the trace that begins at the recipient."""

    entry_begin: bytes
    entry_end: bytes
    """What all their entries in a disclosure block begin and end with."""

    event_id: bytes
    """How the ids of these deliveries begin; the number of the delivery among them follows."""

    consent_ref: Callable[[bytes], bytes]
    """How the consent event that allows a delivery stands in its headers."""

    numbers: Iterator[int] = field(default_factory=count)
    """Count these deliveries and nobody else's: a number that did would tell where two recipients got the same."""

    _statutory: bytes = field(init=False)
    _by_consent: bytes = field(init=False)
    """The headers, encoded, behind the count of those of a delivery."""

    def __post_init__(self) -> None:
        encoded, headers = self.encoded, len(self.headers)
        object.__setattr__(self, "_statutory", varint(headers + 1) + encoded + ID)
        object.__setattr__(self, "_by_consent", varint(headers + 2) + encoded + ID)

    def mark(self, consent: bytes | None) -> tuple[bytes, bytes]:
        """The id of the next of these deliveries after its length, and all of its headers, encoded."""
        told = b"%s-%d" % (self.event_id, next(self.numbers))
        event_id = varint(len(told)) + told
        if consent is None:
            return event_id, self._statutory + event_id
        ref = self.consent_ref(consent)
        return event_id, b"".join((self._by_consent, event_id, REFERENCE, varint(len(ref)), ref))

    @classmethod
    def of(cls, rule: Rule, revision: str, reason: Reason | None, at: "Moment", keyring: KeyRing) -> Self:
        """For releases, or, with a reason, erasures, in a transaction."""
        kind, route, lane, block = _kind(rule, revision, reason, keyring), rule.route, str(at.lane), str(at.block)
        trace, span = keyring.trace(route.agreement, lane, block)
        time_ms = told_ms(at.time_ms, route.time_grain_ms, kind.phase_ms)
        words = _headers({"ce_time": iso(time_ms), "traceparent": f"00-{trace}-{span}-01"})
        parts = (lane, block, route.agreement, revision, "" if reason is None else reason.value)
        return cls(
            headers=kind.headers + words,
            encoded=kind.encoded + encoded_headers(words),
            time_ms=time_ms,
            trace=trace,
            entry_begin=kind.entry_begin,
            entry_end=kind.entry_end,
            event_id=keyring.event_id(route.recipient, *parts).encode(),
            consent_ref=kind.consent_ref,
        )


class _Kind(NamedTuple):
    """What labels of one rule, revision and reason say in every transaction."""

    headers: Headers
    encoded: bytes
    entry_begin: bytes
    entry_end: bytes
    consent_ref: Callable[[bytes], bytes]
    phase_ms: int


@lru_cache(maxsize=1024)
def _kind(rule: Rule, revision: str, reason: Reason | None, keyring: KeyRing) -> _Kind:
    route, headers = rule.route, _headers(_words(rule.route, revision, reason))
    return _Kind(
        headers=headers,
        encoded=encoded_headers(headers),
        entry_begin=(RELEASE if reason is None else ERASE) + entry_head(rule, revision),
        entry_end=maybe_text(None if reason is None else reason.value),
        consent_ref=keyring.consent_refs(route.recipient),
        phase_ms=keyring.phase_ms(route.number, route.time_grain_ms),
    )


def _headers(words: dict[str, str]) -> Headers:
    return tuple((name, text.encode()) for name, text in words.items())


@dataclass(frozen=True, slots=True)
class Moment:
    """A transaction of a lane, and the lane's time."""

    lane: int
    block: int
    time_ms: int


def told_ms(at_ms: int, grain_ms: int, phase_ms: int) -> int:
    """A moment as an agreement's own clock tells it.

    The clock moves once in `grain_ms`, at a point that is `phase_ms` ahead of everybody's: what it tells is never in
    the future (a broker refuses such records), never more than a grain late, and never goes back.
    """
    return (at_ms + phase_ms) // grain_ms * grain_ms - phase_ms


def _words(route: Route, revision: str, reason: Reason | None) -> dict[str, str]:
    words = {
        "ce_specversion": "1.0",
        "ce_source": f"/agreements/{route.agreement}",
        "ce_type": f"{route.dataset}.{'released' if reason is None else 'erased'}",
        "ce_agreementid": route.agreement,
        "ce_agreementrevision": revision,
        "ce_purpose": route.purpose,
        "ce_legalbasis": route.legal_basis,
    }
    if reason is None:
        return words | {"content-type": "application/avro"}
    return words | {"ce_erasurereason": reason.value}
