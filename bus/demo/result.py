"""What came of the day, as plain figures."""

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

ZERO = ("lost", "duplicated", "unlogged", "after_withdrawal", "surplus", "out_of_order")
"""What the checker must not find."""


@dataclass(frozen=True, slots=True)
class Timings:
    """Milliseconds from a withdrawal to its effect; those that met a killed router are counted apart."""

    usual: Sequence[float]
    through_restart: Sequence[float] = ()

    def as_json(self) -> dict[str, float | int | None]:
        """Percentiles by rank; None where nothing was measured."""
        return {
            "count": len(self.usual),
            "p50": percentile(self.usual, 50),
            "p99": percentile(self.usual, 99),
            "max": percentile(self.usual, 100),
            "max_through_restart": percentile(self.through_restart, 100),
        }


@dataclass(frozen=True, slots=True)
class Result:
    """The day's outcome: what was asked for, what flowed, and the checker's verdict as it came."""

    people: int
    seed: int
    changes: int
    timings: Timings
    seconds: float
    verdict: Mapping[str, Any] = field(repr=False)

    @property
    def faults(self) -> dict[str, int]:
        """What the checker must not find, and how often it did."""
        return {name: self.verdict[name] for name in ZERO}

    @property
    def trivial(self) -> list[str]:
        """Why the figures would prove nothing; empty when they do prove something."""
        return [
            *(["nothing was released"] if not self.verdict["released"] else []),
            *(["nothing was erased"] if not self.verdict["erased"] else []),
            *(["nobody withdrew"] if not (self.timings.usual and self.timings.through_restart) else []),
            *(["the one unreadable record is not the one dead letter"] if self.verdict["dead_letters"] != 1 else []),
        ]

    @property
    def passed(self) -> bool:
        """Whether everything is as it must be."""
        return not any(self.faults.values()) and not self.trivial

    def agencies(self) -> dict[str, dict[str, Any]]:
        """Agency → released, erased, held, and by reason how many judgements withheld something."""
        table: dict[str, dict[str, Any]] = defaultdict(
            lambda: {"released": 0, "erased": 0, "held": 0, "withheld": Counter()}
        )
        for tally in self.verdict["agreements"]:
            row = table[tally["agency"]]
            for name in ("released", "erased", "held"):
                row[name] += tally[name]
            row["withheld"].update(tally["withheld"])
        return {agency: row | {"withheld": dict(row["withheld"])} for agency, row in sorted(table.items())}

    def withheld(self) -> dict[str, int]:
        """Reason → how many judgements, over all agencies."""
        total: Counter[str] = Counter()
        for row in self.agencies().values():
            total.update(row["withheld"])
        return dict(total)

    def as_json(self) -> dict[str, Any]:
        """One object, plain JSON."""
        return {
            "passed": self.passed,
            "people": self.people,
            "seed": self.seed,
            "changes": self.changes,
            "released": self.verdict["released"],
            "erased": self.verdict["erased"],
            "withheld": self.withheld(),
            "dead_letters": self.verdict["dead_letters"],
            **self.faults,
            "withdrawal_effective_ms": self.timings.as_json(),
            "agencies": self.agencies(),
            "findings": self.verdict["findings"],
            "trivial": self.trivial,
            "seconds": round(self.seconds, 1),
        }


def percentile(values: Sequence[float], percent: int) -> float | None:
    """The smallest value that so many percent of them do not exceed, to a tenth."""
    if not values:
        return None
    rank = -(-percent * len(values) // 100)
    return round(sorted(values)[max(0, rank - 1)], 1)
