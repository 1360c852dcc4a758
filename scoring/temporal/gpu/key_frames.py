"""Key frames on tensors: `scoring.temporal.key_frames`, whose constants and reasons hold here, too."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.temporal.gpu.images import blur, enlarge, pixel_grid, sample, to_gray
from scoring.temporal.gpu.motion import Motions
from scoring.temporal.key_frames import (
    CONTRAST_SHARE,
    DIFFERENT,
    ENLARGEMENT,
    FULL_SHARE_WEIGHT,
    SIMILAR,
    SURROUNDINGS,
    KeyState,
)

LANCZOS_SIZE = 4
"""Pixels on each side from which an enlarged pixel is computed."""


@dataclass(frozen=True, kw_only=True)
class TensorKey:
    """A painted frame, and where its pixels are in the present frame: see `KeyFrame`. All are float32 (1, C, h, w)."""

    luma: torch.Tensor
    large: torch.Tensor
    looks: torch.Tensor
    ways: torch.Tensor
    share: torch.Tensor

    def to_state(self) -> KeyState:
        """Return the parts that are stored."""
        luma, looks = (part[0, 0].to(torch.uint8).cpu().numpy() for part in (self.luma, self.looks))
        ways = np.ascontiguousarray(self.ways[0].permute(1, 2, 0).cpu().numpy())
        return KeyState(luma=luma, looks=looks, ways=ways, share=self.share[0, 0].cpu().numpy())

    @classmethod
    def of_state(cls, state: KeyState, device: torch.device) -> "TensorKey":
        """Return the key frame whose parts were stored."""
        luma, looks, share = (
            torch.from_numpy(part)[None, None].to(device, torch.float32)
            for part in (state.luma, state.looks, state.share)
        )
        ways = torch.from_numpy(state.ways).to(device).permute(2, 0, 1)[None].contiguous()
        return cls(luma=luma, large=enlarged(luma), looks=looks, ways=ways, share=share)


def new_key(picture: torch.Tensor, looks: torch.Tensor, share: torch.Tensor) -> TensorKey:
    """Return a key frame for a painted frame, (1, 3, H, W); `looks` and `share` are (1, 1, h, w)."""
    luma = to_gray(picture).round_()
    ways = share.new_zeros(1, 2, *share.shape[2:])
    return TensorKey(luma=luma, large=enlarged(luma), looks=looks.round(), ways=ways, share=share)


def enlarged(luma: torch.Tensor) -> torch.Tensor:
    """Enlarge a luma, (1, 1, H, W), by ENLARGEMENT with Lanczos filters, and round it to gray levels."""
    for axis in (2, 3):
        size, margin = luma.shape[axis], (LANCZOS_SIZE, LANCZOS_SIZE)
        padded = F.pad(luma, (0, 0, *margin) if axis == 2 else (*margin, 0, 0), mode="replicate")
        first, second = F.conv2d(padded, _lanczos_filters(luma.device).unsqueeze(5 - axis)).split(1, 1)
        pairs = torch.stack([first.narrow(axis, 0, size), second.narrow(axis, 1, size)], axis + 1)
        luma = pairs.flatten(axis, axis + 1)
    return luma.round_().clamp_(0, 255)


def share_of_moving(moving: torch.Tensor, weight: float) -> torch.Tensor:
    """Return the share of a key frame that is painted now, from how much its pixels move: (1, 1, h, w)."""
    return blur(moving, SURROUNDINGS) * min(1.0, weight / FULL_SHARE_WEIGHT)


def moved(key: TensorKey, motion: Motions) -> TensorKey:
    """Return the key frame as it is in the frame to which `motion` leads."""
    grid = pixel_grid(*motion.backward.shape[2:], motion.backward.device)
    before = motion.backward + grid
    ways = motion.backward + sample(key.ways, before)
    similarity = _similarity(sample(key.looks, ways + grid), motion.frame)
    share = torch.minimum(torch.minimum(sample(key.share, before), motion.confidence), similarity)
    return replace(key, ways=ways, share=share)


def show(blended: torch.Tensor, keys: Sequence[tuple[TensorKey, float]]) -> torch.Tensor:
    """Replace the luma of the average, (1, 3, H, W), by that of key frames, each with its weight times its share."""
    if not keys:
        return blended
    height, width = blended.shape[2:]
    luma, change = to_gray(blended), blended.new_zeros(1, 1, height, width)
    for key, weight in keys:
        h, w = key.share.shape[2:]
        to_large = blended.new_tensor([ENLARGEMENT * width / w, ENLARGEMENT * height / h]).view(2, 1, 1)
        ways = enlarge(key.ways * to_large, height, width)
        places = ways + ENLARGEMENT * pixel_grid(height, width, blended.device) + (ENLARGEMENT - 1) / 2
        change.addcmul_(sample(key.large, places) - luma, enlarge(key.share * weight, height, width))
    return blended + change


def _similarity(before: torch.Tensor, now: torch.Tensor) -> torch.Tensor:
    """Return how much two images look alike, 0 to 1, (1, 1, h, w)."""
    steps = F.pad(now.diff(dim=2).abs(), (0, 0, 0, 1)) + F.pad(now.diff(dim=3).abs(), (0, 1))
    difference = blur((before - now).abs_(), 5) - CONTRAST_SHARE / 2 * blur(steps, 5)
    return blur(((DIFFERENT - difference) / (DIFFERENT - SIMILAR)).clamp_(0, 1), 3)


@cache
def _lanczos_filters(device: torch.device) -> torch.Tensor:
    """Return the filters of the first and the second of two pixels in the place of one: (2, 1, 8)."""
    with torch.inference_mode(mode=False):
        distances = torch.arange(-LANCZOS_SIZE, LANCZOS_SIZE, dtype=torch.float64) + 0.25
        first = torch.sinc(distances) * torch.sinc(distances / LANCZOS_SIZE)
        filters = torch.stack([first, first.flip(0)]) / first.sum()
        return filters[:, None].to(device, torch.float32)
