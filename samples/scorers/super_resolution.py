"""Enlarge frames to twice their size: Lanczos interpolation, then back-projection, which restores what it blurred.

A fixed kernel and no network: reduced again, the result is close to the frame, and no detail is invented. A trained
network goes in the same place: read its weights from context.files["weights.safetensors"], and replace `score`.

impasto scorer try samples/scorers/super_resolution.py holiday.mp4 --scale 2
impasto scorer allow samples/scorers/super_resolution.py --scale 2
"""

import math

import torch
from torch.nn import functional

SCALE = 2
LOBES = 3
"""Lobes of the Lanczos kernel on each side."""


def lanczos_kernel(scale):
    """Return the weights of a Lanczos filter that reduces by `scale`: 1-dimensional, float32, sum 1."""
    half = LOBES * scale
    positions = (torch.arange(2 * half, dtype=torch.float64) - half + 0.5) / scale
    weights = torch.sinc(positions) * torch.sinc(positions / LOBES)
    return (weights / weights.sum()).float()


class SuperResolution:
    """Pictures of twice the size; `rounds` of back-projection (0 to 20), each of the strength `amount` (0 to 1)."""

    def __init__(self, context):
        self.rounds = context.arguments.get("rounds", 2)
        self.amount = context.arguments.get("amount", 1.0)
        if isinstance(self.rounds, bool) or not isinstance(self.rounds, int) or not 0 <= self.rounds <= 20:
            raise ValueError(f"rounds must be a whole number from 0 to 20, not {self.rounds!r}")
        if not isinstance(self.amount, int | float) or not 0 <= self.amount <= 1 or math.isnan(self.amount):
            raise ValueError(f"amount must be a number from 0 to 1, not {self.amount!r}")
        self.device = torch.device(context.device)
        kernel = lanczos_kernel(SCALE).to(self.device)
        self.columns = kernel.reshape(1, 1, 1, -1).repeat(3, 1, 1, 1)
        self.rows = kernel.reshape(1, 1, -1, 1).repeat(3, 1, 1, 1)
        self.margin = (LOBES - 1) * SCALE + SCALE // 2

    @torch.inference_mode()
    def score(self, frames, positions):
        """Return the frames, (B, H, W, 3) uint8, as (B, 2H, 2W, 3)."""
        small = torch.from_numpy(frames).to(self.device).permute(0, 3, 1, 2).float()
        large = self.enlarge(small)
        for _ in range(self.rounds):
            large = large + self.amount * self.enlarge(small - self.reduce(large))
        pictures = large.clamp(0, 255).round().to(torch.uint8).permute(0, 2, 3, 1)
        return pictures.contiguous().cpu().numpy()

    def reduce(self, pictures):
        """Return pictures, (B, 3, H, W), at half the size."""
        for kernel, stride, padding in (
            (self.columns, (1, SCALE), (self.margin, self.margin, 0, 0)),
            (self.rows, (SCALE, 1), (0, 0, self.margin, self.margin)),
        ):
            pictures = functional.conv2d(self.padded(pictures, padding), kernel, stride=stride, groups=3)
        return pictures

    def enlarge(self, pictures):
        """Return pictures, (B, 3, H, W), at twice the size; edges are repeated."""
        for kernel, stride, axis in ((self.columns, (1, SCALE), 3), (self.rows, (SCALE, 1), 2)):
            size = SCALE * pictures.shape[axis]
            padding = (LOBES, LOBES, 0, 0) if axis == 3 else (0, 0, LOBES, LOBES)
            spread = functional.conv_transpose2d(
                self.padded(pictures, padding), SCALE * kernel, stride=stride, groups=3
            )
            pictures = spread.narrow(axis, LOBES * SCALE + self.margin, size)
        return pictures

    @staticmethod
    def padded(pictures, padding):
        """Return pictures with repeated edges."""
        return functional.pad(pictures, padding, mode="replicate")


def load(context):
    """Return the scorer."""
    return SuperResolution(context)
