"""A small animated scene: evening over hills and the sea, with a sailing boat, clouds, gulls and a lighthouse.

The scene is drawn at twice the size and reduced. The camera moves to the right, and nearer objects move faster, which
gives parallax; waves, grass, wings and the beam of the lighthouse are animated.
"""

import math
import random
from functools import lru_cache
from itertools import pairwise
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

from samples.canvas import HEIGHT, HIGH, WIDE, WIDTH, Rgb, glow, mix, paste
from samples.lighthouse import beam, cliff

FRAMES: Final = 96
_HORIZON: Final = 400
_SEED: Final = 7
_GRAIN: Final = 2.5
"""Noise in the sky in gray levels, at the drawn size. A gradient without noise would have visible bands."""


def draw_frame(number: int) -> Image.Image:
    """Return frame `number` of FRAMES, WIDTH x HEIGHT, RGB; always the same."""
    time = number / FRAMES
    picture = _sky().copy()
    _sun(picture, time)
    for depth in (0, 1):
        paste(picture, _clouds(depth), x=-200 + (60 + 90 * depth) * time, y=20 + 60 * depth)
    paste(picture, _hills(0), x=-40 * time, y=0)
    paste(picture, _hills(1), x=-80 * time, y=0)
    _sea(picture, time)
    _boat(picture, time)
    paste(picture, cliff(), x=WIDE - 400 - 120 * time, y=120)
    beam(picture, time, x=WIDE - 204 - 120 * time, y=178)
    _gulls(picture, time)
    _meadow(picture, time)
    return picture.resize((WIDTH, HEIGHT), Image.Resampling.BOX)


@lru_cache
def _sky() -> Image.Image:
    """Return the evening sky: deep blue, rose, and gold at the horizon."""
    stops: tuple[tuple[float, Rgb], ...] = (
        (0.0, (40, 72, 148)),
        (0.45, (112, 146, 204)),
        (0.72, (238, 170, 158)),
        (0.90, (255, 208, 128)),
        (1.0, (255, 226, 160)),
    )
    column = Image.new("RGB", (1, HIGH))
    for y in range(HIGH):
        place = min(1.0, y / _HORIZON)
        for (low, color), (high, next_color) in pairwise(stops):
            if low <= place <= high:
                column.putpixel((0, y), mix(color, next_color, (place - low) / (high - low)))
    return _grained(column.resize((WIDE, HIGH)))


def _grained(picture: Image.Image) -> Image.Image:
    """Return the picture with noise."""
    rng = random.Random(_SEED)  # noqa: S311 - noise, not a secret
    grain = Image.new("L", picture.size)
    grain.putdata([round(rng.gauss(128, _GRAIN)) for _ in range(picture.width * picture.height)])
    return ImageChops.add(picture, Image.merge("RGB", (grain,) * 3), offset=-128)


def _sun(picture: Image.Image, time: float) -> None:
    x, y = 400, round(235 + 70 * time)
    for radius, color in ((330, (255, 214, 140)), (150, (255, 230, 150))):
        mask = glow(radius).point(lambda value: value * 3 // 5)
        picture.paste(color, (x - radius, y - radius), mask)
    ImageDraw.Draw(picture).ellipse((x - 44, y - 44, x + 44, y + 44), fill=(255, 246, 206))


@lru_cache
def _clouds(depth: int) -> Image.Image:
    """Return a strip of clouds, lit from below by the low sun; those of `depth` 1 are nearer."""
    rng = random.Random(_SEED + depth)  # noqa: S311 - a picture, not a secret
    layer = Image.new("RGBA", (WIDE + 700, 260), (255, 190, 170, 0))
    draw = ImageDraw.Draw(layer)
    for _ in range(6 - depth):
        cx, cy, size = rng.uniform(60, WIDE + 600), rng.uniform(90, 170), rng.uniform(0.6, 1.0) * (1 + 0.5 * depth)
        puffs = [(rng.gauss(0, 75) * size, rng.uniform(14, 42) * size) for _ in range(26)]
        for shift, color in ((12, (222, 148, 156)), (4, (246, 196, 178)), (-6, (255, 238, 224))):
            for x, radius in puffs:
                lift = radius * 0.9 * math.exp(-((x / (70 * size)) ** 2))
                r = radius * (1 if shift > 0 else 0.78)
                draw.ellipse(
                    (cx + x - r, cy - lift - r * 0.7 + shift, cx + x + r, cy - lift + r * 0.7 + shift),
                    fill=(*color, 235),
                )
    return layer.filter(ImageFilter.GaussianBlur(4))


@lru_cache
def _hills(depth: int) -> Image.Image:
    """Return a range of hills with lit left slopes; those of `depth` 1 are nearer and greener."""
    rng = random.Random(_SEED + 10 + depth)  # noqa: S311
    layer = Image.new("RGBA", (WIDE + 200, _HORIZON + 6), (0, 0, 0, 0))
    draw = ImageDraw.Draw(layer)
    low, high = (((104, 116, 170), (176, 160, 190)), ((74, 108, 112), (150, 158, 104)))[depth]

    def ridge(x: float) -> float:
        if depth == 0:
            return 318 - 46 * math.sin(x / 170 + 0.6) - 20 * math.sin(x / 61) - 7 * math.sin(x / 23)
        return 372 - 40 * math.sin(x / 260 + 3.4) - 10 * math.sin(x / 83 + 1) - (x / 40 if x < 700 else 17)

    for x in range(0, layer.width, 2):
        slope = ridge(x + 6) - ridge(x - 6)
        draw.line((x, ridge(x), x, layer.height), fill=mix(low, high, 0.45 - slope / 12), width=2)
    for _ in range(2600):
        left = rng.uniform(0, layer.width)
        top = ridge(left) + 1 + abs(rng.gauss(0, 40))
        tone = mix(low, high, rng.random())
        draw.line(
            (left, top, left + rng.uniform(6, 22), top + rng.uniform(2, 8)), fill=(*tone, 255), width=rng.choice((2, 3))
        )
    return layer


def _sea(picture: Image.Image, time: float) -> None:
    """Draw water with moving waves, finer towards the horizon, and the reflection of the sun."""
    draw = ImageDraw.Draw(picture)
    rng = random.Random(_SEED + 20)  # noqa: S311
    for y in range(_HORIZON, HIGH, 4):
        near = (y - _HORIZON) / (HIGH - _HORIZON)
        draw.rectangle((0, y, WIDE, y + 4), fill=mix((236, 190, 150), (24, 88, 128), min(1.0, near * 3.2)))
    for _ in range(900):
        near = rng.random() ** 1.6
        y = _HORIZON + 3 + near * (HIGH - _HORIZON)
        length = 8 + 70 * near
        phase = rng.uniform(0, math.tau)
        x = (rng.uniform(0, WIDE + 200) - (30 + 260 * near) * time) % (WIDE + 200) - 100
        y += (1 + 5 * near) * math.sin(math.tau * (2 * time) + phase)
        glitter = abs(x - 400) < 40 + 150 * near and math.sin(phase * 5 + math.tau * 5 * time) > -0.2
        dark = rng.random() < 0.5
        tone = (255, 228, 158) if glitter else ((18, 70, 112) if dark else (98, 160, 178))
        base = picture.getpixel((max(0, min(WIDE - 1, int(x))), min(HIGH - 1, int(y))))
        color = mix(base, tone, 0.85 if glitter else 0.55)  # type: ignore[arg-type]
        draw.arc(
            (x - length, y - 3 - 9 * near, x + length, y + 4 + 9 * near),
            200,
            340,
            fill=color,
            width=2 + round(3 * near),
        )


def _boat(picture: Image.Image, time: float) -> None:
    """Draw a boat with a red hull and two sails that crosses the view, rocking, and its reflection."""
    sprite = _boat_sprite().rotate(4 * math.sin(math.tau * 2 * time), resample=Image.Resampling.BICUBIC)
    x, y = 300 + 190 * time, 352 + 6 * math.sin(math.tau * 2 * time + 1)
    mirrored = sprite.transpose(Image.Transpose.FLIP_TOP_BOTTOM).resize((sprite.width, 110))
    mirrored.putalpha(mirrored.getchannel("A").point(lambda value: value * 2 // 5))
    paste(picture, mirrored, x=x + 6 * math.sin(math.tau * 3 * time), y=y + 196)
    paste(picture, sprite, x=x, y=y)


@lru_cache
def _boat_sprite() -> Image.Image:
    sprite = Image.new("RGBA", (220, 220), (0, 0, 0, 0))
    draw = ImageDraw.Draw(sprite)
    draw.line((112, 12, 112, 182), fill=(84, 56, 40), width=6)
    draw.polygon(((118, 16), (118, 164), (196, 164), (160, 100)), fill=(250, 240, 216))
    draw.polygon(((106, 30), (106, 164), (40, 164), (76, 104)), fill=(240, 212, 168))
    for y in range(40, 164, 18):
        draw.line((118, y, 124 + (y - 16) * 0.5, y + 4), fill=(222, 196, 160), width=2)
    draw.polygon(((22, 172), (200, 172), (172, 208), (52, 208)), fill=(172, 44, 38))
    draw.polygon(((22, 172), (200, 172), (196, 180), (28, 180)), fill=(246, 230, 206))
    return sprite


def _gulls(picture: Image.Image, time: float) -> None:
    draw = ImageDraw.Draw(picture)
    for number in range(6):
        x = 200 + 150 * number + (190 + 30 * number) * time
        y = 120 + 34 * math.sin(number * 2.2) + 16 * math.sin(math.tau * time + number)
        span = 20 + 4 * (number % 3)
        lift = span * 0.5 * math.sin(math.tau * (6 * time + number / 6))
        for side in (-1, 1):
            wing = ((x, y), (x + side * span * 0.5, y - 8 - lift), (x + side * span, y - lift * 0.6))
            draw.line(wing, fill=(62, 58, 78), width=5, joint="curve")


def _meadow(picture: Image.Image, time: float) -> None:
    """Draw swaying grass and flowers in the foreground, which move fastest."""
    rng = random.Random(_SEED + 40)  # noqa: S311
    draw = ImageDraw.Draw(picture)

    def ground_at(x: float) -> float:
        return 672 - 70 * math.exp(-((x / 520) ** 2)) - 14 * math.sin(x / 150)

    edge = [(x - 320 * time, ground_at(x)) for x in range(0, WIDE + 400, 20)]
    draw.polygon([*edge, (WIDE + 80, HIGH), (-320, HIGH)], fill=(46, 84, 48))
    for number in range(1300):
        x = rng.uniform(0, WIDE + 400)
        depth = number / 1300
        ground = ground_at(x) + 70 * depth
        height = rng.uniform(30, 74) * (0.6 + 0.6 * depth)
        x -= 320 * time
        sway = 10 * math.sin(math.tau * 2 * time + x / 90) + rng.uniform(-8, 8)
        tone = rng.choice(((44, 84, 44), (74, 118, 48), (112, 146, 56), (36, 66, 48), (150, 160, 70)))
        tip = (x + sway, ground - height)
        draw.line(((x, ground + 20), (x + sway * 0.3, ground - height * 0.5), tip), fill=tone, width=5, joint="curve")
        if number % 13 == 0:
            petal = rng.choice(((226, 60, 52), (250, 214, 80), (246, 236, 226), (178, 96, 190)))
            draw.ellipse((tip[0] - 9, tip[1] - 8, tip[0] + 9, tip[1] + 8), fill=petal)
            draw.ellipse((tip[0] - 3, tip[1] - 3, tip[0] + 3, tip[1] + 3), fill=(90, 50, 40))
