"""A chart of the traces as SVG, drawn by hand: nodes there and ordered, tasks running and not done, over time."""

from collections.abc import Callable, Iterable, Sequence
from html import escape
from typing import Final

from infra.tools.autoscale.pool import Simulation, Snapshot
from infra.tools.autoscale.traces import Trace

WIDTH: Final = 860
LEFT, RIGHT, TOP = 56, 56, 92
HEAD, PLOT, FOOT = 44, 96, 40
SPOT, DEDICATED, WANTED, RUNNING, LEFT_OVER = "#7fb7be", "#c98b6b", "#2b3a42", "#b3372f", "#a08f6b"
STYLE: Final = (
    "text{font-family:system-ui,Segoe UI,Helvetica,Arial,sans-serif;fill:#2b3a42}"
    ".title{font-size:15px;font-weight:600}.story,.axis,.key{font-size:11.5px;fill:#64737b}"
    ".main{font-size:20px;font-weight:600}.sum{font-size:11.5px;text-anchor:end}"
    ".right{text-anchor:end}.middle{text-anchor:middle}"
)
LABEL: Final = "Nodes and tasks over time, as the model of the pool shows them"
KEY: Final = (
    ("Spot nodes", SPOT, "box"),
    ("dedicated nodes", DEDICATED, "box"),
    ("nodes ordered", WANTED, "line"),
    ("tasks running", RUNNING, "line"),
    ("tasks not done (right scale)", LEFT_OVER, "line"),
)
Scale = Callable[[float], float]


def chart(traces: Iterable[Trace]) -> str:
    """Return an SVG document with one panel for each trace."""
    panels = [(trace, trace.simulate()) for trace in traces]
    height = TOP + len(panels) * (HEAD + PLOT + FOOT)
    body = [_panel(trace, result, TOP + i * (HEAD + PLOT + FOOT)) for i, (trace, result) in enumerate(panels)]
    return "\n".join(
        [
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {height}" role="img" aria-label="{LABEL}">',
            f"<style>{STYLE}</style>",
            f'<rect width="{WIDTH}" height="{height}" rx="10" fill="#fbfaf7"/>',
            f'<text x="{LEFT}" y="38" class="main">The pool follows the work, from zero to zero</text>',
            *_key(),
            *body,
            "</svg>\n",
        ]
    )


def _key() -> list[str]:
    drawn, x = [], LEFT
    for words, color, form in KEY:
        y, height = (56, 10) if form == "box" else (60, 2.5)
        drawn.append(f'<rect x="{x}" y="{y}" width="16" height="{height}" fill="{color}"/>')
        drawn.append(f'<text x="{x + 22}" y="65" class="key">{words}</text>')
        x += 44 + round(6.3 * len(words))
    return drawn


def _panel(trace: Trace, result: Simulation, top: int) -> str:
    snapshots = result.snapshots
    most_nodes = max(max(sum(m.nodes.values()), sum(m.targets.values())) for m in snapshots)
    most_tasks = max(m.waiting + m.running for m in snapshots)
    base = top + HEAD + PLOT

    def x(second: float) -> float:
        return LEFT + (WIDTH - LEFT - RIGHT) * second / (60 * trace.load.minutes)

    def node_y(count: float) -> float:
        return base - PLOT * count / most_nodes

    def task_y(count: float) -> float:
        return base - PLOT * count / most_tasks

    spot = [m.nodes["spot"] for m in snapshots]
    every = [sum(m.nodes.values()) for m in snapshots]
    wanted = [sum(m.targets.values()) for m in snapshots]
    left_over = [m.waiting + m.running for m in snapshots]
    return "\n".join(
        [
            _words(trace, result, top),
            _area(snapshots, every, DEDICATED, x=x, y=node_y),
            _area(snapshots, spot, SPOT, x=x, y=node_y),
            _line(snapshots, left_over, LEFT_OVER, x=x, y=task_y),
            _line(snapshots, wanted, WANTED, x=x, y=node_y),
            _line(snapshots, [m.running for m in snapshots], RUNNING, x=x, y=node_y),
            _axes(trace.load.minutes, base, (most_nodes, most_tasks), x=x),
        ]
    )


def _words(trace: Trace, result: Simulation, top: int) -> str:
    minutes, edge = result.node_minutes, WIDTH - RIGHT
    done = f"{len(result.finished)} tasks done, the last at minute {result.finished[-1] // 60}"
    total = f"{minutes['spot']} Spot" + (f" + {minutes['dedicated']} dedicated" if minutes["dedicated"] else "")
    return "\n".join(
        [
            f'<text x="{LEFT}" y="{top + 14}" class="title">{escape(trace.title)}</text>',
            f'<text x="{LEFT}" y="{top + 31}" class="story">{escape(trace.description)}</text>',
            f'<text x="{edge}" y="{top + 14}" class="sum">{total} node-minutes</text>',
            f'<text x="{edge}" y="{top + 31}" class="story right">{done}</text>',
        ]
    )


def _steps(snapshots: Sequence[Snapshot], values: Sequence[int], *, x: Scale, y: Scale) -> str:
    """Return a path of steps: each value holds until the next one."""
    parts = [f"M{x(snapshots[0].second):.1f} {y(values[0]):.1f}"]
    for snapshot, before, value in zip(snapshots[1:], values, values[1:], strict=False):
        if value != before:
            parts.append(f"H{x(snapshot.second):.1f}V{y(value):.1f}")
    parts.append(f"H{x(snapshots[-1].second):.1f}")
    return "".join(parts)


def _area(snapshots: Sequence[Snapshot], values: Sequence[int], color: str, *, x: Scale, y: Scale) -> str:
    return f'<path d="{_steps(snapshots, values, x=x, y=y)}V{y(0):.1f}H{x(0):.1f}Z" fill="{color}"/>'


def _line(snapshots: Sequence[Snapshot], values: Sequence[int], color: str, *, x: Scale, y: Scale) -> str:
    return f'<path d="{_steps(snapshots, values, x=x, y=y)}" fill="none" stroke="{color}" stroke-width="1.8"/>'


def _axes(minutes: int, base: int, most: tuple[int, int], *, x: Scale) -> str:
    """Draw the time line, the largest number of nodes on the left and of tasks on the right."""
    edge = WIDTH - RIGHT
    drawn = [
        f'<path d="M{LEFT} {base}H{edge}" fill="none" stroke="#c9c3b6" stroke-width="2.4"/>',
        f'<text x="{LEFT - 8}" y="{base + 4}" class="axis right">0</text>',
        f'<text x="{LEFT - 8}" y="{base - PLOT + 8}" class="axis right">{most[0]}</text>',
        f'<text x="{edge + 8}" y="{base - PLOT + 8}" class="axis">{most[1]}</text>',
    ]
    for minute in range(0, minutes + 1, 15):
        words = f"{minute} min" if minute == 0 else str(minute)
        drawn.append(f'<text x="{x(60 * minute):.1f}" y="{base + 16}" class="axis middle">{words}</text>')
    return "\n".join(drawn)
