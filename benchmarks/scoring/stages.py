"""Time of a frame in each stage besides the network; each stage is measured alone, on one thread."""

from itertools import pairwise
from typing import Final

import torch

from benchmarks.scoring.device_stages import device_stage_times
from benchmarks.scoring.planned import RUN, Planned
from benchmarks.scoring.timing import time_stage
from frame_tools.contracts.paths import RunPaths
from frame_tools.contracts.working_size import working_size
from frame_tools.media.segment import SegmentEncoder
from frame_tools.storage.blobs import sha256_of
from scoring.image_codec import decode, encode_jpeg
from scoring.pipeline.frame_reader import read_frame
from scoring.pipeline.stages import is_gpu
from scoring.postprocess.resize import to_working_size
from scoring.temporal.flow import estimate_motion
from scoring.temporal.smooth import TemporalSmoother
from scoring.types import Picture

MAX_FRAMES: Final = 24


def stage_times(run: Planned, device: torch.device) -> dict[str, dict[str, float]]:
    """Return the wall and CPU time of a frame in each stage, in milliseconds; the run's task must be done.

    `read`: file to picture; `encode`: picture to file, with its hash; `segment`: H.264, whose encoder takes frames in
    order and has threads of its own. With temporal smoothing, also `estimate_motion`: the motion of the input and its
    confidence, and `smooth`: averaging, anchor frames and sharpening, also in order and with threads of its own. Both
    are of the CPU; on a GPU they are `device_stages.device_stage_times`.
    """
    count = min(run.plan.frame_count, MAX_FRAMES)
    painted = [_painted(run, index) for index in range(count)]
    encoder = SegmentEncoder(run.manifest, odd_size=run.plan.options.odd_size)

    def segment(picture: Picture) -> None:
        encoder.add(picture)

    times = {
        "read": time_stage(lambda index: read_frame(run.manifest, run.source, index), range(count)),
        "encode": time_stage(lambda picture: _store(run, encode_jpeg(picture)), painted),
        "segment": time_stage(segment, painted, finish=encoder.finish),
    }
    inputs = [_downscaled(run, read_frame(run.manifest, run.source, index).picture) for index in range(len(painted))]
    scored = [_downscaled(run, picture) for picture in painted]
    weight = run.plan.options.smoothing_weight
    if is_gpu(device):
        return times | device_stage_times(inputs, scored, weight, device)
    return times | _smoothing_times(inputs, scored, weight) if weight else times


def _smoothing_times(inputs: list[Picture], scored: list[Picture], weight: float) -> dict[str, dict[str, float]]:
    pairs = list(pairwise([inputs[0], *inputs]))
    motions = [estimate_motion(*pair) for pair in pairs]
    smoother = TemporalSmoother(weight)
    painted = list(zip(scored, motions, range(len(scored)), strict=True))
    return {
        "estimate_motion": time_stage(lambda pair: estimate_motion(*pair), pairs),
        "smooth": time_stage(lambda frame: smoother.smooth(*frame), painted),
    }


def _downscaled(run: Planned, picture: Picture) -> Picture:
    whole = (run.manifest.width, run.manifest.height)
    size = working_size(*whole, run.plan.options)
    return picture if size == whole else to_working_size(picture, size)


def _painted(run: Planned, index: int) -> Picture:
    name = run.manifest.painted_name(index)
    return decode(run.storage.work.need(RunPaths(RUN).painted_frame(name)).data, name)


def _store(run: Planned, data: bytes) -> None:
    run.storage.work.write("stage", data)
    sha256_of(data)
