"""Fine-tuning of the any-painting transformer: fewer artifacts in flat regions, more of the painter's strokes.

The loss is Johnson's (content and style in VGG16's features; https://arxiv.org/abs/1603.08155) over many paintings and
photos, plus two terms for artifacts of the rounded published weights: fine detail where the photo is flat, and the
pattern that repeats with the network's grid of 4 pixels. A last term keeps the colors of the published network; without
it the palette fades. The predictor of style vectors stays as it is.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import torch

from scoring.perception import losses
from scoring.perception.vgg import Vgg
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.network import StyleTransferNet
from scoring.scorers.any_painting.weights import Networks
from scoring.training import augmentation
from scoring.types import Picture

EMA_DECAY: Final = 0.99
"""Decay per step of the exponential moving average of the weights, which is less noisy than the last step."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Parameters of a training; the defaults produced the shipped weights.

    `content`, `style`, `grid`, `flat` and `palette` are the weights of the `Terms` of the same name.
    """

    steps: int = 1000
    side: int = 192
    """Pixels: side of the squares that are painted."""
    photos_per_step: int = 2
    learning_rate: float = 6e-4
    content: float = 1.3
    style: float = 25.0
    grid: float = 8000.0
    flat: float = 500.0
    palette: float = 1500.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Terms of the loss, unweighted, as means over the photos of a step."""

    content: torch.Tensor
    style: torch.Tensor
    grid: torch.Tensor
    flat: torch.Tensor
    palette: torch.Tensor

    def weighted(self, recipe: Recipe) -> torch.Tensor:
        """Return the loss: the sum of the terms times their weights in the recipe."""
        return torch.stack([getattr(self, f.name) * getattr(recipe, f.name) for f in fields(self)]).sum()

    def values(self) -> dict[str, float]:
        """Return the terms as numbers, by name."""
        return {f.name: getattr(self, f.name).item() for f in fields(self)}


def finetune(
    networks: Networks,
    vgg: Vgg,
    paintings: list[Picture],
    photos: list[Picture],
    *,
    recipe: Recipe,
    on_step: Callable[[int, Terms, StyleTransferNet], object],
) -> StyleTransferNet:
    """Train a copy of `networks.transformer` and return the average of its weights over the last steps.

    `on_step` is called with the step's number, its terms and the average so far.
    """
    rng = random.Random(recipe.seed)  # noqa: S311 - not for security
    trained = copy.deepcopy(networks.transformer).requires_grad_(requires_grad=True)
    averaged = copy.deepcopy(networks.transformer)
    adam = torch.optim.Adam(trained.parameters(), recipe.learning_rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, recipe.steps, recipe.learning_rate / 50)
    for step in range(1, recipe.steps + 1):
        painting, photo_batch = (batch.to(networks.device) for batch in _draw_batch(paintings, photos, recipe, rng))
        terms = measure(networks, trained, vgg, painting, photo_batch)
        adam.zero_grad()
        terms.weighted(recipe).backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 5.0)
        adam.step()
        cosine.step()
        with torch.no_grad():
            for mean, value in zip(averaged.parameters(), trained.parameters(), strict=True):
                mean.lerp_(value, 1 - min(EMA_DECAY, step / (step + 1)))
        on_step(step, terms, averaged)
    return averaged


def measure(
    networks: Networks, transformer: StyleTransferNet, vgg: Vgg, painting: torch.Tensor, photos: torch.Tensor
) -> Terms:
    """Paint `photos` (B, 3, H, W) in the style of `painting` (1, 3, 256, 256) and return the terms of the loss."""
    with torch.no_grad():
        vector = networks.predictor(painting)[0]
        target = losses.grams(features(vgg, painting))
        photo_features = features(vgg, photos)
        published = networks.transformer(photos, StyleCondition(networks.transformer.style(vector)))
    painted = transformer(photos, StyleCondition(transformer.style(vector)))
    painted_features = features(vgg, painted)
    return Terms(
        content=losses.content_loss(painted_features, photo_features).mean(),
        style=losses.style_loss(painted_features, target).mean(),
        grid=losses.grid_energy(painted).mean(),
        flat=losses.flat_energy(painted, losses.flat_regions(photos)).mean(),
        palette=(losses.chroma_distance(painted, published) + losses.tone_distance(painted, published)).mean(),
    )


def features(vgg: Vgg, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Return VGG16's features of (B, 3, H, W), computed in bfloat16: twice as fast, and losses agree within 1 %.

    Devices that only emulate bfloat16 compute in float32: GPUs before Ampere, and CPUs without AVX-512, where one
    convolution of 64 channels took 34 s in place of 0.1 s.
    """
    with torch.autocast(x.device.type, torch.bfloat16, enabled=_has_bfloat16(x.device)):
        return vgg(x.contiguous(memory_format=torch.channels_last))


def _has_bfloat16(device: torch.device) -> bool:
    """Return whether the device computes in bfloat16 without emulating it."""
    if device.type == "cuda":
        return bool(torch.cuda.is_bf16_supported(including_emulation=False))
    return torch.backends.cpu.get_cpu_capability().startswith(("AVX512", "AMX"))


def _draw_batch(
    paintings: list[Picture], photos: list[Picture], recipe: Recipe, rng: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one painting and some photos: cropped, mirrored, some with other hues, some with flat regions."""
    painting = augmentation.random_square(rng.choice(paintings), recipe.side, rng, min_share=0.6)
    if rng.random() < 0.3:
        painting = augmentation.rotate_hue(painting, rng)
    squares = []
    for _ in range(recipe.photos_per_step):
        photo = augmentation.random_square(rng.choice(photos), recipe.side, rng, min_share=0.4)
        squares.append(augmentation.flatten_region(photo, rng) if rng.random() < 0.4 else photo)
    return augmentation.to_batch([painting]), augmentation.to_batch(squares)
