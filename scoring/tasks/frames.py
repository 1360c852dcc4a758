"""Where a task gets its frames from: files that are stored, or the run's video."""

from frame_tools.contracts.inputs import InputPins
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import Plan
from scoring.pipeline.frame_reader import PictureSource
from scoring.pipeline.frame_source import open_frames
from scoring.pipeline.pinned_inputs import pinned_frames
from scoring.pipeline.video_frames import open_video_frames
from scoring.tasks.base import Task


def open_source(task: Task, plan: Plan, manifest: Manifest, pins: InputPins | None) -> PictureSource:
    """Return the frames of a run, compared with their pins; raises InputError for a video that is gone or replaced."""
    storage = task.storage
    if plan.source == "video":
        return open_video_frames(storage.data_container(plan.frames.container), plan.frames, pins, manifest)
    return pinned_frames(open_frames(task.environ, storage, plan.frames), storage, plan.frames, pins, manifest)
