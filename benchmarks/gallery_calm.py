"""Write the sheet of the option `calm` for docs/gallery.md: drawn pictures that are almost empty, and a clip's frame.

    python -m benchmarks.gallery_calm --clips a.mp4 --paintings a.jpg b.jpg -o docs/gallery/calm.jpg

The first row has the inputs; each painting has three rows: `calm` 0, the default, and 1.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import numpy as np
from PIL import Image

from benchmarks.gallery import CELL, QUALITY, Clip, fitted, paint, read_clip, sheet
from frame_tools.contracts.options import Options
from scoring.inference.weight_files import weights_folder
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.types import Picture

SIZE: Final = (640, 360)
"""Width and height in pixels of the drawn pictures."""
NOISE: Final = 0.7
"""Standard deviation in gray levels of the noise in drawn pictures, as after a good encoder."""
CALM: Final = (0.0, 0.5, 1.0)


def empty_pictures(frame: Picture) -> dict[str, Picture]:
    """Return almost empty pictures by name: noise, a plain sky, and `frame` in fog and faded to black."""
    width, height = SIZE
    generator = np.random.default_rng(0)
    noise = generator.standard_normal((height, width, 3))
    down, across = np.linspace(-1, 1, height)[:, None, None], np.linspace(-1, 1, width)[None, :, None]
    scene = fitted(frame, SIZE).astype(np.float64)
    drawn = {
        "noise of 2 gray levels": 128 + 2 * noise,
        "plain sky": np.array([150, 180, 215]) + 8 * down + 3 * across + NOISE * noise,
        "fog": 190 + 0.06 * (scene - scene.mean()) + NOISE * noise,
        "fade to black": 0.06 * scene + NOISE * noise,
    }
    return {name: np.clip(np.rint(picture), 0, 255).astype(np.uint8) for name, picture in drawn.items()}


def calm_sheet(scorer: AnyPainting, clips: Sequence[Clip], paintings: Sequence[Path]) -> Picture:
    """Return the sheet; columns are the drawn pictures and the clips."""
    drawn = [Clip(name, [picture], picture) for name, picture in empty_pictures(clips[0].shown).items()]
    columns = [*drawn, *clips]
    rows = [[fitted(clip.shown, CELL) for clip in columns]]
    for path in paintings:
        for calm in CALM:
            options = Options(calm=calm)
            rows.append([fitted(paint(scorer, clip, path, options), CELL) for clip in columns])
    return sheet(rows)


def main() -> None:
    """Write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="+", type=Path, required=True)
    parser.add_argument("--paintings", nargs="+", type=Path, required=True)
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    clips = [read_clip(path) for path in arguments.clips]
    picture = calm_sheet(AnyPainting.load(weights_folder({})), clips, arguments.paintings)
    Image.fromarray(picture).save(arguments.out, quality=QUALITY)
    print(arguments.out)


if __name__ == "__main__":
    main()
