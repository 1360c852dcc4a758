"""Corrected frames of a failed run: a resubmission accepts them for the batches that failed because of their input.

A frame that can't be decoded ends its batch. The remedy is a valid file in its place, whose version the plan does not
pin. It is accepted if nothing else of the frames was replaced; so a video is never made of two uploads without notice.
"""

import logging

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, ErrorCode, InputError
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import WORK, RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import read_pins, store_pins
from frame_tools.storage.recorded_hashes import record_hash
from orchestration.app import App, image_of_copy
from orchestration.planning.input_pins import pin_frames
from orchestration.planning.planner import proves_batch
from orchestration.state import RunState

_log = logging.getLogger(__name__)


def accept_corrected_frames(app: App, state: RunState) -> None:
    """Pin the present version of replaced frames, if all of them are in batches that failed because of their input.

    The plan then pins the receipts of the other batches, too, which name its earlier form. Raises InputError for a run
    that has not ended: its tasks would go on with the earlier form, and what they paint would not count.
    """
    plan = state.plan
    correctable = _frames_of_failed_batches(state)
    if plan is None or not correctable or plan.source == "video" or plan.frames.container == WORK:
        return  # frames of a video can't be corrected: another video needs another index, and so another run
    pins = _planned_pins(app.storage, plan)
    current = pin_frames(app.storage, plan.frames, _manifest(app.storage, plan)) if pins is not None else None
    if pins is None or current is None:
        return
    replaced = {index for index, pin in enumerate(current) if pin != pins.frames[index]}
    if not replaced or not replaced <= correctable:
        return
    if state.outcome is None:
        raise InputError(
            f"Frames were corrected while the run {plan.run_id} is going on",
            "Wait until it has ended, or cancel it; then resubmit what is missing",
        )
    _log.info("run %s: %s corrected frames are accepted", plan.run_id, len(replaced))
    corrected = pins.model_copy(update={"frames": current})
    store_pins(app.storage.runs, corrected)
    kept = plan.kept_receipts | _receipt_hashes(app.storage, state, plan)
    changes = {"inputs_sha256": corrected.digest, "kept_receipts": kept, "node_image": image_of_copy(app, plan)}
    corrected_plan = plan.model_copy(update=changes)
    record_hash(app.storage, corrected_plan)
    app.storage.runs.write(RunPaths(plan.run_id).plan, corrected_plan.dumps())


def _frames_of_failed_batches(state: RunState) -> frozenset[int]:
    """Return the indices of the frames of batches that failed because of their input."""
    if state.plan is None:
        return frozenset()
    failed = [
        batch for batch in state.failed_batches if state.failures[ids.step_name(batch)].code is ErrorCode.INVALID_INPUT
    ]
    return frozenset(index for batch in failed for index in range(*state.plan.span(batch)))


def _planned_pins(storage: Storage, plan: Plan) -> InputPins | None:
    """Return the run's pins; None if the plan has none or they are damaged, which planning again mends."""
    try:
        return read_pins(storage.runs, plan)
    except DamagedError:
        return None


def _manifest(storage: Storage, plan: Plan) -> Manifest:
    return Manifest.load_stored(storage.runs.need(RunPaths(plan.run_id).manifest).data)


def _receipt_hashes(storage: Storage, state: RunState, plan: Plan) -> dict[int, str]:
    """Return the SHA-256 of each receipt that proves a batch of the plan."""
    names = RunPaths(state.run_id)
    plan_sha256 = sha256_of(storage.runs.need(names.plan).data)
    blobs = {batch: storage.runs.read(names.receipt(batch)) for batch in sorted(state.receipts)}
    return {
        batch: sha256_of(blob.data)
        for batch, blob in blobs.items()
        if blob is not None and proves_batch(blob.data, batch, plan, plan_sha256)
    }
