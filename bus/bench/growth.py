"""`bus bench growth`: what a change costs as recipients, agreements, people and lanes grow, one at a time."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bus import clock
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
    "subjects": {count: Shape(subjects=count, recipients=2) for count in (10_000, 100_000, 1_000_000)},
    "lanes": {count: Shape(subjects=PEOPLE, lanes=count) for count in (1, 8, 32)},
}
"""What grows: the workload at each of its sizes. Of the agreements only one lets anything through; the people have two
recipients, one of them by consent, so that a million of them give no more than 600,000 consents."""


@dataclass(frozen=True, slots=True)
class Course:
    """What is measured: so many changes at each point of these axes, `quick` without the largest of each.

    `keep`: a file that keeps the points; one that it holds already is not measured again.
    """

    records: int
    axes: Sequence[str]
    quick: bool = False
    keep: Path | None = None


async def bench_growth(settings: Settings, tell: Tell, course: Course) -> dict[str, Any]:
    """Route the same number of changes at each point; returns the points in order. Raises BenchFailed."""
    kept = None if course.keep is None else Kept(course.keep)
    points: list[Point] = []
    for axis in course.axes:
        sizes = list(AXES[axis].items())
        for size, shape in sizes[:-1] if course.quick else sizes:

            def told(line: str, place: str = f"{axis} {size:,}") -> None:
                tell(f"{place}: {line}")

            point = kept.point(axis, size, course.records) if kept else None
            if point is None:
                begun = clock.monotonic()
                found = await bench_route(settings, told, records=course.records, shape=shape)
                point = _point(axis, size, found, shape) | {"took_seconds": round(clock.monotonic() - begun)}
                if kept:
                    kept.keep(point)
            points.append(point)
    return {"bench": "growth", "records": course.records, "points": points}


class Kept:
    """Points in a file, one JSON object a line: a measurement that was cut short goes on where it stood."""

    def __init__(self, file: Path) -> None:
        self._file = file

    def point(self, axis: str, size: int, records: int) -> Point | None:
        """The newest of this place, measured with as many changes; None when there is none."""
        lines = self._file.read_text(encoding="utf-8").splitlines() if self._file.exists() else []
        points: list[Point] = [json.loads(line) for line in lines if line.endswith("}")]  # the last may be cut short
        wanted = axis, size, records
        return next((one for one in reversed(points) if (one["axis"], one["size"], one["records"]) == wanted), None)

    def keep(self, point: Point) -> None:
        """Add one."""
        with self._file.open("a", encoding="utf-8") as file:
            file.write(json.dumps(point) + "\n")


def _point(axis: str, size: int, found: Mapping[str, Any], shape: Shape) -> Point:
    whole = found["whole"]
    judged = whole["records"] * (shape.recipients + shape.idle)
    outputs = max(1, whole["deliveries"])
    return {
        "axis": axis,
        "size": size,
        "records": found["records"],
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
