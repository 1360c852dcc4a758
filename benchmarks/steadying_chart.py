"""The curve of steadying as SVG: warping error, sharpness and style loss over the weight, with the wanted bounds."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from statistics import fmean
from typing import Final

WIDTH, PANEL, LEFT, TOP, HEIGHT = 860, 250, 46, 96, 210
GAP: Final = 24
WARP_BOUND: Final = 0.35
SHARP_BOUNDS: Final = (0.9, 1.1)
STYLE_BOUNDS: Final = (0.95, 1.05)
INK, FILM, EXACT, BOUND = "#2b3a42", "#3f7f87", "#b3372f", "#e6dfcf"
STYLE: Final = (
    "text{font-family:system-ui,Segoe UI,Helvetica,Arial,sans-serif;fill:#2b3a42;font-size:11.5px}"
    ".main{font-size:20px;font-weight:600}.title{font-size:14px;font-weight:600}.soft{fill:#64737b}"
    ".middle{text-anchor:middle}.right{text-anchor:end}"
)


@dataclass(frozen=True, kw_only=True)
class Point:
    """Ratios to frames painted one by one, at one weight: squared warping error, sharpness, style loss."""

    weight: float
    warp: float
    sharp: float
    style: float


@dataclass(frozen=True)
class Curve:
    """A clip with a painting over all weights; `exact`: judged by flow that is known; the input's own error beside."""

    clip: str
    painting: str
    points: tuple[Point, ...]
    exact: bool
    unpainted: float


@dataclass(frozen=True)
class _Panel:
    title: str
    value: Callable[[Point], float]
    bounds: tuple[float, float]


PANELS: Final = (
    _Panel("warping error", lambda point: point.warp, (0.0, WARP_BOUND)),
    _Panel("sharpness", lambda point: point.sharp, SHARP_BOUNDS),
    _Panel("style loss", lambda point: point.style, STYLE_BOUNDS),
)
MOST: Final = 1.4
"""What the axes reach to; more is drawn there."""


def chart(curves: Sequence[Curve]) -> str:
    """Return an SVG document: thin lines for clips, thick ones for their means; equal curves give equal text."""
    height = TOP + HEIGHT + 46
    label = "Warping error, sharpness and style loss over the weight of steadying"
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">',
        f"<style>{STYLE}</style>",
        f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#fbfaf7"/>',
        f'<text x="{LEFT}" y="36" class="main">What steadying gives, and what it costs</text>',
        *_key(),
    ]
    for i, panel in enumerate(PANELS):
        parts += _panel(panel, curves, LEFT + i * (PANEL + GAP))
    return "\n".join([*parts, "</svg>\n"])


def _key() -> list[str]:
    drawn, x = [], LEFT
    for words, color in (("real clips", FILM), ("pans and zooms with exact flow", EXACT), ("wanted", BOUND)):
        drawn.append(f'<rect x="{x}" y="54" width="16" height="4" fill="{color}"/>')
        drawn.append(f'<text x="{x + 22}" y="60" class="soft">{words}</text>')
        x += 50 + round(6.2 * len(words))
    return drawn


def _panel(panel: _Panel, curves: Sequence[Curve], left: int) -> list[str]:
    top, base = (_y(bound) for bound in reversed(panel.bounds))
    drawn = [
        f'<text x="{left}" y="{TOP - 12}" class="title">{escape(panel.title)}, ratio</text>',
        f'<rect x="{left}" y="{top:.1f}" width="{PANEL - 20}" height="{base - top:.1f}" fill="{BOUND}"/>',
    ]
    for tick in (0.0, 0.5, 1.0):
        drawn.append(f'<path d="M{left} {_y(tick):.1f}h{PANEL - 20}" stroke="#c9c3b6" stroke-width="0.8"/>')
        drawn.append(f'<text x="{left - 6}" y="{_y(tick) + 4:.1f}" class="soft right">{tick:g}</text>')
    drawn += [
        f'<text x="{_x(left, weight):.1f}" y="{TOP + HEIGHT + 18}" class="soft middle">{weight:g}</text>'
        for weight in (0.0, 0.3, 0.6, 0.9)
    ]
    drawn.append(f'<text x="{left + PANEL / 2 - 10}" y="{TOP + HEIGHT + 36}" class="soft middle">steady</text>')
    for exact, color in ((False, FILM), (True, EXACT)):
        chosen = [curve.points for curve in curves if curve.exact is exact]
        drawn += [_line([(p.weight, panel.value(p)) for p in points], left, color, 0.7) for points in chosen]
        means = [(column[0].weight, fmean(map(panel.value, column))) for column in zip(*chosen, strict=True)]
        drawn.append(_line(means, left, color, 2.6))
    return drawn


def _line(points: Sequence[tuple[float, float]], left: int, color: str, width: float) -> str:
    path = "L".join(f"{_x(left, weight):.1f} {_y(value):.1f}" for weight, value in points)
    return f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="{width}"/>'


def _x(left: int, weight: float) -> float:
    return left + 6 + weight / 0.9 * (PANEL - 32)


def _y(value: float) -> float:
    return TOP + HEIGHT * (1 - min(value, MOST) / MOST)
