"""What a scorer may know of a run: its options, style files and sample frames; and what all its tasks share."""

from fractions import Fraction

import safetensors.numpy

from frame_tools.contracts.errors import DamagedError, InputError, NextStep
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.plan import Plan, PlannedStyle
from frame_tools.storage.blobs import sha256_of
from scoring import image_codec as images
from scoring.image_codec import Decoded
from scoring.pipeline.frame_source import FrameSource
from scoring.postprocess.resize import to_working_size, working_size
from scoring.tasks.base import Task
from scoring.types import FramePosition, Picture, Prepared, RunInputs, Scorer, StyleFile, StyleMix


def run_inputs(task: Task, plan: Plan, manifest: Manifest, store: FrameSource) -> RunInputs:
    """Read the run's style files; the sample frames are read when they are asked for.

    Raises DamagedError for a style file that is not the planned one.
    """

    def sample() -> list[Picture]:
        size = working_size(manifest.width, manifest.height, plan.options)
        found = (read_frame(manifest, store, index) for index in plan.sample)
        return [to_working_size(frame.picture, size) for frame in found]

    return RunInputs(
        options=plan.options,
        styles=tuple(StyleFile(style.name, _style(task, style)) for style in plan.styles),
        style_mixes=tuple(StyleMix(key.at, key.weights) for key in plan.key_styles),
        sample=sample,
    )


def prepared(task: Task, scorer: Scorer, run: RunInputs) -> Prepared:
    """Return what the run's tasks share.

    Whoever writes it first wins; the winner's is read back, so every task uses the same bytes.
    """
    place = RunPaths(task.run_id).prepared
    blob = task.storage.runs.read(place)
    if blob is None:
        values = dict(scorer.prepare(run))
        if not values:
            return values
        task.storage.runs.create(place, safetensors.numpy.save(values))
        blob = task.storage.runs.need(place)
    loaded: Prepared = safetensors.numpy.load(blob.data)
    return loaded


def read_frame(manifest: Manifest, store: FrameSource, index: int) -> Decoded:
    """Read and decode the frame `index`; raises InputError if it is gone, unreadable or of another size."""
    name = manifest.frame_name(index)
    return decode_frame(manifest, store.read(name), name)


def decode_frame(manifest: Manifest, data: bytes, name: str) -> Decoded:
    """Decode a frame's file; raises InputError if it is unreadable or has another size than the video."""
    decoded = images.decode_with_alpha(data, name)
    height, width = decoded.picture.shape[:2]
    if (width, height) != (manifest.width, manifest.height):
        raise InputError(
            f"The frame {name} has {width}x{height} pixels, the video has {manifest.width}x{manifest.height}",
            "Upload frames of one size, then resubmit what is missing",
            next_step=NextStep.RESUBMIT,
        )
    return decoded


def frame_position(manifest: Manifest, index: int) -> FramePosition:
    """Return a frame's index and its time in seconds from the first frame."""
    ticks = manifest.frame_pts[index] - manifest.frame_pts[0]
    return FramePosition(index, float(Fraction(ticks) * manifest.time_base))


def _style(task: Task, style: PlannedStyle) -> bytes:
    data = task.storage.data_container(style.blob.container).need(style.blob.name).data
    if sha256_of(data) != style.sha256:
        raise DamagedError(
            f"The style {style.name} is not the planned one", "Start the run anew", next_step=NextStep.START_NEW_RUN
        )
    return data
