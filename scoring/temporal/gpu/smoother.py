"""Temporal smoothing on tensors: `scoring.temporal.smooth`, whose constants and reasons hold here, too."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.temporal.gpu.images import (
    binomial_blur,
    blur,
    enlarge,
    laplacian,
    mean_columns,
    pixel_grid,
    sample,
    to_gray,
)
from scoring.temporal.gpu.motion import Motions
from scoring.temporal.smooth import (
    CELL_SIDE,
    MAX_SHARPENING,
    MOVING_DETAIL,
    MOVING_EXPONENT,
    MOVING_THRESHOLD,
    STATE_RANGE,
    STATE_STEPS,
    STILL_EXPONENT,
    STILL_THRESHOLD,
    SmoothingState,
)
from scoring.types import Picture


class TensorSmoother:
    """Blends consecutive frames on a device. It keeps the previous blend, so each task needs its own instance.

    weight: of the previous blend, 0 to 0.9; higher for still pixels, lower for moving ones. The scored frame has the
        rest.
    """

    def __init__(self, weight: float, device: torch.device) -> None:
        self._weight, self._device = weight, device
        self._before: torch.Tensor | None = None
        self._frames_in_scene = 0

    def end_batch(self) -> SmoothingState | None:
        """Round what is kept to the state that is stored, and return that; None if nothing is kept."""
        if self._before is None:
            return None
        steps = (self._before * STATE_STEPS).round_().clamp_(*STATE_RANGE).to(torch.int16)
        before = np.ascontiguousarray(steps[0].permute(1, 2, 0).cpu().numpy())
        state = SmoothingState(before=before, frames_in_scene=self._frames_in_scene)
        self.resume(state)
        return state

    def resume(self, state: SmoothingState) -> None:
        """Continue from the end of a batch."""
        before = torch.from_numpy(state.before[None]).to(self._device).permute(0, 3, 1, 2)
        self._before = before.to(torch.float32) / STATE_STEPS
        self._frames_in_scene = state.frames_in_scene

    def smooth(self, scored: torch.Tensor | Picture, motion: Motions | None) -> torch.Tensor:
        """Return the smoothed picture for `scored`, (1, 3, H, W) uint8; call it in the order of frames.

        A picture on the host, (H, W, 3), is copied first. `motion` is that of one frame. Without it a new scene starts,
        and the result is `scored`.
        """
        scored = as_tensor(scored, self._device)
        if motion is None or self._before is None or self._before.shape != scored.shape or not self._weight:
            self._before, self._frames_in_scene = scored.to(torch.float32), 1
            return scored
        # The first frames of a scene have equal weights; otherwise the very first would outlast the others.
        most = min(self._weight**STILL_EXPONENT, self._frames_in_scene / (self._frames_in_scene + 1))
        self._frames_in_scene += 1
        coarse, fine = feedback_weights(motion, self._weight, scored, most)
        self._before = blend(scored, self._before, motion, coarse, fine)
        return sharpen(self._before, sharpening_amount(self._before, scored))


def as_tensor(picture: torch.Tensor | Picture, device: torch.device) -> torch.Tensor:
    """Return a picture, (H, W, 3) on the host or a tensor already, as (1, 3, H, W) on the device."""
    if isinstance(picture, torch.Tensor):
        return picture
    return torch.from_numpy(picture[None]).to(device).permute(0, 3, 1, 2)


def feedback_weights(
    motion: Motions, weight: float, scored: torch.Tensor, most: float = 1.0
) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the weights of the previous blend for each pixel, (1, 1, H, W): in general, and of the finest detail.

    They are computed on the coarse grid of the motion.
    """
    height, width = scored.shape[2:]
    h, w = motion.backward.shape[2:]
    to_pixels = motion.backward.new_tensor([width / w, height / h]).view(2, 1, 1)
    lengths = torch.linalg.vector_norm(motion.backward * to_pixels, dim=1, keepdim=True)
    moving = ((lengths - STILL_THRESHOLD) / (MOVING_THRESHOLD - STILL_THRESHOLD)).clamp_(0, 1)
    still_weight, moving_weight = weight**STILL_EXPONENT, weight**MOVING_EXPONENT
    coarse = (motion.confidence * (still_weight + (moving_weight - still_weight) * moving)).clamp_(max=most)
    fine = coarse * (1 - (1 - MOVING_DETAIL) * moving)
    both = enlarge(torch.cat([coarse, fine], 1), height, width)
    return both[:, :1], both[:, 1:]


def blend(
    scored: torch.Tensor, before: torch.Tensor, motion: Motions, coarse: torch.Tensor, fine: torch.Tensor
) -> torch.Tensor:
    """Blend `scored`, (1, 3, H, W), with the previous blend warped along the motion, by both weights."""
    height, width = scored.shape[2:]
    h, w = motion.backward.shape[2:]
    to_pixels = motion.backward.new_tensor([width / w, height / h]).view(2, 1, 1)
    backward = enlarge(motion.backward * to_pixels, height, width)
    warped = sample(before, pixel_grid(height, width, scored.device) + backward, mode="bicubic")
    difference = warped.sub_(scored)
    change = (coarse - fine).mul(binomial_blur(difference)).addcmul_(difference, fine)
    return change.add_(scored)


def sharpening_amount(blended: torch.Tensor, scored: torch.Tensor) -> torch.Tensor:
    """Return the share of its Laplacian to subtract from `blended`, (1, 1, H, W), 0 to MAX_SHARPENING.

    It gives the Laplacian of the luma the energy of that of `scored` in each square of CELL_SIDE pixels and its
    neighbors.
    """
    height, width = scored.shape[2:]
    once = laplacian(to_gray(blended))
    again, expected = laplacian(once), laplacian(to_gray(scored).round_())
    energies = torch.cat([once * once, once * again, again * again, expected * expected], 1)
    # Columns of cells divide the width evenly; rows are CELL_SIDE high but for the last.
    columns = mean_columns(energies, max(1, round(width / CELL_SIDE)))
    cells = F.avg_pool2d(columns, (CELL_SIDE, 1), ceil_mode=True)
    own, mixed, twice, target = blur(cells, 3).split(1, 1)
    root = (mixed * mixed + twice * (target - own)).clamp_(min=0).sqrt_()
    amount = torch.where(target > own, (mixed + root) / twice.clamp(min=1e-3), 0).clamp_(0, MAX_SHARPENING)
    return enlarge(amount, height, width)


def sharpen(blended: torch.Tensor, amount: torch.Tensor) -> torch.Tensor:
    """Subtract `amount` of its Laplacian from `blended`, (1, 3, H, W), in all channels: the picture to deliver."""
    sharpened = torch.addcmul(blended, amount, laplacian(blended), value=-1)
    return sharpened.round_().clamp_(0, 255).to(torch.uint8)
