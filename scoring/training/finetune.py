"""Fine-tune the any-painting transformer: less texture of its own in flat places, the painter's strokes elsewhere.

The loss is Johnson's (content and style in VGG16's eyes; https://arxiv.org/abs/1603.08155) over many paintings and
photos, plus two terms for what the rounding of the published weights left behind: fine detail where the photo is flat,
and the pattern that repeats with the network's grid of 4 pixels. A last term holds the colours where the published
network puts them: without it the palette pales. The predictor of style vectors stays as it is.
"""

import copy
import random
from collections.abc import Callable
from dataclasses import dataclass, fields

import torch

from scoring.perception import losses
from scoring.perception.vgg import Vgg
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.network import StyleTransferNet
from scoring.scorers.any_painting.weights import Networks
from scoring.training import pictures
from scoring.types import Picture

AVERAGED = 0.99
"""Share of the average of weights that a step keeps: what is given back is calmer than the last step."""


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """How to train; the defaults made the shipped weights."""

    steps: int = 1000
    side: int = 192
    """Pixels of the squares that are painted."""
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
    """The terms of the loss, unweighted, as means over a step's photos."""

    content: torch.Tensor
    style: torch.Tensor
    grid: torch.Tensor
    flat: torch.Tensor
    palette: torch.Tensor

    def weighted(self, recipe: Recipe) -> torch.Tensor:
        """Give the loss: each term times its weight in the recipe."""
        return torch.stack([getattr(self, f.name) * getattr(recipe, f.name) for f in fields(self)]).sum()

    def values(self) -> dict[str, float]:
        """Give the terms as numbers, by name."""
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
    """Give a transformer trained from `networks.transformer`; `on_step` sees (step, terms, the average so far)."""
    rng = random.Random(recipe.seed)  # noqa: S311 - for variety, not for secrets
    trained = copy.deepcopy(networks.transformer).requires_grad_(requires_grad=True)
    averaged = copy.deepcopy(networks.transformer)
    adam = torch.optim.Adam(trained.parameters(), recipe.learning_rate)
    cosine = torch.optim.lr_scheduler.CosineAnnealingLR(adam, recipe.steps, recipe.learning_rate / 50)
    for step in range(1, recipe.steps + 1):
        painting, content = (drawn.to(networks.device) for drawn in _draw(paintings, photos, recipe, rng))
        terms = measure(networks, trained, vgg, painting, content)
        adam.zero_grad()
        terms.weighted(recipe).backward()
        torch.nn.utils.clip_grad_norm_(trained.parameters(), 5.0)
        adam.step()
        cosine.step()
        with torch.no_grad():
            for mean, now in zip(averaged.parameters(), trained.parameters(), strict=True):
                mean.lerp_(now, 1 - min(AVERAGED, step / (step + 1)))
        on_step(step, terms, averaged)
    return averaged


def measure(
    networks: Networks, transformer: StyleTransferNet, vgg: Vgg, painting: torch.Tensor, photos: torch.Tensor
) -> Terms:
    """Paint `photos` (B, 3, H, W) in the style of `painting` (1, 3, 256, 256) and give the terms of the loss."""
    with torch.no_grad():
        vector = networks.predictor(painting)[0]
        target = losses.grams(features(vgg, painting))
        wanted = features(vgg, photos)
        published = networks.transformer(photos, StyleCondition(networks.transformer.style(vector)))
    painted = transformer(photos, StyleCondition(transformer.style(vector)))
    got = features(vgg, painted)
    return Terms(
        content=losses.content_loss(got, wanted).mean(),
        style=losses.style_loss(got, target).mean(),
        grid=losses.grid_energy(painted).mean(),
        flat=losses.flat_energy(painted, losses.flat_places(photos)).mean(),
        palette=(losses.chroma_distance(painted, published) + losses.tone_distance(painted, published)).mean(),
    )


def features(vgg: Vgg, x: torch.Tensor) -> dict[str, torch.Tensor]:
    """Give VGG's features of (B, 3, H, W), computed in bfloat16: twice as fast, and the losses agree to 1 %.

    A GPU that only emulates bfloat16 (before Ampere) computes in float32.
    """
    whole = x.device.type == "cuda" and not torch.cuda.is_bf16_supported(including_emulation=False)
    with torch.autocast(x.device.type, torch.bfloat16, enabled=not whole):
        found: dict[str, torch.Tensor] = vgg(x.contiguous(memory_format=torch.channels_last))
    return found


def _draw(
    paintings: list[Picture], photos: list[Picture], recipe: Recipe, rng: random.Random
) -> tuple[torch.Tensor, torch.Tensor]:
    """Draw one painting and some photos: cut, mirrored, some in other hues, some with flat parts."""
    painting = pictures.cut(rng.choice(paintings), recipe.side, rng, smallest=0.6)
    if rng.random() < 0.3:
        painting = pictures.turned_hue(painting, rng)
    drawn = []
    for _ in range(recipe.photos_per_step):
        photo = pictures.cut(rng.choice(photos), recipe.side, rng, smallest=0.4)
        drawn.append(pictures.flattened(photo, rng) if rng.random() < 0.4 else photo)
    return pictures.tensor([painting]), pictures.tensor(drawn)
