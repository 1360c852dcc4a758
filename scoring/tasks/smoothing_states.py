"""The state of temporal smoothing between two batches of a task, stored so that the second can be scored alone.

A batch that is scored again continues from exactly what the task kept at the end of the batch before, so it gets the
same bytes. If that state is lost, the task scores from an earlier batch without delivering.
"""

import logging
from dataclasses import dataclass
from typing import Final

import numpy as np
import safetensors.numpy
from safetensors import SafetensorError

from frame_tools.contracts import ids
from frame_tools.contracts.errors import DamagedError, VersionSkewError
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import Receipt, StoredFile
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.deployment import Storage
from scoring.temporal.anchor_frames import AnchorState
from scoring.temporal.smooth import SmoothingState

_log = logging.getLogger(__name__)

MAX_BYTES: Final = 96 * 2**20
"""Largest state that is stored: that of frames that are scored at 5120x2160."""
ANCHOR_PARTS: Final = {"luma": np.uint8, "input_luma": np.uint8, "displacement": np.float32, "share": np.float32}
"""Parts of an anchor frame and their types."""
MAX_ANCHORS: Final = 2


@dataclass(frozen=True, kw_only=True)
class Start:
    """Where smoothing begins for a batch: with the frames of an earlier one, or after the batch before with its state.

    `batch` is the first one whose frames are scored, delivered or not.
    """

    batch: int
    state: SmoothingState | None = None
    follows_failure: bool = False
    """Whether the batch before has failed permanently, so that its frames may not even serve as warm-up."""


def encode_state(state: SmoothingState) -> bytes | None:
    """Return the state as a safetensors file; None if it is larger than any that is stored."""
    counts = {"frames_in_scene": state.frames_in_scene, "first_is_good": state.first_is_good}
    counts["anchors"] = len(state.anchors)
    values = {"before": state.before, **{name: np.array([count]) for name, count in counts.items()}}
    for number, anchor in enumerate(state.anchors):
        values |= {f"anchors.{number}.{part}": getattr(anchor, part) for part in ANCHOR_PARTS}
    data = safetensors.numpy.save(values)
    return data if len(data) <= MAX_BYTES else None


def find_start(storage: Storage, plan: Plan, batch: int) -> Start:
    """Return where smoothing begins for a batch that is scored without the ones before it.

    That is at the nearest state of an earlier batch of its task, behind the nearest one that has failed permanently, or
    at the task's first batch.
    """
    first = plan.task_of(batch).first
    if not plan.options.smoothing_weight or plan.makes == "records":
        return Start(batch=batch)
    for earlier in range(batch - 1, first - 1, -1):
        state = _read_state(storage, plan, earlier)
        if state is not None:
            return Start(batch=earlier + 1, state=state)
        if storage.runs.exists(RunPaths(plan.run_id).failure(ids.step_name(earlier))):
            return Start(batch=earlier + 1, follows_failure=True)
        _log.warning("The state of smoothing after the batch %d is not there: scoring begins earlier", earlier)
    failure = RunPaths(plan.run_id).failure(ids.step_name(first - 1)) if first else ""
    return Start(batch=first, follows_failure=bool(failure) and storage.runs.exists(failure))


def _read_state(storage: Storage, plan: Plan, batch: int) -> SmoothingState | None:
    """Return the state at the end of a batch, or None if it is missing or damaged."""
    blob = storage.runs.read(RunPaths(plan.run_id).receipt(batch), limit=Receipt.max_bytes)
    try:
        receipt = Receipt.load_stored(blob.data) if blob else None
    except (DamagedError, VersionSkewError):
        return None
    return _load(storage, receipt.smoothing) if receipt is not None and receipt.smoothing is not None else None


def _load(storage: Storage, stored: StoredFile) -> SmoothingState | None:
    blob = storage.work.read(stored.name, limit=MAX_BYTES)
    if blob is None or sha256_of(blob.data) != stored.sha256:
        return None
    try:
        values = safetensors.numpy.load(blob.data)
        before, frames_in_scene = values["before"], int(values["frames_in_scene"][0])
        first_is_good, count = bool(values["first_is_good"][0]), min(int(values["anchors"][0]), MAX_ANCHORS)
        anchors = [{part: values[f"anchors.{number}.{part}"] for part in ANCHOR_PARTS} for number in range(count)]
    except (SafetensorError, ValueError, KeyError, IndexError):
        return None
    parts = [(each[part], dtype) for each in anchors for part, dtype in ANCHOR_PARTS.items()]
    if any(part.dtype != dtype for part, dtype in [(before, np.int16), *parts]):
        return None
    states = tuple(AnchorState(**each) for each in anchors)
    return SmoothingState(before=before, frames_in_scene=frames_in_scene, first_is_good=first_is_good, anchors=states)
