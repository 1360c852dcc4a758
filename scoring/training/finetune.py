"""Fine-tuning of the any-painting transformer: calmer pictures where the input is calm, more of the painter's strokes.

The loss is Johnson's (content and style in VGG16's features; https://arxiv.org/abs/1603.08155) over many paintings and
photos. Each photo is painted twice, with the same statistics: as it is, and shifted by some pixels and spoiled by noise
or compression. The spoiled one has to show the content of the clean one, and both have to be equal, as in work on the
stability of style transfer (Gupta et al. 2017, https://arxiv.org/abs/1705.02092). Two more terms measure fine detail
where the photo is flat, and the pattern that repeats with the network's grid of 4 pixels. A last term keeps the colors
of the network that the training starts from; without it the palette fades. The predictor of style vectors stays as it
is.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import cv2
import numpy as np
import torch
import torch.nn.functional as F  # noqa: N812  (PyTorch's conventional name)

from scoring.perception import losses
from scoring.perception.vgg import Vgg
from scoring.scorers.any_painting.conditional_norm import StatisticsRecorder, StyleCondition
from scoring.scorers.any_painting.network import StyleTransferNet
from scoring.scorers.any_painting.weights import Networks
from scoring.training import augmentation, disturbances
from scoring.types import Picture

EMA_DECAY: Final = 0.995
"""Decay per step of the exponential moving average of the weights, which is less noisy than the last step."""
PREDICTOR_SIDE: Final = 256
"""Pixels: side of the paintings that the predictor of style vectors looks at."""
MAX_SHIFT: Final = 4
"""Pixels: one cell of the network's grid. The spoiled photo is shifted by less, in both directions."""
BORDER: Final = 12
"""Pixels at the border of a square that are not compared: padding differs there."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Parameters of a training; the defaults produced the shipped weights.

    `content`, `style`, `stability`, `grid`, `flat` and `palette` are the weights of the `Terms` of the same name.
    """

    steps: int = 600
    side: int = 192
    """Pixels: side of the squares that are painted."""
    photos_per_step: int = 2
    learning_rate: float = 4e-4
    content: float = 0.8
    style: float = 32.0
    stability: float = 1500.0
    grid: float = 70000.0
    flat: float = 4500.0
    palette: float = 1500.0
    seed: int = 0


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Terms of the loss, unweighted, as means over the photos of a step."""

    content: torch.Tensor
    style: torch.Tensor
    stability: torch.Tensor
    grid: torch.Tensor
    flat: torch.Tensor
    palette: torch.Tensor

    def weighted(self, recipe: Recipe) -> torch.Tensor:
        """Return the loss: the sum of the terms times their weights in the recipe."""
        return torch.stack([getattr(self, f.name) * getattr(recipe, f.name) for f in fields(self)]).sum()

    def values(self) -> dict[str, float]:
        """Return the terms as numbers, by name."""
        return {f.name: getattr(self, f.name).item() for f in fields(self)}


@dataclass(frozen=True, kw_only=True)
class Batch:
    """One step's pictures, float in 0..1: squares of one side, B photos."""

    painting: torch.Tensor
    """(1, 3, side, side)."""
    clean: torch.Tensor
    """(B, 3, side, side)."""
    shifted: torch.Tensor
    """The same photos, shifted by `shift`: what `spoiled` shows without its disturbances."""
    spoiled: torch.Tensor
    shift: tuple[int, int]
    """Pixels down and right by which the content of `shifted` lies further up and left."""

    def to(self, device: torch.device) -> "Batch":
        """Return the batch on another device."""
        moved = {name: getattr(self, name).to(device) for name in ("painting", "clean", "shifted", "spoiled")}
        return Batch(**moved, shift=self.shift)


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
        batch = draw_batch(paintings, photos, recipe, rng).to(networks.device)
        terms = measure(networks, trained, vgg, batch)
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


def measure(networks: Networks, transformer: StyleTransferNet, vgg: Vgg, batch: Batch) -> Terms:
    """Paint a batch with `transformer` and return the terms of the loss; `networks` are those before training."""
    with torch.no_grad():
        sides = (PREDICTOR_SIDE, PREDICTOR_SIDE)
        vector = networks.predictor(F.interpolate(batch.painting, sides, mode="bilinear", antialias=True))[0]
        target = losses.grams(features(vgg, batch.painting))
        shown = features(vgg, batch.shifted)
        before = networks.transformer(batch.clean, StyleCondition(networks.transformer.style(vector)))
    painted, spoiled = paint_pairs(transformer, vector, batch)
    spoiled_features = features(vgg, spoiled)
    return Terms(
        content=losses.content_loss(spoiled_features, shown).mean(),
        style=losses.style_loss(spoiled_features, target).mean(),
        stability=instability(painted, spoiled, batch.shift).mean(),
        grid=losses.grid_energy(spoiled).mean(),
        flat=losses.flat_energy(spoiled, losses.flat_regions(batch.shifted)).mean(),
        palette=(losses.chroma_distance(painted, before) + losses.tone_distance(painted, before)).mean(),
    )


def paint_pairs(transformer: StyleTransferNet, vector: torch.Tensor, batch: Batch) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint each clean photo together with its spoiled copy, with the same statistics: (B, 3, H, W) each."""
    pairs = torch.stack([batch.clean, batch.spoiled], dim=1)
    painted = torch.stack([transformer(pair, StatisticsRecorder(transformer.style(vector))) for pair in pairs])
    return painted[:, 0], painted[:, 1]


def instability(painted: torch.Tensor, spoiled: torch.Tensor, shift: tuple[int, int]) -> torch.Tensor:
    """Return the mean square difference (B,) of two paintings of one photo, `spoiled` painted from a shifted copy."""
    down, right = shift
    height, width = painted.shape[2:]
    inner = spoiled[:, :, BORDER : height - BORDER, BORDER : width - BORDER]
    moved = painted[:, :, BORDER + down : height - BORDER + down, BORDER + right : width - BORDER + right]
    return (moved - inner).square().mean((1, 2, 3))


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


def draw_batch(paintings: list[Picture], photos: list[Picture], recipe: Recipe, rng: random.Random) -> Batch:
    """Draw a painting at one of many scales, and photos with their shifted and spoiled copies."""
    painting = augmentation.random_square(rng.choice(paintings), recipe.side, rng, min_share=0.35)
    if rng.random() < 0.3:
        painting = augmentation.rotate_hue(painting, rng)
    large = recipe.side + 2 * MAX_SHIFT
    clean = [_draw_photo(photos, large, rng) for _ in range(recipe.photos_per_step)]
    spoiled = [disturbances.disturb(photo, rng) if rng.random() < 0.8 else photo for photo in clean]
    down, right = (rng.randint(1 - MAX_SHIFT, MAX_SHIFT - 1) for _ in range(2))
    return Batch(
        painting=augmentation.to_batch([painting]),
        clean=_window(clean, recipe.side, 0, 0),
        shifted=_window(clean, recipe.side, down, right),
        spoiled=_window(spoiled, recipe.side, down, right),
        shift=(down, right),
    )


def _draw_photo(photos: list[Picture], side: int, rng: random.Random) -> Picture:
    """Draw a square of a photo at one of many scales, some with a flat region or blurred, or a smooth gradient."""
    if rng.random() < 0.08:
        return disturbances.gradient(side, rng)
    photo = augmentation.random_square(rng.choice(photos), side, rng, min_share=rng.choice((0.2, 0.4, 0.4)))
    if rng.random() < 0.3:
        photo = augmentation.flatten_region(photo, rng)
    if rng.random() < 0.15:
        photo = np.asarray(cv2.GaussianBlur(np.ascontiguousarray(photo), (0, 0), rng.uniform(1.5, 6)), np.uint8)
    return np.ascontiguousarray(photo)


def _window(pictures: list[Picture], side: int, down: int, right: int) -> torch.Tensor:
    """Cut the square of `side` pixels whose distance from the middle is `down` and `right`; (B, 3, side, side)."""
    top, left = MAX_SHIFT + down, MAX_SHIFT + right
    return augmentation.to_batch([picture[top : top + side, left : left + side] for picture in pictures])
