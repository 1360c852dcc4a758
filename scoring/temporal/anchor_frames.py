"""Anchor frames of temporal smoothing: painted strokes that are carried along the motion instead of being averaged.

A mean of frames in which things moved has lost the shape of its strokes. So every few frames the luma of the painted
frame is kept as an anchor frame. Composed motion tells its place in each later frame, so that the strokes are resampled
once, however far they have moved. The anchor frame before it fades out while it fades in, by equal steps. Color comes
from the average: strokes are in the luma, and one channel takes a third of the time.

An anchor frame is shown where the input moved when it was painted, where its motion has been reliable since, and where
the input still looks as it did then.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final, TypeAlias, TypeVar

import cv2
import numpy as np
from numpy.typing import NDArray

from frame_tools.contracts.warm_up import anchor_interval
from scoring.opencv import blur, merge, remap, resize, scale_xy, split_xy, to_gray
from scoring.temporal.bands import BAND_HEIGHT, for_row_bands
from scoring.temporal.flow import GrayImage, MotionField, VectorField, pixel_grid

ENLARGEMENT: Final = 2
"""Anchor frames are kept at twice the size (Lanczos) and sampled bilinearly, which keeps strokes as sharp as sampling
with eight times eight pixels, for a seventh of its time."""
MAX_SAMPLED_SIDE: Final = 2**15 - 2
"""Pixels: longest side of an image that `cv2.remap` samples."""
FULL_SHARE_WEIGHT: Final = 0.5
"""Smoothing weight from which on anchor frames replace the average entirely; in proportion below."""
SURROUNDINGS: Final = 5
"""Pixels of the coarse grid over which the share of anchor frames is averaged."""
SAME: Final = 0.3
CHANGED: Final = 0.7
"""Gray levels by which the input changes in its place (mean of 5x5 pixels of the coarse grid): below, there is nothing
that flow could follow, and the average stays; from CHANGED on the anchor frame has its full share."""
MARGIN: Final = 0.5
"""Pixels of the coarse grid by which a place may lie outside the anchor frame, whose edge is repeated there. Each step
of the motion may lead outside by a pixel; added up, that would draw stripes."""
SIMILAR: Final = 5.0
DIFFERENT: Final = 10.0
CONTRAST_SHARE: Final = 0.3
"""The input looks as it did if it differs by up to SIMILAR gray levels (mean of 5x5 pixels of the coarse grid), and has
changed from DIFFERENT on. Of the difference, CONTRAST_SHARE times the mean step to the next pixel is left out, which
half a pixel of displacement makes in fine texture."""

Floats: TypeAlias = NDArray[np.float32]
Anchor = TypeVar("Anchor")


@dataclass(frozen=True, kw_only=True)
class AnchorState:
    """What an anchor frame consists of, as it is stored between two batches of a task."""

    luma: GrayImage
    """Luma of the painted frame, (H, W)."""
    input_luma: GrayImage
    """Luma of its input on the coarse grid, (h, w)."""
    displacement: VectorField
    """How far it is from each pixel of the coarse grid to its place in the anchor frame, in pixels of that grid:
    (h, w, 2). Unlike a place it changes little from pixel to pixel, so that inexact sampling does not add up."""
    share: Floats
    """Share of the anchor frame in what is shown, 0 to 1, on the coarse grid."""


@dataclass(frozen=True, kw_only=True)
class AnchorFrame(AnchorState):
    """A painted frame, and where its pixels are in the present frame."""

    large: GrayImage
    """The luma, enlarged."""

    def to_state(self) -> AnchorState:
        """Return the parts that are stored."""
        return AnchorState(luma=self.luma, input_luma=self.input_luma, displacement=self.displacement, share=self.share)

    @classmethod
    def of_state(cls, state: AnchorState) -> "AnchorFrame":
        """Return the anchor frame whose parts were stored."""
        return cls(
            luma=state.luma,
            input_luma=state.input_luma,
            displacement=state.displacement,
            share=state.share,
            large=enlarged(state.luma),
        )


def new_anchor(luma: GrayImage, input_luma: GrayImage, share: Floats) -> AnchorFrame:
    """Return an anchor frame for the luma of a painted frame, (H, W); `input_luma` and `share` are (h, w)."""
    displacement = np.zeros((*share.shape, 2), np.float32)
    state = AnchorState(luma=luma, input_luma=input_luma, displacement=displacement, share=share)
    return AnchorFrame.of_state(state)


def enlarged(luma: GrayImage) -> GrayImage:
    """Enlarge a luma, (H, W), by ENLARGEMENT; return it as it is where OpenCV could not sample the result."""
    height, width = luma.shape
    if ENLARGEMENT * max(height, width) > MAX_SAMPLED_SIDE:
        return luma
    return resize(luma, ENLARGEMENT * width, ENLARGEMENT * height, cv2.INTER_LANCZOS4)


def new_share(moving: Floats, motion: MotionField, weight: float) -> Floats:
    """Return the share of an anchor frame that is painted now, 0 to 1, (h, w).

    `moving` is how much its pixels move, 0 to 1, (h, w). `weight` is that of smoothing.
    """
    changes = blur(cv2.absdiff(motion.before, motion.frame).astype(np.float32), 5)
    share: Floats = blur(moving * rise(changes, SAME, CHANGED), SURROUNDINGS)
    return share * np.float32(min(1.0, weight / FULL_SHARE_WEIGHT))


def rise(values: Floats, low: float, high: float) -> Floats:
    """Return 0 up to `low`, 1 from `high` on, and in proportion in between."""
    risen: Floats = np.clip((values - np.float32(low)) / np.float32(high - low), 0, 1)
    return risen


def moved(anchor: AnchorFrame, motion: MotionField) -> AnchorFrame:
    """Return the anchor frame as it is in the frame to which `motion` leads."""
    height, width = motion.confidence.shape
    step, grid = motion.coarse_backward, pixel_grid(range(height), width)
    before = step + grid
    displacement = step + remap(anchor.displacement, before, cv2.INTER_LINEAR)
    places = displacement + grid
    share = np.minimum(remap(anchor.share, before, cv2.INTER_LINEAR), motion.confidence)
    input_luma = remap(anchor.input_luma.astype(np.float32), places, cv2.INTER_LINEAR)
    similarity = _similarity(input_luma, motion.frame)
    x, y = split_xy(places)
    is_inside = (x > -MARGIN) & (y > -MARGIN) & (x < width - 1 + MARGIN) & (y < height - 1 + MARGIN)
    return replace(anchor, displacement=displacement, share=np.minimum(share, similarity) * is_inside)


def shown_anchors(anchors: Sequence[Anchor], index: int, weight: float) -> list[tuple[Anchor, float]]:
    """Return the anchor frames that are visible in the frame of this index, each with its weight.

    Of the last two, the newer one fades in until the next one is painted.
    """
    interval = anchor_interval(weight)
    newer = (index % interval + 1) / interval
    pairs = zip(reversed(anchors), (newer, 1 - newer), strict=False)
    return [(anchor, share) for anchor, share in pairs if share > 0]


def show(blended: Floats, anchors: Sequence[tuple[AnchorFrame, float]]) -> Floats:
    """Replace the luma of the average, (H, W, 3), by that of anchor frames, each with its weight times its share."""
    height, width = blended.shape[:2]
    visible = [(anchor, weight) for anchor, weight in anchors if anchor.share.any()]
    placed = [(anchor.large, *_full_size(anchor, weight, height, width)) for anchor, weight in visible]
    if not placed:
        return blended
    shown = np.empty_like(blended)
    enlargement = placed[0][0].shape[0] // height
    grid = enlargement * pixel_grid(range(BAND_HEIGHT), width)

    def show_rows(rows: slice) -> None:
        luma, change = to_gray(blended[rows]), np.zeros((rows.stop - rows.start, width), np.float32)
        for large, displacement, share in placed:
            if share[rows].any():
                places = displacement[rows] + grid[: len(luma)]
                places[..., 1] += enlargement * rows.start
                strokes = remap(large, places, cv2.INTER_LINEAR)
                cv2.accumulateProduct(cv2.subtract(strokes, luma, dtype=cv2.CV_32F), share[rows], change)
        cv2.add(blended[rows], merge(change, change, change), dst=shown[rows])

    for_row_bands(show_rows, height, width)
    return shown


def _full_size(anchor: AnchorFrame, weight: float, height: int, width: int) -> tuple[VectorField, Floats]:
    """Return the displacement of each pixel of (height, width) into the enlarged anchor frame, and its share."""
    h, w = anchor.share.shape
    large_height, large_width = anchor.large.shape
    displacement = scale_xy(anchor.displacement, large_width / w, large_height / h)
    displacement += np.float32((large_height // height - 1) / 2)
    share = anchor.share * np.float32(weight)
    return resize(displacement, width, height, cv2.INTER_LINEAR), resize(share, width, height, cv2.INTER_LINEAR)


def _similarity(before: Floats, now: GrayImage) -> Floats:
    """Return how much two images look alike, 0 to 1, (h, w)."""
    gray = now.astype(np.float32)
    steps = np.abs(np.diff(gray, axis=0, append=gray[-1:])) + np.abs(np.diff(gray, axis=1, append=gray[:, -1:]))
    difference = blur(np.abs(before - gray), 5) - np.float32(CONTRAST_SHARE / 2) * blur(steps, 5)
    return blur(1 - rise(difference, SIMILAR, DIFFERENT), 3)
