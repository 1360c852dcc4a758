"""`python -m infra.tools.autoscale fill|table|chart`: print the formula, or evaluate it on the traces."""

import argparse
from collections.abc import Sequence
from pathlib import Path

from infra.tools.autoscale.chart import chart
from infra.tools.autoscale.traces import TRACES, Parameters, Trace

DOCS = Path(__file__).parents[3] / "docs"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line and return the exit status."""
    parser = argparse.ArgumentParser(prog="python -m infra.tools.autoscale", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    fill = commands.add_parser(
        "fill", help="print the formula with its numbers, as input of az batch pool autoscale enable"
    )
    defaults = Parameters()
    fill.add_argument("--max-spot", type=int, default=defaults.max_spot)
    fill.add_argument("--max-dedicated", type=int, default=defaults.max_dedicated)
    fill.add_argument("--min-nodes", type=int, default=defaults.min_nodes)
    fill.add_argument("--warm-minutes", type=int, default=defaults.warm_minutes)
    commands.add_parser("table", help="print the result of each trace")
    draw = commands.add_parser("chart", help="draw docs/autoscale.svg")
    draw.add_argument("--out", type=Path, default=DOCS / "autoscale.svg")
    arguments_ = parser.parse_args(arguments)
    if arguments_.command == "fill":
        print(_parameters(arguments_).formula(), end="")
    elif arguments_.command == "table":
        print("\n".join(table()))
    else:
        arguments_.out.write_text(chart(TRACES.values()), encoding="utf-8")
    return 0


def _parameters(arguments_: argparse.Namespace) -> Parameters:
    return Parameters(
        max_spot=arguments_.max_spot,
        max_dedicated=arguments_.max_dedicated,
        min_nodes=arguments_.min_nodes,
        warm_minutes=arguments_.warm_minutes,
    )


def table() -> list[str]:
    """Return the lines of the table in docs/autoscale.md."""
    head = ["| trace | first node requested | last task done | pool empty again | Spot node-minutes | dedicated |"]
    return [*head, "|---|---|---|---|---|---|", *map(_row, TRACES.values())]


def _row(trace: Trace) -> str:
    result = trace.simulate()
    requested = next(m.second for m in result.snapshots if sum(m.targets.values()))
    last_node = max(m.second for m in result.snapshots if sum(m.nodes.values()))
    minutes = result.node_minutes
    times = (requested // 60, result.finished[-1] // 60, last_node // 60 + 1)
    cells = " | ".join(f"minute {time}" for time in times)
    return f"| {trace.title} | {cells} | {minutes['spot']} | {minutes['dedicated']} |"
