"""Temporal smoothing: a motion-compensated average, anchor frames where things move, and sharpness restored.

Each frame is averaged with the average before it, which is warped along the motion (bicubic). Where things move, the
luma of what is shown comes from anchor frames in place of the average (`scoring.temporal.anchor_frames`): strokes that
are resampled again and again, and laid over other strokes, lose their shape, and no sharpening brings that back.

A mean is softer than its inputs, so the finest detail of the delivered picture, in color, is amplified until the
Laplacian of the luma has the same local energy as in the scored frame. The average that is kept is never sharpened:
what a loop amplifies turns into scribbles over plain surfaces within half a second.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from frame_tools.contracts.warm_up import anchor_interval, warm_up_frames
from scoring.opencv import Scalar, blur, laplacian, merge, remap, resize, split_xy, to_gray
from scoring.temporal.anchor_frames import (
    AnchorFrame,
    AnchorState,
    Floats,
    moved,
    new_anchor,
    new_share,
    rise,
    show,
    shown_anchors,
)
from scoring.temporal.bands import BAND_HEIGHT, for_row_bands
from scoring.temporal.flow import MotionField, pixel_grid
from scoring.types import Picture

CELL_SIDE: Final = BAND_HEIGHT
"""Pixels: side of the squares over which sharpness is compared."""
MAX_SHARPENING: Final = 0.5
"""Maximum share of the Laplacian that is subtracted from a picture."""
STILL_THRESHOLD: Final = 0.3
MOVING_THRESHOLD: Final = 0.6
"""Pixels per frame: a pixel counts as still up to STILL_THRESHOLD, as moving from MOVING_THRESHOLD on, and in
proportion in between."""
STILL_EXPONENT: Final = 0.65
MOVING_EXPONENT: Final = 0.8
"""Exponents of the blending weight for still and moving pixels. Still pixels can average over more frames, and their
slow flicker needs it. Chosen on the clips of docs/steadiness.md."""
STATE_STEPS: Final = 32
"""Steps to a gray level at which the state is rounded at the end of a batch: much less than a frame's rounding."""
STATE_RANGE: Final = (-32768, 32767)
"""Of int16: up to 1,023 gray levels, where pictures that are kept have at most 255 and what sharpening adds."""


def warm_up_start(start: int, *, weight: float, cuts: Sequence[int]) -> int:
    """Return the first frame to score for a batch that starts at `start`; never before the last scene cut."""
    scene_start = max((cut for cut in cuts if cut <= start), default=0)
    return max(scene_start, start - warm_up_frames(weight))


@dataclass(frozen=True, kw_only=True)
class SmoothingState:
    """What smoothing keeps at the end of a batch, for the next batch of the task."""

    before: NDArray[np.int16]
    """The average that the next frame is blended with, (H, W, 3), in steps of 1 / STATE_STEPS gray levels."""
    frames_in_scene: int
    first_is_good: bool
    """Whether the scene's first frame has its own picture, not a replacement."""
    anchors: tuple[AnchorState, ...]
    """The last two anchor frames of the scene, or fewer."""


class TemporalSmoother:
    """Smooths consecutive frames. It keeps their average and anchor frames, so each task needs its own instance.

    weight: of the average before, 0 to 0.9; higher for still pixels, lower for moving ones. The scored frame has the
        rest. The interval between anchor frames follows from it.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._before: Floats | None = None
        self._frames_in_scene = 0
        self._first_is_good = True
        self._anchors: tuple[AnchorFrame, ...] = ()

    def end_batch(self) -> SmoothingState | None:
        """Round what is kept to the state that is stored, and return that; None if nothing is kept.

        A task that goes on and one that resumes from the stored state then continue from equal pictures.
        """
        if self._before is None:
            return None
        steps = np.clip(np.rint(self._before * np.float32(STATE_STEPS)), *STATE_RANGE).astype(np.int16)
        anchors = tuple(anchor.to_state() for anchor in self._anchors)
        state = SmoothingState(
            before=steps, frames_in_scene=self._frames_in_scene, first_is_good=self._first_is_good, anchors=anchors
        )
        self._before = _average_of(state)
        return state

    def resume(self, state: SmoothingState) -> None:
        """Continue from the end of a batch."""
        self._before, self._frames_in_scene = _average_of(state), state.frames_in_scene
        self._first_is_good = state.first_is_good
        self._anchors = tuple(AnchorFrame.of_state(anchor) for anchor in state.anchors)

    def smooth(self, scored: Picture, motion: MotionField | None, index: int, *, is_good: bool = True) -> Picture:
        """Return the smoothed picture for `scored`, (H, W, 3) uint8; call it in the order of frames.

        Without a motion field a new scene starts, and the result is `scored`. `index` is that of the frame in the
        video: where anchor frames are painted does not depend on where a task begins. A picture that is not `is_good`
        replaces one that could not be painted, and does not become an anchor frame.
        """
        if motion is None or self._before is None or self._before.shape != scored.shape or not self._weight:
            self._before, self._frames_in_scene, self._anchors = scored.astype(np.float32), 1, ()
            self._first_is_good = is_good
            return scored
        moving = moving_share(motion, scored)
        share, is_turn = new_share(moving, motion, self._weight), index % anchor_interval(self._weight) == 0
        self._follow_anchors(scored, motion, share, is_turn=is_turn, is_good=is_good)
        # The first frames of a scene have equal weights; otherwise the very first would outlast the others.
        most = min(self._weight**STILL_EXPONENT, self._frames_in_scene / (self._frames_in_scene + 1))
        self._frames_in_scene += 1
        feedback = feedback_weights(moving, motion, self._weight, most)
        self._before = average(scored, self._before, motion, feedback)
        shown = show(self._before, shown_anchors(self._anchors, index, self._weight))
        return sharpen(shown, sharpening_amount(shown, scored))

    def _follow_anchors(
        self, scored: Picture, motion: MotionField, share: Floats, *, is_turn: bool, is_good: bool
    ) -> None:
        """Move the anchor frames. Add the scene's first frame, and `scored` if it is its turn, unless it is bad."""
        anchors = self._anchors
        if self._frames_in_scene == 1 and self._first_is_good and self._before is not None:
            anchors = (new_anchor(to_gray(self._before.astype(np.uint8)), motion.before, share),)
        anchors = tuple(moved(anchor, motion) for anchor in anchors)
        if is_turn:
            newest = (new_anchor(to_gray(scored), motion.frame, share),) if is_good else anchors[-1:]
            anchors = (*anchors[-1:], *newest)
        self._anchors = anchors


def _average_of(state: SmoothingState) -> Floats:
    return state.before.astype(np.float32) / np.float32(STATE_STEPS)


def moving_share(motion: MotionField, scored: Picture) -> Floats:
    """Return how much each pixel of the coarse grid moves: 0 for still, 1 for moving, (h, w)."""
    height, width = scored.shape[:2]
    h, w = motion.confidence.shape
    x, y = split_xy(motion.coarse_backward)
    lengths = np.asarray(cv2.magnitude(x * np.float32(width / w), y * np.float32(height / h)), np.float32)
    return rise(lengths, STILL_THRESHOLD, MOVING_THRESHOLD)


def feedback_weights(moving: Floats, motion: MotionField, weight: float, most: float = 1.0) -> Floats:
    """Return the weight of the average before for each pixel of the coarse grid, (h, w), at most `most`.

    It is `weight` adapted to how much the pixel moves, times its confidence.
    """
    still_weight, moving_weight = weight**STILL_EXPONENT, weight**MOVING_EXPONENT
    weights = motion.confidence * (np.float32(still_weight) + np.float32(moving_weight - still_weight) * moving)
    return np.minimum(weights, np.float32(most))


def average(scored: Picture, before: Floats, motion: MotionField, feedback: Floats) -> Floats:
    """Average `scored`, (H, W, 3), with the average before, warped along the motion, by its weight on the coarse grid.

    The difference between both, times the weight, is added to `scored`.
    """
    height, width = scored.shape[:2]
    backward = motion.full_resolution(height, width)
    weights = resize(feedback, width, height, cv2.INTER_LINEAR)
    averaged = np.empty(scored.shape, np.float32)

    def average_rows(rows: slice) -> None:
        positions = backward[rows] + pixel_grid(range(rows.start, rows.stop), width)
        change = cv2.subtract(remap(before, positions, cv2.INTER_CUBIC), scored[rows], dtype=cv2.CV_32F)
        weight = weights[rows]
        cv2.multiply(change, merge(weight, weight, weight), dst=change)
        cv2.add(change, scored[rows], dst=averaged[rows], dtype=cv2.CV_32F)

    for_row_bands(average_rows, height, width)
    return averaged


def sharpening_amount(blended: Floats, scored: Picture) -> Floats:
    """Return the share of its Laplacian to subtract from `blended`, (H, W), 0 to MAX_SHARPENING.

    Subtracting c times the Laplacian L gives the Laplacian L - c LL, with the energy LL² c² - 2 L LL c + L². That is a
    quadratic in c. It is solved for the energy of the scored picture's Laplacian, for each square of CELL_SIDE pixels
    and its neighbors, on luma.
    """
    height, width = scored.shape[:2]
    cells = np.empty((-(-height // CELL_SIDE), max(1, round(width / CELL_SIDE)), 4), np.float32)

    def measure_rows(rows: slice) -> None:
        padded = _laplacian(blended, rows, margin=1, luma=True)
        skipped = rows.start - max(0, rows.start - 1)
        inner = slice(skipped, skipped + rows.stop - rows.start)
        once, twice = padded[inner], laplacian(padded)[inner]
        target = _laplacian(scored, rows, margin=0, luma=True)
        energies = merge(once * once, once * twice, twice * twice, target * target)
        cells[rows.start // CELL_SIDE] = resize(energies, cells.shape[1], 1, cv2.INTER_AREA)

    for_row_bands(measure_rows, height, width)
    own, mixed, twice, target = cv2.split(blur(cells, 3))
    root = np.sqrt(np.maximum(mixed * mixed + twice * (target - own), 0))
    amount = np.where(target > own, (mixed + root) / np.maximum(twice, np.float32(1e-3)), 0)
    amount = np.clip(amount, 0, MAX_SHARPENING).astype(np.float32)
    return resize(amount, width, height, cv2.INTER_LINEAR)


def sharpen(blended: Floats, amount: Floats) -> Picture:
    """Subtract `amount` (H, W) of its Laplacian from `blended`, in all channels: sharpening luma alone grays strokes.

    Returns the picture to deliver.
    """
    smoothed = np.empty(blended.shape, np.uint8)

    def sharpen_rows(rows: slice) -> None:
        detail, full = _laplacian(blended, rows, margin=0, luma=False), amount[rows]
        cv2.subtract(blended[rows], cv2.multiply(detail, merge(full, full, full)), dst=smoothed[rows], dtype=cv2.CV_8U)

    for_row_bands(sharpen_rows, *blended.shape[:2])
    return smoothed


def _laplacian(picture: NDArray[Scalar], rows: slice, *, margin: int, luma: bool) -> Floats:
    """Return the Laplacian of `rows` and up to `margin` rows around them, of the luma or of each channel."""
    top, bottom = max(0, rows.start - margin), min(len(picture), rows.stop + margin)
    first = max(0, top - 1)
    part = picture[first : bottom + 1]
    return laplacian(to_gray(part) if luma else part)[top - first : bottom - first]
