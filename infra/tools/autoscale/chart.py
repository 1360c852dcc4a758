"""Chart of the traces: existing and requested nodes, running and unfinished tasks over time."""

from collections.abc import Iterable
from typing import Final

from matplotlib.artist import Artist
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MultipleLocator

from benchmarks import charts
from infra.tools.autoscale.pool import Simulation
from infra.tools.autoscale.traces import Trace

DESCRIPTION: Final = "Nodes and tasks over time for each trace, as the model of the pool computes them"


def chart(traces: Iterable[Trace]) -> str:
    """Return an SVG document with one panel for each trace."""
    panels = [(trace, trace.simulate()) for trace in traces]

    def draw(figure: Figure) -> None:
        figure.suptitle("The pool follows the load, from zero to zero", x=0.01, ha="left")
        all_axes = figure.subplots(len(panels), 1, squeeze=False)[:, 0]
        handles = [_draw_panel(axes, *panel) for axes, panel in zip(all_axes, panels, strict=True)]
        figure.legend(handles=handles[0], loc="outside lower left", ncols=len(handles[0]))

    return charts.svg(draw, height_inches=0.9 + 1.75 * len(panels), description=DESCRIPTION)


def _draw_panel(axes: Axes, trace: Trace, result: Simulation) -> list[Artist]:
    """Draw a trace; returns what the legend explains."""
    snapshots = result.snapshots
    spot = [snapshot.nodes["spot"] for snapshot in snapshots]
    nodes = [sum(snapshot.nodes.values()) for snapshot in snapshots]
    requested = [sum(snapshot.targets.values()) for snapshot in snapshots]
    running = [snapshot.running for snapshot in snapshots]
    unfinished = [snapshot.waiting + snapshot.running for snapshot in snapshots]
    indices = charts.changes(spot, nodes, requested, running, unfinished)
    minutes = [snapshots[index].second / 60 for index in indices]
    spot, nodes, requested, running, unfinished = (
        [series[index] for index in indices] for series in (spot, nodes, requested, running, unfinished)
    )

    axes.fill_between(minutes, spot, step="post", color=charts.BLUE, alpha=0.45, lw=0, label="Spot nodes")
    axes.fill_between(minutes, spot, nodes, step="post", color=charts.ORANGE, alpha=0.6, lw=0, label="dedicated nodes")
    axes.step(minutes, requested, where="post", color=charts.TEXT, label="nodes requested")
    axes.step(minutes, running, where="post", color=charts.RED, label="tasks running")
    task_axes = axes.twinx()
    task_axes.step(minutes, unfinished, where="post", color=charts.PURPLE, lw=1.2, label="tasks unfinished (right)")
    for panel, largest in ((axes, max(*nodes, *requested)), (task_axes, max(unfinished))):
        panel.set_xlim(0, trace.load.minutes)
        panel.set_ylim(0, largest * 1.05)
        panel.set_yticks((0, largest))
    axes.xaxis.set_major_locator(MultipleLocator(15))
    axes.xaxis.set_major_formatter("{x:.0f} min")
    charts.annotate_panel(axes, trace.title, trace.description, *_summary(result))
    return [handle for panel in (axes, task_axes) for handle in panel.get_legend_handles_labels()[0]]


def _summary(result: Simulation) -> tuple[str, str]:
    minutes = result.node_minutes
    dedicated = f" + {minutes['dedicated']} dedicated" if minutes["dedicated"] else ""
    done = f"{len(result.finished)} tasks done, the last at minute {result.finished[-1] // 60}"
    return f"{minutes['spot']} Spot{dedicated} node-minutes", done
