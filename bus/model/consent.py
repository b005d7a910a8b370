"""Consent as events and as the standing that follows from them."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from functools import partial
from typing import Any, NamedTuple

from bus.model.reasons import Reason


class ConsentAction(StrEnum):
    """What a consent event does."""

    GIVE = "GIVE"
    WITHDRAW = "WITHDRAW"


class GivenBy(StrEnum):
    """Who acted: the subject, a guardian for them, or a clerk at a counter on their word."""

    SELF = "SELF"
    GUARDIAN = "GUARDIAN"
    COUNTER = "COUNTER"


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """One entry of `consents`, keyed `subject/agreement`.

    `revision` is the hash of the agreement text that the citizen was shown: consent is for what was shown. Times are
    milliseconds since 1970; `valid_until_ms` None means until withdrawn. `proof` says where the evidence lies.
    """

    event_id: str
    subject: str
    agreement: str
    revision: str
    action: ConsentAction
    given_by: GivenBy
    proof: str
    valid_from_ms: int
    valid_until_ms: int | None
    at_ms: int

    def key(self) -> bytes:
        """The Kafka key, whose subject decides the lane."""
        return f"{self.subject}/{self.agreement}".encode()


@dataclass(frozen=True, slots=True)
class UnreadableConsent:
    """A consent event whose key could be read and whose value could not."""

    subject: str
    agreement: str
    at_ms: int


@dataclass(frozen=True, slots=True)
class Consent:
    """How one person stands to one agreement, folded from their events.

    `given` is the standing event, None when withdrawn or never given. `withdrawn_at_ms` is the time of the newest
    withdrawal. `seen` holds the ids of the events that counted, so that a repeated one changes nothing. `unreadable`
    says that the newest event could not be read, which counts as a withdrawal.
    """

    given: ConsentEvent | None = None
    withdrawn_at_ms: int | None = None
    seen: frozenset[str] = frozenset()
    unreadable: bool = False


class Cover(NamedTuple):
    """What of a consent decides whether it covers a release: the event that stands, or why there is none."""

    lacking: Reason | None
    """Why no consent stands; None where one does, and the rest tells of it."""

    event_id: str = ""
    revision: str = ""
    valid_from_ms: int = 0
    valid_until_ms: int | None = None


new_cover: Callable[[Iterable[Any]], Cover] = partial(tuple.__new__, Cover)
"""A cover from its five parts."""

NO_COVER = Cover(Reason.CONSENT_MISSING)
"""Nobody has ever consented."""

NOBODY: Mapping[str, Cover] = {}
"""The covers, by agreement, of somebody of whom nothing is known."""
