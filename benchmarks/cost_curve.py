"""Draw docs/cost.svg and print its table: the best batch size of one video in three kinds of pool. A model.

    .venv/bin/python -m benchmarks.cost_curve [--out docs/cost.svg]

The video has twenty minutes of 1920x1080 at 30 frames per second; the throughput is the guess for a T4 in
`frame_tools.costs.throughput`. Once a T4 has been measured, update that row and run this command again.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from benchmarks import charts
from frame_tools.contracts.options import Options
from frame_tools.costs import model
from frame_tools.costs.estimate import build_pool
from frame_tools.costs.model import Forecast, Pool, Workload
from frame_tools.costs.prices import Prices
from frame_tools.costs.throughput import device_throughput

OUT: Final = Path(__file__).parents[1] / "docs" / "cost.svg"
FRAMES: Final = 36_000
NODES: Final = 4
VM_SIZE: Final = "Standard_NC4as_T4_v3"
HOUR_WORTH_USD: Final = 2.0
AXIS_LIMIT: Final = 4
"""Upper end of an axis, as a multiple of the best value."""
DESCRIPTION: Final = "Wall time and cost of a run over the frames in a batch, for three kinds of pool, by the model"


@dataclass(frozen=True, kw_only=True)
class Case:
    """One kind of pool: its curve, and the best forecast."""

    title: str
    description: str
    forecasts: Sequence[Forecast]
    best: Forecast


def workload() -> Workload:
    """Return the twenty minutes of video."""
    throughput = device_throughput("gpu", width=1920, height=1080, options=Options())
    return Workload(
        frames=FRAMES,
        seconds_per_frame=throughput.seconds_per_frame,
        start_up_seconds=throughput.start_up_seconds,
    )


def cases() -> list[Case]:
    """Return the three cases."""
    prices = Prices()
    dedicated = build_pool(VM_SIZE, nodes=NODES, spot=False, prices=prices)
    calm = build_pool(VM_SIZE, nodes=NODES, spot=True, prices=prices)
    rough = build_pool(VM_SIZE, nodes=NODES, spot=True, prices=prices, evictions_per_hour=6.0)
    return [
        _case("Dedicated nodes", "4 T4 nodes, never evicted: one batch per node is fastest and cheapest", dedicated),
        _case("Spot nodes on a calm day", "4 T4 nodes, each evicted once in 20 hours", calm),
        _case("Spot nodes on a very bad day", "4 T4 nodes, each evicted six times per hour", rough),
    ]


def _case(title: str, description: str, pool: Pool) -> Case:
    prices = Prices()
    return Case(
        title=title,
        description=description,
        forecasts=sorted(model.curve(workload(), pool, prices=prices), key=lambda item: item.frames_per_batch),
        best=model.best(workload(), pool, prices=prices, hour_worth_usd=HOUR_WORTH_USD),
    )


def chart() -> str:
    """Return the curves as an SVG document, one panel for each case."""

    def draw(figure: Figure) -> None:
        figure.suptitle("How many frames in a batch?", x=0.01, ha="left")
        all_axes = figure.subplots(3, 1)
        handles = [_draw_panel(axes, case) for axes, case in zip(all_axes, cases(), strict=True)]
        all_axes[-1].set_xlabel("frames in a batch")
        figure.legend(handles=handles[0], loc="outside lower left", ncols=3)

    return charts.svg(draw, height_inches=7.2, description=DESCRIPTION)


def _draw_panel(axes: Axes, case: Case) -> list[Line2D]:
    """Draw a case; returns its three lines."""
    best_minutes, best_usd = case.best.wall_seconds / 60, case.best.cost.total_usd
    frames = [forecast.frames_per_batch for forecast in case.forecasts]
    minutes = [forecast.wall_seconds / 60 for forecast in case.forecasts]
    usd = [forecast.cost.total_usd for forecast in case.forecasts]
    usd_axes = axes.twinx()
    lines = [
        *axes.plot(frames, minutes, color=charts.BLUE, label="minutes from trigger to last batch (left)"),
        *usd_axes.plot(frames, usd, color=charts.RED, label="US dollars (right)"),
        axes.axvline(case.best.frames_per_batch, color=charts.GREEN, linewidth=1.4, label="best"),
    ]
    axes.set_xscale("log")
    axes.set_xlim(frames[0], frames[-1])
    axes.xaxis.set_major_formatter("{x:.0f}")
    for panel, best, unit in ((axes, best_minutes, "{x:.0f} min"), (usd_axes, best_usd, "${x:.2f}")):
        panel.set_ylim(0, AXIS_LIMIT * best)
        panel.yaxis.set_major_formatter(unit)
        panel.locator_params(axis="y", nbins=4)
    charts.annotate_panel(
        axes,
        case.title,
        case.description,
        f"best: {case.best.frames_per_batch} frames",
        f"{best_minutes:.0f} min, ${best_usd:.2f}",
    )
    return lines


def table() -> str:
    """Return the best forecast of each case as a Markdown table."""
    lines = [
        "| pool | best frames per batch | batches | wall time, min | node-seconds | US dollars |",
        "|---|---|---|---|---|---|",
    ]
    for case in cases():
        best = case.best
        lines.append(
            f"| {case.title} | {best.frames_per_batch} | {best.batches} | {best.wall_seconds / 60:.1f} "
            f"| {best.node_seconds:.0f} | {best.cost.total_usd:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Write the chart and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    arguments.out.write_text(chart(), encoding="utf-8")
    print(table())


if __name__ == "__main__":
    main()
