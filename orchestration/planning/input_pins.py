"""Pins of a run's input: what identifies each frame, mask, the video and the sound as it was planned."""

from typing import Final

from frame_tools.contracts.errors import InputError
from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import BlobRef, Plan
from frame_tools.storage.deployment import Storage
from frame_tools.storage.pins import pin_of
from orchestration.planning.masks import pin_masks
from orchestration.planning.video_source import pin_video

_UPLOAD_AGAIN: Final = "Upload it, then upload the trigger file again"


def pin_frames(storage: Storage, frames: BlobRef, manifest: Manifest) -> tuple[str, ...] | None:
    """Return the pin of every frame of the manifest; None unless all exist and none is empty."""
    pins = {item.name: pin_of(item) for item in storage.data_container(frames.container).list(frames.name) if item.size}
    names = [frames.name + manifest.frame_name(index) for index in range(manifest.frame_count)]
    return tuple(pins[name] for name in names) if all(name in pins for name in names) else None


def pin_inputs(storage: Storage, plan: Plan, manifest: Manifest) -> InputPins | None:
    """Return the pins of the present input of a planned run; None if some of it is missing."""
    frames = pin_source(storage, plan, manifest)
    if frames is None:
        return None
    try:
        masks, audio = pin_masks(storage, plan.mask, manifest), pin_sound(storage, plan.audio)
    except InputError:
        return None
    return InputPins(run_id=plan.run_id, frames=frames, masks=masks, audio=audio)


def pin_source(storage: Storage, plan: Plan, manifest: Manifest) -> tuple[str, ...] | None:
    """Return the pins of what the tasks of a plan read: its frames, or its video; None if something is missing."""
    if plan.source == "video":
        return pin_video(storage, plan.frames)
    return pin_frames(storage, plan.frames, manifest)


def pin_sound(storage: Storage, audio: BlobRef | None) -> str | None:
    """Return the pin of the audio file, or None for a run without. Raises InputError if it does not exist."""
    if audio is None:
        return None
    stored = storage.data_container(audio.container).info(audio.name)
    if stored is None:
        raise InputError(f"The audio file {audio.name!r} of the manifest does not exist", _UPLOAD_AGAIN)
    return pin_of(stored)


def frames_are_complete(storage: Storage, frames: BlobRef, manifest: Manifest) -> bool:
    """Return whether every frame of the manifest exists and is not empty."""
    sizes = {item.name: item.size for item in storage.data_container(frames.container).list(frames.name)}
    return all(sizes.get(frames.name + manifest.frame_name(index)) for index in range(manifest.frame_count))
