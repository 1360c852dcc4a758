"""Fit the any-painting network to one painting: what its norms are told, and a little of its kernels.

The loss is the style loss in VGG16's eyes, with bounds on what a person would not want in exchange. Against the style
that the painting has without fitting, the content loss may rise a little, plain places may not fill, dots and rings
become fewer (the losses like them, people do not), colours stay where they are. The encoder stays as it is for all, so
the result is a style like any other: it mixes, changes with time, and costs nothing more to paint.
"""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F  # noqa: N812  (the name that torch texts use)

from scoring.perception import losses
from scoring.perception.vgg import Vgg
from scoring.scorers.any_painting.conditional_norm import KERNEL_NUMBERS, NORM_CHANNELS, StyleCondition, style_of
from scoring.scorers.any_painting.predictor import PAINTING_SIDE
from scoring.scorers.any_painting.weights import Networks
from scoring.training import pictures
from scoring.training.finetune import features
from scoring.types import Picture

_NO_DETAIL = 1e-5
"""Mean square of detail that nobody sees; where there is no flat place at all the sum is 0."""
_NO_SPECKS = 1e-6
_WARM_UP = 0.1
"""Share of the steps in which the learning rates rise; at once, the kernels would lose what they know."""
_AT_ONCE = 4
"""Pictures looked at together before the first step."""


@dataclass(frozen=True, kw_only=True)
class Tuning:
    """How to fit; the defaults take some minutes on two cores."""

    steps: int = 600
    side: int = 192
    """Pixels of the squares that are painted."""
    squares: int = 40
    """Drawn once, for all steps."""
    squares_per_step: int = 2
    norm_rate: float = 0.03
    kernel_rate: float = 5e-4
    """Learning rates, at their highest."""
    more_content: float = 0.045
    """By which share the content loss may exceed that of the style it starts from."""
    content_weight: float = 3.0
    """Of what is above that."""
    flat_weight: float = 0.2
    """Of what there is more of fine detail where the photo is flat, as a share: skies must not fill with dots."""
    specks_kept: float = 0.42
    """Share of the specks of the style it starts from that may be left: dots, rings, scales, which are no strokes."""
    specks_weight: float = 2.5
    """Of what is above that."""
    grid_weight: float = 1000.0
    """Of the network's own grid of 4 pixels, which a style must not bring out."""
    chroma_weight: float = 80.0
    light_weight: float = 50.0
    """Of colours that move away: their chroma over 4 pixels, their luma over 8, less than which a stroke may change."""
    contrast: float = 1.1
    """By what luma is multiplied before, around its mean: fewer specks look paler, and paintings have more of it."""
    seed: int = 0


@dataclass(frozen=True)
class Losses:
    """Content and style loss, as means over a step's squares."""

    content: float
    style: float


@dataclass(frozen=True, kw_only=True)
class Practice:
    """Squares to paint, and what is known of each before the first step.

    photos, before: (B, 3, side, side) in 0..1, as they are and as the style paints them that it starts from. content:
    VGG's features of `photos` that the content loss compares. content_before, detail_before, specks_before: (B,), of
    `before`.
    """

    photos: torch.Tensor
    before: torch.Tensor
    content: torch.Tensor
    flat: torch.Tensor
    content_before: torch.Tensor
    detail_before: torch.Tensor
    specks_before: torch.Tensor

    @classmethod
    def of(cls, networks: Networks, vgg: Vgg, style: torch.Tensor, photos: torch.Tensor) -> Self:
        """Look at photos of one size, (B, 3, side, side), and paint them in `style`."""
        parts = [cls._of_some(networks, vgg, style, some) for some in photos.split(_AT_ONCE)]
        return cls(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})

    @staticmethod
    def _of_some(networks: Networks, vgg: Vgg, style: torch.Tensor, photos: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            wanted, flat = features(vgg, photos), losses.flat_places(photos)
            before = networks.transformer(photos, StyleCondition(style))
            return {
                "photos": photos,
                "before": before,
                "content": wanted[losses.CONTENT_TAP],
                "flat": flat,
                "content_before": losses.content_loss(features(vgg, before), wanted),
                "detail_before": losses.flat_energy(before, flat),
                "specks_before": losses.specks(before, photos),
            }

    def some(self, places: list[int]) -> Self:
        """Give the squares at these places."""
        return type(self)(**{name: values[places] for name, values in vars(self).items()})


def tune(
    networks: Networks,
    vgg: Vgg,
    painting: Picture,
    photo: Callable[[random.Random], Picture],
    *,
    tuning: Tuning,
    on_step: Callable[[int, Losses], None],
) -> torch.Tensor:
    """Give the style, (STYLE_NUMBERS,), for `painting`, uint8 (H, W, 3).

    `photo` draws a square to paint, uint8 (side, side, 3). It starts from the style that the predictor sees.
    """
    rng = random.Random(tuning.seed)  # noqa: S311 - for variety, not for secrets
    # The painting as large as its strokes should be: the predictor sees its centre square at 256 pixels.
    target, start = target_of(vgg, painting, networks.device), predicted(networks, painting)
    photos = pictures.tensor([photo(rng) for _ in range(tuning.squares)]).to(networks.device)
    practice = Practice.of(networks, vgg, start, photos)
    norms, kernels = (part.clone().requires_grad_() for part in start.split([2 * NORM_CHANNELS, KERNEL_NUMBERS]))
    rates = [tuning.norm_rate, tuning.kernel_rate]
    adam = torch.optim.Adam([{"params": [norms]}, {"params": [kernels]}])
    rise_and_fall = torch.optim.lr_scheduler.OneCycleLR(
        adam, rates, total_steps=tuning.steps + 1, pct_start=_WARM_UP, cycle_momentum=False
    )
    drawn = _drawn(tuning, rng)
    for step in range(1, tuning.steps + 1):
        squares = practice.some(next(drawn))
        painted = networks.transformer(squares.photos, StyleCondition(style_of(norms, kernels)))
        got = features(vgg, painted)
        content = losses.content_loss(got, {losses.CONTENT_TAP: squares.content})
        likeness = losses.style_loss(got, target).mean()
        adam.zero_grad()
        (likeness + bounds(painted, content, squares, tuning=tuning)).backward()
        adam.step()
        rise_and_fall.step()
        on_step(step, Losses(content.mean().item(), likeness.item()))
    return style_of(norms, kernels).detach()


def bounds(painted: torch.Tensor, content: torch.Tensor, squares: Practice, *, tuning: Tuning) -> torch.Tensor:
    """Give what a style pays for leaving its bounds: a scalar."""
    content_share = content / squares.content_before
    detail_share = losses.flat_energy(painted, squares.flat) / (squares.detail_before + _NO_DETAIL)
    specks_share = losses.specks(painted, squares.photos) / (squares.specks_before + _NO_SPECKS)
    return (
        tuning.content_weight * F.relu(content_share - 1 - tuning.more_content).mean()
        + tuning.flat_weight * F.relu(detail_share - 1).mean()
        + tuning.specks_weight * F.relu(specks_share - tuning.specks_kept).mean()
        + tuning.grid_weight * losses.grid_energy(painted).mean()
        + tuning.chroma_weight * losses.chroma_distance(painted, squares.before).mean()
        + tuning.light_weight * losses.light_distance(painted, _deepened(squares.before, tuning.contrast)).mean()
    )


def _deepened(pictures: torch.Tensor, contrast: float) -> torch.Tensor:
    """Draw all colours away from each picture's mean luma, or towards it; (B, 3, H, W)."""
    mean = losses.luma(pictures).mean((1, 2, 3), keepdim=True)
    return mean + contrast * (pictures - mean)


def _drawn(tuning: Tuning, rng: random.Random) -> Iterator[list[int]]:
    """Give the places of each step's squares: all come once, in random order, before one comes again."""
    left: list[int] = []
    while True:
        if len(left) < tuning.squares_per_step:
            left = rng.sample(range(tuning.squares), tuning.squares)
        yield [left.pop() for _ in range(min(tuning.squares_per_step, tuning.squares))]


def predicted(networks: Networks, painting: Picture) -> torch.Tensor:
    """Give the style, (STYLE_NUMBERS,), that the predictor sees in the painting's centre square."""
    with torch.no_grad():
        return networks.transformer.style(networks.predictor(_square(painting).to(networks.device))[0])


def target_of(vgg: Vgg, painting: Picture, device: torch.device) -> dict[str, torch.Tensor]:
    """Give the Gram matrices of the painting's centre square, at the size at which the predictor sees it."""
    with torch.no_grad():
        return losses.grams(features(vgg, _square(painting).to(device)))


def _square(painting: Picture) -> torch.Tensor:
    side = min(painting.shape[:2])
    top, left = (painting.shape[0] - side) // 2, (painting.shape[1] - side) // 2
    return pictures.tensor([pictures.scaled(painting[top : top + side, left : left + side], PAINTING_SIDE)])
