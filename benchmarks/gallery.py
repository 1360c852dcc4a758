"""Write contact sheets for docs/gallery.md: every painting on every clip, and tuned styles next to untuned ones.

    python -m benchmarks.gallery paintings --clips a.mp4 b.mp4 --paintings a.jpg b.jpg -o sheet.jpg
    python -m benchmarks.gallery tuned --clips a.mp4 --paintings a.jpg --styles a.safetensors -o ab.jpg
    python -m benchmarks.gallery weights --clips a.mp4 --paintings a.jpg -o weights.jpg

A sheet of tuned styles is blind: the tuned side is random for each row and written to a file next to the sheet. A sheet
of weights compares the published weights with ours, enlarged where the published ones show most of their grid artifact.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch
from PIL import Image

from benchmarks.frames import read_frames, resized
from frame_tools.contracts.batch_borders import spread_sample
from frame_tools.contracts.options import Options
from scoring.image_codec import decode
from scoring.inference.weight_files import weights_folder
from scoring.perception.losses import grid_energy
from scoring.scorers.any_painting.convert import load_published_networks
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.training.augmentation import resize_shorter_side, to_batch
from scoring.types import FramePosition, Picture, RunInputs, StyleFile, StyleMix

LINES: Final = 360
"""Height in pixels at which clips are painted."""
CELL: Final = (320, 180)
"""Width and height of a cell in the sheet of paintings."""
LARGE: Final = (480, 270)
CROP: Final = (128, 96)
"""Width and height of the crop in a sheet of weights."""
ZOOM: Final = 3
QUALITY: Final = 78
"""JPEG quality."""
GAP: Final = 6


@dataclass(frozen=True)
class Clip:
    """Sample frames of a video, and the frame to show."""

    name: str
    sample: list[Picture]
    shown: Picture


def read_clip(path: Path, position: float = 0.4) -> Clip:
    """Read a video; the frame to show is at `position` (0 to 1) of its length."""
    frames = [resize_shorter_side(frame, LINES) for frame in read_frames(path)]
    sample = [frames[index] for index in spread_sample(len(frames))]
    return Clip(path.stem, sample, frames[int(position * len(frames))])


def paint(scorer: AnyPainting, clip: Clip, style: Path, options: Options | None = None) -> Picture:
    """Paint the clip's frame as a run of the whole clip would: with the statistics of its sample."""
    run = RunInputs(
        options=options or Options().with_default_calm,
        styles=(StyleFile(style.name, style.read_bytes()),),
        style_mixes=(StyleMix(0, (1.0,)),),
        sample=lambda: clip.sample,
    )
    score = scorer.open(run, scorer.prepare(run))
    return np.asarray(score(clip.shown[None], (FramePosition(0, 0.0),)), np.uint8).squeeze(0)


def fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """Scale a picture to fill a cell and crop it at the center."""
    width, height = size
    factor = max(width / picture.shape[1], height / picture.shape[0])
    larger = resized(
        picture, (max(width, round(picture.shape[1] * factor)), max(height, round(picture.shape[0] * factor)))
    )
    top, left = (larger.shape[0] - height) // 2, (larger.shape[1] - width) // 2
    cell: Picture = larger[top : top + height, left : left + width]
    return cell


def sheet(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Arrange rows of equally large cells on white."""
    height, width = rows[0][0].shape[:2]
    blank: Picture = np.full(
        (len(rows) * (height + GAP) - GAP, max(len(row) for row in rows) * (width + GAP) - GAP, 3), 255, np.uint8
    )
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            blank[i * (height + GAP) :, j * (width + GAP) :][:height, :width] = cell
    return blank


def paintings_sheet(scorer: AnyPainting, clips: Sequence[Clip], paintings: Sequence[Path]) -> Picture:
    """Return a sheet: the clips' frames in the first row, then a row for each painting, with itself first."""
    white: Picture = np.full((CELL[1], CELL[0], 3), 255, np.uint8)
    rows = [[white, *(fitted(clip.shown, CELL) for clip in clips)]]
    for path in paintings:
        painting = fitted(decode(path.read_bytes(), path.name), CELL)
        rows.append([painting, *(fitted(paint(scorer, clip, path), CELL) for clip in clips)])
    return sheet(rows)


def tuned_sheet(
    scorer: AnyPainting, clips: Sequence[Clip], paintings: Sequence[Path], styles: Sequence[Path], seed: int
) -> tuple[Picture, list[str]]:
    """Return a sheet and its key; a row has the painting and, in random order, the untuned and the tuned result."""
    rng, rows, key = random.Random(seed), [], []
    for path, style in zip(paintings, styles, strict=True):
        for clip in clips:
            pair = [paint(scorer, clip, path), paint(scorer, clip, style)]
            tuned_left = rng.random() < 0.5
            rows.append([decode(path.read_bytes(), path.name), *(reversed(pair) if tuned_left else pair)])
            key.append(f"{path.stem} on {clip.name}: tuned is {'left' if tuned_left else 'right'}")
    return sheet([[fitted(picture, LARGE) for picture in row] for row in rows]), key


def weights_sheet(ours: AnyPainting, clips: Sequence[Clip], paintings: Sequence[Path]) -> Picture:
    """Return a sheet; a row has a crop of the frame, painted with the published weights, and with ours."""
    theirs = AnyPainting(load_published_networks(), torch.device("cpu"))
    rows = []
    for path in paintings:
        for clip in clips:
            before, after = paint(theirs, clip, path), paint(ours, clip, path)
            top, left = worst_crop(before)
            rows.append([enlarged(picture[top:, left:]) for picture in (clip.shown, before, after)])
    return sheet(rows)


def worst_crop(painted: Picture) -> tuple[int, int]:
    """Return row and column of the crop with the strongest grid artifact."""
    width, height = CROP
    corners = [
        (top, left)
        for top in range(0, painted.shape[0] - height + 1, height // 2)
        for left in range(0, painted.shape[1] - width + 1, width // 2)
    ]
    crops = to_batch([painted[top : top + height, left : left + width] for top, left in corners])
    return corners[int(grid_energy(crops).argmax())]


def enlarged(picture: Picture) -> Picture:
    """Return the upper left crop with each pixel enlarged to a square."""
    crop = picture[: CROP[1], : CROP[0]]
    return np.repeat(np.repeat(crop, ZOOM, 0), ZOOM, 1)


def main() -> None:
    """Write the sheet that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("paintings", "tuned", "weights"))
    parser.add_argument("--clips", nargs="+", type=Path, required=True)
    parser.add_argument("--paintings", nargs="+", type=Path, required=True)
    parser.add_argument("--styles", nargs="+", type=Path, default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True)
    arguments = parser.parse_args()
    scorer = AnyPainting.load(weights_folder({}))
    clips = [read_clip(path) for path in arguments.clips]
    if arguments.what == "paintings":
        picture = paintings_sheet(scorer, clips, arguments.paintings)
    elif arguments.what == "weights":
        picture = weights_sheet(scorer, clips, arguments.paintings)
    else:
        picture, key = tuned_sheet(scorer, clips, arguments.paintings, arguments.styles, arguments.seed)
        arguments.out.with_suffix(".key.json").write_text(json.dumps(key, indent=1) + "\n")
    Image.fromarray(picture).save(arguments.out, quality=QUALITY)
    print(arguments.out)


if __name__ == "__main__":
    main()
