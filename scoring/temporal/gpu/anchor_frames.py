"""Anchor frames on tensors: `scoring.temporal.anchor_frames`, whose constants and reasons hold here, too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.temporal.anchor_frames import (
    CHANGED,
    CONTRAST_SHARE,
    DIFFERENT,
    ENLARGEMENT,
    FULL_SHARE_WEIGHT,
    MARGIN,
    SAME,
    SIMILAR,
    SURROUNDINGS,
    AnchorState,
)
from scoring.temporal.gpu.images import blur, enlarge, pixel_grid, sample, to_gray
from scoring.temporal.gpu.motion import Motions

LANCZOS_SIZE = 4
"""Pixels on each side from which an enlarged pixel is computed."""


@dataclass(frozen=True, kw_only=True)
class TensorAnchor:
    """A painted frame, and where its pixels are in the present frame, as in `AnchorFrame`: float32 (1, C, h, w)."""

    luma: torch.Tensor
    large: torch.Tensor
    input_luma: torch.Tensor
    displacement: torch.Tensor
    share: torch.Tensor

    def to_state(self) -> AnchorState:
        """Return the parts that are stored."""
        luma, input_luma = (part[0, 0].to(torch.uint8).cpu().numpy() for part in (self.luma, self.input_luma))
        displacement = np.ascontiguousarray(self.displacement[0].permute(1, 2, 0).cpu().numpy())
        return AnchorState(
            luma=luma, input_luma=input_luma, displacement=displacement, share=self.share[0, 0].cpu().numpy()
        )

    @classmethod
    def of_state(cls, state: AnchorState, device: torch.device) -> "TensorAnchor":
        """Return the anchor frame whose parts were stored."""
        luma, input_luma, share = (
            torch.from_numpy(part)[None, None].to(device, torch.float32)
            for part in (state.luma, state.input_luma, state.share)
        )
        displacement = torch.from_numpy(state.displacement).to(device).permute(2, 0, 1)[None].contiguous()
        return cls(luma=luma, large=enlarged(luma), input_luma=input_luma, displacement=displacement, share=share)


def new_anchor(picture: torch.Tensor, input_luma: torch.Tensor, share: torch.Tensor) -> TensorAnchor:
    """Return an anchor frame for a painted frame, (1, 3, H, W); `input_luma` and `share` are (1, 1, h, w)."""
    luma = to_gray(picture).round_()
    displacement = share.new_zeros(1, 2, *share.shape[2:])
    return TensorAnchor(
        luma=luma, large=enlarged(luma), input_luma=input_luma.round(), displacement=displacement, share=share
    )


def enlarged(luma: torch.Tensor) -> torch.Tensor:
    """Enlarge a luma, (1, 1, H, W), by ENLARGEMENT with Lanczos filters, and round it to gray levels."""
    for axis in (2, 3):
        size, margin = luma.shape[axis], (LANCZOS_SIZE, LANCZOS_SIZE)
        padded = F.pad(luma, (0, 0, *margin) if axis == 2 else (*margin, 0, 0), mode="replicate")
        taps = [padded.narrow(axis, place, size) for place in range(2 * LANCZOS_SIZE + 1)]
        # Sums, not a convolution, whose algorithm and rounding a GPU may choose anew when a task resumes.
        pixels = [torch.zeros_like(luma), torch.zeros_like(luma)]
        for number, weight in enumerate(_lanczos_weights()):
            pixels[0].add_(taps[number], alpha=weight)
            pixels[1].add_(taps[-1 - number], alpha=weight)
        luma = torch.stack(pixels, axis + 1).flatten(axis, axis + 1)
    return luma.round_().clamp_(0, 255)


def new_share(moving: torch.Tensor, motion: Motions, weight: float) -> torch.Tensor:
    """Return the share of an anchor frame that is painted now, from how much its pixels move: (1, 1, h, w)."""
    changes = blur((motion.before - motion.frame).abs_(), 5)
    return blur(moving * rise(changes, SAME, CHANGED), SURROUNDINGS) * min(1.0, weight / FULL_SHARE_WEIGHT)


def rise(values: torch.Tensor, low: float, high: float) -> torch.Tensor:
    """Return 0 up to `low`, 1 from `high` on, and in proportion in between."""
    return ((values - low) / (high - low)).clamp_(0, 1)


def moved(anchor: TensorAnchor, motion: Motions) -> TensorAnchor:
    """Return the anchor frame as it is in the frame to which `motion` leads."""
    grid = pixel_grid(*motion.backward.shape[2:], motion.backward.device)
    before = motion.backward + grid
    displacement = motion.backward + sample(anchor.displacement, before)
    places = displacement + grid
    similarity = _similarity(sample(anchor.input_luma, places), motion.frame)
    share = torch.minimum(torch.minimum(sample(anchor.share, before), motion.confidence), similarity)
    height, width = share.shape[2:]
    last = places.new_tensor([width - 1, height - 1]).view(2, 1, 1)
    is_inside = ((places > -MARGIN) & (places < last + MARGIN)).all(1, keepdim=True)
    return replace(anchor, displacement=displacement, share=share * is_inside)


def show(blended: torch.Tensor, anchors: Sequence[tuple[TensorAnchor, float]]) -> torch.Tensor:
    """Replace the luma of the average, (1, 3, H, W), by that of anchor frames, each with its weight times its share."""
    if not anchors:
        return blended
    height, width = blended.shape[2:]
    luma, change = to_gray(blended), blended.new_zeros(1, 1, height, width)
    for anchor, weight in anchors:
        h, w = anchor.share.shape[2:]
        to_large = blended.new_tensor([ENLARGEMENT * width / w, ENLARGEMENT * height / h]).view(2, 1, 1)
        displacement = enlarge(anchor.displacement * to_large, height, width)
        places = displacement + ENLARGEMENT * pixel_grid(height, width, blended.device) + (ENLARGEMENT - 1) / 2
        change.addcmul_(sample(anchor.large, places) - luma, enlarge(anchor.share * weight, height, width))
    return blended + change


def _similarity(before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """Return how much two images look alike, 0 to 1, (1, 1, h, w)."""
    steps = F.pad(now.diff(dim=2).abs(), (0, 0, 0, 1)) + F.pad(now.diff(dim=3).abs(), (0, 1))
    difference = blur((before - now).abs_(), 5) - CONTRAST_SHARE / 2 * blur(steps, 5)
    return blur(1 - rise(difference, SIMILAR, DIFFERENT), 3)


@cache
def _lanczos_weights() -> tuple[float, ...]:
    """Return the weights of eight pixels in one that lies a quarter of a pixel before the fifth of them."""
    distances = torch.arange(-LANCZOS_SIZE, LANCZOS_SIZE, dtype=torch.float64) + 0.25
    weights = torch.sinc(distances) * torch.sinc(distances / LANCZOS_SIZE)
    return tuple((weights / weights.sum()).tolist())
