"""Temporal smoothing by motion-compensated blending, with sharpness restored.

Each frame is blended with the previous blend, which is warped along the motion (bicubic), in two bands. Tone and broad
strokes average over many frames. The finest detail averages over fewer ones where things move: strokes of a few pixels
that are resampled again and again, and laid over other strokes, lose their edges, and no sharpening brings those back.

A mean is softer than its inputs, so the finest detail of the delivered picture, in color, is amplified until the
Laplacian of the luma has the same local energy as in the scored frame. The blend that is kept is never sharpened:
what a loop amplifies turns into scribbles over plain surfaces within half a second.
"""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from frame_tools.contracts.warm_up import warm_up_frames
from scoring.opencv import Scalar, blur, gaussian_blur, laplacian, merge, remap, resize, split_xy, to_gray
from scoring.temporal.flow import MotionField, pixel_grid
from scoring.thread_pools import available_cores
from scoring.types import Picture

CELL_SIDE: Final = 32
"""Pixels: side of the squares over which sharpness is compared, and height of the row bands that are processed."""
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
MOVING_DETAIL: Final = 0.7
"""Weight of the finest detail of moving pixels, as a share of their weight."""
STATE_STEPS: Final = 32
"""Steps to a gray level at which the state is rounded at the end of a batch: much less than a frame's rounding."""
STATE_RANGE: Final = (-32768, 32767)
"""Of int16: up to 1,023 gray levels, where pictures that are kept have at most 255 and what sharpening adds."""
MAX_THREADS: Final = 16
THREADS_MIN_PIXELS: Final = 2**19
"""Frames with at least this many pixels are smoothed on several threads: frames depend on one another, so two frames
cannot be smoothed at once."""

Floats: TypeAlias = NDArray[np.float32]


def warm_up_start(start: int, *, weight: float, cuts: Sequence[int]) -> int:
    """Return the first frame to score for a batch that starts at `start`; never before the last scene cut."""
    scene_start = max((cut for cut in cuts if cut <= start), default=0)
    return max(scene_start, start - warm_up_frames(weight))


@dataclass(frozen=True, kw_only=True)
class SmoothingState:
    """What smoothing keeps at the end of a batch, for the next batch of the task."""

    before: NDArray[np.int16]
    """The picture that the next frame is blended with, (H, W, 3), in steps of 1 / STATE_STEPS gray levels."""
    frames_in_scene: int


class TemporalSmoother:
    """Blends consecutive frames. It keeps the previous blend, so each task needs its own instance.

    weight: of the previous blend, 0 to 0.9; higher for still pixels, lower for moving ones. The scored frame has the
        rest.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._before: Floats | None = None
        self._frames_in_scene = 0

    def end_batch(self) -> SmoothingState | None:
        """Round what is kept to the state that is stored, and return that; None if nothing is kept.

        A task that goes on and one that resumes from the stored state then continue from equal pictures.
        """
        if self._before is None:
            return None
        steps = np.clip(np.rint(self._before * np.float32(STATE_STEPS)), *STATE_RANGE).astype(np.int16)
        state = SmoothingState(before=steps, frames_in_scene=self._frames_in_scene)
        self.resume(state)
        return state

    def resume(self, state: SmoothingState) -> None:
        """Continue from the end of a batch."""
        self._before = state.before.astype(np.float32) / np.float32(STATE_STEPS)
        self._frames_in_scene = state.frames_in_scene

    def smooth(self, scored: Picture, motion: MotionField | None) -> Picture:
        """Return the smoothed picture for `scored`, (H, W, 3) uint8; call it in the order of frames.

        Without a motion field a new scene starts, and the result is `scored`.
        """
        if motion is None or self._before is None or self._before.shape != scored.shape or not self._weight:
            self._before, self._frames_in_scene = scored.astype(np.float32), 1
            return scored
        # The first frames of a scene have equal weights; otherwise the very first would outlast the others.
        most = min(self._weight**STILL_EXPONENT, self._frames_in_scene / (self._frames_in_scene + 1))
        self._frames_in_scene += 1
        self._before = blend(scored, self._before, motion, feedback_weights(motion, self._weight, scored, most))
        return sharpen(self._before, sharpening_amount(self._before, scored))


@dataclass(frozen=True)
class Feedback:
    """Weights of the previous blend for each pixel, float32 (H, W): `coarse`, and `fine` of the finest detail."""

    coarse: Floats
    fine: Floats


def feedback_weights(motion: MotionField, weight: float, scored: Picture, most: float = 1.0) -> Feedback:
    """Return the weights of the previous blend: `weight` adapted to motion, times confidence, at most `most`.

    They are computed on the coarse grid of the confidence.
    """
    height, width = scored.shape[:2]
    h, w = motion.confidence.shape
    x, y = split_xy(resize(motion.backward, w, h, cv2.INTER_AREA))
    scale_x, scale_y = width / motion.backward.shape[1], height / motion.backward.shape[0]
    lengths = cv2.magnitude(x * np.float32(scale_x), y * np.float32(scale_y))
    moving = np.clip((lengths - np.float32(STILL_THRESHOLD)) / np.float32(MOVING_THRESHOLD - STILL_THRESHOLD), 0, 1)
    still_weight, moving_weight = weight**STILL_EXPONENT, weight**MOVING_EXPONENT
    weights = motion.confidence * (np.float32(still_weight) + np.float32(moving_weight - still_weight) * moving)
    coarse: Floats = np.minimum(weights, np.float32(most))
    fine: Floats = coarse * (1 - np.float32(1 - MOVING_DETAIL) * moving)
    return Feedback(*(resize(each, width, height, cv2.INTER_LINEAR) for each in (coarse, fine)))


def blend(scored: Picture, before: Floats, motion: MotionField, feedback: Feedback) -> Floats:
    """Blend `scored`, (H, W, 3), with the previous blend warped along the motion.

    The difference between both, times the weight, is added to `scored`. Of the difference's finest detail, which is
    what a binomial filter of 3x3 pixels removes, `feedback.fine` is the weight, of the rest `feedback.coarse`.
    """
    height, width = scored.shape[:2]
    backward = motion.full_resolution(height, width)
    difference, blended = np.empty(scored.shape, np.float32), np.empty(scored.shape, np.float32)

    def compare_rows(rows: slice) -> None:
        positions = backward[rows] + pixel_grid(range(rows.start, rows.stop), width)
        cv2.subtract(remap(before, positions, cv2.INTER_CUBIC), scored[rows], dst=difference[rows], dtype=cv2.CV_32F)

    def blend_rows(rows: slice) -> None:
        first, last = max(0, rows.start - 1), min(height, rows.stop + 1)
        broad = gaussian_blur(difference[first:last], 3, 0)[rows.start - first : rows.stop - first]
        fine = feedback.fine[rows]
        rest = feedback.coarse[rows] - fine
        change = cv2.multiply(difference[rows], merge(fine, fine, fine))
        cv2.accumulateProduct(broad, merge(rest, rest, rest), change)
        cv2.add(change, scored[rows], dst=blended[rows], dtype=cv2.CV_32F)

    for step in (compare_rows, blend_rows):
        _for_row_bands(step, height, width)
    return blended


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

    _for_row_bands(measure_rows, height, width)
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

    _for_row_bands(sharpen_rows, *blended.shape[:2])
    return smoothed


def _laplacian(picture: NDArray[Scalar], rows: slice, *, margin: int, luma: bool) -> Floats:
    """Return the Laplacian of `rows` and up to `margin` rows around them, of the luma or of each channel."""
    top, bottom = max(0, rows.start - margin), min(len(picture), rows.stop + margin)
    first = max(0, top - 1)
    part = picture[first : bottom + 1]
    return laplacian(to_gray(part) if luma else part)[top - first : bottom - first]


def _for_row_bands(call: Callable[[slice], None], height: int, width: int) -> None:
    """Call for each band of CELL_SIDE rows, on several threads for a large picture; the result is the same."""
    bands = [slice(top, min(top + CELL_SIDE, height)) for top in range(0, height, CELL_SIDE)]
    if height * width < THREADS_MIN_PIXELS:
        for rows in bands:
            call(rows)
    else:
        list(_threads().map(call, bands))  # the list raises what a call raised


@cache
def _threads() -> ThreadPoolExecutor:
    """Return the process's threads for large pictures."""
    return ThreadPoolExecutor(min(available_cores(), MAX_THREADS), "temporal")
