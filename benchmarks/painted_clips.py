"""Clips painted as a run paints them, and the networks with other transformer weights than the shipped ones."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import safetensors.torch
import torch

from benchmarks.frames import read_frames
from frame_tools.contracts.batch_borders import spread_sample
from frame_tools.contracts.options import Options
from frame_tools.contracts.working_size import working_size
from scoring.postprocess.resize import to_full_size, to_working_size
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.temporal.flow import estimate_motion
from scoring.temporal.smooth import TemporalSmoother
from scoring.types import FramePosition, Picture, RunInputs, Score, StyleFile, StyleMix


@dataclass(frozen=True)
class Footage:
    """The frames of a clip at its own size, and as the network sees them."""

    name: str
    frames: Sequence[Picture]
    small: Sequence[Picture]
    options: Options

    @classmethod
    def read(cls, path: Path, options: Options) -> "Footage":
        """Read a video; options that are not given have the defaults of a run."""
        options = options.with_default_strokes.with_default_calm
        frames = list(read_frames(path))
        height, width = frames[0].shape[:2]
        size = working_size(width, height, options)
        return cls(path.stem, frames, [to_working_size(frame, size) for frame in frames], options)


def load_scorer(transformer: Path) -> AnyPainting:
    """Load the any-painting network on the CPU with the transformer of a safetensors file, as in the repository."""
    networks = load_published_networks()
    networks.transformer.load_state_dict(safetensors.torch.load(transformer.read_bytes()), strict=True)
    return AnyPainting(networks, torch.device("cpu"))


def open_score(scorer: AnyPainting, footage: Footage, painting: Path) -> Score:
    """Return what paints the small frames of the clip, with the statistics of its sample."""
    run = RunInputs(
        options=footage.options,
        styles=(StyleFile(painting.name, painting.read_bytes()),),
        style_mixes=(StyleMix(0, (1.0,)),),
        sample=lambda: [footage.small[index] for index in spread_sample(len(footage.small))],
    )
    return scorer.open(run, scorer.prepare(run))


def paint_frame(scorer: AnyPainting, footage: Footage, painting: Path, index: int) -> Picture:
    """Paint one frame, without those before it, at the size of the clip."""
    score = open_score(scorer, footage, painting)
    painted = score(footage.small[index][None], (FramePosition(index, 0.0),))[0]
    return to_full_size(painted, footage.frames[index])


def paint_clip(scorer: AnyPainting, footage: Footage, painting: Path, *, count: int) -> Iterator[Picture]:
    """Paint the first `count` frames with temporal smoothing; yields them at the size of the clip."""
    score = open_score(scorer, footage, painting)
    smoother = TemporalSmoother(footage.options.smoothing_weight)
    small = footage.small[:count]
    motions = [None, *(estimate_motion(before, frame) for before, frame in pairwise(small))]
    for index, (frame, motion) in enumerate(zip(small, motions, strict=True)):
        painted = score(frame[None], (FramePosition(index, 0.0),))[0]
        yield to_full_size(smoother.smooth(painted, motion, index), footage.frames[index])
