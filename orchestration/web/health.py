"""What the screen Health shows: checks, the pool, slots, queues, and dollars by day."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, Final, TypeVar

from azure.core.exceptions import AzureError

from frame_tools.contracts import paths
from frame_tools.contracts.errors import ImpastoError
from frame_tools.storage.ports import MessageQueue
from orchestration.app import App
from orchestration.azure_batch.pool import NodeCounts, PoolView
from orchestration.preflight import preflight
from orchestration.reporting.spending import Day, Spending, read_spending
from orchestration.web.text import duration_text

T = TypeVar("T")
SHOWN_MESSAGES: Final = 32
"""Messages that a queue shows at most; more of them are shown as 32+."""
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
class QueueView:
    """A queue: how many messages wait, and since when the oldest does."""

    name: str
    waiting: str
    oldest: str


@dataclass(frozen=True, kw_only=True)
class Health:
    """All of the screen."""

    headline: str
    warnings: int
    checks: tuple[Check, ...]
    nodes: tuple[tuple[str, int], ...]
    """Nodes by state."""
    node_total: int
    pool: str
    slots_used: int
    slots: int
    queues: tuple[QueueView, ...]
    spending: Spending
    checked_at: str

    def height(self, day: Day) -> float:
        """Return the height of a day's bar on a scale of 160 units."""
        return round(158 * day.usd / highest.usd, 1) if (highest := self.spending.highest).usd else 0.0


def read_health(app: App) -> Health:
    """Return the state of the deployment; what a service does not tell is left out, and a check says so."""
    now = app.clock.now()
    with ThreadPoolExecutor(4, thread_name_prefix="health") as executor:
        checks, pool = executor.submit(preflight, app), executor.submit(_attempt, app.batch.pool)
        counts, spending = executor.submit(_attempt, app.batch.node_counts), executor.submit(read_spending, app)
        queues = tuple(_queues(app))
        slots_used = sum(1 for _ in app.storage.runs.list(paths.SLOTS))
    results = tuple(map(_check, _merged(checks.result()["checks"])))
    broken = [check for check in results if check.style == "broken"]
    headline = f"Cannot paint: {broken[0].name}" if broken else "Ready to paint"
    node_counts = counts.result()
    return Health(
        headline=headline,
        warnings=sum(check.style == "warn" for check in results),
        checks=tuple(sorted(results, key=lambda check: ("broken", "warn", "ok").index(check.style))),
        nodes=tuple(_nodes(node_counts)) if node_counts else (),
        node_total=node_counts.total if node_counts else 0,
        pool=_pool_text(pool.result()),
        slots_used=slots_used,
        slots=app.settings.max_open_runs,
        queues=queues,
        spending=spending.result(),
        checked_at=f"{now:%H:%M:%S} UTC",
    )


def _attempt(read: Callable[[], T]) -> T | None:
    """Return what a service tells, None if it does not answer: the checks say why."""
    try:
        return read()
    except (AzureError, ImpastoError):
        return None


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


def _nodes(counts: NodeCounts) -> Iterator[tuple[str, int]]:
    states = (
        ("painting", counts.running),
        ("idle", counts.idle),
        ("starting", counts.starting),
        ("unusable", counts.unusable),
        ("with a failed start task", counts.start_task_failed),
        ("taken back by Azure", counts.preempted),
    )
    return ((label, count) for label, count in states if count)


def _pool_text(pool: PoolView | None) -> str:
    if pool is None:
        return "Batch does not return the pool."
    slots = f", {pool.slots} tasks at a time on each" if pool.slots > 1 else ""
    return f"Pool {pool.pool_id}, {pool.allocation_state}; nodes of size {pool.vm_size}{slots}."


def _queues(app: App) -> Iterator[QueueView]:
    for name, queue in (
        ("Batches to submit", app.storage.frame_batches),
        ("Finished batches", app.storage.finished_batches),
    ):
        yield _queue(name, queue)


def _queue(name: str, queue: MessageQueue) -> QueueView:
    waiting = len(_attempt(lambda: queue.oldest(SHOWN_MESSAGES)) or ())
    age = _attempt(queue.age_of_oldest)
    return QueueView(
        name=name,
        waiting=f"{waiting}+" if waiting >= SHOWN_MESSAGES else str(waiting),
        oldest=duration_text(age.total_seconds()) if waiting and age is not None else "–",
    )
