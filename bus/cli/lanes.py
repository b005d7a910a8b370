"""`bus lanes`."""

import asyncio
import contextlib
import json
from collections.abc import Iterable, Sequence

import click
from rich.console import Console, Group
from rich.table import Table

from bus.cli.fitting import Fitting
from bus.cli.living import draw_on, is_looked_at
from bus.cli.speaking import on_drawn_line
from bus.kafka.rights import OPERATOR
from bus.model.waits import MEND_HELD_BACK, MEND_WAIT
from bus.settings import Settings
from bus.watch.lanes import LaneHealth, LaneView, survey_lanes
from bus.watch.reach import looking
from bus.watch.status import status_of

PERIOD_SECONDS = 1.0

_COLOURS = {
    LaneHealth.SERVING: "green",
    LaneHealth.CATCHING_UP: "cyan",
    LaneHealth.STARTING: "cyan",
    LaneHealth.AWAITING_BROKER: "yellow",
    LaneHealth.HELD_BACK: "yellow",
    LaneHealth.SILENT: "red",
    LaneHealth.STOPPED: "yellow",
    LaneHealth.UNSERVED: "red",
}

_FIGURES = ("block", "waiting", "age", "p50 / p99", "latency", "dead", "fences", "loop", "heard")
_PAIRS = (("block", "waiting"), ("age", "heard"), ("p50 / p99", "latency"), ("dead", "fences"), ("loop",))
"""The same for a narrow screen."""


@click.command()
@click.option("--once", is_flag=True, help="Show the lanes as they stand now, and end.")
@click.option("--json", "as_json", is_flag=True, help="One JSON list, as they stand now.")
def lanes(*, once: bool, as_json: bool) -> None:
    """Show where each lane stands, how far behind it is, and who serves it; on a terminal live until Ctrl-C.

    `waiting` counts records of all inputs that the lane has not passed, `age` is how long the oldest of them has
    waited. `p50 / p99` are the commits of the last 500 transactions; `dead` counts dead letters since this process
    serves the lane, and `bus deadletter list` shows all that are open; `fences` counts how often another process took
    the lane; `loop` is the longest that its process stood still of late. `latency` is that of the last batch: from the
    publishing of its oldest change to its commit. A lane that is `starting` reads back what it was, and releases
    nothing yet. One is `awaiting-broker` when the broker has not let it go on for more than five seconds, and
    `held-back` when somebody's transaction in a topic that it reads has not been ended for more than ten: since when,
    why and what to do stands below the table. Where it is not live it ends with 1 when a lane is served by nobody.
    --json tells more.
    """
    with contextlib.suppress(KeyboardInterrupt):
        found = asyncio.run(_watch(once=once or not is_looked_at(), as_json=as_json))
        if any(one.health in {LaneHealth.UNSERVED, LaneHealth.STOPPED} for one in found):
            raise SystemExit(1)


async def _watch(*, once: bool, as_json: bool) -> list[LaneView]:
    async with looking(Settings(), OPERATOR) as look, status_of(look) as status:
        found = await survey_lanes(look, status)
        if as_json:
            click.echo(json.dumps([one.as_json() for one in found], indent=2))
        elif once:
            Console().print(shown(found))
        else:
            await draw_on(found, lambda: survey_lanes(look, status), shown, PERIOD_SECONDS)
        return found


def shown(found: Sequence[LaneView]) -> Group:
    """The table, and below it each lane that is kept from going on: since when, why, and what to do."""
    waits = [(one.lane, one.awaiting_broker) for one in found if one.awaiting_broker is not None]
    lines = [f"lane {lane} waits for the broker since {wait['since']}: {wait['reason']}" for lane, wait in waits]
    held = [
        f"lane {lane.lane} cannot read on in {on_drawn_line(one['topic'])}, partition {one['partition']}: since"
        f" {one['since']} or longer a transaction is open there that begins at offset {one['stable_offset']};"
        f" {one['unread']:,} offsets are unread"
        for lane in found
        for one in lane.held_back
    ]
    remedies = [MEND_WAIT] * bool(lines) + [MEND_HELD_BACK] * bool(held)
    return Group(
        Fitting(table(found), table(found, narrow=True)), *lines, *held, *(f"remedy: {remedy}" for remedy in remedies)
    )


def table(found: Iterable[LaneView], *, narrow: bool = False) -> Table:
    """Lanes for human eyes. A narrow one has most figures in pairs, one under the other."""
    drawn = Table(box=None, header_style="bold")
    drawn.add_column("lane", justify="right", no_wrap=True)
    for heading in ["health\nserved by"] if narrow else ["health", "served by"]:
        drawn.add_column(heading, overflow="fold", min_width=len(LaneHealth.AWAITING_BROKER) if narrow else None)
    groups = _PAIRS if narrow else [(heading,) for heading in _FIGURES]
    for group in groups:
        drawn.add_column("\n".join(group), justify="right", no_wrap=True)
    for one in found:
        who = [_health(one), on_drawn_line(one.owner or "-")]
        figures = dict(zip(_FIGURES, _figures(one), strict=True))
        cells = ["\n".join(figures[name] for name in group) for group in groups]
        drawn.add_row(str(one.lane), *(["\n".join(who)] if narrow else who), *cells)
    return drawn


def _health(one: LaneView) -> str:
    health = f"[{_COLOURS[one.health]}]{one.health}[/]"
    read = None if one.report is None else one.report.get("read_back")
    return health if read is None else f"{health}\n[dim]{read:,} read back[/]"


def _figures(one: LaneView) -> list[str]:
    report = one.report
    waiting, age = f"{one.lag_records:,}", _seconds(one.lag_seconds)
    if report is None:
        return ["-", waiting, age, "-", "-", "-", "-", "-", "never"]
    return [
        f"{report['block']:,}",
        waiting,
        age,
        _both(report.get("transaction_p50_ms"), report.get("transaction_p99_ms")),
        _milliseconds(report["latency_ms"]),
        f"{report['dead_letters']:,}",
        f"{report.get('fences', 0):,}",
        _milliseconds(report.get("loop_max_ms")),
        _seconds(one.heard_seconds),
    ]


def _both(p50: float | None, p99: float | None) -> str:
    return "-" if p50 is None or p99 is None else f"{p50:,.0f} / {p99:,.0f} ms"


def _milliseconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.0f} ms"


def _seconds(value: float | None) -> str:
    return "-" if value is None else f"{value:,.1f} s"
