"""The lighthouse on its cliff, and its beam."""

import math
import random
from functools import lru_cache
from typing import Final

from PIL import Image, ImageDraw, ImageFilter

from samples.canvas import HIGH, WIDE, glow, mix

_SEED: Final = 37


@lru_cache
def cliff() -> Image.Image:
    """Return a layer with the lighthouse on its cliff."""
    rng = random.Random(_SEED)  # noqa: S311
    layer = Image.new("RGBA", (640, HIGH - 120), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    top = [(x, 240 + 90 * (1 - min(1.0, (x - 40) / 110)) ** 2 + 6 * math.sin(x / 17)) for x in range(40, 640, 6)]
    foot = [(x, 470 + 8 * math.sin(x / 31)) for x in range(640, -1, -20)]
    draw.polygon([(24, 380), *top, *foot, (6, 440)], fill=(92, 82, 88))
    for _ in range(2200):
        x, y = rng.uniform(4, 640), rng.uniform(240, 476)
        if layer.getpixel((int(x), int(y))) != (0, 0, 0, 0):
            # The sun is on the left; the cliff is darker to the right and at the bottom.
            light = 1.1 - x / 420 - (y - 240) / 520 + rng.gauss(0, 0.22)
            tone = mix((58, 52, 72), (226, 172, 128), light)
            draw.line((x, y, x + rng.uniform(-9, 6), y + rng.uniform(8, 26)), fill=tone, width=rng.choice((3, 4, 6)))
    for x, y in foot:
        draw.arc((x - 26, y - 10, x + 26, y + 14), 180, 350, fill=(224, 232, 226), width=4)
    for x, y in top:
        draw.line(
            (x - 8, y + 8, x + 6, y - rng.uniform(2, 10)), fill=rng.choice(((96, 132, 60), (136, 156, 66))), width=5
        )
    for band in range(6):
        y, half = 84 + band * 27, 22 + band * 3
        draw.polygon(
            ((196 - half, y), (196 + half, y), (196 + half + 3, y + 27), (196 - half - 3, y + 27)),
            fill=(246, 238, 224) if band % 2 else (196, 52, 44),
        )
        draw.polygon(
            ((196 + half - 14, y), (196 + half, y), (196 + half + 3, y + 27), (196 + half - 12, y + 27)),
            fill=(150, 96, 92),
        )
    draw.rectangle((170, 74, 222, 84), fill=(60, 56, 66))
    draw.rectangle((180, 44, 212, 74), fill=(255, 240, 170))
    draw.polygon(((172, 46), (220, 46), (196, 18)), fill=(150, 40, 40))
    return layer


def beam(picture: Image.Image, time: float, *, x: float, y: float) -> None:
    """Draw the lighthouse's beam; it turns twice in the clip."""
    turn = math.cos(math.tau * 2 * time)
    reach = 620 * turn
    mask = Image.new("L", (WIDE, 160))
    draw = ImageDraw.Draw(mask)
    for step in range(24):  # the light fades with distance
        near, far = step / 24, (step + 1) / 24
        edges = (x - reach * near, x - reach * far)
        top, bottom = (tuple(80 + side * share for share in (near, far)) for side in (-60, 42))
        corners = ((edges[0], top[0]), (edges[1], top[1]), (edges[1], bottom[1]), (edges[0], bottom[0]))
        draw.polygon(corners, fill=round(110 * (1 - near)))
    picture.paste((255, 246, 200), (0, round(y) - 80), mask.filter(ImageFilter.GaussianBlur(5)))
    picture.paste((255, 250, 214), (round(x) - 60, round(y) - 60), glow(60))
