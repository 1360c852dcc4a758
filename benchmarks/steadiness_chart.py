"""Draw docs/steadiness.svg from the table in docs/steadiness.md: effect and cost of temporal smoothing by weight.

    .venv/bin/python -m benchmarks.steadiness_chart [--docs docs]

`benchmarks.steadiness` measures and writes the table.
"""

import argparse
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from benchmarks import charts
from benchmarks.steadiness_table import Curve, Point, parse_table

DOCS: Final = Path(__file__).parents[1] / "docs"
DESCRIPTION: Final = "Warping error, sharpness and style loss over the weight of temporal smoothing"
AXIS_LIMIT: Final = 1.4


@dataclass(frozen=True)
class _Panel:
    title: str
    value: Callable[[Point], float]
    target: tuple[float, float]
    """Target range of each clip with each painting."""


_PANELS: Final = (
    _Panel("warping error, ratio", lambda point: point.warp, (0.0, 0.3)),
    _Panel("sharpness, ratio", lambda point: point.sharp, (0.97, 1.03)),
    _Panel("style loss, ratio", lambda point: point.style, (0.0, 1.03)),
)
_KINDS: Final = ((False, charts.BLUE, "real clips"), (True, charts.RED, "drawn scenes with exact flow"))


def chart(curves: Sequence[Curve]) -> str:
    """Return an SVG document: thin lines for clips, thick lines for their means."""

    def draw(figure: Figure) -> None:
        figure.suptitle("Effect and cost of temporal smoothing", x=0.01, ha="left")
        all_axes = figure.subplots(1, len(_PANELS), sharey=True)
        for axes, panel in zip(all_axes, _PANELS, strict=True):
            _draw_panel(axes, panel, curves)
        handles, _ = all_axes[0].get_legend_handles_labels()
        figure.legend(handles=handles, loc="outside lower left", ncols=len(handles))

    return charts.svg(draw, height_inches=3.4, description=DESCRIPTION)


def _draw_panel(axes: Axes, panel: _Panel, curves: Sequence[Curve]) -> None:
    axes.axhspan(*panel.target, color=charts.TEXT, alpha=0.2, lw=0, label="target")
    for exact, color, label in _KINDS:
        chosen = [curve.points for curve in curves if curve.exact is exact]
        for points in chosen:
            axes.plot([point.weight for point in points], [*map(panel.value, points)], color=color, lw=0.7, alpha=0.7)
        columns = list(zip(*chosen, strict=True))
        weights = [column[0].weight for column in columns]
        means = [fmean(map(panel.value, column)) for column in columns]
        axes.plot(weights, means, color=color, lw=2.6, label=label)
    axes.set_title(panel.title)
    axes.set_xlabel("weight (temporal_smoothing)")
    axes.set_ylim(0, AXIS_LIMIT)
    axes.set_xticks((0, 0.3, 0.6, 0.9))


def main() -> None:
    """Draw the chart."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--docs", type=Path, default=DOCS)
    docs: Path = parser.parse_args().docs
    page = (docs / "steadiness.md").read_text(encoding="utf-8")
    (docs / "steadiness.svg").write_text(chart(parse_table(page)), encoding="utf-8")


if __name__ == "__main__":
    main()
