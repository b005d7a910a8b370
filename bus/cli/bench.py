"""`bus bench`."""

import asyncio
import json
import signal
import sys
from pathlib import Path
from typing import Any, Self

import click
from rich.console import Console

from bus import clock
from bus.settings import Settings

TOLD_EVERY_SECONDS = 0.5
AXES = ("recipients", "agreements", "subjects", "lanes")


@click.group()
def bench() -> None:
    """Measure the bus on this machine, on a broker of its own, with every guarantee on.

    Progress goes to stderr. The workload and what it gave on other machines: bus/bench/README.md.
    """


@bench.command()
@click.option("--records", type=click.IntRange(1000), default=400_000, show_default=True, help="Changes to route.")
@click.option("--subjects", type=click.IntRange(100), default=100_000, show_default=True, help="People they are about.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def route(*, records: int, subjects: int, as_json: bool) -> None:
    """How many deliveries the router makes with a second of CPU."""
    from bus.bench.route import bench_route  # noqa: PLC0415 - imports every stage: not for `bus bench --help`
    from bus.bench.workload import Shape  # noqa: PLC0415 - as above

    with _Progress() as progress:
        measured = bench_route(Settings(), progress.tell, records=records, shape=Shape(subjects=subjects))
        result = asyncio.run(measured)
    _show(result, as_json=as_json)


@bench.command()
@click.option("--records", type=click.IntRange(2000), default=200_000, show_default=True, help="Changes to route.")
@click.option("--subjects", type=click.IntRange(100), default=25_000, show_default=True, help="People they are about.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def inside(*, records: int, subjects: int, as_json: bool) -> None:
    """What a delivery costs inside a lane, step by step, without Kafka: for who changes the hot path."""
    from bus.bench.inside import bench_inside  # noqa: PLC0415 - as above

    with _Progress() as progress:
        result = bench_inside(progress.tell, records=records, subjects=subjects)
    _show(result, as_json=as_json)


@bench.command()
@click.option(
    "--records", type=click.IntRange(100), default=1_000_000, show_default=True, help="Records, one a person."
)
@click.option("--consents", type=click.IntRange(1), default=500_000, show_default=True, help="Consents, at the most.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def startup(*, records: int, consents: int, as_json: bool) -> None:
    """How long a router takes to start: with its store, after a SIGKILL, and without a store."""
    from bus.bench.startup import bench_startup  # noqa: PLC0415 - as above

    with _Progress() as progress:
        measured = bench_startup(Settings(), progress.tell, records=records, consents=consents)
        result = asyncio.run(measured)
    _show(result, as_json=as_json)


@bench.command()
@click.option("--records", type=click.IntRange(1000), default=40_000, show_default=True, help="Changes a point.")
@click.option("--axis", "axes", type=click.Choice(AXES), multiple=True, help="What grows; all of them if not given.")
@click.option("--quick", is_flag=True, help="Leave out the largest point of each.")
@click.option("--svg", type=click.Path(dir_okay=False, path_type=Path), help="Draw it into this file.")
@click.option("--keep", type=click.Path(dir_okay=False, path_type=Path), help="Keep points here; go on from them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def growth(  # noqa: PLR0913 - the words
    *, records: int, axes: tuple[str, ...], quick: bool, svg: Path | None, keep: Path | None, as_json: bool
) -> None:
    """How the cost of a change grows with recipients, agreements, people and lanes."""
    from bus.bench.growth import Course, bench_growth, drawing, table  # noqa: PLC0415 - as above

    with _Progress() as progress:
        measured = bench_growth(Settings(), progress.tell, Course(records, axes or AXES, quick=quick, keep=keep))
        result = asyncio.run(measured)
    if svg is not None:
        svg.write_text(drawing(result["points"]), encoding="utf-8")
    click.echo(json.dumps(result) if as_json else table(result["points"]))


@bench.command()
@click.option("--rate", type=click.IntRange(1), default=2000, show_default=True, help="Changes a second.")
@click.option("--seconds", type=click.IntRange(1), default=20, show_default=True, help="For how long.")
@click.option("--subjects", type=click.IntRange(100), default=100_000, show_default=True, help="People they are about.")
@click.option(
    "--warm", type=click.IntRange(0), default=60, show_default=True, help="Seconds before it that don't count."
)
@click.option("--bare/--no-bare", default=True, show_default=True, help="Measure the bare copy loop beside it.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def latency(*, rate: int, seconds: int, subjects: int, warm: int, bare: bool, as_json: bool) -> None:  # noqa: PLR0913 - the words
    """How long a change takes from its append to its arrival at four recipients.

    Beside it the bare loop: read, copy, commit in a Kafka transaction, nothing else. `times_bare` compares the two.
    """
    from bus.bench.latency import Stream, bench_latency  # noqa: PLC0415 - as above

    stream = Stream(rate, seconds, subjects, warm)
    with _Progress() as progress:
        result = asyncio.run(bench_latency(Settings(), progress.tell, stream, bare=bare))
    _show(result, as_json=as_json)


@bench.command()
@click.option("--withdrawals", type=click.IntRange(1), default=200, show_default=True, help="One after another.")
@click.option("--rate", type=click.IntRange(0), default=0, show_default=True, help="Changes a second meanwhile.")
@click.option("--subjects", type=click.IntRange(100), default=100_000, show_default=True, help="People there are.")
@click.option("--catchup", type=click.IntRange(0), default=0, show_default=True, help="Records judged anew meanwhile.")
@click.option("--kill", "kills", type=click.IntRange(0), default=0, show_default=True, help="So many more with a kill.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def withdraw(*, withdrawals: int, rate: int, subjects: int, catchup: int, kills: int, as_json: bool) -> None:  # noqa: PLR0913 - the words
    """How long a withdrawal takes from its append until no lane releases anything on that consent."""
    from bus.bench.withdraw import Trial, bench_withdraw  # noqa: PLC0415 - as above

    trial = Trial(withdrawals, rate, subjects, catchup, kills)
    with _Progress() as progress:
        result = asyncio.run(bench_withdraw(Settings(), progress.tell, trial))
    _show(result, as_json=as_json)


@bench.command("catchup")
@click.option("--records", type=click.IntRange(100), default=100_000, show_default=True, help="Records that wait.")
@click.option("--rate", type=click.IntRange(1), default=500, show_default=True, help="Changes a second meanwhile.")
@click.option("--subjects", type=click.IntRange(100), default=10_000, show_default=True, help="People they are about.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def catch_up(*, records: int, rate: int, subjects: int, as_json: bool) -> None:
    """How fast what exists is delivered under an agreement, and how little live changes feel of it."""
    from bus.bench.catchup import Backlog, bench_catchup  # noqa: PLC0415 - as above

    with _Progress() as progress:
        result = asyncio.run(bench_catchup(Settings(), progress.tell, Backlog(records, rate, subjects)))
    _show(result, as_json=as_json)


@bench.command()
@click.option("--rows", type=click.IntRange(1000), default=100_000, show_default=True, help="Rows of the table.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def connect(*, rows: int, as_json: bool) -> None:
    """How many row changes of a PostgreSQL a connector publishes with a second of CPU.

    Inserts, updates, an update of every row in one transaction, and deletions, of a table of 20 columns.
    """
    from bus.bench.connect import bench_connect  # noqa: PLC0415 - as above

    with _Progress() as progress:
        result = asyncio.run(bench_connect(Settings(), progress.tell, rows=rows))
    _show(result, as_json=as_json)


@bench.command()
@click.option("--rows", type=click.IntRange(1000), default=1_000_000, show_default=True, help="Rows of the table.")
@click.option("--rate", type=click.IntRange(1), default=500, show_default=True, help="Changes a second meanwhile.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def snapshot(*, rows: int, rate: int, as_json: bool) -> None:
    """How fast a whole table is read while it goes on changing, and how late the changes come."""
    from bus.bench.snapshot import bench_snapshot  # noqa: PLC0415 - as above

    with _Progress() as progress:
        result = asyncio.run(bench_snapshot(Settings(), progress.tell, rows=rows, rate=rate))
    _show(result, as_json=as_json)


@bench.command()
@click.option("--records", type=click.IntRange(100), default=1_000_000, show_default=True, help="One of each person.")
@click.option("--sample", type=click.IntRange(1), help="Judge about so many of them.")
@click.option("--json", "as_json", is_flag=True, help="One JSON object alone on stdout.")
def preview(*, records: int, sample: int | None, as_json: bool) -> None:
    """How long it takes, on one core, to judge every record under an edited agreement."""
    from bus.bench.preview import bench_preview  # noqa: PLC0415 - as above

    with _Progress() as progress:
        result = asyncio.run(bench_preview(Settings(), progress.tell, records=records, sample=sample))
    _show(result, as_json=as_json)


class _Progress:
    """One line on stderr that says what goes on; on no terminal, a line now and then."""

    def __init__(self) -> None:
        self._console = Console(stderr=True)
        self._status = self._console.status("starting")
        self._told = 0.0

    def __enter__(self) -> Self:
        self._status.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._status.stop()
        if kind is asyncio.CancelledError:
            click.echo("ended by SIGTERM; nothing runs any more", err=True)
            sys.exit(128 + signal.SIGTERM)

    def tell(self, line: str) -> None:
        """Show a line."""
        self._status.update(line)
        if not self._console.is_terminal and clock.monotonic() - self._told > TOLD_EVERY_SECONDS:
            self._told = clock.monotonic()
            self._console.print(line, highlight=False)


def _show(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        click.echo(json.dumps(result))
        return
    for name, value in result.items():
        each = value.items() if isinstance(value, dict) else ()
        click.echo(f"{name}: {', '.join(f'{key} {_word(figure)}' for key, figure in each) or _word(value)}")


def _word(value: Any) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int | float) else str(value)
