"""Temporal smoothing on tensors: `scoring.temporal.smooth`, whose constants and reasons hold here, too."""

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from frame_tools.contracts.warm_up import anchor_interval
from scoring.temporal.anchor_frames import shown_anchors
from scoring.temporal.gpu.anchor_frames import TensorAnchor, moved, new_anchor, new_share, rise, show
from scoring.temporal.gpu.images import (
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
    """Smooths consecutive frames on a device. It keeps their average and anchor frames, so each task needs its own one.

    weight: of the average before, 0 to 0.9; higher for still pixels, lower for moving ones. The scored frame has the
        rest. The interval between anchor frames follows from it.
    """

    def __init__(self, weight: float, device: torch.device) -> None:
        self._weight, self._device = weight, device
        self._before: torch.Tensor | None = None
        self._frames_in_scene = 0
        self._first_is_good = True
        self._anchors: tuple[TensorAnchor, ...] = ()

    def end_batch(self) -> SmoothingState | None:
        """Round what is kept to the state that is stored, and return that; None if nothing is kept."""
        if self._before is None:
            return None
        steps = (self._before * STATE_STEPS).round_().clamp_(*STATE_RANGE).to(torch.int16)
        before = np.ascontiguousarray(steps[0].permute(1, 2, 0).cpu().numpy())
        anchors = tuple(anchor.to_state() for anchor in self._anchors)
        self._before = steps.to(torch.float32) / STATE_STEPS
        return SmoothingState(
            before=before, frames_in_scene=self._frames_in_scene, first_is_good=self._first_is_good, anchors=anchors
        )

    def resume(self, state: SmoothingState) -> None:
        """Continue from the end of a batch."""
        before = torch.from_numpy(state.before[None]).to(self._device).permute(0, 3, 1, 2)
        self._before = before.to(torch.float32) / STATE_STEPS
        self._frames_in_scene, self._first_is_good = state.frames_in_scene, state.first_is_good
        self._anchors = tuple(TensorAnchor.of_state(anchor, self._device) for anchor in state.anchors)

    def smooth(
        self, scored: torch.Tensor | Picture, motion: Motions | None, index: int, *, is_good: bool = True
    ) -> torch.Tensor:
        """Return the smoothed picture for `scored`, (1, 3, H, W) uint8; call it in the order of frames.

        A picture on the host, (H, W, 3), is copied first. `motion` is that of one frame. Without it a new scene starts,
        and the result is `scored`. `index` is that of the frame in the video. A picture that is not `is_good` replaces
        one that could not be painted.
        """
        scored = as_tensor(scored, self._device)
        if motion is None or self._before is None or self._before.shape != scored.shape or not self._weight:
            self._before, self._frames_in_scene, self._anchors = scored.to(torch.float32), 1, ()
            self._first_is_good = is_good
            return scored
        moving = moving_share(motion, scored)
        share, is_turn = new_share(moving, motion, self._weight), index % anchor_interval(self._weight) == 0
        self._follow_anchors(scored, motion, share, is_turn=is_turn, is_good=is_good)
        # The first frames of a scene have equal weights; otherwise the very first would outlast the others.
        most = min(self._weight**STILL_EXPONENT, self._frames_in_scene / (self._frames_in_scene + 1))
        self._frames_in_scene += 1
        self._before = average(scored, self._before, motion, feedback_weights(moving, motion, self._weight, most))
        shown = show(self._before, shown_anchors(self._anchors, index, self._weight))
        return sharpen(shown, sharpening_amount(shown, scored))

    def _follow_anchors(
        self, scored: torch.Tensor, motion: Motions, share: torch.Tensor, *, is_turn: bool, is_good: bool
    ) -> None:
        """Move the anchor frames. Add the scene's first frame, and `scored` if it is its turn, unless it is bad."""
        anchors = self._anchors
        if self._frames_in_scene == 1 and self._first_is_good and self._before is not None:
            anchors = (new_anchor(self._before, motion.before, share),)
        anchors = tuple(moved(anchor, motion) for anchor in anchors)
        if is_turn:
            newest = (new_anchor(scored, motion.frame, share),) if is_good else anchors[-1:]
            anchors = (*anchors[-1:], *newest)
        self._anchors = anchors


def as_tensor(picture: torch.Tensor | Picture, device: torch.device) -> torch.Tensor:
    """Return a picture, (H, W, 3) on the host or a tensor already, as (1, 3, H, W) on the device."""
    if isinstance(picture, torch.Tensor):
        return picture
    return torch.from_numpy(picture[None]).to(device).permute(0, 3, 1, 2)


def moving_share(motion: Motions, scored: torch.Tensor) -> torch.Tensor:
    """Return how much each pixel of the motion's grid moves: 0 for still, 1 for moving, (1, 1, h, w)."""
    lengths = torch.linalg.vector_norm(motion.backward * _to_pixels(motion, scored), dim=1, keepdim=True)
    return rise(lengths, STILL_THRESHOLD, MOVING_THRESHOLD)


def feedback_weights(moving: torch.Tensor, motion: Motions, weight: float, most: float = 1.0) -> torch.Tensor:
    """Return the weight of the average before for each pixel of the motion's grid: (1, 1, h, w), at most `most`."""
    still_weight, moving_weight = weight**STILL_EXPONENT, weight**MOVING_EXPONENT
    weights: torch.Tensor = motion.confidence * (still_weight + (moving_weight - still_weight) * moving)
    return weights.clamp_(max=most)


def average(scored: torch.Tensor, before: torch.Tensor, motion: Motions, feedback: torch.Tensor) -> torch.Tensor:
    """Average `scored`, (1, 3, H, W), with the average before, warped along the motion, by its weight."""
    height, width = scored.shape[2:]
    backward = enlarge(motion.backward * _to_pixels(motion, scored), height, width)
    warped = sample(before, pixel_grid(height, width, scored.device) + backward, mode="bicubic")
    return warped.sub_(scored).mul_(enlarge(feedback, height, width)).add_(scored)


def _to_pixels(motion: Motions, scored: torch.Tensor) -> torch.Tensor:
    """Return the size of a pixel of the motion's grid, x before y, in pixels of the frame: (2, 1, 1)."""
    (height, width), (h, w) = scored.shape[2:], motion.backward.shape[2:]
    return motion.backward.new_tensor([width / w, height / h]).view(2, 1, 1)


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
