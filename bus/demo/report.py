"""The result in words and tables, for somebody who sees a bus for the first time."""

from collections.abc import Mapping

from rich.console import Console
from rich.table import Table

from bus.demo.result import Result

REASONS_SHOWN = 3
FINDINGS_SHOWN = 12


def print_report(result: Result, console: Console) -> None:
    """Everything, the verdict last."""
    console.print()
    console.print(
        f"[bold]A day of {result.people:,} people[/]: {result.changes:,} changes in the registries became"
        f" {result.verdict['released']:,} releases and {result.verdict['erased']:,} erasures."
    )
    console.print(_agencies(result))
    console.print(_timings(result))
    console.print(
        f"Unreadable records set aside as dead letters: {result.verdict['dead_letters']} (one was put in on purpose)."
    )
    console.print(
        "The check read every agency's topics back, worked out from the registries themselves what each agency must"
        f" hold ({result.verdict['held']:,} records), and compared."
    )
    _findings(result, console)
    _next(console)
    console.print(closing_line(result), style="bold green" if result.passed else "bold red")


def closing_line(result: Result) -> str:
    """What was lost, doubled, or disclosed without a log entry, or against a person's will."""
    faults = result.faults
    line = (
        f"lost {faults['lost']}, doubled {faults['duplicated']}, too much {faults['surplus']},"
        f" disclosed without a log entry {faults['unlogged']}, after a withdrawal {faults['after_withdrawal']},"
        f" out of order {faults['out_of_order']}"
    )
    return f"{line}; and {', '.join(result.trivial)}" if result.trivial else line


def _agencies(result: Result) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("agency")
    for heading in ("released", "erased", "holds now"):
        table.add_column(heading, justify="right")
    table.add_column("judgements withheld, by reason")
    for agency, row in result.agencies().items():
        figures = (f"{row[name]:,}" for name in ("released", "erased", "held"))
        table.add_row(agency, *figures, _reasons(row["withheld"]))
    return table


def _reasons(withheld: Mapping[str, int]) -> str:
    ranked = sorted(withheld.items(), key=lambda one: -one[1])
    shown = [f"{reason} {count:,}" for reason, count in ranked[:REASONS_SHOWN]]
    rest = sum(count for _, count in ranked[REASONS_SHOWN:])
    return ", ".join([*shown, *([f"others {rest:,}"] if rest else [])]) or "nothing"


def _timings(result: Result) -> str:
    timings = result.timings.as_json()
    if not timings["count"]:
        return "Nobody withdrew a consent."
    line = (
        f"From a withdrawal to its effect: half within {timings['p50']} ms, 99 % within {timings['p99']} ms,"
        f" the longest {timings['max']} ms ({timings['count']} measured)"
    )
    through = timings["max_through_restart"]
    return line + (f"; while the router was killed, {through} ms at most." if through is not None else ".")


def _findings(result: Result, console: Console) -> None:
    listed = result.verdict["findings"]
    for finding in listed[:FINDINGS_SHOWN]:
        console.print(f"  {finding['kind']}: {finding['place']} ({finding['record']}): {finding['what']}", style="red")
    if len(listed) > FINDINGS_SHOWN:
        console.print(f"  … and more; `bus demo --json` lists {len(listed)}", style="red")


def _next(console: Console) -> None:
    console.print()
    console.print("Where to look next: `bus demo --keep` leaves it running; then `bus status`, and")
    console.print("`bus agency tail tax-authority --from-beginning` shows what one agency sees. README.md has the map.")
    console.print()
