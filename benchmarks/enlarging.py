"""Measure what larger frames of the same strokes cost, and what enlarging does to edges.

    python -m benchmarks.enlarging --clip a.mp4 --painting a.jpg --lines 540 1080 2160

Frames are scaled to each number of lines and painted with medium strokes. The first columns are CPU milliseconds of a
frame: painting, motion and smoothing; enlarging; encoding as H.264. `edges` is the gradient of painted luma where the
input has its strongest edges (2 %), `flat` where it is flattest (30 %), both relative to plain bicubic enlarging, and
`outside` the share of values at these edges that leave the local range of the plain one by more than 8 levels (halos).
"""

import argparse
import time
from collections.abc import Sequence
from fractions import Fraction
from itertools import islice
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from numpy.typing import NDArray

from benchmarks.frames import read_frames
from benchmarks.painted_clips import Footage, load_scorer, open_score
from benchmarks.strokes import at_lines
from frame_tools.contracts.manifest import Manifest
from frame_tools.contracts.options import Options
from frame_tools.contracts.working_size import working_size
from frame_tools.media.segment import SegmentEncoder
from scoring.opencv import gradient, local_range, resize, to_gray
from scoring.postprocess.resize import to_full_size, to_working_size
from scoring.scorers.any_painting.convert import TRANSFORMER
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.temporal.flow import estimate_motion
from scoring.temporal.smooth import TemporalSmoother
from scoring.types import FramePosition, Picture

FRAMES: Final = 8
EDGES: Final = 0.98
FLAT: Final = 0.3
"""Quantiles of the gradient of the input."""
VISIBLE: Final = 8
"""Levels."""


def row(scorer: AnyPainting, frames: Sequence[Picture], painting: Path) -> list[float]:
    """Return the columns for frames of one size: three times, and three properties of the enlarged frames."""
    options = Options().with_default_strokes.with_default_calm
    height, width = frames[0].shape[:2]
    size = working_size(width, height, options)
    footage = Footage("", frames, [to_working_size(frame, size) for frame in frames], options)
    score, smoother = open_score(scorer, footage, painting), TemporalSmoother(options.smoothing_weight)
    encoder = SegmentEncoder(Manifest.plain(len(frames), Fraction(30), width=width, height=height), threads=1)
    rows, enlarged, before = [], [], footage.small[0]
    for index, (frame, small) in enumerate(zip(frames, footage.small, strict=True)):
        times = [time.process_time()]
        painted = score(small[None], (FramePosition(0, 0.0),))[0]
        painted = smoother.smooth(painted, estimate_motion(before, small), index)
        times.append(time.process_time())
        full = to_full_size(painted, frame)
        times.append(time.process_time())
        rows.append([*(1000 * np.diff(times)), *properties(frame, painted, full)])
        enlarged.append(full)
        before = small
    start = time.process_time()
    for full in enlarged:
        encoder.add(full)
    encoder.finish()  # the encoder looks ahead, so it does most of its work here
    encoding = 1000 * (time.process_time() - start) / len(enlarged)
    painting_time, enlarging_time, *rest = np.median(rows[1:], axis=0).tolist()
    return [painting_time, enlarging_time, encoding, *rest]


def properties(picture: Picture, painted: Picture, full: Picture) -> tuple[float, float, float]:
    """Return what an enlarged frame has at edges and in flat places, relative to a plain one, and the share outside."""
    height, width = picture.shape[:2]
    plain = resize(painted, width, height, cv2.INTER_CUBIC)
    slopes, plain_slopes, own_slopes = (slope(each) for each in (picture, plain, full))
    edges, flat = slopes >= np.quantile(slopes, EDGES), slopes <= np.quantile(slopes, FLAT)
    low, high = local_range(plain, 2 * (height // painted.shape[0]) + 1)
    outside = np.maximum(cv2.subtract(full, high), cv2.subtract(low, full)).max(2) > VISIBLE
    return (
        float(own_slopes[edges].mean() / plain_slopes[edges].mean()),
        float(own_slopes[flat].mean() / plain_slopes[flat].mean()),
        float(outside[edges].mean()),
    )


def slope(picture: Picture) -> NDArray[np.float32]:
    """Return the length of the gradient of luma, (H, W)."""
    right, down = gradient(to_gray(picture).astype(np.float32))
    return np.hypot(right, down)


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, required=True)
    parser.add_argument("--painting", type=Path, required=True)
    parser.add_argument("--lines", nargs="+", type=int, default=[540, 1080])
    parser.add_argument("--weights", type=Path, default=TRANSFORMER, help="Transformer; default: the repository's.")
    arguments = parser.parse_args()
    cv2.setNumThreads(1)
    scorer, frames = load_scorer(arguments.weights), list(islice(read_frames(arguments.clip), FRAMES))
    print("| lines | painting | enlarging | encoding | together | edges | flat | outside |")
    print("|---|---|---|---|---|---|---|---|")
    for lines in arguments.lines:
        values = row(scorer, [at_lines(frame, lines) for frame in frames], arguments.painting)
        times = " | ".join(f"{each:.0f}" for each in (*values[:3], sum(values[:3])))
        print(f"| {lines} | {times} | {values[3]:.2f} | {values[4]:.2f} | {100 * values[5]:.2f} % |")


if __name__ == "__main__":
    main()
