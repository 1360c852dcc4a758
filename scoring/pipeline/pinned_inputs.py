"""Comparison of a task's frames and masks with the versions that the run was planned with.

A new upload in place of a file is noticed whenever a task reads it, so that no video is made of two uploads. The same
file may be uploaded again.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

from frame_tools.contracts.errors import ErrorCode, InputError, NextStep
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import BlobRef, Plan
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import has_version, read_pins
from frame_tools.storage.ports import BlobContainer
from scoring.pipeline.frame_source import FrameError, FrameSource
from scoring.pipeline.masks import ReadBlob

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class PinnedFrames:
    """Frames of another source, each compared with its pin; `prefix` is that of their blobs in `container`."""

    source: FrameSource
    container: BlobContainer
    prefix: str
    pins: Mapping[str, str]
    """By file name."""

    def read(self, name: str) -> bytes:
        """Return the file of a frame; raises FrameError also if it was replaced after the run was planned."""
        data = self.source.read(name)
        if not has_version(self.pins[name], data, self.container, self.prefix + name):
            raise FrameError(
                *_replaced(f"The frame {name!r}"), code=ErrorCode.INPUT_CHANGED, next_step=NextStep.RESUBMIT
            )
        return data


def open_pins(storage: Storage, plan: Plan) -> InputPins | None:
    """Return the pins of the run's input; None, with a log entry, for a plan of an earlier version."""
    pins = read_pins(storage.runs, plan)
    if pins is None:
        _log.warning("The plan was written by an earlier version: frames, masks and sound are not compared with it")
    return pins


def pinned_frames(
    source: FrameSource, storage: Storage, ref: BlobRef, pins: InputPins | None, manifest: Manifest
) -> FrameSource:
    """Return the frames of `source`, which are those under `ref`, compared with their pins if there are any."""
    if pins is None:
        return source
    by_name = {manifest.frame_name(index): pin for index, pin in enumerate(pins.frames)}
    return PinnedFrames(source, storage.data_container(ref.container), ref.name, by_name)


def pinned_masks(read: ReadBlob, container: BlobContainer, pins: Mapping[str, str]) -> ReadBlob:
    """Return `read` with each blob compared with its pin in `pins`, by blob name."""

    def read_pinned(name: str) -> bytes | None:
        data = read(name)
        if data is not None and name in pins and not has_version(pins[name], data, container, name):
            raise InputError(
                *_replaced(f"The mask {name!r}"), code=ErrorCode.INPUT_CHANGED, next_step=NextStep.RESUBMIT
            )
        return data

    return read_pinned


def mask_pins(plan: Plan, pins: InputPins | None, manifest: Manifest) -> Mapping[str, str]:
    """Return the pins of the run's masks by blob name."""
    if pins is None or plan.mask is None:
        return {}
    if plan.mask.kind == "video":
        return dict(zip((plan.mask.blob.name,), pins.masks, strict=False))
    return {plan.mask.blob_for(manifest.frame_name(index)): pin for index, pin in enumerate(pins.masks)}


def _replaced(what: str) -> tuple[str, str]:
    """Return cause and remedy for a file that was replaced after the run was planned."""
    remedy = (
        "Upload the original again, then resubmit the missing batches; for the new file, start a new run by uploading"
        " the trigger file again"
    )
    return f"{what} was replaced after the run was planned", remedy
