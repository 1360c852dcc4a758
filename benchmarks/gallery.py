"""Contact sheets for docs/gallery.md: every painting on every clip, and each tuned style beside the painting's own.

    python -m benchmarks.gallery paintings --clips a.mp4 b.mp4 --paintings a.jpg b.jpg -o sheet.jpg
    python -m benchmarks.gallery tuned --clips a.mp4 --paintings a.jpg --styles a.safetensors -o ab.jpg
    python -m benchmarks.gallery weights --clips a.mp4 --paintings a.jpg -o weights.jpg

A sheet of tuned styles is blind: which side is tuned is drawn by lot for each row, and written to a file beside it.
A sheet of weights shows the published ones beside ours, enlarged where the published ones leave most of their grid.
"""

import argparse
import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import av
import cv2
import numpy as np
import torch
from PIL import Image

from frame_tools.contracts.options import Options
from frame_tools.contracts.plan import spread_sample
from scoring.image_codec import decode
from scoring.inference.weight_files import weights_folder
from scoring.perception.losses import grid_energy
from scoring.scorers.any_painting.convert import published
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.training.pictures import scaled, tensor
from scoring.types import FramePosition, Picture, RunInputs, StyleFile, StyleMix

LINES: Final = 360
"""Pixels: height at which clips are painted."""
CELL: Final = (320, 180)
"""Width and height of a cell of the sheet of paintings."""
LARGE: Final = (480, 270)
PART: Final = (128, 96)
"""Width and height of the part of a frame that a sheet of weights shows."""
ZOOM: Final = 3
QUALITY: Final = 78
"""Of the JPEG file."""
GAP: Final = 6


@dataclass(frozen=True)
class Clip:
    """Frames of a video, and the one that is shown."""

    name: str
    sample: list[Picture]
    shown: Picture


def read_clip(path: Path, share: float = 0.4) -> Clip:
    """Read a video; shown is the frame at this share of its length."""
    with av.open(str(path)) as container:
        frames = [scaled(frame.to_ndarray(format="rgb24"), LINES) for frame in container.decode(video=0)]
    sample = [frames[index] for index in spread_sample(len(frames))]
    return Clip(path.stem, sample, frames[int(share * len(frames))])


def paint(scorer: AnyPainting, clip: Clip, style: Path) -> Picture:
    """Paint the clip's shown frame as a run of the whole clip would: by the statistics of its sample."""
    run = RunInputs(
        options=Options(),
        styles=(StyleFile(style.name, style.read_bytes()),),
        style_mixes=(StyleMix(0, (1.0,)),),
        sample=lambda: clip.sample,
    )
    score = scorer.open(run, scorer.prepare(run))
    painted: Picture = np.asarray(score(clip.shown[None], (FramePosition(0, 0.0),)))[0]
    return painted


def fitted(picture: Picture, size: tuple[int, int]) -> Picture:
    """Scale a picture to fill a cell, and cut what is over."""
    width, height = size
    factor = max(width / picture.shape[1], height / picture.shape[0])
    larger = cv2.resize(
        picture,
        (max(width, round(picture.shape[1] * factor)), max(height, round(picture.shape[0] * factor))),
        interpolation=cv2.INTER_AREA,
    )
    top, left = (larger.shape[0] - height) // 2, (larger.shape[1] - width) // 2
    cell: Picture = larger[top : top + height, left : left + width]
    return cell


def sheet(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Lay rows of cells of one size on white."""
    height, width = rows[0][0].shape[:2]
    blank: Picture = np.full(
        (len(rows) * (height + GAP) - GAP, max(len(row) for row in rows) * (width + GAP) - GAP, 3), 255, np.uint8
    )
    for i, row in enumerate(rows):
        for j, cell in enumerate(row):
            blank[i * (height + GAP) :, j * (width + GAP) :][:height, :width] = cell
    return blank


def paintings_sheet(scorer: AnyPainting, clips: Sequence[Clip], paintings: Sequence[Path]) -> Picture:
    """Head: the clips' frames; then a row for each painting, which stands at its left."""
    white: Picture = np.full((CELL[1], CELL[0], 3), 255, np.uint8)
    rows = [[white, *(fitted(clip.shown, CELL) for clip in clips)]]
    for path in paintings:
        painting = fitted(decode(path.read_bytes(), path.name), CELL)
        rows.append([painting, *(fitted(paint(scorer, clip, path), CELL) for clip in clips)])
    return sheet(rows)


def tuned_sheet(
    scorer: AnyPainting, clips: Sequence[Clip], paintings: Sequence[Path], styles: Sequence[Path], seed: int
) -> tuple[Picture, list[str]]:
    """A row for each painting and clip: the painting, and left and right, by lot, its own style and the tuned one."""
    lot, rows, key = random.Random(seed), [], []
    for path, style in zip(paintings, styles, strict=True):
        for clip in clips:
            pair = [paint(scorer, clip, path), paint(scorer, clip, style)]
            tuned_left = lot.random() < 0.5
            rows.append([decode(path.read_bytes(), path.name), *(reversed(pair) if tuned_left else pair)])
            key.append(f"{path.stem} on {clip.name}: tuned is {'left' if tuned_left else 'right'}")
    return sheet([[fitted(picture, LARGE) for picture in row] for row in rows]), key


def weights_sheet(ours: AnyPainting, clips: Sequence[Clip], paintings: Sequence[Path]) -> Picture:
    """A row for each painting and clip: a part of the frame, painted with the published weights, and with ours."""
    theirs = AnyPainting(published(), torch.device("cpu"))
    rows = []
    for path in paintings:
        for clip in clips:
            before, after = paint(theirs, clip, path), paint(ours, clip, path)
            top, left = worst(before)
            rows.append([enlarged(picture[top:, left:]) for picture in (clip.shown, before, after)])
    return sheet(rows)


def worst(painted: Picture) -> tuple[int, int]:
    """Return row and column of the part of PART's size in which most is left of the network's grid."""
    width, height = PART
    places = [
        (top, left)
        for top in range(0, painted.shape[0] - height + 1, height // 2)
        for left in range(0, painted.shape[1] - width + 1, width // 2)
    ]
    parts = tensor([painted[top : top + height, left : left + width] for top, left in places])
    return places[int(grid_energy(parts).argmax())]


def enlarged(picture: Picture) -> Picture:
    """Return the upper left part, each pixel as a square."""
    part = picture[: PART[1], : PART[0]]
    return np.repeat(np.repeat(part, ZOOM, 0), ZOOM, 1)


def main() -> None:
    """Read the command line and write the sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("what", choices=("paintings", "tuned", "weights"))
    parser.add_argument("--clips", nargs="+", type=Path, required=True)
    parser.add_argument("--paintings", nargs="+", type=Path, required=True)
    parser.add_argument("--styles", nargs="+", type=Path, default=[])
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("-o", "--out", type=Path, required=True)
    given = parser.parse_args()
    scorer = AnyPainting.load(weights_folder({}))
    clips = [read_clip(path) for path in given.clips]
    if given.what == "paintings":
        picture = paintings_sheet(scorer, clips, given.paintings)
    elif given.what == "weights":
        picture = weights_sheet(scorer, clips, given.paintings)
    else:
        picture, key = tuned_sheet(scorer, clips, given.paintings, given.styles, given.seed)
        given.out.with_suffix(".key.json").write_text(json.dumps(key, indent=1) + "\n")
    Image.fromarray(picture).save(given.out, quality=QUALITY)
    print(given.out)


if __name__ == "__main__":
    main()
