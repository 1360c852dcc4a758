"""What is done to each frame of a run beside scoring it: the parts for `stream`, put together from the plan."""

from collections.abc import Callable
from dataclasses import dataclass

from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.plan import Plan
from frame_tools.contracts.receipt import BadFrame
from scoring.pipeline.frame_guard import Guard
from scoring.pipeline.masks import Masks
from scoring.pipeline.pipeline import Stages
from scoring.postprocess.compositor import Compositor
from scoring.postprocess.resize import to_working_size, working_size
from scoring.tasks.inputs import decode_frame
from scoring.temporal.flow import FlowEstimator, MotionField
from scoring.temporal.measure import measure_pair
from scoring.temporal.smooth import TemporalSmoother, warm_up_start
from scoring.types import DecodedFrame, Picture, Score


@dataclass(frozen=True)
class PictureStages:
    """The stages of one batch of pictures, its guarded score, and what the guard found."""

    score: Score
    stages: Stages[MotionField]
    guard: Guard

    def bad_frames(self, start: int, end: int) -> tuple[BadFrame, ...]:
        """Return the frames of the batch that went wrong, and what was done about them."""
        return self.guard.found(start, end)


def first_needed(plan: Plan, manifest: Manifest, start: int) -> int:
    """Return the frame at which a batch from `start` on begins to look, so that its border can't be seen.

    A scorer of records may compare a frame with the one before: it gets to see one.
    """
    if plan.makes == "records":
        return max(0, start - 1)
    if not plan.options.weight_of_before:
        return start
    return warm_up_start(start, weight=plan.options.weight_of_before, cuts=manifest.cuts)


def size_stages(plan: Plan, manifest: Manifest) -> Stages[MotionField]:
    """Return the stages before the scorer: decode, and shrink if the plan says so."""
    whole = (manifest.width, manifest.height)
    size = working_size(*whole, plan.options)
    shrink = None if size == whole else lambda picture: to_working_size(picture, size)
    return Stages(decode=lambda data, name: decode_frame(manifest, data, name), shrink=shrink)


def picture_stages(plan: Plan, manifest: Manifest, score: Score, masks: Masks | None) -> PictureStages:
    """Put all stages of a batch together; they hold state, so each batch needs its own."""
    before = size_stages(plan, manifest)
    guard = Guard(score, plan.options.bad_frame, reject_blank=bool(plan.styles))
    follow = _follow(plan, guard)
    touch = _touch(plan, masks)
    stages = Stages(
        decode=before.decode,
        shrink=before.shrink,
        link=FlowEstimator(cuts=manifest.cuts) if plan.options.weight_of_before else None,
        follow=follow,
        touch=touch,
        measure=measure_pair,
    )
    return PictureStages(guard, stages, guard)


def _follow(plan: Plan, guard: Guard) -> Callable[[DecodedFrame, Picture, MotionField | None], Picture]:
    """Return the step in order: bad frames are settled, then the frame follows the one before."""
    if not plan.options.weight_of_before:
        return lambda seen, scored, _link: guard.resolve(seen.position.index, seen.name, seen.working_picture, scored)
    steadier = TemporalSmoother(plan.options.weight_of_before)

    def follow(seen: DecodedFrame, scored: Picture, link: MotionField | None) -> Picture:
        return steadier.smooth(guard.resolve(seen.position.index, seen.name, seen.working_picture, scored), link)

    return follow


def _touch(plan: Plan, masks: Masks | None) -> Callable[[DecodedFrame, Picture], Picture]:
    """Return the last step; the masks of a task are asked for by its frames' indices."""
    touch = Compositor(plan.options)

    def finish(seen: DecodedFrame, scored: Picture) -> Picture:
        height, width = seen.picture.shape[:2]
        mask = None if masks is None else masks.mask(seen.position.index, (width, height))
        return touch(seen.picture, scored, mask)

    return finish
