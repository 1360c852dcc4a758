"""Losses for training and evaluation: content and style after Gatys and Johnson, and artifacts of the networks.

Pictures are float (B, 3, H, W), RGB in 0..1; features are those of `vgg.Vgg`. Each loss is a scalar per picture, (B,).
Sources: Gatys et al. 2015 (https://arxiv.org/abs/1508.06576), Johnson et al. 2016 (https://arxiv.org/abs/1603.08155).
"""

from collections.abc import Mapping
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

Features = Mapping[str, torch.Tensor]

CONTENT_TAP = "relu3_3"
STYLE_TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")

GRID = 4
"""Pixels: side of a cell of the network's grid."""

_FLAT_THRESHOLD = 0.02
"""Standard deviation of luma (0..1) in a window below which its center counts as flat."""
_SMOOTH_THRESHOLD = 0.01
"""Root mean square of detail of luma (0..1) finer than 5 pixels below which a window's center counts as smooth."""
_WINDOW = 9
_EPSILON = 1e-12
"""Keeps the derivative of a square root finite at 0."""


class _Gram(torch.autograd.Function):
    """The function `gram`. Its derivative is one product; autograd computes two and adds one of them transposed."""

    @staticmethod
    def forward(ctx: Any, features: torch.Tensor) -> torch.Tensor:
        ctx.save_for_backward(features)
        flat = features.float().flatten(2)
        return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> torch.Tensor:
        features: torch.Tensor = ctx.saved_tensors[0]
        positions = features.float().flatten(2).transpose(1, 2)
        symmetric = (gradient + gradient.transpose(1, 2)) / (positions.shape[1] * positions.shape[2])
        return (positions @ symmetric).transpose(1, 2).to(features.dtype).view(features.shape)


def gram(features: torch.Tensor) -> torch.Tensor:
    """Return the (B, C, C) Gram matrices of (B, C, h, w), divided by the number of entries of the features."""
    matrices: torch.Tensor = _Gram.apply(features)  # type: ignore[no-untyped-call]
    return matrices


def content_loss(actual: Features, expected: Features, tap: str = CONTENT_TAP) -> torch.Tensor:
    """Return the squared difference of features over the mean square of `expected`: 0 equal, about 1 unrelated."""
    a, b = actual[tap].float(), expected[tap].float()
    return (a - b).square().mean((1, 2, 3)) / b.square().mean((1, 2, 3))


def style_loss(actual: Features, target: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the `gram_distance` of features from the target's Gram matrices, over the target's taps."""
    return gram_distance(grams(actual, tuple(target)), target)


def gram_distance(actual: Mapping[str, torch.Tensor], target: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Return the squared difference of Gram matrices over the target's mean square, averaged over the target's taps."""
    distances = [
        (actual[tap] - expected).square().mean((1, 2)) / expected.square().mean((1, 2))
        for tap, expected in target.items()
    ]
    return torch.stack(distances).mean(0)


def grams(features: Features, taps: tuple[str, ...] = STYLE_TAPS) -> dict[str, torch.Tensor]:
    """Return the Gram matrices of the named features: the target of a style loss."""
    return {tap: gram(features[tap]) for tap in taps}


def luma(pictures: torch.Tensor) -> torch.Tensor:
    """Return the luma of BT.601, (B, 1, H, W)."""
    weights = pictures.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (pictures * weights).sum(1, keepdim=True)


def flat_regions(pictures: torch.Tensor) -> torch.Tensor:
    """Return a mask (B, 1, H, W): 1 where the surrounding window has no texture, 0 elsewhere."""
    y = luma(pictures)
    mean = _blur(y, _WINDOW)
    deviation = (_blur(y.square(), _WINDOW) - mean.square()).clamp_min(0).sqrt()
    return (deviation < _FLAT_THRESHOLD).to(pictures.dtype)


def smooth_regions(pictures: torch.Tensor) -> torch.Tensor:
    """Return a mask (B, 1, H, W): 1 where the surrounding window has nothing but a gradient or a blur, 0 elsewhere.

    That is where luma without its local mean deviates by less than in `flat_regions`: a slope of any steepness passes.
    """
    y = luma(pictures)
    detail = y - _blur(y, 5)
    return (_blur(detail.square(), _WINDOW).sqrt() < _SMOOTH_THRESHOLD).to(pictures.dtype)


def flat_energy(painted: torch.Tensor, flat: torch.Tensor) -> torch.Tensor:
    """Return the mean square of detail finer than about 5 pixels in `painted`, within the mask `flat` (B, 1, H, W)."""
    detail = painted - _blur(painted, 5)
    return (detail.square().mean(1, keepdim=True) * flat).sum((1, 2, 3)) / flat.sum((1, 2, 3)).clamp_min(1)


def chroma_distance(painted: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the mean square difference of chroma over grid cells, which removes what repeats from cell to cell."""
    difference = painted - other
    return F.avg_pool2d(difference - luma(difference), GRID).square().mean((1, 2, 3))


def tone_distance(painted: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the mean square difference of all channels over squares of 16 pixels."""
    return F.avg_pool2d(painted - other, 4 * GRID).square().mean((1, 2, 3))


def light_distance(painted: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Return the mean square difference of luma over squares of 8 pixels."""
    return F.avg_pool2d(luma(painted - other), 2 * GRID).square().mean((1, 2, 3))


def specks(painted: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    """Return the mean energy of dots and rings in `painted` above twice that of the photo, which may have eyes."""
    return F.relu(_cross_gradient_energy(painted) - 2 * _cross_gradient_energy(photo)).mean((1, 2, 3))


def _cross_gradient_energy(pictures: torch.Tensor) -> torch.Tensor:
    """Return the energy of luma gradients across their main direction over windows; low for strokes and edges.

    It is the smaller eigenvalue of the structure tensor (Förstner and Gülch 1987).
    """
    # Borders are measured like the rest: tuning would put its dots where nothing is measured.
    y = F.pad(luma(pictures), (1, 1, 1, 1), mode="replicate")
    across, down = (y[..., 1:-1, 2:] - y[..., 1:-1, :-2]) / 2, (y[..., 2:, 1:-1] - y[..., :-2, 1:-1]) / 2
    padding = (_WINDOW // 2,) * 4
    products = (F.pad(product, padding, mode="reflect") for product in (across**2, down**2, across * down))
    xx, yy, xy = (F.avg_pool2d(product, _WINDOW, stride=2) for product in products)
    return (xx + yy - ((xx - yy).square() + 4 * xy.square() + _EPSILON).sqrt()) / 2


def grid_energy(painted: torch.Tensor, blocks: int = 8) -> torch.Tensor:
    """Return the mean square of the luma pattern that repeats every `GRID` pixels, over windows of `blocks` cells.

    The network halves a frame twice, so artifacts of its grid repeat every 4 pixels; strokes do not.
    """
    detail = luma(painted) - _blur(luma(painted), 2 * GRID + 1)
    side = GRID * blocks
    height, width = (size // side * side for size in detail.shape[2:])
    windows = detail[:, :, :height, :width].unfold(2, side, side).unfold(3, side, side)
    cells = windows.reshape(*windows.shape[:-2], blocks, GRID, blocks, GRID)
    return cells.mean((-4, -2)).square().mean((1, 2, 3, 4, 5))


def _blur(x: torch.Tensor, size: int) -> torch.Tensor:
    """Return the mean over a square window of odd `size`, reflected at the borders."""
    half = size // 2
    return F.avg_pool2d(F.pad(x, (half, half, half, half), mode="reflect"), size, stride=1)
