"""The log of faults, and the table that a run ends with."""

import statistics
from collections import Counter
from dataclasses import dataclass, field

from tests.chaos.checker import FAULTS, Verdict
from tests.chaos.evidence import Evidence
from tests.chaos.notes import Phase


@dataclass(frozen=True, slots=True)
class Fault:
    """One fault: its kind, the phases of the transactions that it hit, and how long no release came after it."""

    kind: str
    phases: tuple[Phase, ...]
    seconds: float | None


@dataclass(slots=True)
class FaultLog:
    """Every fault of a run, in order."""

    faults: list[Fault] = field(default_factory=list)

    def note(self, kind: str, phases: list[Phase], seconds: float | None = None) -> None:
        """Note a fault once it is over."""
        self.faults.append(Fault(kind, tuple(phases), seconds))

    def hit(self) -> set[Phase]:
        """The phases that a fault has hit."""
        return {phase for fault in self.faults for phase in fault.phases}

    def table(self, evidence: Evidence, verdict: Verdict) -> str:
        """Faults by kind and phase, times to the next release, and what was found."""
        columns = [phase for phase in Phase if phase is not Phase.ABSENT]
        head = f"{'fault':<28}{'times':>6}" + "".join(f"{phase.name.lower():>8}" for phase in columns)
        lines = [head + "   seconds to the next release: p50, max"]
        for kind in dict.fromkeys(fault.kind for fault in self.faults):
            of_kind = [fault for fault in self.faults if fault.kind == kind]
            phases = Counter(phase for fault in of_kind for phase in fault.phases)
            seconds = [fault.seconds for fault in of_kind if fault.seconds is not None]
            took = f"   {statistics.median(seconds):.2f}, {max(seconds):.2f}" if seconds else ""
            counts = "".join(f"{phases[phase]:>8}" for phase in columns)
            lines.append(f"{kind:<28}{len(of_kind):>6}{counts}{took}")
        lines.append(
            f"changes {len(evidence.changes)}, consents {len(evidence.consents)}, releases and erasures"
            f" {len(evidence.copies)}, transactions {len(evidence.positions)}, dead letters {len(evidence.dead)}"
        )
        lines.append(", ".join(f"{fault} {verdict.counts[fault]}" for fault in FAULTS))
        return "\n".join(lines)
