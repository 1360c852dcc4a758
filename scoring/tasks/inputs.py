"""What the scorer of a task gets of the run: options, style files, sample frames, and what all tasks share."""

import safetensors.numpy

from frame_tools.contracts.errors import DamagedError, NextStep
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, PlannedStyle
from frame_tools.storage.blobs import sha256_of
from scoring.pipeline.frame_reader import read_frame
from scoring.pipeline.frame_source import FrameSource
from scoring.postprocess.resize import to_working_size, working_size
from scoring.tasks.base import Task
from scoring.types import Picture, Prepared, RunInputs, Scorer, StyleFile, StyleMix


def run_inputs(task: Task, plan: Plan, manifest: Manifest, source: FrameSource) -> RunInputs:
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


def prepare_once(task: Task, scorer: Scorer, run: RunInputs) -> Prepared:
    """Return what the run's tasks share, computing and storing it if no task has done so.

    The first task to store it wins; its values are read back, so that every task uses the same bytes.
    """
    blob_name = RunPaths(task.run_id).prepared
    blob = task.storage.runs.read(blob_name)
    if blob is None:
        values = dict(scorer.prepare(run))
        if not values:
            return values
        task.storage.runs.create(blob_name, safetensors.numpy.save(values))
        blob = task.storage.runs.need(blob_name)
    return safetensors.numpy.load(blob.data)


def _read_style(task: Task, style: PlannedStyle) -> bytes:
    data = task.storage.data_container(style.blob.container).need(style.blob.name).data
    if sha256_of(data) != style.sha256:
        raise DamagedError(
            f"The style {style.name} is not the planned one",
            "Upload the trigger file again to start a new run",
            next_step=NextStep.START_NEW_RUN,
        )
    return data
