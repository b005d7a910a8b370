"""Runs the tests and tells what came of them: lines for a terminal, a page for a security officer."""

import contextlib
import html
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from structlog.testing import capture_logs

from bus.avro.datasets import Category, Dataset
from bus.clock import iso, now_ms
from bus.connect.acceptance.case import Case, Result, Test, Verdict, failed, passed
from bus.connect.acceptance.tests import TESTS
from bus.connect.folder import code_of, failure
from bus.connect.spec import secrets, without_secrets
from bus.connect.unfit import RowUnfit
from bus.errors import BusError, SourceUnreachable

SHORTEST_PERSONAL = 6
"""Shorter values turn up in texts by chance."""


@dataclass(frozen=True, slots=True)
class Line:
    """A test: its name, the sentence that must hold, and its result."""

    name: str
    sentence: str
    result: Result


class Trial:
    """A connector's tests, one after the other; what is logged meanwhile is kept, and judged last.

    `tried` may be called in any order and number; `ended` comes last. Each leaves the source as it was found.
    """

    def __init__(self, case: Case) -> None:
        self.case = case
        self._logged: list[Any] = []

    async def tried(self, test: Test) -> Line:
        """What comes of one test; whatever it raises is a failure without a value in its text."""
        with capture_logs() as logged:
            try:
                result = await _tried(self.case, test)
            finally:  # also where it is broken off: nobody need ask for another
                left = await _leave(self.case)
        self._logged += logged
        return _line(test, failed(left) if left else result)

    async def ended(self) -> Line:
        """Whether anything personal was logged since the beginning."""
        with capture_logs() as logged:
            try:
                values = await _personal(self.case)
            finally:
                left = await _leave(self.case)
        found = nothing_personal_is_logged(self.case, [*self._logged, *logged], values)
        return _line(nothing_personal_is_logged, failed(left)) if left else _line(nothing_personal_is_logged, found)


async def run(case: Case, tests: Sequence[Test] = TESTS) -> list[Line]:
    """Run every test, then judge what was logged meanwhile; the source is left as it was found."""
    trial = Trial(case)
    lines = [await trial.tried(test) for test in tests]
    return [*lines, await trial.ended()]


def nothing_personal_is_logged(case: Case, logged: Iterable[Any], values: frozenset[str]) -> Result:
    """No value that identifies a person, and no password or token, stands in what was logged during the tests."""
    entries = [unicodedata.normalize("NFC", str(entry)) for entry in logged]
    text = "\n".join(entries)
    if any(one in text for one in secrets(case.place.settings)):
        return failed("a secret of the settings was logged")
    if found := sum(one in text for one in values):
        return failed(f"{found} values of rows were logged")
    return passed(f"{len(values)} values were looked for in {len(entries)} log entries")


def exit_code(lines: Iterable[Line]) -> int:
    """0 when nothing failed."""
    return int(any(line.result.verdict is Verdict.FAILED for line in lines))


def as_page(name: str, lines: Sequence[Line], datasets: Mapping[str, Dataset]) -> str:
    """One HTML page that needs nothing beside it; `datasets` are those that the connector publishes."""
    counts = ", ".join(f"{sum(one.result.verdict is verdict for one in lines)} {verdict.value}" for verdict in Verdict)
    rows = "\n".join(
        f'<tr class="{line.result.verdict.name.lower()}"><td>{line.result.verdict.value}</td>'
        f"<td><b>{html.escape(line.name)}</b><br>{html.escape(line.sentence)}</td>"
        f"<td>{html.escape(line.result.detail)}</td></tr>"
        for line in lines
    )
    published = "\n".join(_published(one) for one in datasets.values())
    return f"""<!doctype html>
<html lang="en"><head><meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Acceptance of the connector {html.escape(name)}</title>
<style>
body {{ font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem; color: #1a1a1a; }}
table {{ border-collapse: collapse; width: 100%; }}
td, th {{ border-bottom: 1px solid #ccc; padding: .5rem; text-align: left; vertical-align: top; }}
.passed td:first-child {{ color: #0a6b2d; }} .failed td:first-child {{ color: #b00020; font-weight: bold; }}
.not_shown td:first-child {{ color: #6b5a00; }}
td:first-child {{ white-space: nowrap; }} td {{ overflow-wrap: anywhere; }}
@media (max-width: 40rem) {{
  body {{ margin: 1rem auto; }} thead {{ display: none; }} td {{ display: block; border: 0; padding: .1rem 0; }}
  tr {{ display: block; border-bottom: 1px solid #ccc; padding: .6rem 0; }}
}}
</style></head><body><main>
<h1>Acceptance of the connector {html.escape(name)}</h1>
<p>For whoever decides whether this connector may publish. It was put to the test on its own source, whose records were
only read; passwords were looked for in what it printed and logged. The page names columns and counts; it holds no value
of any record.</p>
<p><strong>{_outcome(lines)}</strong> {counts}. Made at {iso(now_ms())}.</p>
<h2>What it would publish</h2>
<p>It publishes to the bus alone. Agreements decide who gets which field; without one, nobody gets anything.</p>
<ul>
{published}
</ul>
<h2>What was tried</h2>
<table><thead><tr><th>Verdict</th><th>What must hold</th><th>What was found</th></tr></thead>
<tbody>
{rows}
</tbody></table>
<p>“Not shown” means that the source holds nothing by which it could be seen, and not that it fails.</p>
</main></body></html>
"""


def _outcome(lines: Sequence[Line]) -> str:
    """What the whole comes to, for who reads no further."""
    wrong = sum(line.result.verdict is Verdict.FAILED for line in lines)
    if wrong:
        return f"Not ready: {wrong} of {len(lines)} tests failed. It should not publish before they pass."
    return "Nothing failed."


def _published(dataset: Dataset) -> str:
    """A dataset and its fields, by how they are to be guarded."""
    kinds = [
        ("identifying a person", [one.name for one in dataset.fields if one.identifies]),
        *(
            (category.value, [one.name for one in dataset.fields if one.category is category and not one.identifies])
            for category in (Category.SENSITIVE, Category.PERSONAL, Category.PUBLIC)
        ),
    ]
    told = "; ".join(f"{what}: {html.escape(', '.join(names))}" for what, names in kinds if names)
    return f"<li><b>{html.escape(dataset.name)}</b>, {len(dataset.fields)} fields; {told}.</li>"


async def _tried(case: Case, test: Test) -> Result:
    try:
        return await test(case)
    except BusError as error:
        return failed(_told(case, error))
    except Exception as error:  # noqa: BLE001 - an integrator's source may raise anything, and quote values
        return failed(f"it fails with {_told(case, error)}")


def _told(case: Case, error: Exception) -> str:
    """A failure without secrets, and without a value; an error of the bus with its remedy."""
    if isinstance(error, BusError):
        text = f"{error}. Remedy: {error.how_to_mend}"
    else:
        text = failure(error, code_of(case.found))
    named = text.replace(case.trial.connector, case.place.connector)
    return without_secrets(named, case.place.settings)


async def _personal(case: Case) -> frozenset[str]:
    """The values of the rows that identify somebody."""
    found: set[str] = set()
    try:
        async with case.source() as source:
            await source.open(None)
            for name, dataset in case.datasets.items():
                rules, mapper = case.found.manifest.datasets[name].rules(), case.contract(source, name).mapper
                fields = [one.name for one in dataset.fields if one.identifies and one.name in rules]
                for row in await case.read(source, name):
                    told = [row.get(column) for field in fields if (column := rules[field].column)]
                    with contextlib.suppress(RowUnfit):
                        record = mapper.record(row)
                        told += [record[field] for field in fields]
                    found |= {unicodedata.normalize("NFC", str(value)) for value in told}
    except Exception:  # noqa: BLE001 - as above; the tests have told it
        return frozenset()
    return frozenset(one for one in found if len(one) >= SHORTEST_PERSONAL)


async def _leave(case: Case) -> str:
    """Take away what the trial made at the source; returns why that failed, empty where it did not."""
    try:
        async with case.source() as source:
            if hasattr(source, "forget"):
                await source.forget()
    except SourceUnreachable:
        return ""  # nothing was made there then
    except Exception as error:  # noqa: BLE001 - as above
        return f"what the trial made at the source is still there: {_told(case, error)}"
    return ""


def _line(test: Any, result: Result) -> Line:
    name = test.__name__.replace("_", " ")
    return Line(name, " ".join((test.__doc__ or "").split()), result)
