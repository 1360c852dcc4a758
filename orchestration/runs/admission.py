"""Admission control: a fixed number of slots, each a blob that one run holds; the longest-waiting run goes first.

A slot is acquired by creating a blob that must not exist, so the limit holds however many handlers try concurrently.
Two listings, of the slots and of the open marks, say which runs are admitted and in which order the others wait: the
cost of a decision does not grow with the number of runs. A slot's holder is known by the hash that its listing has, the
order by the times at which the runs were marked open.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from frame_tools.contracts import ids, paths
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.storage.blobs import BlobInfo, md5_of_bytes
from orchestration.app import App
from orchestration.state import slots_held_by

_NEVER: Final = dt.datetime.max.replace(tzinfo=dt.UTC)


@dataclass(frozen=True, kw_only=True)
class RunQueue:
    """The open runs at one moment."""

    admitted: tuple[str, ...]
    """Runs that hold a slot, by name."""
    waiting: tuple[str, ...]
    """Runs without a slot, the longest-waiting first."""
    free: tuple[str, ...]
    """Slots that nobody holds."""
    unused: tuple[BlobInfo, ...]
    """Slots whose holder is not open: a handler may acquire one for a run that has just ended."""
    opened_at: dict[str, dt.datetime | None]
    """When each run was marked open."""


def read_queue(app: App) -> RunQueue:
    """Read which runs are admitted and which wait: two listings."""
    slots = list(app.storage.runs.list(paths.SLOTS))
    # Read after the slots: a run is marked open before it acquires one.
    return order_runs(slots, list(app.storage.runs.list(paths.OPEN_MARKS)), limit=app.settings.max_open_runs)


def order_runs(slots: Sequence[BlobInfo], marks: Sequence[BlobInfo], *, limit: int) -> RunQueue:
    """Derive the queue from the listings of `limit` slots and of the open marks."""
    named = {mark.name.removeprefix(paths.OPEN_MARKS): mark.created for mark in marks}
    opened_at = {name: created for name, created in named.items() if ids.RUN_ID.fullmatch(name)}
    by_hash = {md5_of_bytes(run_id.encode()): run_id for run_id in opened_at}
    admitted = {by_hash[slot.md5] for slot in slots if slot.md5 in by_hash}
    waiting = [run_id for run_id in opened_at if run_id not in admitted]
    return RunQueue(
        admitted=tuple(sorted(admitted)),
        waiting=tuple(sorted(waiting, key=lambda run_id: (opened_at[run_id] or _NEVER, run_id))),
        free=free_slots(slots, limit=limit),
        unused=tuple(slot for slot in slots if slot.md5 not in by_hash),
        opened_at=opened_at,
    )


def free_slots(slots: Sequence[BlobInfo], *, limit: int) -> tuple[str, ...]:
    """Return the names of those of `limit` slots that do not exist."""
    taken = {slot.name for slot in slots}
    return tuple(name for number in range(limit) if (name := paths.slot(number)) not in taken)


def acquire_slot(app: App, run_id: str) -> bool:
    """Give the run a slot if it is among the longest-waiting runs that fit; return whether it holds one now."""
    slots = list(app.storage.runs.list(paths.SLOTS))
    if any(slot.md5 == md5_of_bytes(run_id.encode()) for slot in slots):
        return True
    limit = app.settings.max_open_runs
    if not free_slots(slots, limit=limit):
        return False
    queue = order_runs(slots, list(app.storage.runs.list(paths.OPEN_MARKS)), limit=limit)
    if run_id not in queue.waiting[: len(queue.free)]:
        return False
    if not any(_create_slot(app, name, run_id) for name in queue.free):
        return False
    # Two handlers may each have acquired a slot for this run: both keep the first.
    for slot in list(slots_held_by(app.storage, run_id))[1:]:
        app.storage.runs.delete(slot.name, etag=slot.etag)
    return True


def admit_next(app: App) -> None:
    """Trigger an evaluation of the longest-waiting run if a slot is free.

    If this message is lost, the sweep evaluates the run.
    """
    slots = list(app.storage.runs.list(paths.SLOTS))
    limit = app.settings.max_open_runs
    if not free_slots(slots, limit=limit):
        return
    queue = order_runs(slots, list(app.storage.runs.list(paths.OPEN_MARKS)), limit=limit)
    for run_id in queue.waiting[:1]:
        app.storage.finished_batches.send(BatchMessage(run_id=run_id, batch="advance"))


def release_slots(app: App, run_id: str) -> None:
    """Release every slot that the run holds."""
    for slot in slots_held_by(app.storage, run_id):
        app.storage.runs.delete(slot.name, etag=slot.etag)


def release_unused_slots(app: App, queue: RunQueue) -> None:
    """Release the slots of `queue` whose holder is not open."""
    for slot in queue.unused:
        app.storage.runs.delete(slot.name, etag=slot.etag)


def move_to_the_end(app: App, run_id: str) -> None:
    """Mark a waiting run open anew, so that the others go first: it cannot be admitted now.

    If this process dies in between, the scan for orphaned runs marks the run open.
    """
    app.storage.runs.delete(RunPaths(run_id).open_mark)
    app.storage.runs.create(RunPaths(run_id).open_mark, b"")


def _create_slot(app: App, slot: str, run_id: str) -> bool:
    """Create one slot; return True also if another handler has just created it for the same run."""
    if app.storage.runs.create(slot, run_id.encode()):
        return True
    holder = app.storage.runs.read(slot)
    return holder is not None and holder.data == run_id.encode()
