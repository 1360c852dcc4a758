"""What the screen Health shows: checks, the pool, slots, queues, and dollars by day."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final

from frame_tools.contracts import paths
from orchestration.app import App
from orchestration.preflight import preflight
from orchestration.reporting.spending import Day, Spending, read_spending
from orchestration.web.asking import ask
from orchestration.web.pool_view import MAX_NODES, NodeRow, count_rows, node_rows, pool_text
from orchestration.web.queue_view import DeadLetters, QueueView, read_dead_letters, read_queues

MAX_PARALLEL: Final = 8
"""As many as there are things to ask for: none waits for another that gets no answer."""
ICONS: Final = {"ok": "check", "warning": "warning", "stop": "warning", "unknown": "info"}
CLASSES: Final = {"ok": "ok", "warning": "warn", "stop": "broken", "unknown": "ok"}
LABELS: Final = {"ok": "ok", "warning": "warning", "stop": "broken", "unknown": "not known"}


@dataclass(frozen=True, kw_only=True)
class Check:
    """A check of the deployment: what it found, and what to do."""

    name: str
    icon: str
    style: str
    label: str
    message: str
    remedy: str
    command: str


@dataclass(frozen=True, kw_only=True)
class Budget:
    """How much of a month's budget the runs have spent, in US dollars: an estimate."""

    spent: float
    limit: float
    month: str

    @property
    def is_exceeded(self) -> bool:
        """Whether more was spent than planned."""
        return self.spent > self.limit


@dataclass(frozen=True, kw_only=True)
class Health:
    """All of the screen."""

    headline: str
    warnings: int
    checks: tuple[Check, ...]
    nodes: tuple[tuple[str, int], ...]
    """Nodes by state."""
    node_rows: tuple[NodeRow, ...]
    """Nodes one by one; empty if Batch does not list them to the app."""
    node_total: int
    pool: str
    slots_used: int
    slots: int
    queues: tuple[QueueView, ...]
    dead_letters: DeadLetters | None
    spending: Spending
    budget: Budget | None
    """None without a budget."""
    checked_at: str

    def height(self, day: Day) -> float:
        """Return the height of a day's bar on a scale of 160 units."""
        return round(158 * day.usd / highest.usd, 1) if (highest := self.spending.highest).usd else 0.0


def read_health(app: App) -> Health:
    """Return the state of the deployment; what a service does not tell is left out, and a check says so."""
    now = app.clock.now()
    with ThreadPoolExecutor(MAX_PARALLEL, thread_name_prefix="health") as executor:
        checks, pool = executor.submit(preflight, app), executor.submit(ask, app.batch.pool)
        counts, spending = executor.submit(ask, app.batch.node_counts), executor.submit(read_spending, app)
        nodes = executor.submit(ask, lambda: app.batch.nodes(limit=MAX_NODES))
        letters, queues = executor.submit(read_dead_letters, app), executor.submit(lambda: tuple(read_queues(app)))
        slots_used = sum(1 for _ in app.storage.runs.list(paths.SLOTS))
    results = tuple(map(_check, _merged(checks.result()["checks"])))
    broken = [check for check in results if check.style == "broken"]
    headline = f"Cannot paint: {broken[0].name}" if broken else "Ready to paint"
    node_counts, spent = counts.result(), spending.result()
    limit = app.settings.monthly_budget_usd
    return Health(
        headline=headline,
        warnings=sum(check.style == "warn" for check in results),
        checks=tuple(sorted(results, key=lambda check: ("broken", "warn", "ok").index(check.style))),
        nodes=tuple(count_rows(node_counts)) if node_counts else (),
        node_rows=node_rows(nodes.result() or (), pool.result(), now),
        node_total=node_counts.total if node_counts else 0,
        pool=pool_text(pool.result()),
        slots_used=slots_used,
        slots=app.settings.max_open_runs,
        queues=queues.result(),
        dead_letters=letters.result(),
        spending=spent,
        budget=Budget(spent=spent.month_usd, limit=limit, month=f"{now:%B}") if limit else None,
        checked_at=f"{now:%H:%M:%S} UTC",
    )


def _merged(findings: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """Yield the findings, those of all containers and of all queues as one each if nothing is wrong with them."""
    for kind, label in (("container", "storage"), ("queue", "queues")):
        those = [finding for finding in findings if str(finding["check"]).startswith(f"{kind} ")]
        if those and all(finding["verdict"] == "ok" for finding in those):
            names = ", ".join(str(finding["check"]).removeprefix(f"{kind} ") for finding in those)
            yield {"check": label, "verdict": "ok", "message": f"{len(those)} exist and are readable: {names}"}
        else:
            yield from those
    yield from (finding for finding in findings if not str(finding["check"]).startswith(("container ", "queue ")))


def _check(finding: Mapping[str, Any]) -> Check:
    verdict, remedy = finding["verdict"], str(finding.get("remedy", ""))
    is_command = remedy.startswith("az ")
    return Check(
        name=str(finding["check"]).capitalize(),
        icon=ICONS[verdict],
        style=CLASSES[verdict],
        label=LABELS[verdict],
        message=str(finding["message"]),
        remedy="" if is_command else remedy,
        command=remedy if is_command else "",
    )
