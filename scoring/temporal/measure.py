"""How steady a video is: what changes from frame to frame that the video's own motion does not explain.

Three figures of a pair of frames, each beside the same figure of the input: the warping error of Lai et al. 2018
(https://arxiv.org/abs/1808.00449) with flow and occlusion taken from the input; the difference to the frame before as
it is, in which no flow can err; and the sharpness, for what is blurred is always steady.
"""

from typing import Final

import cv2
import numpy as np

from frame_tools.contracts.receipt import SteadinessSums
from scoring.temporal.flow import Field, Grey, flow, grid, trusted
from scoring.types import DeliveredFrame, Picture

SIDE: Final = 270
"""Pixels: shorter side to which larger frames are shrunk before they are measured."""
SMALLEST_SIDE: Final = 16
"""Pixels: smaller frames have no flow; they are measured as if nothing moved."""


def measure_pair(before: DeliveredFrame, frame: DeliveredFrame) -> SteadinessSums:
    """Measure one pair of delivered frames at the video's size; `stream` sums up."""
    return measure(before.decoded.picture, frame.decoded.picture, before.picture, frame.picture)


def measure(before: Picture, frame: Picture, shown_before: Picture, shown: Picture) -> SteadinessSums:
    """Measure a pair: the input's pictures and those shown for them, all (H, W, 3) uint8 RGB of one size.

    The flow is sought as the blending seeks it, but anew and slower (the preset MEDIUM); squares and variances are in
    grey levels squared, differences in grey levels.
    """
    before, frame, shown_before, shown = (_small(picture) for picture in (before, frame, shown_before, shown))
    places, seen = motion(before, frame)
    return SteadinessSums(
        pairs=1,
        warp_error=warp_error(shown_before, shown, places, seen),
        warp_error_input=warp_error(before, frame, places, seen),
        difference=float(cv2.absdiff(shown_before, shown).mean()),
        difference_input=float(cv2.absdiff(before, frame).mean()),
        sharpness=sharpness(shown),
        sharpness_input=sharpness(frame),
    )


def motion(before: Picture, frame: Picture) -> tuple[Field, Grey]:
    """Find where each pixel of `frame` was in `before`, float32 (H, W, 2), and if it was seen there: (H, W), 0 or 1."""
    height, width = frame.shape[:2]
    places = grid(range(height), width)
    if min(height, width) < SMALLEST_SIDE:
        return places, np.ones((height, width), np.uint8)
    old, new = (cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY) for picture in (before, frame))
    back = flow(new, old, cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    seen = cv2.resize(trusted(old, new, back), (width, height), interpolation=cv2.INTER_NEAREST)
    return places + back, seen.astype(np.uint8)


def warp_error(before: Picture, frame: Picture, places: Field, seen: Grey) -> float:
    """Give the mean square difference of `frame` to `before` moved to `places`, where `seen`; 0 if nothing is."""
    moved = cv2.remap(before, places, None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    difference = cv2.absdiff(moved, frame).astype(np.float32)
    return float(sum(cv2.mean(difference * difference, mask=seen)[:3]) / 3)


def sharpness(picture: Picture) -> float:
    """Give the variance of the Laplacian of the luma."""
    _, deviation = cv2.meanStdDev(cv2.Laplacian(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), cv2.CV_32F))
    return float(deviation[0, 0] ** 2)


def _small(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    share = min(1.0, SIDE / min(height, width))
    if share == 1:
        return picture
    small: Picture = cv2.resize(picture, (round(width * share), round(height * share)), interpolation=cv2.INTER_AREA)
    return small
