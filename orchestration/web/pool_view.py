"""What the screen Health shows of the pool: its nodes one by one, what they paint, and why one cannot be used."""

import datetime as dt
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts import ids
from orchestration.azure_batch.pool import NodeCounts, NodeView, PoolView, RunningTask
from orchestration.web.text import duration_text

MAX_NODES: Final = 100
"""Nodes that are shown one by one; more of them are only counted."""
BROKEN: Final = ("unusable", "starttaskfailed")
STATES: Final = {
    "running": "painting",
    "idle": "idle",
    "creating": "being created",
    "starting": "starting",
    "rebooting": "rebooting",
    "reimaging": "being set up again",
    "waitingforstarttask": "running its start task",
    "starttaskfailed": "start task failed",
    "unusable": "unusable",
    "preempted": "taken back by Azure",
    "leavingpool": "being released",
    "offline": "offline",
    "deallocated": "switched off",
    "deallocating": "being switched off",
    "upgradingos": "updating its system",
    "unknown": "unknown",
}


@dataclass(frozen=True, kw_only=True)
class NodeRow:
    """A node: its id, its state in words, its running tasks, its age, and why it cannot be used."""

    node_id: str
    state: str
    batch_state: str
    """The state of a batch whose square stands for the node's."""
    kind: str
    tasks: str
    age: str
    errors: tuple[str, ...]
    command: str
    """What to do about a node that cannot be used; empty for any other."""


def node_rows(nodes: Sequence[NodeView], pool: PoolView | None, now: dt.datetime) -> tuple[NodeRow, ...]:
    """Return the nodes, those with errors first."""
    rows = [_row(node, pool, now) for node in nodes]
    return tuple(sorted(rows, key=lambda row: not row.errors))


def _row(node: NodeView, pool: PoolView | None, now: dt.datetime) -> NodeRow:
    is_broken = node.state in BROKEN
    reasons = tuple(node.errors) or (("Batch reports no reason",) if is_broken else ())
    age = "–" if node.allocated_at is None else duration_text((now - node.allocated_at).total_seconds())
    return NodeRow(
        node_id=node.node_id,
        state=STATES.get(node.state, node.state),
        batch_state="failed" if is_broken else "painting" if node.state == "running" else "waiting",
        kind="dedicated" if node.dedicated else "Spot",
        tasks=_tasks_text(node),
        age=age,
        errors=reasons,
        command=f"az batch node reboot --pool-id {pool.pool_id} --node-id {node.node_id}" if is_broken and pool else "",
    )


def _tasks_text(node: NodeView) -> str:
    """Return what runs on a node: by run and batch if Batch names the tasks, else their number."""
    named = [_task_text(task) for task in node.tasks]
    if named and len(named) >= node.running_tasks:
        return "; ".join(named)
    return f"{node.running_tasks} task{'' if node.running_tasks == 1 else 's'}"


def _task_text(task: RunningTask) -> str:
    """Return which run, and which of its batches, a task works on; batches count from 1, as on the run's screen."""
    run_id, parsed = task.job_id.rpartition("-j")[0], ids.parse_task_id(task.task_id)
    if parsed is None or not ids.RUN_ID.fullmatch(run_id):
        return f"{task.job_id}, {task.task_id}"
    work = parsed[0]
    if isinstance(work, str):
        return f"{run_id}, {work}"
    batches = f"batch {work.first + 1}" if work.first == work.last else f"batches {work.first + 1} to {work.last + 1}"
    return f"{run_id}, {batches}"


def count_rows(counts: NodeCounts) -> Iterator[tuple[str, int]]:
    """Yield how many nodes are in which state, for those states that a node is in."""
    states = (
        ("painting", counts.running),
        ("idle", counts.idle),
        ("starting", counts.starting),
        ("unusable", counts.unusable),
        ("with a failed start task", counts.start_task_failed),
        ("taken back by Azure", counts.preempted),
    )
    return ((label, count) for label, count in states if count)


def pool_text(pool: PoolView | None) -> str:
    """Return a sentence about the pool."""
    if pool is None:
        return "Batch does not return the pool."
    slots = f", {pool.slots} tasks at a time on each" if pool.slots > 1 else ""
    return f"Pool {pool.pool_id}, {pool.allocation_state}; nodes of size {pool.vm_size}{slots}."
