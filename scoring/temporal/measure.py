"""Measures of flicker: changes from frame to frame that the motion of the input does not explain.

Each pair of frames has three figures, and the same three figures of the input beside them: the warping error of Lai et
al. 2018 (https://arxiv.org/abs/1808.00449), with flow and occlusion of the input; the plain difference between the
frames, which no flow error can affect; and the sharpness, because a blurred video always has a low warping error.
"""

from typing import Final

import cv2
import numpy as np

from frame_tools.contracts.receipt import SteadinessSums
from scoring.opencv import laplacian, remap, resize, to_gray
from scoring.temporal.flow import GrayImage, VectorField, dis_flow, flow_confidence, pixel_grid
from scoring.types import DeliveredFrame, Picture

MEASURED_SIDE: Final = 270
"""Pixels: larger frames are scaled to this shorter side before they are measured."""
MIN_SIDE: Final = 16
"""Pixels: smaller frames have no flow and are measured as if nothing moved."""


def measure_pair(before: DeliveredFrame, frame: DeliveredFrame) -> SteadinessSums:
    """Measure a pair of delivered frames at the size of the video; the pipeline adds the results up.

    Frames that are delivered larger are reduced to the size of the video: measures of two sizes cannot be compared.
    """
    original = frame.decoded.picture
    height, width = original.shape[:2]
    shown = (
        each.picture if each.picture.shape == original.shape else resize(each.picture, width, height, cv2.INTER_AREA)
        for each in (before, frame)
    )
    return measure(before.decoded.picture, original, *shown)


def measure(before: Picture, frame: Picture, delivered_before: Picture, delivered: Picture) -> SteadinessSums:
    """Measure a pair: pictures of the input and pictures delivered for them, all (H, W, 3) uint8 RGB of one size.

    Flow is computed anew and with a slower preset (MEDIUM) than smoothing uses. Warping errors and sharpness are in
    square gray levels, differences in gray levels.
    """
    before, frame, delivered_before, delivered = map(_downscale, (before, frame, delivered_before, delivered))
    positions, visible = motion(before, frame)
    return SteadinessSums(
        pairs=1,
        warp_error=warp_error(delivered_before, delivered, positions, visible),
        warp_error_input=warp_error(before, frame, positions, visible),
        difference=float(cv2.absdiff(delivered_before, delivered).mean()),
        difference_input=float(cv2.absdiff(before, frame).mean()),
        sharpness=sharpness(delivered),
        sharpness_input=sharpness(frame),
    )


def motion(before: Picture, frame: Picture) -> tuple[VectorField, GrayImage]:
    """Return the position of each pixel of `frame` in `before`, and where it is visible there.

    Positions are float32 (H, W, 2), visibility is uint8 (H, W), 0 or 1.
    """
    height, width = frame.shape[:2]
    positions = pixel_grid(range(height), width)
    if min(height, width) < MIN_SIDE:
        return positions, np.ones((height, width), np.uint8)
    gray_before, gray = to_gray(before), to_gray(frame)
    backward = dis_flow(gray, gray_before, cv2.DISOPTICAL_FLOW_PRESET_MEDIUM)
    confidence = flow_confidence(gray_before, gray, backward)
    return positions + backward, resize(confidence, width, height, cv2.INTER_NEAREST).astype(np.uint8)


def warp_error(before: Picture, frame: Picture, positions: VectorField, visible: GrayImage) -> float:
    """Return the mean square difference between `frame` and `before` sampled at `positions`, where `visible`.

    Returns 0 if nothing is visible.
    """
    difference = cv2.absdiff(remap(before, positions, cv2.INTER_CUBIC), frame).astype(np.float32)
    return float(sum(cv2.mean(difference * difference, mask=visible)[:3]) / 3)


def sharpness(picture: Picture) -> float:
    """Return the variance of the Laplacian of the luma."""
    _, deviation = cv2.meanStdDev(laplacian(to_gray(picture)))
    return float(deviation[0, 0] ** 2)


def _downscale(picture: Picture) -> Picture:
    height, width = picture.shape[:2]
    scale = min(1.0, MEASURED_SIDE / min(height, width))
    if scale == 1:
        return picture
    return resize(picture, round(width * scale), round(height * scale), cv2.INTER_AREA)
