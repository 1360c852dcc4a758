"""The Batch tasks of runs and previews as frozen values: a pure function of step and settings, without a service."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from frame_tools.contracts import ids
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.preview_paths import PreviewPaths
from frame_tools.storage.mode import MAX_FRAME_PIXELS, MAX_FRAMES, STORAGE_MODE
from frame_tools.telemetry import logs
from orchestration.settings import Settings

PREVIEW_TASK_ID: Final = "preview"
PREVIEW_TASK_LIMIT: Final = dt.timedelta(minutes=10)
"""Maximum wall-clock time of one try of a preview."""


@dataclass(frozen=True, kw_only=True)
class TaskSpec:
    """One task: its command line, container image, environment and output folder."""

    task_id: str
    command: str
    image: str
    environment: Mapping[str, str] = field(default_factory=dict)
    output_folder: str
    """Folder of the container `logs` that receives stdout.txt and stderr.txt."""
    retries: int
    limit: dt.timedelta
    """Maximum wall-clock time of one attempt."""


def task_spec(
    run_id: str, work: ids.Work, *, attempt: int, image: str, settings: Settings, environment: Mapping[str, str]
) -> TaskSpec:
    """Return the task of some batches, "split" or "join" in the container image `image`.

    The command line contains only run ids and numbers. Both have a fixed format, so nothing needs quoting. That of a
    single batch is the one that node images of earlier versions know.
    """
    task_id = ids.task_id(work, attempt)
    limit = dt.timedelta(minutes=settings.task_minutes)
    if isinstance(work, ids.BatchRange):
        last = f" --last {work.last}" if work.last > work.first else ""
        arguments = f"run --run {run_id} --batch {work.first}{last}"
        limit = min(limit * len(work.numbers), max(limit, dt.timedelta(hours=settings.run_hours)))
    else:
        arguments = f"{work} --run {run_id}"
    return TaskSpec(
        task_id=task_id,
        command=f"python -m scoring {arguments}",
        image=image,
        environment={
            **environment,
            logs.CORRELATION_ID: run_id,
            STORAGE_MODE: settings.storage_mode,
            MAX_FRAMES: str(settings.max_frames),
            MAX_FRAME_PIXELS: str(settings.max_frame_pixels),
        },
        output_folder=RunPaths(run_id).task_output_folder(task_id),
        retries=settings.max_task_retries,
        limit=limit,
    )


def preview_task_spec(preview_id: str, attempt: int, *, settings: Settings, environment: Mapping[str, str]) -> TaskSpec:
    """Return the task of a preview. It is tried once more: whoever waits for it can order it again."""
    return TaskSpec(
        task_id=PREVIEW_TASK_ID,
        command=f"python -m scoring paint-preview --preview {preview_id} --attempt {attempt}",
        image=settings.node_image,
        environment={**environment, logs.CORRELATION_ID: preview_id},
        output_folder=PreviewPaths(preview_id).job_id(attempt),
        retries=min(1, settings.max_task_retries),
        limit=PREVIEW_TASK_LIMIT,
    )
