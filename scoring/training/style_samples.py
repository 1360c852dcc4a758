"""What fine-tuning learns of paintings: a style vector, and the Gram matrices of the same picture at the same size.

The predictor sees all of a painting or a part of it in squares of `PAINTING_SIDE` pixels. Measured at another size, the
matrices would ask for strokes of another size than those that the vector stands for.
"""

import random
from typing import Final

from scoring.perception.vgg import Vgg
from scoring.scorers.any_painting.predictor import PAINTING_SIDE
from scoring.scorers.any_painting.weights import Networks
from scoring.training import augmentation
from scoring.training.finetune import StyleSample
from scoring.training.tune import predicted_vector, style_target
from scoring.types import Picture

PARTS: Final = 3
"""Parts of a painting that are samples beside all of it."""


def draw_samples(networks: Networks, vgg: Vgg, paintings: list[Picture], rng: random.Random) -> list[StyleSample]:
    """Return samples of each painting: all of it, the same with its hues rotated, and parts, one of them rotated."""
    samples: list[StyleSample] = []
    for painting in paintings:
        parts = [augmentation.random_square(painting, PAINTING_SIDE, rng, min_share=0.35) for _ in range(PARTS)]
        parts[0] = augmentation.rotate_hue(parts[0], rng)
        pictures = [painting, augmentation.rotate_hue(painting, rng), *parts]
        samples += [
            StyleSample(predicted_vector(networks, picture), style_target(vgg, picture, networks.device))
            for picture in pictures
        ]
    return samples
