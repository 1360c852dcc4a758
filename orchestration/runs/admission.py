"""Admission control: a fixed number of slots, each a blob that one run holds; the longest-waiting run goes first.

A slot is acquired by creating a blob that must not exist, so the limit holds however many handlers try concurrently.
"""

import logging
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from orchestration.app import App
from orchestration.state import open_runs, slots_held_by

_log = logging.getLogger(__name__)

NEVER: Final = "9999"
"""Later than every time of receipt: a run whose request cannot be read is admitted last."""


def acquire_slot(app: App, run_id: str) -> bool:
    """Give the run a slot if it is among the longest-waiting runs that fit; return whether it holds one now."""
    holders = _slot_holders(app)
    if run_id in holders.values():
        return True
    free = [name for n in range(app.settings.max_open_runs) if (name := paths.slot(n)) not in holders]
    if run_id not in _waiting_runs(app, holders)[: len(free)]:
        return False
    if not any(_create_slot(app, name, run_id) for name in free):
        return False
    # Two handlers may each have acquired a slot for this run: both keep the first.
    for name, etag in list(slots_held_by(app.storage, run_id))[1:]:
        app.storage.runs.delete(name, etag=etag)
    return True


def admit_next(app: App) -> None:
    """Trigger an evaluation of the longest-waiting run, because a slot may be free.

    If this message is lost, the sweep evaluates the run.
    """
    for run_id in _waiting_runs(app, _slot_holders(app))[:1]:
        app.storage.finished_batches.send(BatchMessage(run_id=run_id, batch="advance"))


def release_slots(app: App, run_id: str) -> None:
    """Release every slot that the run holds."""
    for name, etag in slots_held_by(app.storage, run_id):
        app.storage.runs.delete(name, etag=etag)


def reclaim_slots(app: App) -> None:
    """Release slots whose holder is not open: a handler may acquire one for a run that has just ended."""
    slots = [(item.name, app.storage.runs.read(item.name)) for item in app.storage.runs.list("slots/")]
    still_open = set(open_runs(app.storage))  # read after the slots: a run is marked open before it acquires one
    for name, blob in slots:
        if blob is not None and blob.data.decode() not in still_open:
            app.storage.runs.delete(name, etag=blob.etag)


def _create_slot(app: App, slot: str, run_id: str) -> bool:
    """Create one slot; return True also if another handler has just created it for the same run."""
    if app.storage.runs.create(slot, run_id.encode()):
        return True
    holder = app.storage.runs.read(slot)
    return holder is not None and holder.data == run_id.encode()


def _slot_holders(app: App) -> dict[str, str]:
    """Return slot blob → run id."""
    blobs = {item.name: app.storage.runs.read(item.name) for item in app.storage.runs.list("slots/")}
    return {name: blob.data.decode() for name, blob in blobs.items() if blob is not None}


def _waiting_runs(app: App, holders: dict[str, str]) -> list[str]:
    """Return the open runs without a slot, the longest-waiting first."""
    admitted = set(holders.values())
    waiting = [run_id for run_id in open_runs(app.storage) if run_id not in admitted]
    return sorted(waiting, key=lambda run_id: (_received_at(app, run_id), run_id))


def _received_at(app: App, run_id: str) -> str:
    blob = app.storage.runs.read(RunPaths(run_id).request)
    try:
        return Request.load_stored(blob.data).received_at if blob else NEVER
    except (VersionSkewError, DamagedError) as error:  # it must not keep the other runs waiting
        _log.warning("run %s cannot be admitted: %s", run_id, error)
        return NEVER
