"""Motion from a frame to the frame before it by DIS optical flow, and a confidence for each pixel.

DIS is Kroeger et al. 2016 (https://arxiv.org/abs/1603.03590), in OpenCV's implementation. The functions have no state,
so several threads may process pairs of frames at once.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.opencv import (
    Scalar,
    blur,
    local_range,
    merge,
    remap,
    resize,
    scale_xy,
    split_xy,
    subtract_saturated,
    to_gray,
)
from scoring.types import DecodedFrame, Picture

GrayImage: TypeAlias = NDArray[np.uint8]
"""Luma, (h, w)."""
VectorField: TypeAlias = NDArray[np.float32]
"""Vectors (h, w, 2), x before y, in pixels."""

FLOW_SCALE: Final = 0.75
"""Scale at which flow is computed: half the time of full size, at nearly the same accuracy."""
FINEST_LEVEL: Final = 1
"""Level of the pyramid at which the search ends: half the size of its images. OpenCV's preset FAST ends at a quarter,
where waves and people that walk are lost, and refines the result, which takes most of the time of the level between."""
MAX_FLOW_SIDE: Final = 540
"""Pixels: maximum length of the shorter side at which flow is computed."""
MIN_SIDE: Final = 16
"""Pixels: smaller frames have no visible motion and get no motion field."""
DIS_MIN_SIDE: Final = 48
DIS_MAX_ASPECT_RATIO: Final = 3
"""OpenCV's DIS crashes on sides shorter than about 14 pixels and on narrow images. Smaller images are padded to
DIS_MIN_SIDE pixels and DIS_MAX_ASPECT_RATIO."""
CHECK_SCALE: Final = 0.5
"""Scale, relative to the flow, of the consistency check: the forward flow may be less accurate than the backward."""
CONSISTENCY_TOLERANCE: Final = 2.0
"""Square pixels by which forward and backward flow may disagree, plus RELATIVE_CONSISTENCY_TOLERANCE times the sum of
their squared lengths (after Sundaram et al. 2010, https://doi.org/10.1007/978-3-642-15549-9_32, who use 0.5 and 0.01).
"""
RELATIVE_CONSISTENCY_TOLERANCE: Final = 0.02
SIMILARITY_THRESHOLD: Final = 6.0
"""Gray levels: where the moved frame and the frame differ by less (mean of 5x5 pixels), they look alike."""
SIMILAR_FACTOR: Final = 10.0
"""Factor by which forward and backward flow may disagree more where the frames look alike, which does not suffice: flow
also finds similar places for what was hidden before."""
PLAIN: Final = 15
PLAIN_CONTRAST: Final = 3
"""Pixels at CHECK_SCALE and gray levels: a frame is plain, like a sky, where its mean of 5x5 pixels differs by less
than PLAIN_CONTRAST from that of PLAIN x PLAIN. Where it also looks alike, flow is accepted in any case: it follows the
grain, and a shot of nothing but sky would seem to be one scene cut after another."""
THIN: Final = 5
"""Pixels at CHECK_SCALE: what is narrower than this counts as thin, like a bird in flight or a mast."""
THIN_CONTRAST: Final = 16
THIN_SURROUNDINGS: Final = 21
THIN_ISOLATION: Final = 4
"""A thin thing is new if it stands out from its ground by THIN_CONTRAST gray levels more than twice what is there in
the other frame, and by more than THIN_ISOLATION times the mean of its surroundings (pixels at CHECK_SCALE), so that
fine textures do not count. Flow misses thin things that move fast; blended with the ground before, they turn pale."""
SCENE_CUT_THRESHOLD: Final = 0.6
"""Share of confident pixels below which a frame starts a new scene. Measured on nine clips: at least 0.91 within a
scene, two frames apart; at most 0.35 between frames of different clips."""


@dataclass(frozen=True)
class MotionField:
    """Motion from a frame back to the frame before it.

    backward: (h, w, 2) float32, from each pixel to its position in the frame before, in pixels of this grid. The grid
        is the frame's own or a coarser one.
    confidence: float32 0..1, on a grid coarser still, the coarse grid.
    before, frame: luma of both frames on the coarse grid.
    """

    backward: VectorField
    confidence: NDArray[np.float32]
    before: GrayImage
    frame: GrayImage

    def full_resolution(self, height: int, width: int) -> VectorField:
        """Return `backward` for a frame of (height, width), in pixels of the frame: float32 (height, width, 2)."""
        h, w = self.backward.shape[:2]
        return scale_xy(resize(self.backward, width, height, cv2.INTER_LINEAR), width / w, height / h)

    def full_resolution_confidence(self, height: int, width: int) -> NDArray[np.float32]:
        """Return `confidence` for a frame of (height, width): float32 (height, width)."""
        return resize(self.confidence, width, height, cv2.INTER_LINEAR)

    @cached_property
    def coarse_backward(self) -> VectorField:
        """Return `backward` on the coarse grid, in pixels of that grid."""
        height, width = self.confidence.shape
        h, w = self.backward.shape[:2]
        return scale_xy(resize(self.backward, width, height, cv2.INTER_AREA), width / w, height / h)


class FlowEstimator:
    """Estimates the motion between consecutive frames of a run.

    cuts: indices of frames that are known to start new scenes; other cuts are detected.
    """

    def __init__(self, cuts: Iterable[int] = ()) -> None:
        self._cuts = frozenset(cuts)

    def __call__(self, before: DecodedFrame, frame: DecodedFrame) -> MotionField | None:
        """Return the motion field, or None if the frame starts a new scene or is too small."""
        if frame.position.index in self._cuts:
            return None
        return estimate_motion(before.working_picture, frame.working_picture)


def estimate_motion(before: Picture, frame: Picture) -> MotionField | None:
    """Estimate the motion between two pictures of one size, (H, W, 3) uint8 RGB.

    Returns None after a scene cut and for sides below MIN_SIDE. Deterministic on machines of one type.
    """
    height, width = frame.shape[:2]
    if min(height, width) < MIN_SIDE:
        return None
    scale = min(FLOW_SCALE, MAX_FLOW_SIDE / min(height, width))
    gray_before, gray = downscale(to_gray(before), scale), downscale(to_gray(frame), scale)
    backward = dis_flow(gray, gray_before)
    confidence = flow_confidence(gray_before, gray, backward)
    if confidence.mean() < SCENE_CUT_THRESHOLD:
        return None
    return MotionField(backward, blur(confidence, 3), *(downscale(image, CHECK_SCALE) for image in (gray_before, gray)))


def flow_confidence(before: GrayImage, frame: GrayImage, backward: VectorField) -> NDArray[np.float32]:
    """Return where `backward`, the flow from `frame` to `before`, is reliable: 1 or 0, at CHECK_SCALE of its size.

    A pixel is reliable if the forward flow leads back to it, less exactly if `before` looks the same at its position,
    and in any case if it looks the same and the frame is plain there. A position outside the picture is never reliable,
    nor is what surrounds a thin thing that is in one frame only.
    """
    small_before, small_frame = downscale(before, CHECK_SCALE), downscale(frame, CHECK_SCALE)
    height, width = small_frame.shape
    sx, sy = width / frame.shape[1], height / frame.shape[0]
    x, y = split_xy(resize(backward, width, height, cv2.INTER_AREA))
    positions = merge(x * np.float32(sx), y * np.float32(sy)) + pixel_grid(range(height), width)
    forward = dis_flow(small_before, small_frame, cv2.DISOPTICAL_FLOW_PRESET_FAST)
    forward_x, forward_y = split_xy(_sample(forward, positions))
    forward_x, forward_y = forward_x / np.float32(sx), forward_y / np.float32(sy)
    lengths = x * x + y * y + forward_x * forward_x + forward_y * forward_y
    error_x, error_y = x + forward_x, y + forward_y
    tolerance = CONSISTENCY_TOLERANCE + RELATIVE_CONSISTENCY_TOLERANCE * lengths
    moved = _sample(small_before, positions)
    difference = cv2.absdiff(moved, small_frame).astype(np.float32)
    is_similar = blur(difference, 5) < SIMILARITY_THRESHOLD
    tolerance = np.where(is_similar, np.float32(SIMILAR_FACTOR) * tolerance, tolerance)
    is_consistent = error_x * error_x + error_y * error_y < tolerance
    is_plain = cv2.absdiff(blur(small_frame, 5), blur(small_frame, PLAIN)) < PLAIN_CONTRAST
    is_reliable = is_consistent | (is_similar & is_plain)
    to_x, to_y = split_xy(positions)
    is_inside = (to_x > -1) & (to_y > -1) & (to_x < width) & (to_y < height)
    return np.asarray(is_reliable & is_inside & ~_thin_changes(moved, small_frame), np.float32)


def _thin_changes(moved: GrayImage, frame: GrayImage) -> NDArray[np.bool_]:
    """Return where a lone thin thing is in one of two images, (h, w), but not in the other, and next to it."""
    changes, level = np.zeros_like(frame), np.zeros_like(frame)
    for first, second in zip(_thin_things(moved), _thin_things(frame), strict=True):
        level = np.maximum(level, np.maximum(first, second))
        for thing, other in ((first, second), (second, first)):
            changes = np.maximum(changes, subtract_saturated(subtract_saturated(thing, other), other))
    surroundings = blur(level.astype(np.float32), THIN_SURROUNDINGS)
    is_new = (changes > THIN_CONTRAST) & (changes > THIN_ISOLATION * surroundings)
    return np.asarray(local_range(is_new.astype(np.uint8), THIN)[1], np.bool_)


def _thin_things(image: GrayImage) -> tuple[GrayImage, GrayImage]:
    """Return by how much dark and bright things narrower than THIN stand out from their surroundings (top-hat)."""
    lowest, highest = local_range(image, THIN)
    closed, opened = local_range(highest, THIN)[0], local_range(lowest, THIN)[1]
    return subtract_saturated(closed, image), subtract_saturated(image, opened)


def downscale(gray: GrayImage, scale: float) -> GrayImage:
    """Scale a gray image, (h, w), by a factor of at most 1."""
    height, width = (max(1, round(side * scale)) for side in gray.shape)
    return resize(gray, width, height, cv2.INTER_AREA)


def pixel_grid(rows: range, width: int) -> VectorField:
    """Return the position (x, y) of each pixel of some rows: float32 (len(rows), width, 2)."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(rows.start, rows.stop, dtype=np.float32))
    return merge(x, y)


def dis_flow(start: GrayImage, end: GrayImage, preset: int | None = None) -> VectorField:
    """Return where the pixels of `start` are in `end`: vectors (h, w, 2) float32, for two images of any one size.

    Without one of OpenCV's presets, the search is that of its preset FAST, but ends at FINEST_LEVEL, unrefined.
    Small and narrow images are padded with their edges first: OpenCV computes the number of pyramid levels from the
    width alone and reads out of bounds if the height allows fewer (https://github.com/opencv/opencv/issues/14554).
    """
    height, width = start.shape
    bottom = max(0, DIS_MIN_SIDE - height, math.ceil(width / DIS_MAX_ASPECT_RATIO) - height)
    right = max(0, DIS_MIN_SIDE - width, math.ceil(height / DIS_MAX_ASPECT_RATIO) - width)
    if bottom or right:
        start, end = (np.pad(image, ((0, bottom), (0, right)), mode="edge") for image in (start, end))
    # It keeps buffers, so each call has its own.
    dis: Any = cv2.DISOpticalFlow.create(cv2.DISOPTICAL_FLOW_PRESET_FAST if preset is None else preset)
    if preset is None:
        dis.setFinestScale(FINEST_LEVEL)
        dis.setVariationalRefinementIterations(0)
    vectors: VectorField = dis.calc(start, end, None)
    return np.ascontiguousarray(vectors[:height, :width])


def _sample(values: NDArray[Scalar], positions: VectorField) -> NDArray[Scalar]:
    return remap(values, positions, cv2.INTER_LINEAR)
