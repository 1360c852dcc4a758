"""Motion between the frames of a batch, and how far it can be trusted: `scoring.temporal.flow` on tensors.

Flow in both directions comes from one search over all pairs, so that a GPU gets few and large operations.
"""

from dataclasses import dataclass
from typing import Final

import torch

from scoring.temporal.flow import (
    CONSISTENCY_TOLERANCE,
    FLOW_SCALE,
    MAX_FLOW_SIDE,
    MIN_SIDE,
    RELATIVE_CONSISTENCY_TOLERANCE,
    SIMILAR_FACTOR,
    SIMILARITY_THRESHOLD,
    THIN,
    THIN_CONTRAST,
    THIN_ISOLATION,
    THIN_SURROUNDINGS,
)
from scoring.temporal.gpu.images import blur, downscale, highest, lowest, pixel_grid, sample, to_gray
from scoring.temporal.gpu.search import dense_flow

SCENE_CUT_THRESHOLD: Final = 0.75
"""Share of confident pixels below which a frame starts a new scene. Measured on six clips: at least 0.98 within a
scene, two frames apart; between frames of different clips at most 0.23 at 480x270, and 0.54 at 128x96."""


@dataclass(frozen=True)
class Motions:
    """Motion of B frames, each back to the frame before it; all is on one grid (h, w), coarser than frames.

    backward: (B, 2, h, w) float32, from each pixel to its position in the frame before, x before y, in pixels of the
        grid.
    confidence: (B, 1, h, w) float32, 0 to 1.
    before, frame: (B, 1, h, w) float32, luma of both frames.
    """

    backward: torch.Tensor
    confidence: torch.Tensor
    before: torch.Tensor
    frame: torch.Tensor

    def __getitem__(self, place: int) -> "Motions":
        """Return the motion of one frame."""
        parts = (self.backward, self.confidence, self.before, self.frame)
        return Motions(*(part[place : place + 1] for part in parts))


def flow_images(pictures: torch.Tensor) -> torch.Tensor | None:
    """Return the images between which flow is computed: uint8 (B, 3, H, W) -> luma, float32 (B, 1, h, w).

    Returns None for sides below MIN_SIDE.
    """
    height, width = pictures.shape[2:]
    if min(height, width) < MIN_SIDE:
        return None
    scale = min(FLOW_SCALE, MAX_FLOW_SIDE / min(height, width))
    return downscale(to_gray(pictures), round(height * scale), round(width * scale))


def estimate_motions(images: torch.Tensor) -> tuple[Motions, torch.Tensor]:
    """Estimate the motion between consecutive images, (B + 1, 1, h, w) from `flow_images`: that of the last B.

    Also returns the share of confident pixels of each, (B,): below SCENE_CUT_THRESHOLD the frame starts a new scene.
    """
    before, frames = images[:-1], images[1:]
    backward, forward = dense_flow(torch.cat([frames, before]), torch.cat([before, frames])).chunk(2)
    height, width = backward.shape[2:]
    small = downscale(images, height, width)
    confidence = _confidence(small[:-1], small[1:], backward, forward, scale=images.shape[3] / width)
    return Motions(backward, blur(confidence, 3), small[:-1], small[1:]), confidence.mean((1, 2, 3))


def _confidence(
    before: torch.Tensor, frames: torch.Tensor, backward: torch.Tensor, forward: torch.Tensor, *, scale: float
) -> torch.Tensor:
    """Return where `backward` is reliable, much as `scoring.temporal.flow.flow_confidence` does: 1 or 0, (B, 1, h, w).

    `scale` is the size of the images of the flow, by whose pixels the tolerances are defined, relative to these.
    """
    height, width = frames.shape[2:]
    positions = pixel_grid(height, width, frames.device) + backward
    back_again = sample(forward, positions)
    lengths = (backward.square() + back_again.square()).sum(1, keepdim=True)
    error = (backward + back_again).square().sum(1, keepdim=True)
    tolerance = CONSISTENCY_TOLERANCE / scale**2 + RELATIVE_CONSISTENCY_TOLERANCE * lengths
    moved = sample(before, positions)
    is_similar = blur((moved - frames).abs_(), 5) < SIMILARITY_THRESHOLD
    is_consistent = error < torch.where(is_similar, SIMILAR_FACTOR * tolerance, tolerance)
    size = positions.new_tensor([width, height]).view(2, 1, 1)
    is_inside = ((positions > -1) & (positions < size)).all(1, keepdim=True)
    return (is_consistent & is_inside & ~_thin_changes(moved, frames)).to(torch.float32)


def _thin_changes(moved: torch.Tensor, frames: torch.Tensor) -> torch.Tensor:
    """Return where a lone thin thing is in one image but not in the other, and next to it: (B, 1, h, w)."""
    before, now = _thin_things(moved), _thin_things(frames)
    changes = torch.maximum(now - 2 * before, before - 2 * now).amax(1, keepdim=True)
    surroundings = blur(torch.maximum(before, now).amax(1, keepdim=True), THIN_SURROUNDINGS)
    is_new = (changes > THIN_CONTRAST) & (changes > THIN_ISOLATION * surroundings)
    return highest(is_new.to(torch.float32), THIN) > 0


def _thin_things(images: torch.Tensor) -> torch.Tensor:
    """Return by how much dark and bright things narrower than THIN stand out: (B, 1, h, w) -> (B, 2, h, w)."""
    closed, opened = lowest(highest(images, THIN), THIN), highest(lowest(images, THIN), THIN)
    return torch.cat([closed - images, images - opened], 1)
