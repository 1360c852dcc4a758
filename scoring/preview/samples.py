"""The frames of a preview: a few of the video's, no larger than they are shown."""

from pathlib import Path
from typing import Final

import numpy as np

from frame_tools.media.frame_samples import sample_images
from scoring.postprocess.resize import to_working_size
from scoring.types import Picture

SHOWN_LINES: Final = 540
"""Shorter side of the pictures that are blended; a sheet shows them smaller still."""


def read_samples(video: Path, count: int) -> tuple[list[Picture], tuple[int, int]]:
    """Return up to `count` frames spread over a video, and the size (width, height) of the video's own frames.

    Raises InputError if the video can't be read, MissingError if it does not exist.
    """
    images = [np.asarray(image, np.uint8) for image in sample_images(video, count)]
    height, width = images[0].shape[:2]
    return [_shown(image) for image in images], (width, height)


def _shown(picture: Picture) -> Picture:
    """Return the picture at no more than 540 lines."""
    height, width = picture.shape[:2]
    factor = min(1.0, SHOWN_LINES / min(height, width))
    return to_working_size(picture, (max(1, round(width * factor)), max(1, round(height * factor))))
