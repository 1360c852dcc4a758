"""Builds the pipeline's stages from the plan: everything that happens to a frame besides scoring."""

from collections.abc import Callable
from dataclasses import dataclass

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import BadFrame
from frame_tools.contracts.working_size import working_size
from scoring.pipeline.frame_guard import Guard
from scoring.pipeline.frame_reader import decode_frame
from scoring.pipeline.masks import Masks
from scoring.pipeline.types import Stages
from scoring.postprocess.compositor import Compositor
from scoring.postprocess.resize import to_working_size
from scoring.temporal.flow import FlowEstimator, MotionField
from scoring.temporal.measure import measure_pair
from scoring.temporal.smooth import TemporalSmoother, warm_up_start
from scoring.types import DecodedFrame, Picture, Score


@dataclass(frozen=True)
class PictureStages:
    """The stages of one batch of pictures, and its guarded score."""

    stages: Stages[MotionField]
    guard: Guard

    @property
    def score(self) -> Score:
        """The score to call: the guard."""
        return self.guard

    def bad_frames(self, start: int, end: int) -> tuple[BadFrame, ...]:
        """Return the bad frames in [start, end), with the action taken for each."""
        return self.guard.bad_frames(start, end)


def first_needed(plan: Plan, manifest: Manifest, start: int) -> int:
    """Return the first frame that a batch beginning at `start` must read, so that its border is not visible.

    A scorer of records may compare a frame with the previous one, so it gets one frame more.
    """
    if plan.makes == "records":
        return max(0, start - 1)
    if not plan.options.smoothing_weight:
        return start
    return warm_up_start(start, weight=plan.options.smoothing_weight, cuts=manifest.cuts)


def input_stages(plan: Plan, manifest: Manifest) -> Stages[MotionField]:
    """Return the stages before the scorer: decode, and downscale if the plan asks for it."""
    full_size = (manifest.width, manifest.height)
    size = working_size(*full_size, plan.options)
    downscale = None if size == full_size else lambda picture: to_working_size(picture, size)
    return Stages(decode=lambda data, name: decode_frame(manifest, data, name), downscale=downscale)


def picture_stages(plan: Plan, manifest: Manifest, score: Score, masks: Masks | None) -> PictureStages:
    """Build all stages of a batch. They hold state, so each batch needs its own."""
    before = input_stages(plan, manifest)
    guard = Guard(score, plan.options.bad_frame, reject_blank=bool(plan.styles), scale=plan.scale)
    stages = Stages(
        decode=before.decode,
        downscale=before.downscale,
        estimate_motion=FlowEstimator(cuts=manifest.cuts) if plan.options.smoothing_weight else None,
        smooth=_smooth_stage(plan, guard),
        composite=_composite_stage(plan, masks),
        measure=measure_pair,
    )
    return PictureStages(stages, guard)


def _smooth_stage(plan: Plan, guard: Guard) -> Callable[[DecodedFrame, Picture, MotionField | None], Picture]:
    """Return the ordered stage: resolve bad frames, then smooth in time."""

    def resolve(frame: DecodedFrame, scored: Picture) -> Picture:
        return guard.resolve(frame.position.index, frame.name, frame.working_picture, scored)

    if not plan.options.smoothing_weight:
        return lambda frame, scored, _motion: resolve(frame, scored)
    smoother = TemporalSmoother(plan.options.smoothing_weight)
    return lambda frame, scored, motion: smoother.smooth(resolve(frame, scored), motion)


def _composite_stage(plan: Plan, masks: Masks | None) -> Callable[[DecodedFrame, Picture], Picture]:
    """Return the last stage, which applies the run's size, colors, mask and strength."""
    compositor = Compositor(plan.options, scale=plan.scale)

    def composite(frame: DecodedFrame, scored: Picture) -> Picture:
        height, width = (side * plan.scale for side in frame.picture.shape[:2])
        mask = None if masks is None else masks.mask(frame.position.index, (width, height))
        return compositor(frame.picture, scored, mask)

    return composite
