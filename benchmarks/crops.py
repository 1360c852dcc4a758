"""Write a blind sheet of two transformers: crops of painted frames at full size, left and right in random order.

    python -m benchmarks.crops --before old.safetensors --clips a.mp4 b.mp4 --paintings a.jpg b.jpg -o crops.jpg

A row has the input and both results. The key, which result is the new one in each row, is written next to the sheet.
The crop is where the input has most edges.
"""

import argparse
import json
import random
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from benchmarks.gallery import sheet
from benchmarks.painted_clips import Footage, load_scorer, paint_frame
from frame_tools.contracts.options import Options
from scoring.opencv import laplacian, to_gray
from scoring.scorers.any_painting.convert import TRANSFORMER
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.types import Picture

CROP: Final = (480, 270)
"""Width and height in pixels."""
POSITION: Final = 0.4
"""Of the shown frame, 0 to 1 of the length of the clip."""
QUALITY: Final = 78
"""JPEG quality."""


def liveliest(picture: Picture) -> tuple[slice, slice]:
    """Return rows and columns of the crop with most edges; a smaller picture is not cropped."""
    width, height = min(CROP[0], picture.shape[1]), min(CROP[1], picture.shape[0])
    edges = cv2.boxFilter(np.abs(laplacian(to_gray(picture))), -1, (width, height), anchor=(0, 0))
    inside = edges[: picture.shape[0] - height + 1, : picture.shape[1] - width + 1]
    top, left = np.unravel_index(int(inside.argmax()), inside.shape)
    return slice(int(top), int(top) + height), slice(int(left), int(left) + width)


def blind_rows(
    scorers: tuple[AnyPainting, AnyPainting], clips: Sequence[Footage], paintings: Sequence[Path], seed: int
) -> tuple[list[list[Picture]], list[str]]:
    """Return rows of the input and, in random order, the results of both scorers, and the key."""
    rng, rows, key = random.Random(seed), [], []
    for clip in clips:
        index = int(POSITION * (len(clip.frames) - 1))
        crop = liveliest(clip.frames[index])
        for painting in paintings:
            pair = [paint_frame(scorer, clip, painting, index)[crop] for scorer in scorers]
            new_left = rng.random() < 0.5
            rows.append([clip.frames[index][crop], *(reversed(pair) if new_left else pair)])
            key.append(f"{painting.stem} on {clip.name}: new is {'left' if new_left else 'right'}")
    return rows, key


def main() -> None:
    """Write the sheet and its key."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True, help="A transformer.safetensors.")
    parser.add_argument("--after", type=Path, default=TRANSFORMER, help="Default: the repository's.")
    parser.add_argument("--clips", nargs="+", type=Path, required=True)
    parser.add_argument("--paintings", nargs="+", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    scorers = load_scorer(arguments.before), load_scorer(arguments.after)
    clips = [Footage.read(path, Options()) for path in arguments.clips]
    rows, key = blind_rows(scorers, clips, arguments.paintings, arguments.seed)
    Image.fromarray(sheet(rows)).save(arguments.out, quality=QUALITY)
    arguments.out.with_suffix(".key.json").write_text(json.dumps(key, indent=1) + "\n")
    print(arguments.out)


if __name__ == "__main__":
    main()
