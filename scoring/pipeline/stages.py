"""Builds the pipeline's stages from the plan: everything that happens to a frame besides scoring."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import BadFrame
from frame_tools.contracts.working_size import working_size
from scoring.pipeline.frame_guard import Guard
from scoring.pipeline.frame_reader import decode_frame
from scoring.pipeline.masks import Masks
from scoring.pipeline.types import Stages, SteppedScore
from scoring.postprocess.compositor import Compositor
from scoring.postprocess.resize import to_working_size
from scoring.temporal.flow import FlowEstimator, MotionField
from scoring.temporal.measure import measure_pair
from scoring.temporal.smooth import SmoothingState, TemporalSmoother, warm_up_start
from scoring.types import DecodedFrame, Picture, Score, TensorScore


@dataclass(frozen=True, kw_only=True)
class Borders:
    """Where batches end within a task, and where smoothing resumes from a stored state."""

    ends: Mapping[int, int] = field(default_factory=dict)
    """Batch by the index of its last frame, for each batch that is not the last one of its task."""
    resume_at: int | None = None
    """Index of the first frame: the one before a batch that is scored without those before it."""
    state: SmoothingState | None = None
    """The state after that frame."""
    on_end: Callable[[int, SmoothingState], None] = lambda _batch, _state: None
    """Receives a batch and the state of smoothing at its end, on the thread of smoothing."""


ONE_BATCH: Final = Borders()


@dataclass(frozen=True)
class PictureStages:
    """The stages of consecutive batches of pictures, and their guarded score."""

    stages: Stages[MotionField]
    guard: Guard
    on_device: SteppedScore | None = None

    @property
    def score(self) -> Score | SteppedScore:
        """The score to call: the guard, or what also smooths on the device."""
        return self.guard if self.on_device is None else self.on_device

    def bad_frames(self, start: int, end: int) -> tuple[BadFrame, ...]:
        """Return the bad frames in [start, end), with the action taken for each."""
        return self.guard.bad_frames(start, end)


def first_needed(plan: Plan, manifest: Manifest, start: int) -> int:
    """Return the first frame that a task beginning at `start` must read, so that its border is not visible.

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


def picture_stages(
    plan: Plan, manifest: Manifest, score: Score, masks: Masks | None, borders: Borders = ONE_BATCH
) -> PictureStages:
    """Build all stages of consecutive batches. They hold state, so each pass through the pipeline needs its own."""
    if isinstance(score, TensorScore) and is_gpu(score.device):
        return device_stages(plan, manifest, score, masks, borders)
    before = input_stages(plan, manifest)
    guard = Guard(score, plan.options.bad_frame, reject_blank=bool(plan.styles), scale=plan.scale)
    stages = Stages(
        decode=before.decode,
        downscale=before.downscale,
        estimate_motion=FlowEstimator(cuts=manifest.cuts) if plan.options.smoothing_weight else None,
        smooth=_smooth_stage(
            guard, TemporalSmoother(plan.options.smoothing_weight) if plan.options.smoothing_weight else None, borders
        ),
        composite=_composite_stage(plan, masks),
        measure=measure_pair,
    )
    return PictureStages(stages, guard)


def is_gpu(device: Any) -> bool:
    """Return whether a torch.device is a GPU."""
    return bool(device.type == "cuda")


def device_stages(
    plan: Plan, manifest: Manifest, score: TensorScore, masks: Masks | None, borders: Borders
) -> PictureStages:
    """Build the same stages, but motion, painting and smoothing stay on the score's device."""
    from scoring.pipeline.on_device import DeviceScoring
    from scoring.temporal.gpu.smoother import TensorSmoother

    weight = plan.options.smoothing_weight
    guard = Guard(score, plan.options.bad_frame)
    scoring = DeviceScoring(
        score,
        guard,
        _smooth_stage(guard, TensorSmoother(weight, score.device) if weight else None, borders),
        with_motion=bool(weight),
        cuts=manifest.cuts,
        reject_blank=bool(plan.styles),
    )
    before = input_stages(plan, manifest)
    stages = Stages[MotionField](
        decode=before.decode,
        downscale=before.downscale,
        composite=_composite_stage(plan, masks),
        measure=measure_pair,
    )
    return PictureStages(stages, guard, scoring)


def _smooth_stage(guard: Guard, smoother: Any, borders: Borders) -> Callable[[DecodedFrame, Any, Any], Any]:
    """Return the ordered stage: resolve bad frames, smooth in time, and round the state at the ends of batches.

    Where smoothing resumes, the frame before the batch only leads to the motion of the batch's first frame. The stage
    works on pictures or on tensors, as the smoother does; None does not smooth.
    """

    def smooth(frame: DecodedFrame, scored: Any, motion: Any) -> Any:
        index = frame.position.index
        picture = guard.resolve(index, frame.name, frame.working_picture, scored)
        if smoother is not None:
            if index == borders.resume_at and borders.state is not None:
                smoother.resume(borders.state)
            else:
                picture = smoother.smooth(picture, motion, index, is_good=guard.last_is_good)
        if index in borders.ends:
            guard.end_batch(continues=smoother is not None)
            if smoother is not None and (state := smoother.end_batch()) is not None:
                borders.on_end(borders.ends[index], state)
        return picture

    return smooth


def _composite_stage(plan: Plan, masks: Masks | None) -> Callable[[DecodedFrame, Picture], Picture]:
    """Return the last stage, which applies the run's size, colors, mask and strength."""
    compositor = Compositor(plan.options, scale=plan.scale)

    def composite(frame: DecodedFrame, scored: Picture) -> Picture:
        height, width = (side * plan.scale for side in frame.picture.shape[:2])
        mask = None if masks is None else masks.mask(frame.position.index, (width, height))
        return compositor(frame.picture, scored, mask)

    return composite
