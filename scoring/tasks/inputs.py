"""What the scorer of a task gets of the run: options, style files, sample frames, and what all tasks share."""

import logging
from collections.abc import Callable, Sequence
from dataclasses import replace

import safetensors.numpy
from safetensors import SafetensorError

from frame_tools.contracts.errors import DamagedError, NextStep, TemporaryError
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, PlannedStyle
from frame_tools.contracts.working_size import working_size
from frame_tools.storage.blobs import sha256_of
from frame_tools.storage.quarantine import quarantine
from scoring.pipeline.frame_reader import PictureSource, read_frame
from scoring.postprocess.resize import to_working_size
from scoring.tasks.base import Task
from scoring.types import Picture, Prepared, RunInputs, Scorer, StyleFile, StyleMix

_log = logging.getLogger(__name__)


def run_inputs(task: Task, plan: Plan, manifest: Manifest, source: PictureSource) -> RunInputs:
    """Read the run's style files; the sample frames are read when they are asked for.

    Raises DamagedError for a style file that is not the planned one.
    """

    def sample() -> list[Picture]:
        size = working_size(manifest.width, manifest.height, plan.options)
        return [to_working_size(read_frame(manifest, source, index).picture, size) for index in plan.sample]

    return RunInputs(
        options=plan.options,
        styles=tuple(StyleFile(style.name, _read_style(task, style)) for style in plan.styles),
        style_mixes=tuple(StyleMix(keyframe.at, keyframe.weights) for keyframe in plan.key_styles),
        sample=sample,
    )


def prepare_once(
    task: Task,
    scorer: Scorer,
    run: RunInputs,
    *,
    tuned: Callable[[Sequence[StyleFile]], tuple[StyleFile, ...]] = tuple,
) -> Prepared:
    """Return what the run's tasks share, computing and storing it if no task has done so.

    `tuned` returns the style files that the scorer gets in place of the run's own.

    The first task to store it wins; its values are read back, so that every task uses the same bytes. A damaged file is
    quarantined and computed again, with the same result. Raises TemporaryError if it is damaged again at once.
    """
    for _ in range(2):
        prepared = _read_prepared(task)
        if prepared is not None:
            return prepared
        values = dict(scorer.prepare(replace(run, styles=tuned(run.styles))))
        if not values:
            return values
        task.storage.runs.create(RunPaths(task.run_id).prepared, safetensors.numpy.save(values))
    prepared = _read_prepared(task)
    if prepared is None:
        raise TemporaryError("The prepared values of the run were damaged twice", "Wait: Batch retries the task")
    return prepared


def _read_prepared(task: Task) -> Prepared | None:
    """Return what the run's tasks share, or None if it is not stored or was damaged and is quarantined."""
    name = RunPaths(task.run_id).prepared
    blob = task.storage.runs.read(name)
    try:
        return safetensors.numpy.load(blob.data) if blob else None
    except (SafetensorError, ValueError, KeyError) as error:
        _log.warning("The prepared values are damaged and are computed again: %s", error)
        quarantine(task.storage.runs, task.run_id, name, etag=blob.etag if blob else None)
        return None


def _read_style(task: Task, style: PlannedStyle) -> bytes:
    data = task.storage.data_container(style.blob.container).need(style.blob.name).data
    if sha256_of(data) != style.sha256:
        raise DamagedError(
            f"The style {style.name} is not the planned one",
            "Upload the trigger file again to start a new run",
            next_step=NextStep.START_NEW_RUN,
        )
    return data
