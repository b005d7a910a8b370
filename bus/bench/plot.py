"""Small line plots as SVG, without a library: a handful of points is all that a bench has to show."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

WIDTH, HEIGHT = 300, 220
LEFT, RIGHT, TOP, BOTTOM = 56, 16, 46, 44
_LETTERS = 'font-family="system-ui, sans-serif" font-size="11"'
_APART = 24
"""Pixels between two labels of an axis."""

INK, FAINT, LINE = "#24292f", "#d0d7de", "#0b62a4"


@dataclass(frozen=True, slots=True)
class Panel:
    """One plot: points as (x, y), y from 0; `straight` keeps x as it is, else it is drawn by its magnitude."""

    x: str
    y: str
    points: tuple[tuple[float, float], ...]
    straight: bool = True


def page(title: str, panels: Sequence[Panel]) -> str:
    """The panels side by side, in rows of two, under a title."""
    columns, rows = min(2, len(panels)), math.ceil(len(panels) / 2)
    width, height = WIDTH * columns, HEIGHT * rows + 30
    body = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" {_LETTERS} role="img">',
        f"<title>{escape(title)}</title>",
        f'<rect width="{width}" height="{height}" fill="#ffffff"/>',
        f'<text x="14" y="22" font-size="14" font-weight="600" fill="{INK}">{escape(title)}</text>',
    ]
    for number, panel in enumerate(panels):
        across, down = number % 2 * WIDTH, number // 2 * HEIGHT + 30
        body.append(f'<g transform="translate({across},{down})">{_panel(panel)}</g>')
    return "\n".join([*body, "</svg>", ""])


def _panel(panel: Panel) -> str:
    across = [_magnitude(panel, x) for x, _ in panel.points]
    top = _round_up(max(y for _, y in panel.points))
    left, right = (0.0 if panel.straight else across[0]), max(across[-1], across[0] + 1e-9)

    def place(x: float, y: float) -> tuple[float, float]:
        inner, tall = WIDTH - LEFT - RIGHT, HEIGHT - TOP - BOTTOM
        share = (x - left) / (right - left) if right > left else 0.5
        return round(LEFT + share * inner, 1), round(TOP + (1 - y / top) * tall, 1)

    parts = [f'<text x="{LEFT}" y="{TOP - 12}" fill="{INK}">{escape(panel.y)}</text>']
    for mark in (0, top / 2, top):
        _, down = place(left, mark)
        parts.append(f'<line x1="{LEFT}" x2="{WIDTH - RIGHT}" y1="{down}" y2="{down}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{LEFT - 6}" y="{down + 4}" text-anchor="end" fill="{INK}">{mark:g}</text>')
    spots = [place(x, y) for x, (_, y) in zip(across, panel.points, strict=True)]
    line = " ".join(f"{x},{y}" for x, y in spots)
    parts.append(f'<polyline points="{line}" fill="none" stroke="{LINE}" stroke-width="2"/>')
    for (x, y), (value, figure) in zip(spots, panel.points, strict=True):
        parts.append(f'<circle cx="{x}" cy="{y}" r="3.5" fill="{LINE}"><title>{value:,g}: {figure:,g}</title></circle>')
    parts += [
        f'<text x="{x}" y="{HEIGHT - BOTTOM + 16}" text-anchor="middle" fill="{INK}">{_short(value)}</text>'
        for (x, _), (value, _) in _apart(list(zip(spots, panel.points, strict=True)))
    ]
    middle = (LEFT + WIDTH - RIGHT) / 2
    parts.append(f'<text x="{middle}" y="{HEIGHT - 10}" text-anchor="middle" fill="{INK}">{escape(panel.x)}</text>')
    return "".join(parts)


def _magnitude(panel: Panel, x: float) -> float:
    return x if panel.straight else math.log10(x)


Labelled = tuple[tuple[float, float], tuple[float, float]]


def _apart(labels: list[Labelled]) -> list[Labelled]:
    """Labels that do not run into one another: the last one always, others where there is room."""
    kept: list[Labelled] = []
    for label in reversed(labels):
        if not kept or kept[-1][0][0] - label[0][0] >= _APART:
            kept.append(label)
    return kept


def _short(value: float) -> str:
    for size, letter in ((1_000_000, "M"), (1_000, "k")):
        if value >= size:
            return f"{value / size:g}{letter}"
    return f"{value:g}"


def _round_up(value: float) -> float:
    """To the next 1, 2 or 5 of its magnitude, so that the axis has round numbers."""
    size: float = 10.0 ** math.floor(math.log10(max(value, 1e-9)))
    return next(size * step for step in (1, 2, 5, 10) if value <= size * step)
