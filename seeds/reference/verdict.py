"""What the checker says: counts and findings. A finding never shows a person's number whole."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any

SHOWN = 50
"""Findings of a kind that are told one by one; all are counted."""


class Kind(StrEnum):
    """What can be wrong."""

    LOST = "lost"  # a recipient must hold it, and does not, or holds something older
    SURPLUS = "surplus"  # a recipient holds what it must not: a record, a field, a name
    DUPLICATED = "duplicated"  # said twice with nothing between
    UNLOGGED = "unlogged"  # a record without its disclosure, or a disclosure without its record
    AFTER_WITHDRAWAL = "after_withdrawal"  # released though no consent stood, as far as the transaction knew consents
    OUT_OF_ORDER = "out_of_order"  # offsets or numbers that go back


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that is wrong: where, with whose record (masked), and what."""

    kind: Kind
    place: str
    record: str
    what: str


@dataclass(frozen=True, slots=True)
class Tally:
    """One agreement in figures. `held` records live in its topic; `expected` ought to."""

    agreement: str
    agency: str
    released: int
    erased: int
    held: int
    expected: int
    withheld: Mapping[str, int]
    """How often by reason, as the disclosure blocks count."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """Everything that the checker found."""

    agreements: tuple[Tally, ...]
    findings: tuple[Finding, ...]
    dead_letters: int

    def count(self, kind: Kind) -> int:
        """How many findings of a kind there are."""
        return sum(finding.kind is kind for finding in self.findings)

    def as_json(self) -> dict[str, Any]:
        """Plain JSON; of each kind of finding at most SHOWN are told."""
        told: list[dict[str, Any]] = []
        for kind in Kind:
            told += [asdict(finding) for finding in self.findings if finding.kind is kind][:SHOWN]
        return {
            "agreements": [asdict(tally) for tally in self.agreements],
            "released": sum(tally.released for tally in self.agreements),
            "erased": sum(tally.erased for tally in self.agreements),
            "held": sum(tally.held for tally in self.agreements),
            "dead_letters": self.dead_letters,
            **{kind.value: self.count(kind) for kind in Kind},
            "findings": told,
        }


def masked(key: str) -> str:
    """Enough of a key to tell findings apart, and not enough to name a person."""
    return f"{key[:3]}…"
