"""What the register holds of each thing: frozen values, which the fold puts together."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from bus.model.fact import Fact
from bus.register.life import Refusal


class Standing(StrEnum):
    """Where an agreement stands in its life, as far as releasing goes."""

    ACTIVE = "active"
    SUSPENDED = "suspended"
    ENDED = "ended"
    PAUSED = "paused"
    """Active, and held up by an operator. No step of an agreement leads here: see `RegisterState.standing_of`."""


@dataclass(frozen=True, slots=True)
class Founding:
    """What can never change in place."""

    prefix: str
    lanes: int
    group: str
    id: str = ""
    """Names this bus in signatures, so that a fact of one bus says nothing on another."""

    root_check: str | None = None
    """What a key ring says of its root key, if it is the right one; None where nobody has told."""


@dataclass(frozen=True, slots=True)
class AgreementEntry:
    """An agreement as the register knows it. `document` is its plain JSON; `number` is never given twice."""

    agreement: str
    number: int
    revision: str
    document: Mapping[str, Any]
    topic: str
    view_schema_id: int
    standing: Standing
    accepted_revisions: frozenset[str]
    consent_basis: str
    since_offset: int
    no_wider: frozenset[str] = frozenset()
    """Earlier revisions that released no more than this one does."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A fact that was ignored, and why."""

    offset: int
    fact: Fact
    refusal: Refusal


@dataclass(frozen=True, slots=True)
class Counted:
    """A fact that counted. `in_force` is the text in force after a step of an agreement, if one was."""

    offset: int
    fact: Fact
    in_force: str | None = None


@dataclass(frozen=True, slots=True)
class DatasetEntry:
    """A dataset: its registry, and the schema that it was registered with."""

    dataset: str
    registry: str
    schema: Mapping[str, Any]
    schema_id: int
