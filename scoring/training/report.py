"""Report of a training: the losses of each step as CSV, and pictures painted before and after."""

from collections.abc import Mapping, Sequence
from typing import Final

import cv2
import numpy as np

from scoring.opencv import resize
from scoring.training.tune import StepLosses
from scoring.types import Picture

GAP: Final = 8  # pixels


def losses_csv(losses: Sequence[StepLosses]) -> str:
    """Return the content and style loss of each step as CSV with a header line; steps count from 1."""
    rows = (f"{step},{loss.content:.6g},{loss.style:.6g}" for step, loss in enumerate(losses, start=1))
    return "\n".join(["step,content,style", *rows]) + "\n"


def terms_csv(rows: Sequence[Mapping[str, float]]) -> str:
    """Return the terms of each step of a training, at least one, as CSV with a header line; steps count from 1."""
    lines = (",".join([str(step), *(f"{value:.6g}" for value in row.values())]) for step, row in enumerate(rows, 1))
    return "\n".join([",".join(["step", *rows[0]]), *lines]) + "\n"


def side_by_side(rows: Sequence[Sequence[Picture]]) -> Picture:
    """Lay out rows of pictures, scaled to the size of the first, on white with gaps between them."""
    height, width = rows[0][0].shape[:2]
    down, across = len(rows), len(rows[0])
    sheet: Picture = np.full((down * (height + GAP) - GAP, across * (width + GAP) - GAP, 3), 255, np.uint8)
    for i, row in enumerate(rows):
        for j, picture in enumerate(row):
            top, left = i * (height + GAP), j * (width + GAP)
            sheet[top : top + height, left : left + width] = resize(picture, width, height, cv2.INTER_LINEAR)
    return sheet
