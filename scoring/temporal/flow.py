"""How a frame goes on from the one before: where each pixel was (DIS optical flow), and where that can be trusted.

DIS is Kroeger et al. 2016 (https://arxiv.org/abs/1603.03590), as OpenCV has it. Nothing here keeps state, so pairs of
frames may be linked on several threads at once.
"""

import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

import cv2
import numpy as np
from numpy.typing import NDArray

from scoring.types import DecodedFrame, Picture

Grey: TypeAlias = NDArray[np.uint8]
Field: TypeAlias = NDArray[np.float32]
"""Vectors (h, w, 2), x before y, in pixels."""

FLOW_SHARE: Final = 0.75
"""Share of the frame's size at which its flow is sought: half the time of the whole size, and nearly as exact."""
FLOW_SIDE: Final = 540
"""Pixels: most that the shorter side has there."""
SMALLEST_SIDE: Final = 16
"""Pixels: smaller frames are not linked; there is nothing to see in them."""
SAFE_SIDE: Final = 48
SAFE_SHAPE: Final = 3
"""OpenCV's DIS crashes on sides shorter than about 14 and on narrow shapes: it gets no side below SAFE_SIDE pixels, and
no shape whose sides differ by more than SAFE_SHAPE times."""
CHECK: Final = 0.5
"""Share of the flow's size at which it is checked: the way forward need not be as exact as the way back."""
SLACK: Final = 2.0
"""Square pixels by which forward and backward may disagree; and, of their squared lengths, the share SLACK_OF_MOTION
(after Sundaram et al. 2010, https://doi.org/10.1007/978-3-642-15549-9_32, who allow 0.5 and 0.01)."""
SLACK_OF_MOTION: Final = 0.02
SAME: Final = 6.0
"""Grey levels: where moved frame and frame differ by less (mean of 5x5), the flow is good enough, checked or not: over
plain surfaces it is ambiguous and harmless."""
CUT: Final = 0.6
"""Share of trusted pixels below which a frame begins a new scene. Measured on seven clips: at least 0.93 within a
scene, two frames apart; at most 0.31 between frames of different clips."""


@dataclass(frozen=True)
class MotionField:
    """A frame's motion: for each pixel the way `back` to its place in the frame before, and how far to trust it.

    back: (h, w, 2) float32 in pixels of this grid, which is the frame's own or a smaller one.
    trust: float32 0..1, on a smaller grid still.
    """

    back: Field
    trust: NDArray[np.float32]

    def ways(self, height: int, width: int) -> Field:
        """Give the way back of each pixel of a frame (height, width), in its pixels: float32 (height, width, 2)."""
        h, w = self.back.shape[:2]
        whole = cv2.resize(self.back, (width, height), interpolation=cv2.INTER_LINEAR)
        found: Field = cv2.multiply(whole, (width / w, height / h, 1, 1))
        return found

    def weights(self, height: int, width: int) -> NDArray[np.float32]:
        """Give the trust of each pixel of a frame (height, width)."""
        found: NDArray[np.float32] = cv2.resize(self.trust, (width, height), interpolation=cv2.INTER_LINEAR)
        return found


class FlowEstimator:
    """Links a frame to the one before; the `link` of `stream.Stages`.

    cuts: indices of frames that are known to begin new scenes; others are found.
    """

    def __init__(self, cuts: Iterable[int] = ()) -> None:
        self._cuts = frozenset(cuts)

    def __call__(self, before: DecodedFrame, frame: DecodedFrame) -> MotionField | None:
        """Give the link, or None if the frame begins a new scene or is too small to tell."""
        if frame.position.index in self._cuts:
            return None
        return link(before.working_picture, frame.working_picture)


def link(before: Picture, frame: Picture) -> MotionField | None:
    """Find the motion between two pictures of one size, (H, W, 3) uint8 RGB; None after a scene cut or below 16 pixels.

    Equal pictures give equal links on every machine of a kind.
    """
    height, width = frame.shape[:2]
    if min(height, width) < SMALLEST_SIDE:
        return None
    share = min(FLOW_SHARE, FLOW_SIDE / min(height, width))
    old, new = _grey(before, share), _grey(frame, share)
    back = flow(new, old)
    trust = trusted(old, new, back)
    return None if trust.mean() < CUT else MotionField(back, cv2.blur(trust, (3, 3)))


def trusted(before: Grey, frame: Grey, back: Field) -> NDArray[np.float32]:
    """Tell where the way `back` from `frame` to `before` can be trusted: 1 or 0, at the size CHECK of it.

    It can if the way forward leads back to where it came from, or if what it fetches looks the same; never from
    outside the picture.
    """
    small_before, small_frame = shrunk(before, CHECK), shrunk(frame, CHECK)
    height, width = small_frame.shape
    sx, sy = width / frame.shape[1], height / frame.shape[0]
    x, y = cv2.split(cv2.resize(back, (width, height), interpolation=cv2.INTER_AREA))
    places = cv2.merge((x * np.float32(sx), y * np.float32(sy))) + grid(range(height), width)
    forward_x, forward_y = cv2.split(_fetch(flow(small_before, small_frame), places))
    forward_x, forward_y = forward_x / np.float32(sx), forward_y / np.float32(sy)
    lengths = x * x + y * y + forward_x * forward_x + forward_y * forward_y
    astray_x, astray_y = x + forward_x, y + forward_y
    consistent = astray_x * astray_x + astray_y * astray_y < SLACK + SLACK_OF_MOTION * lengths
    same = cv2.blur(cv2.absdiff(_fetch(small_before, places), small_frame).astype(np.float32), (5, 5)) < SAME
    to_x, to_y = cv2.split(places)
    inside = (to_x > -1) & (to_y > -1) & (to_x < width) & (to_y < height)
    found: NDArray[np.float32] = ((consistent | same) & inside).astype(np.float32)
    return found


def _fetch(values: Grey | Field, places: Field) -> NDArray[Any]:
    """Read values at places between pixels."""
    found: NDArray[Any] = cv2.remap(values, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
    return found


def shrunk(grey: Grey, share: float) -> Grey:
    """Shrink to a share of the size."""
    height, width = (max(1, round(side * share)) for side in grey.shape)
    small: Grey = cv2.resize(grey, (width, height), interpolation=cv2.INTER_AREA)
    return small


def grid(rows: range, width: int) -> Field:
    """Give the own place of each pixel of some rows: float32 (len(rows), width, 2), x, y."""
    x, y = np.meshgrid(np.arange(width, dtype=np.float32), np.arange(rows.start, rows.stop, dtype=np.float32))
    return cv2.merge((x, y))


def _grey(picture: Picture, share: float) -> Grey:
    return shrunk(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), share)


def flow(start: Grey, end: Grey, preset: int = cv2.DISOPTICAL_FLOW_PRESET_FAST) -> Field:
    """Find where the pixels of `start` are in `end`: (h, w, 2) float32, for pictures of any one size.

    Small and narrow pictures are continued by their edges first: OpenCV reckons the levels of its pyramid from the
    width alone, and reads outside its memory if the height has fewer (https://github.com/opencv/opencv/issues/14554).
    """
    height, width = start.shape
    below = max(0, SAFE_SIDE - height, math.ceil(width / SAFE_SHAPE) - height)
    right = max(0, SAFE_SIDE - width, math.ceil(height / SAFE_SHAPE) - width)
    if below or right:
        start, end = (cv2.copyMakeBorder(p, 0, below, 0, right, cv2.BORDER_REPLICATE) for p in (start, end))
    # The object keeps buffers, so each call has its own.
    found: Field = cv2.DISOpticalFlow_create(preset).calc(start, end, None)
    return np.ascontiguousarray(found[:height, :width])
