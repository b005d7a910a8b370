"""`bus bench preview`: how long it takes to judge every record under an edited text, on one core, writing nothing."""

import os
import resource
from typing import Any

import psutil

from bus import clock
from bus.agreements.agencies import load_agencies, load_legal_bases
from bus.agreements.check import load_agreements
from bus.agreements.document import AgreementDocument
from bus.bench.ground import Ground, Tell, ground
from bus.bench.measure import Moment, between
from bus.bench.route import Run
from bus.bench.workload import COUNTRY, DATASET, Expected, dataset
from bus.errors import BenchFailed
from bus.route.foresight.found import OUTCOMES, Foresight
from bus.settings import Settings
from bus.wiring import ROUTE, preview_agreement

KILOBYTE = 1024
PATIENCE_SECONDS = 1800.0
"""The router takes all consents, nearly two for a person, before the first change."""


async def bench_preview(settings: Settings, tell: Tell, *, records: int, sample: int | None = None) -> dict[str, Any]:
    """Route one record a person, then preview two edited texts. Raises BenchFailed when the counts cannot be right.

    One text takes the last field away from everybody's view (each copy held changes), the other rests on consent.
    """
    async with ground(settings, tell, subjects=records) as bus:
        consents = await bus.everybody_consents()
        expected = await bus.everybody()
        await _routed(bus, expected)
        with _OneCore():
            texts = {one.id: one for one in _texts()}
            law, consent = texts["person-to-tax"], texts["person-to-insurance"]
            fewer = law.model_copy(update={"fields": law.fields[:-1]})
            first, found = await _measured(bus, fewer, sample)
            longer = consent.model_copy(update={"filter": 'status == "ALIVE"'})
            second, _ = await _measured(bus, longer, sample)
        due = (records, expected.by_agreement["person-to-tax"])
        if sample is None and (found.judged, found.changed) != due:
            raise BenchFailed(what=f"judged and changed: {(found.judged, found.changed)}; due: {due}")
        return {
            "bench": "preview",
            "records": records,
            "consents": consents,
            "one_field_fewer": first,
            "narrower_filter": second,
            "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // KILOBYTE,
        }


async def _measured(bus: Ground, text: AgreementDocument, sample: int | None) -> tuple[dict[str, Any], Foresight]:
    """One preview, and what it took; CPU seconds of all threads of this process, which does nothing else."""
    found = Foresight(text.id, text.recipient, bus.topics.lanes, by="province", sample=sample)
    begin = _moment(0)
    await preview_agreement(bus.settings, text, "CONSENT", found, lambda done, _: bus.tell(f"{done:,} read or judged"))
    took = between(begin, _moment(found.judged))
    counts = {name: getattr(found, name) for name in OUTCOMES}
    per_record = 1e6 * took.cpu_seconds / max(1, found.known)
    figures = {
        "seconds": round(took.seconds, 2),
        "cpu_seconds": round(took.cpu_seconds, 2),
        "microseconds_per_record": round(per_record, 1),
    }
    return {**figures, "judged": found.judged, "known": found.known, **counts}, found


def _moment(records: int) -> Moment:
    times = psutil.Process().cpu_times()
    return Moment(clock.monotonic(), times.user + times.system, records, 0)


async def _routed(bus: Ground, expected: Expected) -> None:
    """Let a router take everything, and end it, so that nobody else uses the core. Raises BenchFailed."""
    run = Run(bus, expected, PATIENCE_SECONDS)
    await run.start()
    try:
        await run.until_done()
    finally:
        await run.stop()
        await bus.supervisor.stop(ROUTE.name)


def _texts() -> tuple[AgreementDocument, ...]:
    known, agencies = {DATASET: dataset()}, load_agencies(COUNTRY / "agencies.yaml")
    return load_agreements(COUNTRY / "agreements", known, agencies, load_legal_bases(COUNTRY / "legal_bases.yaml"))


class _OneCore:
    """Holds this process, all its threads included, to one core, where the system can do that."""

    def __enter__(self) -> None:
        self._before = os.sched_getaffinity(0) if hasattr(os, "sched_setaffinity") else set()
        if self._before:
            os.sched_setaffinity(0, {max(self._before)})

    def __exit__(self, *_: object) -> None:
        if self._before:
            os.sched_setaffinity(0, self._before)
