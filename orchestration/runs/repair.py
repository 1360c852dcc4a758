"""Repair of a run whose documents are damaged: what can be made again is quarantined, so that it is made again.

The plan and the manifest follow from the request and the input; receipts of batches stay valid, because the same input
gives the same plan. The manifest and the frames of a video that the run has split follow from the video.
"""

import logging

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import WORK, RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.pins import DamagedPinsError, read_pins, store_pins
from frame_tools.storage.quarantine import quarantine
from orchestration.app import App
from orchestration.planning.input_pins import frames_are_complete, pin_inputs
from orchestration.runs.decide import damaged_documents
from orchestration.state import AnyState, RunState

_log = logging.getLogger(__name__)


def repair_documents(app: App, state: AnyState) -> None:
    """Quarantine the damaged documents of a run that can be made again, and what depends on them."""
    names = RunPaths(state.run_id)
    if state.damaged_outcome is not None:
        _move(app, state, names.outcome)
        return
    if not isinstance(state, RunState):
        return
    damaged = damaged_documents(state)
    if names.manifest in damaged:
        plan_again(app, state, splits=True)
        return
    for name in damaged:
        _move(app, state, name)
    if names.split_receipt in damaged:
        split_again(app, state)


def plan_again(app: App, state: RunState, *, splits: bool) -> None:
    """Quarantine plan and manifest, so that the run is planned again; with `splits`, its video is split again, too."""
    names = RunPaths(state.run_id)
    _log.warning("run %s is planned again", state.run_id)
    app.storage.runs.delete(names.queued("batches"))
    for name in (names.plan, names.manifest):
        quarantine(app.storage.runs, state.run_id, name)
    if splits and state.request.trigger.needs_split:
        split_again(app, state)


def split_again(app: App, state: RunState) -> None:
    """Quarantine manifest and split receipt, so that the run's video is split again before it is planned."""
    names = RunPaths(state.run_id)
    for name in (names.manifest, names.split_receipt):
        quarantine(app.storage.runs, state.run_id, name)
    app.storage.runs.delete(names.queued("split"))


def _move(app: App, state: AnyState, name: str) -> None:
    unreadable = state.unreadable[name]
    if quarantine(app.storage.runs, state.run_id, name, etag=unreadable.etag):
        _log.warning("run %s: %s is damaged and is made again: %s", state.run_id, name, unreadable.error)


def repair_inputs(app: App, state: RunState, *, frames_are_damaged: bool = False) -> bool:
    """Have the run planned again if something in `runs` or `work` that its tasks read is gone; return whether it was.

    Frames, index and sound of a video that Impasto has read are made again, stored frames also if `frames_are_damaged`.
    """
    plan = state.plan
    if plan is None:
        return False
    decodes = plan.source == "video"
    is_split = state.request.trigger.needs_split if decodes else plan.frames.container == WORK
    frames_are_damaged &= not decodes  # a video that was replaced stays refused: it is the user's
    manifest = _planned_manifest(app, plan)
    if is_split and (frames_are_damaged or manifest is None or not _split_is_complete(app, plan, manifest)):
        if state.split is None:
            app.storage.runs.create(RunPaths(state.run_id).splits_again, b"")
        plan_again(app, state, splits=True)
        return True
    has_styles = all(app.storage.work.exists(style.blob.name) for style in plan.styles)
    if manifest is None or not has_styles:
        plan_again(app, state, splits=False)
        return True
    restore_pins(app, plan, manifest)
    return False


def _planned_manifest(app: App, plan: Plan) -> Manifest | None:
    """Return the run's manifest, or None if it is missing or not the planned one."""
    blob = app.storage.runs.read(RunPaths(plan.run_id).manifest)
    if blob is None or sha256_of(blob.data) != plan.manifest_sha256:
        return None
    return Manifest.load_stored(blob.data)


def restore_pins(app: App, plan: Plan, manifest: Manifest | None = None) -> bool:
    """Make damaged pins of a run's input again, if the input is still the planned one; return whether they were.

    Input that was replaced meanwhile is not pinned: the run would get other input than it was planned with.
    """
    try:
        read_pins(app.storage.runs, plan)
    except DamagedPinsError as error:
        manifest = manifest or _planned_manifest(app, plan)
        pins = pin_inputs(app.storage, plan, manifest) if manifest is not None else None
        if pins is None or pins.digest != plan.inputs_sha256:
            return False
        _log.warning("run %s: the pins of its input are made again: %s", plan.run_id, error.what)
        store_pins(app.storage.runs, pins)
        return True
    return False


def _split_is_complete(app: App, plan: Plan, manifest: Manifest) -> bool:
    """Return whether all frames that a split has stored, and the sound, exist."""
    if plan.audio is not None and not app.storage.work.exists(plan.audio.name):
        return False
    return plan.source == "video" or frames_are_complete(app.storage, plan.frames, manifest)
