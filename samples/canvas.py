"""What the parts of the scene share: the size they are drawn at, blending, pasting, and a glow."""

from functools import lru_cache
from typing import Final

from PIL import Image, ImageChops

WIDTH: Final = 640
HEIGHT: Final = 360
# Everything is drawn at twice the size.
WIDE: Final = 2 * WIDTH
HIGH: Final = 2 * HEIGHT

Rgb = tuple[int, int, int]


def mix(low: Rgb, high: Rgb, share: float) -> Rgb:
    """Blend two colours; `share` 1 is all `high`."""
    share = max(0.0, min(1.0, share))
    red, green, blue = (round(a + (b - a) * share) for a, b in zip(low, high, strict=True))
    return red, green, blue


def paste(picture: Image.Image, layer: Image.Image, *, x: float, y: float) -> None:
    """Lay a layer with transparency onto the picture, its upper left corner at x, y."""
    picture.paste(layer, (round(x), round(y)), layer)


@lru_cache
def glow(radius: int) -> Image.Image:
    """A disc of light that fades outwards, as a mask."""
    ring = ImageChops.invert(Image.radial_gradient("L").resize((2 * radius, 2 * radius)))
    return ring.point(lambda value: max(0, value - 75) * 255 // 180)
