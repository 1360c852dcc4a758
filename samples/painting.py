"""A painting made of brush strokes: a landscape under a swirling evening sky, with thick paint and a strong palette.

Strokes follow a flow field, coarse ones first. Each is a bundle of bristles in slightly different tones. It is drawn
twice: into the picture and, in gray, into a height map of the paint. Light from the upper left on the height map gives
the relief of impasto.
"""

import math
import random
from collections.abc import Callable
from typing import Final

from PIL import Image, ImageChops, ImageDraw, ImageFilter

SIZE: Final = 768
_SCALE: Final = 2  # drawn larger and then reduced, which smooths the bristles
_SEED: Final = 1889

Rgb = tuple[int, int, int]
Field = Callable[[float, float], float]

_SUN: Final = (0.74, 0.20)
# Center, radius and direction of each vortex in the sky.
_VORTICES: Final = (
    ((0.74, 0.20), 0.20, 1.0),
    ((0.33, 0.30), 0.19, -1.0),
    ((0.52, 0.46), 0.11, 1.0),
    ((0.06, 0.12), 0.14, 1.0),
)
_NIGHT: Final = ((30, 44, 122), (36, 66, 158), (52, 104, 190), (92, 152, 206), (20, 88, 140), (44, 48, 132))
_PALE: Final = ((196, 220, 224), (150, 196, 220), (228, 232, 206), (120, 180, 214))
_GOLD: Final = ((255, 214, 66), (250, 178, 40), (255, 236, 150), (240, 140, 32))
_HILLS: Final = ((34, 74, 108), (48, 96, 112), (30, 58, 102), (70, 120, 112), (58, 70, 128))
_MEADOW: Final = ((118, 156, 52), (76, 128, 58), (166, 178, 60), (48, 104, 70))
_FIELD: Final = ((232, 178, 44), (214, 140, 34), (246, 206, 90), (190, 104, 36), (172, 150, 48), (226, 92, 40))
_CYPRESS: Final = ((18, 46, 40), (28, 66, 44), (44, 84, 40), (14, 30, 44), (70, 92, 38))


def make_painting() -> Image.Image:
    """Return the painting, SIZE x SIZE, RGB; always the same."""
    rng = random.Random(_SEED)  # noqa: S311 - a picture, not a secret
    side = SIZE * _SCALE
    color = Image.new("RGB", (side, side), (30, 48, 110))
    height = Image.new("L", (side, side), 90)
    # Width and length of the strokes as fractions of the image's side, and their number.
    for width, length, count in ((0.040, 0.15, 700), (0.024, 0.12, 2300), (0.015, 0.10, 3600), (0.009, 0.075, 1500)):
        for _ in range(count):
            _stroke(color, height, rng, width=width, length=length)
    return _lit(color, height).resize((SIZE, SIZE), Image.Resampling.LANCZOS)


def _stroke(color: Image.Image, height: Image.Image, rng: random.Random, *, width: float, length: float) -> None:
    """Draw one stroke: parallel bristles along the flow."""
    x, y = rng.random(), rng.random()
    region = _region(x, y)
    tone = _tone(x, y, region, rng)
    spine = _spine(x, y, region, length * rng.uniform(0.6, 1.2))
    width *= {"cypress": 0.7, "hills": 0.8}.get(region, 1.0)
    side = color.width
    bristles = max(4, round(width * 260))
    thick = max(2, round(width * side / bristles * 1.7))
    paint, relief = ImageDraw.Draw(color), ImageDraw.Draw(height)
    load = rng.randint(-18, 18)
    for number in range(bristles):
        across = number / (bristles - 1) - 0.5
        begin, end = rng.randint(0, 2), len(spine) - rng.randint(0, 2)
        line = [
            ((px + nx * across * width) * side, (py + ny * across * width) * side)
            for px, py, nx, ny in spine[begin:end]
        ]
        shade = rng.gauss(0, 13) - 26 * abs(across) + load / 3
        paint.line(line, fill=_shaded(tone, shade), width=thick, joint="curve")
        ridge = 150 + load + rng.gauss(0, 26) + 70 * abs(across)  # the brush pushes paint to the stroke's edges
        relief.line(line, fill=max(0, min(255, round(ridge))), width=thick, joint="curve")


def _spine(x: float, y: float, region: str, length: float) -> list[tuple[float, float, float, float]]:
    """Follow the flow in both directions from a point; returns positions with their normals."""
    step = length / 10
    halves: list[list[tuple[float, float, float, float]]] = []
    for sense in (-1, 1):
        px, py, points = x, y, []
        for _ in range(5):
            angle = _flow(px, py, region)
            points.append((px, py, -math.sin(angle), math.cos(angle)))
            px, py = px + sense * step * math.cos(angle), py + sense * step * math.sin(angle)
        halves.append(points)
    return halves[0][:0:-1] + halves[1]


def _skyline(x: float) -> float:
    return 0.63 - 0.05 * math.sin(3.1 * x + 0.4) - 0.025 * math.sin(9 * x + 1)


def _region(x: float, y: float) -> str:
    """Return the part of the landscape that contains a point."""
    reach = (y - 0.14) / 0.72
    if 0 < reach < 1 and abs(x - 0.145 - 0.012 * math.sin(15 * y)) < 0.085 * reach**0.7 * (1 - reach**9) ** 0.5:
        return "cypress"
    if y < _skyline(x):
        return "sky"
    if y < 0.70 + 0.03 * math.sin(4 * x + 2):
        return "hills"
    return "meadow" if y < 0.77 + 0.02 * math.sin(6 * x) else "field"


def _flow(x: float, y: float, region: str) -> float:
    """Return the direction of the flow at a point, in radians."""
    if region == "cypress":
        return -math.pi / 2 + 0.5 * math.sin(17 * y + 9 * x)
    if region == "field":
        return math.atan2(y - 0.60, (x - 0.55) * 0.9) + 0.15 * math.sin(20 * x)
    if region == "meadow":
        return 0.25 * math.sin(8 * x)
    if region == "hills":
        return -0.45 * math.cos(5 * x + 0.4) + 0.3 * math.sin(12 * y)
    vx, vy = 1.0, 0.45 * math.sin(6.5 * x + 1) + 0.2 * math.sin(11 * y)
    for (cx, cy), radius, sense in _VORTICES:
        dx, dy = x - cx, y - cy
        distance = math.hypot(dx, dy) + 1e-6
        pull = 6 * math.exp(-((distance / radius) ** 2)) * sense
        # A small inward component turns circles into spirals.
        vx += pull * (-dy - 0.25 * dx) / distance
        vy += pull * (dx - 0.25 * dy) / distance
    return math.atan2(vy, vx)


def _tone(x: float, y: float, region: str, rng: random.Random) -> Rgb:
    """Choose the color of a stroke."""
    palettes = {"hills": _HILLS, "meadow": _MEADOW, "field": _FIELD, "cypress": _CYPRESS}
    if region in palettes:
        return rng.choice(palettes[region])
    sun = math.hypot(x - _SUN[0], y - _SUN[1])
    if sun < 0.055:
        return rng.choice(_GOLD[2:3] + _GOLD[:1])
    if sun < 0.19 and rng.random() < 1.3 - sun * 5:
        return rng.choice(_GOLD if math.sin(sun * 75) > -0.3 else _PALE)
    for (cx, cy), radius, _ in _VORTICES[1:]:
        distance = math.hypot(x - cx, y - cy)
        arm = math.sin(distance / radius * 11 + math.atan2(y - cy, x - cx) * 2)
        if distance < radius * 0.22:
            return rng.choice(_GOLD[:3] + _PALE[2:3])
        if distance < radius * 1.2 and arm > 0.25:
            return rng.choice(_PALE)
    if y > _skyline(x) - 0.10 and rng.random() < 0.5:
        return rng.choice((*_PALE, (240, 196, 120), (236, 168, 110)))
    return rng.choice(_NIGHT)


def _shaded(tone: Rgb, shade: float) -> Rgb:
    red, green, blue = (max(0, min(255, round(channel + shade))) for channel in tone)
    return red, green, blue


def _lit(color: Image.Image, height: Image.Image) -> Image.Image:
    """Return the picture with its height map lit from the upper left."""
    smooth = height.filter(ImageFilter.GaussianBlur(1.2))
    slope = smooth.filter(ImageFilter.Kernel((3, 3), (2, 1, 0, 1, 0, -1, 0, -1, -2), scale=1.6, offset=128))
    relief = Image.merge("RGB", (slope, slope, slope))
    return ImageChops.overlay(color, relief)
