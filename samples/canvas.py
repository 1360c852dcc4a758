"""Shared drawing helpers of the scene: canvas size, color mixing, pasting, and a glow."""

from functools import lru_cache
from typing import Final

from PIL import Image, ImageChops

WIDTH: Final = 640
HEIGHT: Final = 360
# The scene is drawn at twice the size and reduced.
WIDE: Final = 2 * WIDTH
HIGH: Final = 2 * HEIGHT

Rgb = tuple[int, int, int]


def mix(low: Rgb, high: Rgb, share: float) -> Rgb:
    """Mix two colors; `share` is the share of `high` and is clipped to 0..1."""
    share = max(0.0, min(1.0, share))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


def paste(picture: Image.Image, layer: Image.Image, *, x: float, y: float) -> None:
    """Paste a transparent layer onto the picture with its upper left corner at x, y."""
    picture.paste(layer, (round(x), round(y)), layer)


@lru_cache
def glow(radius: int) -> Image.Image:
    """Return a mask of a disc of light that fades outwards."""
    ring = ImageChops.invert(Image.radial_gradient("L").resize((2 * radius, 2 * radius)))
    return ring.point(lambda value: max(0, value - 75) * 255 // 180)
