"""Write the README's image: a frame of the video, the painting, and the same frame painted.

    .venv/bin/python -m samples.before_after .local/samples/sailing.mp4 .local/samples/painting.jpg \
        out/sailing_by_painting.mp4 docs/before_after.jpg
"""

import sys
from pathlib import Path
from typing import Final

import av
from PIL import Image

from frame_tools.media.files import atomic_output

FRAME: Final = 60
GAP: Final = 12
HEIGHT: Final = 300


def frame_of(video: Path, number: int) -> Image.Image:
    """Return a frame of a video as an RGB image."""
    with av.open(str(video)) as container:
        for index, frame in enumerate(container.decode(video=0)):
            if index == number:
                image: Image.Image = frame.to_image()  # type: ignore[no-untyped-call]  # untyped in PyAV's stub
                return image
    raise SystemExit(f"{video} has no frame {number}")


def side_by_side(images: list[Image.Image]) -> Image.Image:
    """Arrange images side by side at one height, on white."""
    scaled = [i.resize((round(i.width * HEIGHT / i.height), HEIGHT), Image.Resampling.LANCZOS) for i in images]
    sheet = Image.new("RGB", (sum(i.width for i in scaled) + GAP * (len(scaled) - 1), HEIGHT), "white")
    left = 0
    for image in scaled:
        sheet.paste(image, (left, 0))
        left += image.width + GAP
    return sheet


def main(before: Path, painting: Path, after: Path, out: Path) -> None:
    """Write the image."""
    images = [frame_of(before, FRAME), Image.open(painting).convert("RGB"), frame_of(after, FRAME)]
    with atomic_output(out) as part:
        side_by_side(images).save(part, "JPEG", quality=88)


if __name__ == "__main__":
    if len(sys.argv) != 5:
        raise SystemExit(__doc__)
    main(*map(Path, sys.argv[1:]))
