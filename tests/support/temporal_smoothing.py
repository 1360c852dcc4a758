"""Both implementations of temporal smoothing, in OpenCV and in torch, behind one interface for their tests."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray

from scoring.temporal.flow import MotionField, estimate_motion
from scoring.temporal.gpu.motion import SCENE_CUT_THRESHOLD, Motions, estimate_motions, flow_images
from scoring.temporal.gpu.smoother import TensorSmoother
from scoring.temporal.smooth import TemporalSmoother
from scoring.types import Picture


class Smoother(Protocol):
    """Smooths pictures in order."""

    def smooth(self, scored: Picture, motion: MotionField | None, index: int, *, is_good: bool = True) -> Picture: ...


@dataclass(frozen=True)
class Implementation:
    """An implementation under test; motion fields are arrays for both."""

    name: str
    estimate_motion: Callable[[Picture, Picture], MotionField | None]
    smoother: Callable[[float], Smoother]


def to_tensor(*pictures: NDArray[Any]) -> torch.Tensor:
    """Return pictures (H, W, 3) as (B, 3, H, W), channels last in memory."""
    return torch.from_numpy(np.stack(pictures)).permute(0, 3, 1, 2)


def to_picture(tensor: torch.Tensor) -> Picture:
    """Return (1, 3, H, W) as a picture."""
    return np.ascontiguousarray(tensor[0].permute(1, 2, 0).numpy())


def to_motions(motion: MotionField) -> Motions:
    """Return a motion field whose parts have one grid as tensors."""
    assert motion.backward.shape[:2] == motion.confidence.shape
    images = (motion.confidence, motion.before, motion.frame)
    confidence, before, frame = (torch.from_numpy(image).to(torch.float32)[None, None] for image in images)
    return Motions(torch.from_numpy(motion.backward).permute(2, 0, 1)[None], confidence, before, frame)


def estimate_motion_in_torch(before: Picture, frame: Picture) -> MotionField | None:
    """Estimate motion as the device does for a batch of one pair."""
    with torch.inference_mode():
        images = flow_images(to_tensor(before, frame))
        if images is None:
            return None
        motions, share = estimate_motions(images)
        if float(share[0]) < SCENE_CUT_THRESHOLD:
            return None
        backward = np.ascontiguousarray(motions.backward[0].permute(1, 2, 0).numpy())
        before, frame = (luma[0, 0].round().to(torch.uint8).numpy() for luma in (motions.before, motions.frame))
        return MotionField(backward, motions.confidence[0, 0].numpy(), before, frame)


class SmootherInTorch:
    """`TensorSmoother` on arrays."""

    def __init__(self, weight: float) -> None:
        self._smoother = TensorSmoother(weight, torch.device("cpu"))

    def smooth(self, scored: Picture, motion: MotionField | None, index: int, *, is_good: bool = True) -> Picture:
        """Return `scored` itself where the smoother does."""
        with torch.inference_mode():
            tensor = to_tensor(scored)
            smoothed = self._smoother.smooth(
                tensor, None if motion is None else to_motions(motion), index, is_good=is_good
            )
            return scored if smoothed is tensor else to_picture(smoothed)


OPENCV = Implementation("opencv", estimate_motion, TemporalSmoother)
TORCH = Implementation("torch", estimate_motion_in_torch, SmootherInTorch)
IMPLEMENTATIONS = (OPENCV, TORCH)
