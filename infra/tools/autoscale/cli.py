"""`python -m infra.tools.autoscale fill|table|chart`: the formula with its numbers, and what it does on the traces."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from infra.tools.autoscale.chart import chart
from infra.tools.autoscale.traces import TRACES, Numbers, Trace

DOCS = Path(__file__).parents[3] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.tools.autoscale", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fill = commands.add_parser("fill", help="print the formula with its numbers, for az batch pool autoscale enable")
    usual = Numbers()
    fill.add_argument("--max-spot", type=int, default=usual.max_spot)
    fill.add_argument("--max-dedicated", type=int, default=usual.max_dedicated)
    fill.add_argument("--min-nodes", type=int, default=usual.min_nodes)
    fill.add_argument("--warm-minutes", type=int, default=usual.warm_minutes)
    commands.add_parser("table", help="print what the formula does on each trace")
    draw = commands.add_parser("chart", help="draw docs/autoscale.svg")
    draw.add_argument("--out", type=Path, default=DOCS / "autoscale.svg")
    chosen = parser.parse_args(arguments)
    if chosen.command == "fill":
        print(_numbers(chosen).formula(), end="")
    elif chosen.command == "table":
        print("\n".join(table()))
    else:
        chosen.out.write_text(chart(TRACES.values()), encoding="utf-8")
    return 0


def _numbers(chosen: argparse.Namespace) -> Numbers:
    return Numbers(
        max_spot=chosen.max_spot,
        max_dedicated=chosen.max_dedicated,
        min_nodes=chosen.min_nodes,
        warm_minutes=chosen.warm_minutes,
    )


def table() -> list[str]:
    """Return the lines of the table in docs/autoscale.md."""
    head = ["| trace | first node ordered | last task done | pool empty again | Spot node-minutes | dedicated |"]
    return [*head, "|---|---|---|---|---|---|", *map(_row, TRACES.values())]


def _row(trace: Trace) -> str:
    result = trace.play()
    ordered = next(m.second for m in result.moments if sum(m.targets.values()))
    last_there = max(m.second for m in result.moments if sum(m.nodes.values()))
    minutes = result.node_minutes
    times = (ordered // 60, result.finished[-1] // 60, last_there // 60 + 1)
    said = " | ".join(f"minute {time}" for time in times)
    return f"| {trace.title} | {said} | {minutes['spot']} | {minutes['dedicated']} |"
