"""Fine-tuning of the any-painting transformer: calmer pictures where the input is calm, more of the painter's strokes.

The loss is Johnson's (content and style in VGG16's features; https://arxiv.org/abs/1603.08155) over many paintings and
photos. Each photo is painted twice, with the same statistics: as it is, and either with noise, or shifted by some
pixels and spoiled, as by compression. Both paintings have to be equal, as in work on the stability of style transfer
(Gupta et al. 2017, https://arxiv.org/abs/1705.02092). Two more terms measure fine detail where the photo is flat, and
the pattern that repeats with the network's grid of 4 pixels. A last term keeps the colors of a reference network;
without it the palette fades. The predictor of style vectors stays as it is.

The pictures have to be like frames, with flat regions beside detailed ones under the same statistics. With small
squares of photos the style loss fell in training and rose on frames.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Final

import torch

from scoring.perception import losses
from scoring.perception.vgg import Vgg
from scoring.scorers.any_painting.conditional_norm import StatisticsRecorder, StyleCondition
from scoring.scorers.any_painting.network import StyleTransferNet
from scoring.training.photo_pairs import PhotoPair, draw_pair
from scoring.types import Picture

EMA_DECAY: Final = 0.99
"""Decay per step of the exponential moving average of the weights, which is calmer than the last step."""
BORDER: Final = 12
"""Pixels at the border that are not compared: padding differs there."""
_INVISIBLE: Final = 1e-7
"""Mean square difference of two paintings that nobody sees; keeps a logarithm finite."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """Parameters of a training; the defaults are those of the last part of the shipped weights' training.

    `content`, `style`, `noise`, `stability`, `grid`, `flat` and `palette` are the weights of the `Terms` so named.
    """

    steps: int = 240
    height: int = 224
    """Pixels: height of the pictures that are painted."""
    width: int = 352
    learning_rate: float = 4e-4
    content: float = 0.3
    style: float = 3.65
    noise: float = 12.0
    stability: float = 8.0
    grid: float = 7_000.0
    flat: float = 180.0
    palette: float = 8.0
    seed: int = 0


@dataclass(frozen=True)
class StyleSample:
    """A style vector, (100,), and the Gram matrices, (1, C, C), that pictures painted by it should have."""

    vector: torch.Tensor
    target: dict[str, torch.Tensor]


@dataclass(frozen=True, kw_only=True)
class Terms:
    """Terms of the loss, unweighted, scalars."""

    content: torch.Tensor
    """Logarithm of the content loss, so that a smooth gradient, which has hardly any content, counts no more."""
    style: torch.Tensor
    noise: torch.Tensor
    """Root mean square change of the painting by noise in the photo; 0 in steps with another copy."""
    stability: torch.Tensor
    """Mean square difference of the two paintings; 0 in steps whose copy has noise only."""
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
    transformer: StyleTransferNet,
    vgg: Vgg,
    samples: list[StyleSample],
    photos: list[Picture],
    *,
    reference: StyleTransferNet,
    recipe: Recipe,
    on_step: Callable[[int, Terms, StyleTransferNet], object],
) -> StyleTransferNet:
    """Train a copy of `transformer` and return the average of its weights over the last steps.

    The colors of `reference` are kept. `on_step` is called with the step's number, its terms and the average so far.
    """
    rng = random.Random(recipe.seed)  # noqa: S311 - not for security
    trained = copy.deepcopy(transformer).requires_grad_(requires_grad=True)
    averaged = copy.deepcopy(transformer)
    device = samples[0].vector.device
    adam = torch.optim.Adam(trained.parameters(), recipe.learning_rate, betas=(0.9, 0.99))
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, recipe.steps, recipe.learning_rate / 50)
    for step in range(1, recipe.steps + 1):
        pair = draw_pair(photos, recipe.height, recipe.width, rng).to(device)
        terms = measure(trained, vgg, rng.choice(samples), pair, reference=reference)
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
    transformer: StyleTransferNet, vgg: Vgg, sample: StyleSample, pair: PhotoPair, *, reference: StyleTransferNet
) -> Terms:
    """Paint both photos of a pair with `transformer` and return the terms of the loss.

    The clean painting is judged if the other differs by noise only, as runs are measured; else the spoiled one, which
    has to show the photo without its disturbances.
    """
    with torch.no_grad():
        expected = reference(pair.clean, StyleCondition(reference.style(sample.vector)))
        shown = pair.clean if pair.is_noise else pair.shifted
        content = features(vgg, shown)
    clean, spoiled = paint_pair(transformer, sample.vector, pair)
    judged = clean if pair.is_noise else spoiled
    judged_features, zero = features(vgg, judged), clean.new_zeros(())
    difference = (clean - spoiled).square().mean()
    return Terms(
        content=losses.content_loss(judged_features, content).log().mean(),
        style=losses.style_loss(judged_features, sample.target).mean(),
        noise=(difference + _INVISIBLE).sqrt() if pair.is_noise else zero,
        stability=zero if pair.is_noise else instability(clean, spoiled, pair.shift).mean(),
        grid=losses.grid_energy(judged).mean(),
        flat=losses.flat_energy(judged, losses.flat_regions(shown)).mean(),
        palette=(losses.chroma_distance(clean, expected) + losses.tone_distance(clean, expected)).mean(),
    )


def paint_pair(
    transformer: StyleTransferNet, vector: torch.Tensor, pair: PhotoPair
) -> tuple[torch.Tensor, torch.Tensor]:
    """Paint a clean photo together with its spoiled copy, with the same statistics: (1, 3, H, W) each."""
    painted = transformer(torch.cat([pair.clean, pair.spoiled]), StatisticsRecorder(transformer.style(vector)))
    return painted[:1], painted[1:]


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
