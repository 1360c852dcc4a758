"""Which runs may be under way: a fixed number of slots, each a blob that one run holds; the longest waiting goes first.

Creating a blob that must not exist gives a slot to exactly one run, so the limit holds however many handlers try.
"""

import logging
from typing import Final

from frame_tools.contracts import paths
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.messages import BatchMessage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Request
from orchestration.app import App
from orchestration.state import open_runs, slots_of

_log = logging.getLogger(__name__)

NEVER: Final = "9999"
"""Later than every time of receipt: a run whose request cannot be read is admitted last."""


def take_slot(app: App, run_id: str) -> bool:
    """Give the run a slot if it is among the longest waiting ones that fit; returns whether it has one now."""
    held = _held(app)
    if run_id in held.values():
        return True
    free = [name for n in range(app.settings.max_open_runs) if (name := paths.slot(n)) not in held]
    if run_id not in _waiting(app, held)[: len(free)]:
        return False
    if not any(_take(app, name, run_id) for name in free):
        return False
    # Two handlers may have taken one each: both keep the first.
    for name, etag in list(slots_of(app.storage, run_id))[1:]:
        app.storage.runs.delete(name, etag=etag)
    return True


def admit_next(app: App) -> None:
    """A slot may be free: have somebody look at the longest waiting run. If this message is lost, the sweep looks."""
    for waiting in _waiting(app, _held(app))[:1]:
        app.storage.finished_batches.send(BatchMessage(run_id=waiting, batch="look"))


def release_slots(app: App, run_id: str) -> None:
    """Give back what the run holds."""
    for name, etag in slots_of(app.storage, run_id):
        app.storage.runs.delete(name, etag=etag)


def reclaim_slots(app: App) -> None:
    """Give back slots whose holder is not open: a handler may take one for a run that has just been ended."""
    slots = [(item.name, app.storage.runs.read(item.name)) for item in app.storage.runs.list("slots/")]
    still_open = set(open_runs(app.storage))  # read after the slots: a run is marked open before it takes one
    for name, blob in slots:
        if blob is not None and blob.data.decode() not in still_open:
            app.storage.runs.delete(name, etag=blob.etag)


def _take(app: App, slot: str, run_id: str) -> bool:
    """Take one slot; one that another handler has just taken for the same run is not taken twice."""
    if app.storage.runs.create(slot, run_id.encode()):
        return True
    holder = app.storage.runs.read(slot)
    return holder is not None and holder.data == run_id.encode()


def _held(app: App) -> dict[str, str]:
    """Slot blob → run id."""
    read = {item.name: app.storage.runs.read(item.name) for item in app.storage.runs.list("slots/")}
    return {name: blob.data.decode() for name, blob in read.items() if blob is not None}


def _waiting(app: App, held: dict[str, str]) -> list[str]:
    """Open runs without a slot, the longest waiting first."""
    holders = set(held.values())
    return [run for _, run in sorted((_received_at(app, r), r) for r in open_runs(app.storage) if r not in holders)]


def _received_at(app: App, run_id: str) -> str:
    blob = app.storage.runs.read(RunPaths(run_id).request)
    try:
        return Request.load_stored(blob.data).received_at if blob else NEVER
    except (VersionSkewError, DamagedError) as error:  # it must not keep the other runs waiting
        _log.warning("run %s cannot be admitted: %s", run_id, error)
        return NEVER
