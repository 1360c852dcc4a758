"""Temporal smoothing on tensors: `scoring.temporal.smooth`, whose constants and reasons hold here, too."""

import torch

from scoring.temporal.gpu.images import blur, downscale, enlarge, laplacian, pixel_grid, sample, to_gray
from scoring.temporal.gpu.motion import Motions
from scoring.temporal.smooth import (
    CELL_SIDE,
    MAX_SHARPENING,
    MIN_FEEDBACK,
    MOVING_EXPONENT,
    MOVING_THRESHOLD,
    STILL_EXPONENT,
    STILL_THRESHOLD,
)


class TensorSmoother:
    """Blends consecutive frames on a device. It keeps the previous frame, so each batch needs its own instance.

    weight: of the previous output, 0 to 0.9; higher for still pixels, lower for moving ones. The scored frame has the
        rest.
    """

    def __init__(self, weight: float) -> None:
        self._weight = weight
        self._before: torch.Tensor | None = None
        self._frames_in_scene = 0

    def smooth(self, scored: torch.Tensor, motion: Motions | None) -> torch.Tensor:
        """Return the smoothed picture for `scored`, (1, 3, H, W) uint8; call it in the order of frames.

        `motion` is that of one frame. Without it a new scene starts, and the result is `scored`.
        """
        if motion is None or self._before is None or self._before.shape != scored.shape or not self._weight:
            self._before, self._frames_in_scene = scored.to(torch.float32), 1
            return scored
        # The first frames of a scene have equal weights; otherwise the very first would outlast the others.
        max_feedback = min(self._weight**STILL_EXPONENT, self._frames_in_scene / (self._frames_in_scene + 1))
        self._frames_in_scene += 1
        feedback = feedback_weights(motion, self._weight, scored).clamp_(max=max_feedback)
        blended = blend(scored, self._before, motion, feedback)
        smoothed, self._before = sharpen(blended, sharpening_amount(blended, scored), feedback)
        return smoothed


def feedback_weights(motion: Motions, weight: float, scored: torch.Tensor) -> torch.Tensor:
    """Return the weight of the previous output for each pixel, (1, 1, H, W): `weight` adapted to motion and confidence.

    It is computed on the coarse grid of the motion.
    """
    height, width = scored.shape[2:]
    h, w = motion.backward.shape[2:]
    to_pixels = motion.backward.new_tensor([width / w, height / h]).view(2, 1, 1)
    lengths = torch.linalg.vector_norm(motion.backward * to_pixels, dim=1, keepdim=True)
    moving = ((lengths - STILL_THRESHOLD) / (MOVING_THRESHOLD - STILL_THRESHOLD)).clamp_(0, 1)
    still_weight, moving_weight = weight**STILL_EXPONENT, weight**MOVING_EXPONENT
    weights = motion.confidence * (still_weight + (moving_weight - still_weight) * moving)
    return enlarge(weights, height, width)


def blend(scored: torch.Tensor, before: torch.Tensor, motion: Motions, feedback: torch.Tensor) -> torch.Tensor:
    """Blend `scored`, (1, 3, H, W), with the previous output warped along the motion; `feedback` is its weight."""
    height, width = scored.shape[2:]
    h, w = motion.backward.shape[2:]
    to_pixels = motion.backward.new_tensor([width / w, height / h]).view(2, 1, 1)
    backward = enlarge(motion.backward * to_pixels, height, width)
    warped = sample(before, pixel_grid(height, width, scored.device) + backward, mode="bicubic")
    return torch.lerp(scored.to(torch.float32), warped, feedback)


def sharpening_amount(blended: torch.Tensor, scored: torch.Tensor) -> torch.Tensor:
    """Return the share of its Laplacian to subtract from `blended`, (1, 1, H, W), 0 to MAX_SHARPENING.

    It gives the Laplacian of the luma the energy of that of `scored` in each square of CELL_SIDE pixels and its
    neighbors.
    """
    height, width = scored.shape[2:]
    once = laplacian(to_gray(blended))
    again, expected = laplacian(once), laplacian(to_gray(scored).round_())
    energies = torch.cat([once * once, once * again, again * again, expected * expected], 1)
    # Rows of cells are CELL_SIDE high but for the last; columns divide the width evenly.
    rows = [downscale(part, 1, max(1, round(width / CELL_SIDE))) for part in energies.split(CELL_SIDE, 2)]
    own, mixed, twice, target = blur(torch.cat(rows, 2), 3).split(1, 1)
    root = (mixed * mixed + twice * (target - own)).clamp_(min=0).sqrt_()
    amount = torch.where(target > own, (mixed + root) / twice.clamp(min=1e-3), 0).clamp_(0, MAX_SHARPENING)
    return enlarge(amount, height, width)


def sharpen(blended: torch.Tensor, amount: torch.Tensor, feedback: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Subtract `amount` of its Laplacian from `blended`, (1, 3, H, W), in all channels.

    Returns the picture to deliver, uint8, and the one to blend the next frame with, float32. The latter is sharpened no
    further than it can be fed back with the weights `feedback` without growing.
    """
    detail = laplacian(blended)
    smoothed = torch.addcmul(blended, amount, detail, value=-1).round_().clamp_(0, 255).to(torch.uint8)
    bounded = torch.minimum(amount, (1 / feedback.clamp(min=MIN_FEEDBACK) - 1) / 8)
    return smoothed, torch.addcmul(blended, bounded, detail, value=-1)
