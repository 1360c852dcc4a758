"""Fit the any-painting network's style to one painting: 694 numbers, by the style loss in VGG16's eyes.

The style loss is brought down as far as the content loss stays about where the predictor's style has it.

Only what the norms are told is learned; the network stays the one that every task has. So the result is a style like
any other: it mixes, changes with time, and costs nothing more to paint with.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)

from scoring.any_painting.network import PAINTING_SIDE, Brush
from scoring.any_painting.weights import Networks
from scoring.perception import losses
from scoring.perception.vgg import Vgg
from scoring.protocol import Picture
from scoring.training import pictures
from scoring.training.finetune import features

_NO_DETAIL = 1e-5
"""Mean square of detail that nobody sees; where there is no flat place at all the sum is 0."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How to fit; the defaults take some minutes on two cores."""

    steps: int = 300
    side: int = 192
    """Pixels of the squares that are painted."""
    photos_per_step: int = 2
    learning_rate: float = 0.05
    more_content: float = 0.095
    """By which share the content loss may exceed that of the style it starts from."""
    content_weight: float = 3.0
    """Of what is above that."""
    more_flat: float = 0.6
    """The same for fine detail where the photo is flat: walls and skies must not fill with dots."""
    flat_weight: float = 0.2
    """Of what is above that."""
    grid_weight: float = 1000.0
    """Of the network's own grid of 4 pixels, which a style must not bring out."""
    seed: int = 0


@dataclass(frozen=True)
class Losses:
    """Content and style loss, as means over a step's photos."""

    content: float
    style: float


def tune(
    networks: Networks,
    vgg: Vgg,
    painting: Picture,
    photo: Callable[[random.Random], Picture],
    *,
    tuning: Tuning,
    on_step: Callable[[int, Losses], None],
) -> torch.Tensor:
    """Give the style, (2, NORM_CHANNELS), for `painting`, uint8 (H, W, 3).

    `photo` draws a square to paint, uint8 (side, side, 3). It starts from the style that the predictor sees.
    """
    rng = random.Random(tuning.seed)  # noqa: S311 - for variety, not for secrets
    # The painting as large as its strokes should be: the predictor sees its centre square at 256 pixels.
    target = target_of(vgg, painting)
    start = style_of(networks, painting)
    style = start.clone().requires_grad_(requires_grad=True)
    adam = torch.optim.Adam([style], tuning.learning_rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, tuning.steps)
    for step in range(1, tuning.steps + 1):
        photos = pictures.tensor([photo(rng) for _ in range(tuning.photos_per_step)])
        with torch.no_grad():
            wanted, flat = features(vgg, photos), losses.flat_places(photos)
            first = networks.transformer(photos, Brush(start))
            before = losses.content_loss(features(vgg, first), wanted)
            detail_before = losses.flat_energy(first, flat)
        painted = networks.transformer(photos, Brush(style))
        got = features(vgg, painted)
        content, likeness = losses.content_loss(got, wanted), losses.style_loss(got, target).mean()
        excess = F.relu(content / before - 1 - tuning.more_content).mean()
        detail = losses.flat_energy(painted, flat)
        dots = F.relu(detail / (detail_before + _NO_DETAIL) - 1 - tuning.more_flat).mean()
        grid = losses.grid_energy(painted).mean()
        bounds = tuning.content_weight * excess + tuning.flat_weight * dots + tuning.grid_weight * grid
        adam.zero_grad()
        (likeness + bounds).backward()
        adam.step()
        cosine.step()
        on_step(step, Losses(content.mean().item(), likeness.item()))
    return style.detach()


def style_of(networks: Networks, painting: Picture) -> torch.Tensor:
    """Give the style, (2, NORM_CHANNELS), that the predictor sees in the painting's centre square."""
    with torch.no_grad():
        return networks.transformer.style(networks.predictor(_square(painting))[0])


def target_of(vgg: Vgg, painting: Picture) -> dict[str, torch.Tensor]:
    """Give the Gram matrices of the painting's centre square, at the size at which the predictor sees it."""
    with torch.no_grad():
        return losses.grams(features(vgg, _square(painting)))


def _square(painting: Picture) -> torch.Tensor:
    side = min(painting.shape[:2])
    top, left = (painting.shape[0] - side) // 2, (painting.shape[1] - side) // 2
    return pictures.tensor([pictures.scaled(painting[top : top + side, left : left + side], PAINTING_SIDE)])
