"""`bus bench growth`: what a change costs as recipients, agreements, people and lanes grow, one at a time."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from bus.bench.ground import Tell
from bus.bench.plot import Panel, page
from bus.bench.route import bench_route
from bus.bench.workload import Shape
from bus.settings import Settings

Point = dict[str, Any]

PEOPLE = 10_000
"""For what is not about people: consents are written before a run, one for each person and recipient."""

AXES: Mapping[str, Mapping[int, Shape]] = {
    "recipients": {count: Shape(subjects=PEOPLE, recipients=count) for count in (1, 4, 16, 64)},
    "agreements": {count: Shape(subjects=PEOPLE, recipients=1, idle=count - 1) for count in (1, 10, 200)},
    "subjects": {count: Shape(subjects=count) for count in (10_000, 100_000, 1_000_000)},
    "lanes": {count: Shape(subjects=PEOPLE, lanes=count) for count in (1, 8, 32)},
}
"""What grows: the workload at each of its sizes. Of the agreements only one lets anything through."""


async def bench_growth(
    settings: Settings, tell: Tell, *, records: int, axes: Iterable[str], quick: bool = False
) -> dict[str, Any]:
    """Route the same number of changes at each point; returns the points in order. Raises BenchFailed."""
    points: list[Point] = []
    for axis in axes:
        sizes = list(AXES[axis].items())
        for size, shape in sizes[:-1] if quick else sizes:

            def told(line: str, place: str = f"{axis} {size:,}") -> None:
                tell(f"{place}: {line}")

            found = await bench_route(settings, told, records=records, shape=shape)
            points.append(_point(axis, size, found, shape))
    return {"bench": "growth", "records": records, "points": points}


def _point(axis: str, size: int, found: Mapping[str, Any], shape: Shape) -> Point:
    whole = found["whole"]
    judged = whole["records"] * (shape.recipients + shape.idle)
    outputs = max(1, whole["deliveries"])
    return {
        "axis": axis,
        "size": size,
        "deliveries": whole["deliveries"],
        "cpu_us_per_change": round(whole["cpu_seconds"] * 1e6 / whole["records"], 1),
        "cpu_us_per_decision": round(whole["cpu_seconds"] * 1e6 / judged, 2),
        "cpu_us_per_delivery": round(whole["cpu_seconds"] * 1e6 / outputs, 1),
        "peak_memory_mb": found["peak_memory_mb"],
    }


def table(points: Sequence[Point]) -> str:
    """The points as a Markdown table."""
    lines = [
        "| what grows | to | deliveries | CPU µs a change | a decision | a delivery | peak memory, MB |",
        "|---|---|---|---|---|---|---|",
    ]
    for one in points:
        cells = [one["axis"], f"{one['size']:,}", f"{one['deliveries']:,}", one["cpu_us_per_change"]]
        cells += [one["cpu_us_per_decision"], one["cpu_us_per_delivery"], one["peak_memory_mb"]]
        lines.append("| " + " | ".join(str(cell) for cell in cells) + " |")
    return "\n".join(lines)


def drawing(points: Sequence[Point]) -> str:
    """The points as an SVG: a panel for each thing that grows."""
    titles = {
        "recipients": ("recipients", "cpu_us_per_change"),
        "agreements": ("agreements of the dataset", "cpu_us_per_change"),
        "subjects": ("people", "cpu_us_per_delivery"),
        "lanes": ("lanes", "cpu_us_per_delivery"),
    }
    panels = []
    for axis in dict.fromkeys(one["axis"] for one in points):
        title, figure = titles[axis]
        of_axis = [(one["size"], one[figure]) for one in points if one["axis"] == axis]
        unit = "CPU µs a change" if figure == "cpu_us_per_change" else "CPU µs a delivery"
        panels.append(Panel(title, unit, tuple(of_axis), straight=figure == "cpu_us_per_change"))
    return page("What the router's work costs", panels)
