"""The log of faults, and the table that a run ends with."""

import json
import os
import re
import statistics
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

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

    def show(self, evidence: Evidence, verdict: Verdict) -> None:
        """Print the table, and keep it in the folder that BUS_CHAOS_REPORT names: a page for people, JSON for tools."""
        table = self.table(evidence, verdict)
        print(table)  # noqa: T201 - the table is the result of a run
        if folder := os.environ.get("BUS_CHAOS_REPORT"):
            test = os.environ.get("PYTEST_CURRENT_TEST", "run").rpartition("::")[2].partition(" ")[0]
            file = Path(folder) / re.sub(r"[^A-Za-z0-9_.-]+", "-", test)
            file.parent.mkdir(parents=True, exist_ok=True)
            file.with_suffix(".md").write_text(f"## {test}\n\n```\n{table}\n```\n", encoding="utf-8")
            file.with_suffix(".json").write_text(json.dumps(self._figures(evidence, verdict), indent=1) + "\n")

    def table(self, evidence: Evidence, verdict: Verdict) -> str:
        """Faults by kind and phase, times to the next release, and what was found."""
        columns = [phase for phase in Phase if phase not in (Phase.ABSENT, Phase.MIDWAY)]
        head = f"{'fault':<34}{'times':>6}" + "".join(f"{phase.name.lower():>8}" for phase in columns)
        lines = [head + "   seconds to the next release: p50, max"]
        for kind, of_kind in self._by_kind().items():
            phases, seconds = _phases(of_kind), _seconds(of_kind)
            took = f"   {statistics.median(seconds):.2f}, {max(seconds):.2f}" if seconds else ""
            counts = "".join(f"{phases[phase]:>8}" for phase in columns)
            lines.append(f"{kind:<34}{len(of_kind):>6}{counts}{took}")
        lines.append(", ".join(f"{name} {count}" for name, count in _amounts(evidence).items()))
        lines.append(", ".join(f"{fault} {verdict.counts[fault]}" for fault in FAULTS))
        return "\n".join(lines)

    def _by_kind(self) -> dict[str, list[Fault]]:
        return {
            kind: [fault for fault in self.faults if fault.kind == kind]
            for kind in dict.fromkeys(fault.kind for fault in self.faults)
        }

    def _figures(self, evidence: Evidence, verdict: Verdict) -> dict[str, Any]:
        faults = {
            kind: {
                "times": len(of_kind),
                "phases": {phase.name.lower(): count for phase, count in _phases(of_kind).items()},
                "seconds_to_next_release": _seconds(of_kind),
            }
            for kind, of_kind in self._by_kind().items()
        }
        found = {fault: verdict.counts[fault] for fault in FAULTS}
        return {"faults": faults, "seen": _amounts(evidence), "found": found}


def _phases(faults: list[Fault]) -> Counter[Phase]:
    return Counter(phase for fault in faults for phase in fault.phases)


def _seconds(faults: list[Fault]) -> list[float]:
    return [round(fault.seconds, 3) for fault in faults if fault.seconds is not None]


def _amounts(evidence: Evidence) -> dict[str, int]:
    return {
        "changes": len(evidence.changes),
        "consents": len(evidence.consents),
        "releases and erasures": len(evidence.copies),
        "transactions": len(evidence.positions),
        "dead letters": len(evidence.dead),
    }
