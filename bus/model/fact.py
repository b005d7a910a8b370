"""Facts: the entries of `register`, from which every process learns what the bus is and what it may do."""

from dataclasses import dataclass
from enum import StrEnum
from typing import Any


class FactKind(StrEnum):
    """What a fact is about."""

    BUS = "bus"
    AGENCY = "agency"
    DATASET = "dataset"
    CONNECTOR = "connector"
    AGREEMENT = "agreement"
    ROUTE = "route"
    KEY = "key"
    PSEUDONYMS = "pseudonyms"


@dataclass(frozen=True, slots=True)
class Fact:
    """One fact: `action` happened to `kind/subject_id` at `at_ms`, done by `by`, for `reason`.

    `body` is plain JSON whose shape belongs to kind and action. `signature` is over the canonical bytes; None while the
    steps of an agreement are not signed.
    """

    kind: FactKind
    subject_id: str
    action: str
    body: dict[str, Any]
    by: str
    reason: str
    at_ms: int
    signature: bytes | None = None
    signing_key: str | None = None

    def key(self) -> bytes:
        """The Kafka key, `kind/id`."""
        return f"{self.kind}/{self.subject_id}".encode()
