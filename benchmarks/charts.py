"""Charts for the documentation as SVG files: reproducible bytes, readable on light and dark pages.

The background is transparent, and all colors have enough contrast on white and on black. matplotlib is a development
dependency; nothing that is deployed imports this module.
"""

import io
from collections.abc import Callable, Sequence
from html import escape
from typing import Any, Final

import matplotlib as mpl
from matplotlib.axes import Axes
from matplotlib.figure import Figure

TEXT: Final = "#717b86"
BLUE, RED, GREEN, ORANGE, PURPLE = "#3d85c6", "#d0503f", "#2f9e77", "#c98a3b", "#9a6fb8"
_WIDTH_INCHES: Final = 8.6
_STYLE: Final[dict[Any, Any]] = {
    "svg.hashsalt": "impasto",
    "svg.fonttype": "none",
    "svg.id": None,
    "font.family": "sans-serif",
    "font.sans-serif": ["DejaVu Sans", "sans-serif"],
    "font.size": 8.5,
    "text.color": TEXT,
    "axes.labelcolor": TEXT,
    "axes.edgecolor": TEXT,
    "axes.facecolor": "none",
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 10,
    "axes.titleweight": "bold",
    "axes.titlecolor": TEXT,
    "figure.facecolor": "none",
    "figure.titlesize": 13,
    "figure.titleweight": "bold",
    "xtick.color": TEXT,
    "ytick.color": TEXT,
    "legend.frameon": False,
    "lines.linewidth": 1.8,
    "path.simplify": True,
    "path.simplify_threshold": 0.4,
}


def svg(draw: Callable[[Figure], None], *, height_inches: float, description: str) -> str:
    """Return the SVG text of the figure that `draw` fills; `description` is its text alternative.

    Equal data give equal text: there is no date, and element ids have a fixed salt.
    """
    with mpl.rc_context(_STYLE):
        figure = Figure(figsize=(_WIDTH_INCHES, height_inches), layout="constrained")
        draw(figure)
        out = io.StringIO()
        figure.savefig(out, format="svg", metadata={"Date": None, "Creator": None})
    lines = (line.rstrip() for line in out.getvalue().splitlines())
    return "\n".join(lines).replace("<svg ", f'<svg role="img" aria-label="{escape(description)}" ', 1) + "\n"


def changes(*series: Sequence[float]) -> list[int]:
    """Return the indices at which any of the series changes, and the first and last one: enough for a step plot."""
    rows = list(zip(*series, strict=True))
    inner = [index for index in range(1, len(rows) - 1) if rows[index] != rows[index - 1]]
    return sorted({0, *inner, len(rows) - 1})


def annotate_panel(axes: Axes, title: str, subtitle: str, right: str = "", right_subtitle: str = "") -> None:
    """Write a panel's title and subtitle at its upper left, and results at its upper right."""
    axes.set_title(title, pad=19)
    axes.text(0, 1.0, subtitle, transform=axes.transAxes, va="bottom", ha="left", linespacing=1.6)
    axes.text(1, 1.0, f"{right}\n{right_subtitle}", transform=axes.transAxes, va="bottom", ha="right", linespacing=1.6)
