"""How much painted frames change over ten frames, as a viewer would notice: distance of VGG features after LPIPS.

LPIPS (Zhang et al. 2018, https://arxiv.org/abs/1801.03924) compares features of unit length at each position. Here all
channels count equally, because its trained weights are not needed to compare one method with another.
"""

from collections.abc import Sequence
from statistics import fmean
from typing import Final

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.perception.losses import STYLE_TAPS
from scoring.perception.vgg import Vgg
from scoring.types import Picture

DISTANCE: Final = 10
"""Frames between the pictures of a pair."""
PAIRS: Final = 8


def pair_starts(count: int) -> list[int]:
    """Return the first frame of each of PAIRS pairs, spread evenly over `count` frames."""
    last = count - 1 - DISTANCE
    return [round(last * place / (PAIRS - 1)) for place in range(PAIRS)]


def measure_drift(vgg: Vgg, pairs: Sequence[tuple[Picture, Picture]]) -> float:
    """Return the mean distance between the pictures of the pairs: 0 for equal ones, at most 2."""
    return fmean(_distance(vgg, first, second) for first, second in pairs)


def format_drift(rows: Sequence[tuple[str, str, float]]) -> str:
    """Return (painting, frames, distance) as a Markdown table."""
    lines = [f"| {painting} | {frames} | {distance:.4f} |" for painting, frames, distance in rows]
    return "\n".join(["| painting | frames | distance |", "|---|---|---|", *lines])


def _distance(vgg: Vgg, first: Picture, second: Picture) -> float:
    pictures = torch.stack([torch.from_numpy(picture).permute(2, 0, 1) for picture in (first, second)])
    with torch.inference_mode():
        features = vgg(pictures.float() / 255)
        distances = []
        for tap in STYLE_TAPS:
            unit = F.normalize(features[tap], dim=1)
            distances.append((unit[0] - unit[1]).square().sum(0).mean().item())
    return fmean(distances)
