"""What was read, as plain values: agency topics, disclosures, consents, registries. Judging needs nothing else."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

Row = Mapping[str, Any]
"""A registry's own row: its own column names and codes."""

View = dict[str, Any]
"""A released record, decoded: dates are dates, times are times in UTC."""


@dataclass(frozen=True, slots=True)
class Record:
    """One record of an agency topic. `view` None: an erasure. `unreadable`: bytes that no schema explains."""

    topic: str
    partition: int
    offset: int
    key: str
    view: View | None
    headers: Mapping[str, str]
    unreadable: bool = False

    @property
    def event_id(self) -> str:
        """The CloudEvents id; empty where there is none."""
        return self.headers.get("ce_id", "")

    @property
    def kind(self) -> str:
        """What a disclosure must call it."""
        return "ERASE" if self.view is None and not self.unreadable else "RELEASE"


@dataclass(frozen=True, slots=True)
class Entry:
    """One release or erasure as a disclosure block tells it."""

    kind: str
    agreement: str
    recipient: str
    topic: str
    partition: int
    event_id: str
    subject: str | None
    consent: str | None


@dataclass(frozen=True, slots=True)
class Block:
    """One record of `disclosures`: what a transaction of a lane did, and up to where it knew the consents."""

    lane: int
    block: int
    part: int
    consents_offset: int
    register_offset: int
    inputs: Mapping[str, int]
    entries: tuple[Entry, ...]
    withheld: tuple[tuple[str, str, int], ...]
    """Agreement, reason, count."""


@dataclass(frozen=True, slots=True)
class ConsentEvent:
    """One record of `consents`. `give` False: withdrawn, or unreadable, which counts as withdrawn."""

    lane: int
    offset: int
    subject: str
    agreement: str
    give: bool
    event_id: str = ""
    revision: str = ""
    at: datetime | None = None
    valid_from: datetime | None = None
    valid_until: datetime | None = None


@dataclass(frozen=True, slots=True)
class BusReading:
    """Everything that the bus has written and the checker looks at; records in the order of their offsets."""

    prefix: str
    topics: frozenset[str]
    """The agency topics that exist, empty ones too."""

    records: tuple[Record, ...]
    blocks: tuple[Block, ...]
    consents: tuple[ConsentEvent, ...]
    revisions: Mapping[str, frozenset[str]]
    """Agreement → revisions whose consents hold, as the register's newest fact tells."""

    dead_letters: int


@dataclass(frozen=True, slots=True)
class Registries:
    """The registries' own rows, by table: citizen, parcel, land_right, taxpayer, obligation, coverage."""

    rows: Mapping[str, tuple[Row, ...]]
