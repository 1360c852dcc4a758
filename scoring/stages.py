"""What is done to each frame of a run beside scoring it: the parts for `stream`, put together from the plan."""

from collections.abc import Callable
from dataclasses import dataclass

from frame_tools.manifest import Manifest
from frame_tools.plan import Plan
from frame_tools.receipt import BadFrame
from scoring.controls.masks import Masks
from scoring.controls.resizing import to_working_size, working_size
from scoring.controls.touch import Touch
from scoring.guard import Guard
from scoring.protocol import Picture, Score
from scoring.run_inputs import decode_frame
from scoring.steady.blend import Steadier, warm_up_start
from scoring.steady.flow import Link, Linker
from scoring.steady.measure import measure_pair
from scoring.stream import Seen, Stages


@dataclass(frozen=True)
class PictureStages:
    """The stages of one batch of pictures, its guarded score, and what the guard found."""

    score: Score
    stages: Stages[Link]
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


def size_stages(plan: Plan, manifest: Manifest) -> Stages[Link]:
    """Return the stages before the scorer: decode, and shrink if the plan says so."""
    whole = (manifest.width, manifest.height)
    size = working_size(*whole, plan.options)
    shrink = None if size == whole else lambda picture: to_working_size(picture, size)
    return Stages(decode=lambda data, name: decode_frame(manifest, data, name), shrink=shrink)


def picture_stages(plan: Plan, manifest: Manifest, score: Score, masks: Masks | None) -> PictureStages:
    """Put all stages of a batch together; they hold state, so each batch needs its own."""
    before = size_stages(plan, manifest)
    guard = Guard(score, plan.options.bad_frame, empty_is_bad=bool(plan.styles))
    follow = _follow(plan, guard)
    touch = _touch(plan, masks)
    stages = Stages(
        decode=before.decode,
        shrink=before.shrink,
        link=Linker(cuts=manifest.cuts) if plan.options.weight_of_before else None,
        follow=follow,
        touch=touch,
        measure=measure_pair,
    )
    return PictureStages(guard, stages, guard)


def _follow(plan: Plan, guard: Guard) -> Callable[[Seen, Picture, Link | None], Picture]:
    """Return the step in order: bad frames are settled, then the frame follows the one before."""
    if not plan.options.weight_of_before:
        return lambda seen, scored, _link: guard.settle(seen.moment.index, seen.name, seen.small, scored)
    steadier = Steadier(plan.options.weight_of_before)

    def follow(seen: Seen, scored: Picture, link: Link | None) -> Picture:
        return steadier.follow(guard.settle(seen.moment.index, seen.name, seen.small, scored), link)

    return follow


def _touch(plan: Plan, masks: Masks | None) -> Callable[[Seen, Picture], Picture]:
    """Return the last step; the masks of a task are asked for by its frames' indices."""
    touch = Touch(plan.options)

    def finish(seen: Seen, scored: Picture) -> Picture:
        height, width = seen.picture.shape[:2]
        mask = None if masks is None else masks.mask(seen.moment.index, (width, height))
        return touch(seen.picture, scored, mask)

    return finish
