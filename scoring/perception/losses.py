"""What training and judging measure: content and style after Gatys and Johnson, and texture where there should be none.

Pictures are float (B, 3, H, W), RGB in 0..1; features are those of `vgg.Vgg`. Each loss is a scalar per picture, (B,).
Sources: Gatys et al. 2015 (https://arxiv.org/abs/1508.06576), Johnson et al. 2016 (https://arxiv.org/abs/1603.08155).
"""

from collections.abc import Mapping

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)

Features = Mapping[str, torch.Tensor]

CONTENT_TAP = "relu3_3"
STYLE_TAPS = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")

GRID = 4
"""Pixels: the side of a cell of the network's grid."""

_FLAT = 0.02
"""Standard deviation of luma (0..1) in a window below which a place counts as flat."""
_WINDOW = 9
_TINY = 1e-12
"""So that a root has a slope where its argument is 0."""


def gram(features: torch.Tensor) -> torch.Tensor:
    """Give the (B, C, C) Gram matrices of (B, C, h, w), per entry of the features."""
    flat = features.float().flatten(2)
    return flat @ flat.transpose(1, 2) / (flat.shape[1] * flat.shape[2])


def content_loss(got: Features, wanted: Features, tap: str = CONTENT_TAP) -> torch.Tensor:
    """Squared difference of features over the mean square of the wanted ones: 0 equal, about 1 unrelated."""
    a, b = got[tap].float(), wanted[tap].float()
    return (a - b).square().mean((1, 2, 3)) / b.square().mean((1, 2, 3))


def style_loss(got: Features, target: Mapping[str, torch.Tensor]) -> torch.Tensor:
    """Squared difference of Gram matrices over the mean square of the target's, mean over the target's taps."""
    parts = [
        (gram(got[tap]) - wanted).square().mean((1, 2)) / wanted.square().mean((1, 2)) for tap, wanted in target.items()
    ]
    return torch.stack(parts).mean(0)


def grams(features: Features, taps: tuple[str, ...] = STYLE_TAPS) -> dict[str, torch.Tensor]:
    """Give the Gram matrices of the named features: a style's target."""
    return {tap: gram(features[tap]) for tap in taps}


def luma(pictures: torch.Tensor) -> torch.Tensor:
    """Give (B, 1, H, W): the luma of BT.601."""
    weights = pictures.new_tensor([0.299, 0.587, 0.114]).view(1, 3, 1, 1)
    return (pictures * weights).sum(1, keepdim=True)


def flat_places(pictures: torch.Tensor) -> torch.Tensor:
    """Give (B, 1, H, W), 1 where the picture has no texture in the surrounding window, 0 elsewhere."""
    y = luma(pictures)
    mean = _blur(y, _WINDOW)
    deviation = (_blur(y.square(), _WINDOW) - mean.square()).clamp_min(0).sqrt()
    return (deviation < _FLAT).to(pictures.dtype)


def flat_energy(painted: torch.Tensor, flat: torch.Tensor) -> torch.Tensor:
    """Mean square of detail finer than about 5 pixels in `painted`, over the places `flat` (B, 1, H, W)."""
    detail = painted - _blur(painted, 5)
    return (detail.square().mean(1, keepdim=True) * flat).sum((1, 2, 3)) / flat.sum((1, 2, 3)).clamp_min(1)


def chroma_distance(painted: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean square difference of chroma over cells of the grid: whatever repeats from cell to cell is gone from it."""
    difference = painted - other
    return F.avg_pool2d(difference - luma(difference), GRID).square().mean((1, 2, 3))


def tone_distance(painted: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean square difference of all colours over squares of 16 pixels."""
    return F.avg_pool2d(painted - other, 4 * GRID).square().mean((1, 2, 3))


def light_distance(painted: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Mean square difference of luma over squares of 8 pixels."""
    return F.avg_pool2d(luma(painted - other), 2 * GRID).square().mean((1, 2, 3))


def specks(painted: torch.Tensor, photo: torch.Tensor) -> torch.Tensor:
    """Mean of what `painted` has of dots and rings above twice what the photo itself has there, as eyes are."""
    return F.relu(_across(painted) - 2 * _across(photo)).mean((1, 2, 3))


def _across(pictures: torch.Tensor) -> torch.Tensor:
    """Energy of luma's gradients across their main direction, over windows: strokes and edges have hardly any.

    It is the smaller eigenvalue of the structure tensor (Förstner and Gülch 1987).
    """
    # The borders count like all else: where nothing was measured, tuning would put its dots.
    y = F.pad(luma(pictures), (1, 1, 1, 1), mode="replicate")
    across, down = (y[..., 1:-1, 2:] - y[..., 1:-1, :-2]) / 2, (y[..., 2:, 1:-1] - y[..., :-2, 1:-1]) / 2
    around = (_WINDOW // 2,) * 4
    products = (F.pad(product, around, mode="reflect") for product in (across**2, down**2, across * down))
    xx, yy, xy = (F.avg_pool2d(product, _WINDOW, stride=2) for product in products)
    return (xx + yy - ((xx - yy).square() + 4 * xy.square() + _TINY).sqrt()) / 2


def grid_energy(painted: torch.Tensor, blocks: int = 8) -> torch.Tensor:
    """Mean square of the pattern of luma that repeats every `GRID` pixels, over windows of `blocks` repetitions.

    The network halves a frame twice, so what its grid leaves repeats every 4 pixels; strokes do not.
    """
    detail = luma(painted) - _blur(luma(painted), 2 * GRID + 1)
    side = GRID * blocks
    height, width = (size // side * side for size in detail.shape[2:])
    windows = detail[:, :, :height, :width].unfold(2, side, side).unfold(3, side, side)
    folded = windows.unflatten(-1, (blocks, GRID)).unflatten(-3, (blocks, GRID)).mean((-2, -4))
    return folded.square().mean((1, 2, 3, 4, 5))


def _blur(x: torch.Tensor, size: int) -> torch.Tensor:
    """Mean over a square window of odd `size`, mirrored at the borders."""
    half = size // 2
    return F.avg_pool2d(F.pad(x, (half, half, half, half), mode="reflect"), size, stride=1)
