"""What all records of one transaction that go to one recipient under one revision say beside key and value.

Two recipients of one change must find no value in common there: ids, references to consents and traces are keyed for
each recipient, and times are told by a clock of each agreement's own. A label is made once a transaction, not once a
record, and of what it says the same every time once only.
"""

from collections.abc import Callable
from dataclasses import dataclass
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

OF_A_TRANSACTION = 2
"""Headers that all of a transaction share: its time and its trace."""

ID = encoded_name("ce_id")
REFERENCE = encoded_name("ce_consentref")


class Label:
    """What deliveries of one transaction have in common that are of one rule, revision and reason."""

    __slots__ = (
        "_by_consent",
        "_kind",
        "_numbers",
        "_parent",
        "_statutory",
        "consent_ref",
        "entry_begin",
        "entry_end",
        "event_id",
        "time_ms",
        "trace",
    )

    def __init__(self, kind: "_Kind", time_ms: int, trace: tuple[str, str], event_id: str) -> None:
        parent = b"00-%s-%s-01" % (trace[0].encode(), trace[1].encode())
        told = encoded_time(time_ms) + encoded_headers([("traceparent", parent)]) + ID
        self._kind, self._parent = kind, parent
        self._statutory = kind.statutory + told
        self._by_consent = kind.by_consent + told
        self._numbers = count()  # of these deliveries and nobody else's: else it would tell where two got the same
        self.time_ms = time_ms
        """The time of the records, as Kafka tells it: that of `ce_time`."""

        self.trace = trace[0]
        """The id of the trace that begins at the recipient."""

        self.entry_begin, self.entry_end = kind.entry_begin, kind.entry_end
        """What all their entries in a disclosure block begin and end with."""

        self.event_id = event_id.encode()
        """How the ids of these deliveries begin; the number of the delivery among them follows."""

        self.consent_ref = kind.consent_ref
        """How the consent event that allows a delivery stands in its headers."""

    @property
    def headers(self) -> Headers:
        """What they have in common of their headers."""
        return (*self._kind.headers, ("ce_time", iso(self.time_ms).encode()), ("traceparent", self._parent))

    def mark(self, consent: bytes | None) -> tuple[bytes, bytes]:
        """The id of the next of these deliveries after its length, and all of its headers, encoded."""
        told = b"%s-%d" % (self.event_id, next(self._numbers))
        event_id = varint(len(told)) + told
        if consent is None:
            return event_id, self._statutory + event_id
        ref = self.consent_ref(consent)
        return event_id, b"".join((self._by_consent, event_id, REFERENCE, varint(len(ref)), ref))

    @classmethod
    def of(cls, rule: Rule, revision: str, reason: Reason | None, at: "Moment", keyring: KeyRing) -> Self:
        """For releases, or, with a reason, erasures, in a transaction."""
        kind, lane, block = _kind(rule, revision, reason, keyring), str(at.lane), str(at.block)
        time_ms = told_ms(at.time_ms, rule.route.time_grain_ms, kind.phase_ms)
        return cls(kind, time_ms, kind.trace(lane, block), kind.event_id(lane, block))


class _Kind(NamedTuple):
    """What labels of one rule, revision and reason say in every transaction, and how they say the rest."""

    headers: Headers
    statutory: bytes
    """The same, encoded, behind the count of those of a delivery by law."""

    by_consent: bytes
    entry_begin: bytes
    entry_end: bytes
    consent_ref: Callable[[bytes], bytes]
    trace: Callable[..., tuple[str, str]]
    event_id: Callable[..., str]
    phase_ms: int


@lru_cache(maxsize=1024)
def _kind(rule: Rule, revision: str, reason: Reason | None, keyring: KeyRing) -> _Kind:
    route, headers = rule.route, _headers(_words(rule.route, revision, reason))
    encoded, named = encoded_headers(headers), len(headers) + OF_A_TRANSACTION
    return _Kind(
        headers=headers,
        statutory=varint(named + 1) + encoded,
        by_consent=varint(named + 2) + encoded,
        entry_begin=(RELEASE if reason is None else ERASE) + entry_head(rule, revision),
        entry_end=maybe_text(None if reason is None else reason.value),
        consent_ref=keyring.consent_refs(route.recipient),
        trace=keyring.traces(route.agreement),
        event_id=keyring.event_ids(route.recipient, route.agreement, revision, "" if reason is None else reason.value),
        phase_ms=keyring.phase_ms(route.number, route.time_grain_ms),
    )


@lru_cache(maxsize=1024)
def encoded_time(time_ms: int) -> bytes:
    """The header `ce_time`: an agreement's clock tells the same to all that is released within a second or a day."""
    return encoded_headers([("ce_time", iso(time_ms).encode())])


def _headers(words: dict[str, str]) -> Headers:
    return tuple((name, text.encode()) for name, text in words.items())


@dataclass(frozen=True, slots=True)
class Moment:
    """A transaction of a lane, and the time of it that recipients are told."""

    lane: int
    block: int
    time_ms: int


def told_ms(at_ms: int, grain_ms: int, phase_ms: int) -> int:
    """A moment as an agreement's own clock tells it.

    The clock moves once in `grain_ms`, at a point that is `phase_ms` ahead of everybody's: what it tells is never in
    the future (a broker refuses such records), never more than a grain late, and goes back only with the clock.
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
