"""Draw docs/cost.svg and print its table: the best batch size of one video in three kinds of pool. A model.

    .venv/bin/python -m benchmarks.cost_curve [--out docs/cost.svg]

The video is twenty minutes of 1920x1080 at 30 frames a second; the pace is the guess for a T4
in `frame_tools.costs.throughput`. When a T4 has been measured, the row there changes, and this command draws
the new curve.
"""

import argparse
from pathlib import Path
from typing import Final

from frame_tools.costs import model
from frame_tools.costs.chart import Panel, chart
from frame_tools.costs.estimate import pool_of
from frame_tools.costs.model import Pool, Work
from frame_tools.costs.prices import Prices
from frame_tools.costs.throughput import pace_of_device

OUT: Final = Path(__file__).parents[1] / "docs" / "cost.svg"
FRAMES: Final = 36_000
NODES: Final = 4
VM_SIZE: Final = "Standard_NC4as_T4_v3"
HOUR_WORTH_USD: Final = 2.0


def work() -> Work:
    """Return the twenty minutes of video."""
    pace = pace_of_device("gpu", width=1920, height=1080)
    return Work(frames=FRAMES, seconds_per_frame=pace.seconds_per_frame, start_up_seconds=pace.start_up_seconds)


def cases() -> list[tuple[str, str, Pool]]:
    """Return title, story and pool of each panel."""
    prices = Prices()
    dedicated = pool_of(VM_SIZE, nodes=NODES, spot=False, prices=prices)
    calm = pool_of(VM_SIZE, nodes=NODES, spot=True, prices=prices)
    rough = pool_of(VM_SIZE, nodes=NODES, spot=True, prices=prices, evictions_per_hour=6.0)
    return [
        ("Dedicated nodes", "4 T4 nodes, never taken away: one batch a node is fastest and cheapest", dedicated),
        ("Spot nodes on a calm day", "4 T4 nodes, each evicted once in 20 hours", calm),
        ("Spot nodes on a very bad day", "4 T4 nodes, each evicted six times an hour", rough),
    ]


def panels() -> list[Panel]:
    """Return what is drawn."""
    prices = Prices()
    return [
        Panel(
            title=title,
            story=story,
            forecasts=list(model.curve(work(), pool, prices=prices)),
            best=model.best(work(), pool, prices=prices, hour_worth_usd=HOUR_WORTH_USD),
        )
        for title, story, pool in cases()
    ]


def table() -> str:
    """Return the best of each case as Markdown."""
    lines = [
        "| pool | best frames per batch | batches | wall time, min | node-seconds | US dollars |",
        "|---|---|---|---|---|---|",
    ]
    for panel in panels():
        one = panel.best
        lines.append(
            f"| {panel.title} | {one.frames_per_batch} | {one.batches} | {one.wall_seconds / 60:.1f} "
            f"| {one.node_seconds:.0f} | {one.sums.total_usd:.3f} |"
        )
    return "\n".join(lines)


def main() -> None:
    """Write the chart and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=OUT)
    arguments = parser.parse_args()
    arguments.out.write_text(chart(panels()), encoding="utf-8")
    print(table())


if __name__ == "__main__":
    main()
