"""Fitting the any-painting network to one painting: the scales and shifts of its norms, and small kernel offsets.

The loss is the style loss in VGG16's features, with bounds relative to the style that the painting has without fitting:
the content loss may rise a little, flat regions may not fill with detail, dots and rings become fewer (the losses like
them, people do not), and colors stay where they are. The encoder is not changed, so the result is a style like any
other: it can be mixed, can change with time, and costs nothing more to paint.
"""

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Self

import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from frame_tools.contracts.tuning import TUNING_STEPS
from scoring.perception import losses
from scoring.perception.vgg import Vgg
from scoring.scorers.any_painting.conditional_norm import (
    KERNEL_PARAMETERS,
    NORM_CHANNELS,
    StyleCondition,
    assemble_style,
)
from scoring.scorers.any_painting.predictor import PAINTING_SIDE
from scoring.scorers.any_painting.weights import Networks
from scoring.scorers.painting_parts import covering_parts
from scoring.training import augmentation
from scoring.training.finetune import features
from scoring.types import Picture

_INVISIBLE_DETAIL: Final = 1e-5
"""Mean square of detail that nobody sees; keeps a ratio finite where a picture has no flat region."""
_INVISIBLE_SPECKS: Final = 1e-6
_WARM_UP_SHARE: Final = 0.1
"""Share of the steps in which the learning rates rise; at full rates from the start, kernels would be destroyed."""
_PHOTOS_PER_FORWARD: Final = 4
"""Photos in one forward pass before the first step."""


@dataclass(frozen=True, kw_only=True)
class TuningConfig:
    """Parameters of a tuning; the defaults take under three minutes on two cores."""

    steps: int = TUNING_STEPS
    side: int = 160
    """Pixels: side of the squares that are painted."""
    squares: int = 40
    """Number of squares, drawn once for all steps."""
    squares_per_step: int = 1
    gram_rate: float = 0.2
    """Share of a step's squares in the Gram matrices whose distance is the style loss; the rest is of earlier steps."""
    norm_rate: float = 0.03
    kernel_rate: float = 5e-4
    """Maximum learning rates."""
    content_tolerance: float = 0.09
    """Share by which the content loss may exceed that of the initial style."""
    content_weight: float = 3.0
    """Weight of the excess."""
    flat_weight: float = 0.2
    """Weight of the relative increase of fine detail where the photo is flat: skies must not fill with dots."""
    specks_ratio: float = 0.42
    """Maximum specks (dots, rings and scales, which are not strokes) relative to the initial style."""
    specks_weight: float = 2.5
    """Weight of the excess."""
    grid_weight: float = 2500.0
    """Weight of the energy of the network's grid of 4 pixels."""
    chroma_weight: float = 80.0
    light_weight: float = 50.0
    """Weights of color changes: of chroma over 4 pixels and of luma over 8, so that single strokes are free."""
    contrast: float = 1.1
    """Contrast that luma should gain: with fewer specks a picture looks paler, and paintings have more contrast."""
    seed: int = 0


@dataclass(frozen=True)
class StepLosses:
    """Content loss, the mean over the squares of a step, and style loss, that of them with the recent ones."""

    content: float
    style: float


@dataclass(frozen=True, kw_only=True)
class TrainingSquares:
    """Squares to paint, with measurements of each before the first step.

    photos, before: (B, 3, side, side) in 0..1, as they are and painted in the initial style. content: VGG16's features
    of `photos` for the content loss. flat: mask of flat regions of `photos`. content_before, detail_before,
    specks_before: (B,), of `before`.
    """

    photos: torch.Tensor
    before: torch.Tensor
    content: torch.Tensor
    flat: torch.Tensor
    content_before: torch.Tensor
    detail_before: torch.Tensor
    specks_before: torch.Tensor

    @classmethod
    def from_photos(cls, networks: Networks, vgg: Vgg, style: torch.Tensor, photos: torch.Tensor) -> Self:
        """Paint photos of one size, (B, 3, side, side), in `style` and measure the result."""
        parts = [cls._measure(networks, vgg, style, part) for part in photos.split(_PHOTOS_PER_FORWARD)]
        return cls(**{name: torch.cat([part[name] for part in parts]) for name in parts[0]})

    @staticmethod
    def _measure(networks: Networks, vgg: Vgg, style: torch.Tensor, photos: torch.Tensor) -> dict[str, torch.Tensor]:
        with torch.no_grad():
            photo_features, flat = features(vgg, photos), losses.flat_regions(photos)
            before = networks.transformer(photos, StyleCondition(style))
            return {
                "photos": photos,
                "before": before,
                "content": photo_features[losses.CONTENT_TAP],
                "flat": flat,
                "content_before": losses.content_loss(features(vgg, before), photo_features),
                "detail_before": losses.flat_energy(before, flat),
                "specks_before": losses.specks(before, photos),
            }

    def select(self, indices: list[int]) -> Self:
        """Return the squares with these indices."""
        return type(self)(**{name: values[indices] for name, values in vars(self).items()})


class RunningGrams:
    """Gram matrices of the recent squares, which stand for a picture of many squares.

    A frame has the style if its Gram matrices over all of its area are those of the painting. A square that is compared
    alone is also punished for its own content, all the more the smaller it is.
    """

    def __init__(self, rate: float) -> None:
        self._rate = rate
        self._mean: dict[str, torch.Tensor] = {}

    def update(self, grams: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Add a step's Gram matrices, (B, C, C), and return the running ones, with the derivatives of the step's."""
        earlier = self._mean or {tap: each.detach().mean(0, keepdim=True) for tap, each in grams.items()}
        self._mean = {tap: earlier[tap].lerp(each.detach().mean(0), self._rate) for tap, each in grams.items()}
        return {tap: each + (1 - self._rate) * (earlier[tap] - each.detach()) for tap, each in grams.items()}


def tune(
    networks: Networks,
    vgg: Vgg,
    painting: Picture,
    draw_photo: Callable[[random.Random], Picture],
    *,
    config: TuningConfig,
    on_step: Callable[[int, StepLosses], object],
) -> torch.Tensor:
    """Return the style, (STYLE_PARAMETERS,), fitted to `painting`, uint8 (H, W, 3).

    It starts from the predicted style. `draw_photo` draws a square to paint, uint8 (side, side, 3).
    """
    rng = random.Random(config.seed)  # noqa: S311 - not for security
    target, initial = style_target(vgg, painting, networks.device), predicted_style(networks, painting)
    photos = augmentation.to_batch([draw_photo(rng) for _ in range(config.squares)]).to(networks.device)
    training_squares = TrainingSquares.from_photos(networks, vgg, initial, photos)
    norms, kernels = (part.clone().requires_grad_() for part in initial.split([2 * NORM_CHANNELS, KERNEL_PARAMETERS]))
    adam = torch.optim.Adam([{"params": [norms]}, {"params": [kernels]}])
    one_cycle = torch.optim.lr_scheduler.OneCycleLR(
        adam,
        [config.norm_rate, config.kernel_rate],
        total_steps=config.steps + 1,
        pct_start=_WARM_UP_SHARE,
        cycle_momentum=False,
    )
    indices, running_grams = _square_indices(config, rng), RunningGrams(config.gram_rate)
    for step in range(1, config.steps + 1):
        squares = training_squares.select(next(indices))
        painted = networks.transformer(squares.photos, StyleCondition(assemble_style(norms, kernels)))
        painted_features = features(vgg, painted)
        content = losses.content_loss(painted_features, {losses.CONTENT_TAP: squares.content})
        grams = running_grams.update(losses.grams(painted_features))
        style = losses.gram_distance(grams, target).mean()
        adam.zero_grad()
        (style + bound_penalty(painted, content, squares, config=config)).backward()
        adam.step()
        one_cycle.step()
        on_step(step, StepLosses(content.mean().item(), style.item()))
    return assemble_style(norms, kernels).detach()


def bound_penalty(
    painted: torch.Tensor, content: torch.Tensor, squares: TrainingSquares, *, config: TuningConfig
) -> torch.Tensor:
    """Return the penalty for leaving the bounds, a scalar; `content` is the content loss of `painted`, (B,)."""
    content_ratio = content / squares.content_before
    detail_ratio = losses.flat_energy(painted, squares.flat) / (squares.detail_before + _INVISIBLE_DETAIL)
    specks_ratio = losses.specks(painted, squares.photos) / (squares.specks_before + _INVISIBLE_SPECKS)
    return (
        config.content_weight * F.relu(content_ratio - 1 - config.content_tolerance).mean()
        + config.flat_weight * F.relu(detail_ratio - 1).mean()
        + config.specks_weight * F.relu(specks_ratio - config.specks_ratio).mean()
        + config.grid_weight * losses.grid_energy(painted).mean()
        + config.chroma_weight * losses.chroma_distance(painted, squares.before).mean()
        + config.light_weight * losses.light_distance(painted, _with_contrast(squares.before, config.contrast)).mean()
    )


def _with_contrast(pictures: torch.Tensor, contrast: float) -> torch.Tensor:
    """Scale the distance of all colors from each picture's mean luma by `contrast`; (B, 3, H, W)."""
    mean = losses.luma(pictures).mean((1, 2, 3), keepdim=True)
    return mean + contrast * (pictures - mean)


def _square_indices(config: TuningConfig, rng: random.Random) -> Iterator[list[int]]:
    """Yield the indices of each step's squares: a random order of all squares, then another one."""
    remaining: list[int] = []
    while True:
        if len(remaining) < config.squares_per_step:
            remaining = rng.sample(range(config.squares), config.squares)
        yield [remaining.pop() for _ in range(min(config.squares_per_step, config.squares))]


def predicted_style(networks: Networks, painting: Picture) -> torch.Tensor:
    """Return the style, (STYLE_PARAMETERS,), that the predictor gives the painting."""
    with torch.no_grad():
        return networks.transformer.style(predicted_vector(networks, painting))


def predicted_vector(networks: Networks, painting: Picture) -> torch.Tensor:
    """Return the style vector, (100,), that the predictor gives the painting: the mean over its squares."""
    with torch.no_grad():
        return networks.predictor(_squares(painting).to(networks.device)).mean(0)


def style_target(vgg: Vgg, painting: Picture, device: torch.device) -> dict[str, torch.Tensor]:
    """Return the painting's Gram matrices, (1, C, C), at the size at which the predictor sees it.

    They are the means over the squares that cover it.
    """
    with torch.no_grad():
        parts = [losses.grams(features(vgg, square)) for square in _squares(painting).to(device).split(1)]
    return {tap: torch.cat([grams[tap] for grams in parts]).mean(0, keepdim=True) for tap in parts[0]}


def _squares(painting: Picture) -> torch.Tensor:
    """Return the squares that cover a painting as the predictor's input, (B, 3, 256, 256) in 0..1."""
    squares = covering_parts(painting)
    return augmentation.to_batch([augmentation.resize_shorter_side(square, PAINTING_SIDE) for square in squares])
