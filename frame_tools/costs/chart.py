"""The cost curve as SVG: wall time and US dollars over the frames in a batch, one panel for each case."""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from html import escape
from typing import Final

from frame_tools.costs.model import Forecast

WIDTH: Final = 860
LEFT, RIGHT, TOP = 64, 72, 92
HEAD, PLOT, FOOT = 44, 150, 44
FULL_SCALE: Final = 4
"""How many times the best an axis shows."""
COLUMN: Final = 2
TIME, MONEY, BEST = "#2b3a42", "#b3372f", "#3f7f87"
STYLE: Final = (
    "text{font-family:system-ui,Segoe UI,Helvetica,Arial,sans-serif;fill:#2b3a42}"
    ".title{font-size:15px;font-weight:600}.story,.axis,.key{font-size:11.5px;fill:#64737b}"
    ".main{font-size:20px;font-weight:600}.right{text-anchor:end}.middle{text-anchor:middle}"
)
KEY: Final = (("minutes from trigger to last batch (left)", TIME), ("US dollars (right)", MONEY), ("best", BEST))


@dataclass(frozen=True, kw_only=True)
class Panel:
    """One case: its curve, in any order, and the forecast that the optimiser chose."""

    title: str
    story: str
    forecasts: Sequence[Forecast]
    best: Forecast


@dataclass(frozen=True)
class _Axis:
    """From values to pixels, linear; what is above `high` is drawn at `high`."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / ((self.high - self.low) or 1.0)
        return self.start + min(share, 1.0) * (self.end - self.start)


def chart(panels: Sequence[Panel]) -> str:
    """Return an SVG document with one panel below the other; the same panels give the same text."""
    step = HEAD + PLOT + FOOT
    height = TOP + len(panels) * step
    label = "What a run takes and costs over the frames in a batch, as the model says"
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{label}">',
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#fbfaf7"/>',
            f'<text x="{LEFT}" y="38" class="main">How many frames in a batch?</text>',
            *_key(),
            *(_panel(panel, TOP + i * step) for i, panel in enumerate(panels)),
            "</svg>\n",
        ]
    )


def _key() -> list[str]:
    drawn, x = [], LEFT
    for words, color in KEY:
        drawn.append(f'<rect x="{x}" y="60" width="16" height="2.5" fill="{color}"/>')
        drawn.append(f'<text x="{x + 22}" y="65" class="key">{words}</text>')
        x += 44 + round(6.3 * len(words))
    return drawn


def _panel(panel: Panel, top: int) -> str:
    points = sorted(panel.forecasts, key=lambda one: one.frames_per_batch)
    base, ceiling = top + HEAD + PLOT, top + HEAD
    x = _Axis(math.log(points[0].frames_per_batch), math.log(points[-1].frames_per_batch), LEFT, WIDTH - RIGHT)
    minutes = _axis([one.wall_seconds / 60 for one in points], panel.best.wall_seconds / 60, base, ceiling)
    money = _axis([one.sums.total_usd for one in points], panel.best.sums.total_usd, base, ceiling)
    at_best = x(math.log(panel.best.frames_per_batch))
    words = (
        f"best: {panel.best.frames_per_batch} frames, {panel.best.wall_seconds / 60:.0f} min, "
        f"${panel.best.sums.total_usd:.2f}"
    )
    return "\n".join(
        [
            f'<text x="{LEFT}" y="{top + 14}" class="title">{escape(panel.title)}</text>',
            f'<text x="{LEFT}" y="{top + 31}" class="story">{escape(panel.story)}</text>',
            f'<text x="{WIDTH - RIGHT}" y="{top + 14}" class="story right">{words}</text>',
            f'<path d="M{at_best:.1f} {ceiling}V{base}" stroke="{BEST}" stroke-width="1.8"/>',
            _line(points, TIME, x=x, y=lambda one: minutes(one.wall_seconds / 60)),
            _line(points, MONEY, x=x, y=lambda one: money(one.sums.total_usd)),
            _axes(x, base, f"{minutes.high:.0f} min", f"${money.high:.2f}"),
        ]
    )


def _axis(values: Sequence[float], best: float, base: int, ceiling: int) -> _Axis:
    """Scale from 0 to the largest value, or to a few times the best: what is far worse than that runs along the top."""
    return _Axis(0.0, min(max(values), FULL_SCALE * best), base, ceiling)


def _line(points: Sequence[Forecast], color: str, *, x: _Axis, y: Callable[[Forecast], float]) -> str:
    """Draw a line with one point for each column of COLUMN pixels; a curve may hold thousands."""
    columns: dict[int, str] = {}
    for one in points:
        at = x(math.log(one.frames_per_batch))
        columns.setdefault(round(at / COLUMN), f"{at:.1f} {y(one):.1f}")
    path = "L".join(columns.values())
    return f'<path d="M{path}" fill="none" stroke="{color}" stroke-width="1.8"/>'


def _axes(x: _Axis, base: int, most_minutes: str, most_money: str) -> str:
    edge, ceiling = WIDTH - RIGHT, base - PLOT
    drawn = [
        f'<path d="M{LEFT} {base}H{edge}" stroke="#c9c3b6" stroke-width="2.4"/>',
        f'<text x="{LEFT - 8}" y="{base + 4}" class="axis right">0</text>',
        f'<text x="{LEFT - 8}" y="{ceiling + 8}" class="axis right">{most_minutes}</text>',
        f'<text x="{edge + 8}" y="{base + 4}" class="axis">$0</text>',
        f'<text x="{edge + 8}" y="{ceiling + 8}" class="axis">{most_money}</text>',
    ]
    lowest, highest = round(math.exp(x.low)), round(math.exp(x.high))
    for power in range(10):
        for digit in (1, 3):
            value = digit * 10**power
            if lowest <= value <= highest:
                at = x(math.log(value))
                words = "1 frame in a batch" if value == 1 else str(value)
                drawn.append(f'<text x="{at:.1f}" y="{base + 16}" class="axis middle">{words}</text>')
    return "\n".join(drawn)
