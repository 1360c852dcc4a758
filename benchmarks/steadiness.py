"""Measure temporal smoothing and write the table in docs/steadiness.md: its effect and its cost.

    .venv-scoring/bin/python -m benchmarks.steadiness [--clips a.mp4 b.mp4] [--paintings a.jpg b.jpg] [--frames 32]
        [--vgg scoring/weights/vgg16.safetensors] [--docs docs] [--credit "clips: ..."]

Each clip is painted with per-frame and with shared statistics; the latter is then smoothed with increasing weights.
Besides the clips, a pan and a zoom over a still image are evaluated, whose motion is known exactly: the method itself
estimates motion, so estimated motion alone would favor it. All figures are ratios to the frames painted independently.
`python -m benchmarks.steadiness_chart` then draws docs/steadiness.svg from the table.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.frames import read_frames, resized
from benchmarks.steadiness_table import BEGIN, END, Curve, Point, format_table
from frame_tools.contracts.options import Options
from frame_tools.media import images
from scoring.inference.weight_files import weights_folder
from scoring.perception.losses import grams, style_loss
from scoring.perception.vgg import Vgg, load_vgg
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.temporal.flow import GrayImage, VectorField, estimate_motion, pixel_grid
from scoring.temporal.measure import motion, sharpness, warp_error
from scoring.temporal.smooth import TemporalSmoother
from scoring.types import FramePosition, Picture, RunInputs, StyleFile, StyleMix

ROOT: Final = Path(__file__).parents[1]
SAMPLES: Final = ROOT / ".local" / "samples"
SIZE: Final = (640, 360)
WEIGHTS: Final = (0.0, 0.3, 0.5, 0.7, 0.8, 0.9)
STYLE_LOSS_FRAMES: Final = 2
"""Frames of a clip for which the style loss is computed."""

Motion = list[tuple[VectorField, GrayImage]]
Pictures = list[Picture]


@dataclass(frozen=True)
class Clip:
    """Frames of a clip and their motion.

    `motion` tells for each frame but the first where its pixels were in the previous frame; `exact` whether that is
    known exactly, not estimated.
    """

    name: str
    frames: Pictures
    motion: Motion
    exact: bool


@dataclass(frozen=True)
class Figures:
    """Figures of one way to paint one clip: warping error (mean square), sharpness, style loss."""

    warp: float
    sharp: float
    style: float


def read_clip(path: Path, count: int) -> Clip:
    """Read frames from the middle of a video, scaled down to about 640x360 pixels at the same aspect ratio."""
    frames = list(read_frames(path))
    start = max(0, (len(frames) - count) // 2)
    height, width = frames[0].shape[:2]
    scale = min(1.0, (SIZE[0] * SIZE[1] / (width * height)) ** 0.5)
    size = (round(width * scale), round(height * scale))
    frames = [resized(frame, size) for frame in frames[start : start + count]]
    return Clip(path.stem, frames, [motion(a, b) for a, b in pairwise(frames)], exact=False)


def camera_move(name: str, still: Picture, count: int) -> Clip:
    """Move a window over a still image: "pan" by 3.4 and 1.2 pixels per frame, or "zoom" in by 1.2 % per frame."""
    width, height = SIZE
    still = resized(still, (2 * width, 2 * height))
    transforms = []
    for t in range(count):
        scale = 1.0 if name == "pan" else 1.6 * 0.988**t
        x, y = (3.4 * t, 1.2 * t) if name == "pan" else ((2 - scale) * width / 2, (2 - scale) * height / 2)
        transforms.append(np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]]))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    frames = [
        np.asarray(cv2.warpAffine(still, transform[:2], SIZE, flags=flags, borderMode=cv2.BORDER_REFLECT), np.uint8)
        for transform in transforms
    ]
    return Clip(name, frames, [_exact_motion(before, after) for before, after in pairwise(transforms)], exact=True)


def _exact_motion(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[VectorField, GrayImage]:
    """Return where each pixel was in the previous frame, and a mask of those that were visible there."""
    width, height = SIZE
    to_before = (np.linalg.inv(before) @ after).astype(np.float32)
    positions = pixel_grid(range(height), width) @ to_before[:2, :2].T + to_before[:2, 2]
    x, y = positions[..., 0], positions[..., 1]
    return positions, ((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)).astype(np.uint8)


def paint_clip(scorer: AnyPainting, painting: Path, clip: Clip, statistics: str) -> Pictures:
    """Paint a clip's frames with statistics "shared" or "frame"."""
    sample = [clip.frames[i] for i in np.linspace(0, len(clip.frames) - 1, 8).round().astype(int)]
    run = RunInputs(
        options=Options.model_validate({"scorer": "any", "statistics": statistics}),
        styles=(StyleFile(painting.name, painting.read_bytes()),),
        style_mixes=(StyleMix(0.0, (1.0,)),),
        sample=lambda: sample,
    )
    score = scorer.open(run, scorer.prepare(run))
    return [score(frame[None], (FramePosition(i, i / 25),))[0] for i, frame in enumerate(clip.frames)]


class Evaluator:
    """Evaluates painted clips against their painting."""

    def __init__(self, vgg: Vgg, painting: Path) -> None:
        self._vgg = vgg
        image = np.array(images.read_rgb(painting.read_bytes()))
        scale = 512 / min(image.shape[:2])
        size = (round(image.shape[1] * scale), round(image.shape[0] * scale))
        self._target = grams(self._features(resized(image, size)))

    def _features(self, picture: Picture) -> Any:
        with torch.inference_mode():
            return self._vgg(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)

    def evaluate(self, clip: Clip, painted: Pictures) -> Figures:
        """Return the figures of a clip without its first third, where smoothing has little history."""
        third = len(painted) // 3
        pairs = range(third, len(painted) - 1)
        sampled = np.linspace(third, len(painted) - 1, STYLE_LOSS_FRAMES).round().astype(int)
        return Figures(
            fmean(warp_error(painted[i], painted[i + 1], *clip.motion[i]) for i in pairs),
            fmean(sharpness(picture) for picture in painted[third:]),
            fmean(style_loss(self._features(painted[i]), self._target).item() for i in sampled),
        )


def measure(scorer: AnyPainting, evaluator: Evaluator, painting: Path, clips: list[Clip]) -> Iterator[Curve]:
    """Yield the curve of each clip with one painting; weight 0 shows the effect of shared statistics alone."""
    for clip in clips:
        baseline = evaluator.evaluate(clip, paint_clip(scorer, painting, clip, "frame"))
        shared = paint_clip(scorer, painting, clip, "shared")
        motions = [None, *(estimate_motion(a, b) for a, b in pairwise(clip.frames))]
        points = []
        for weight in WEIGHTS:
            smoother = TemporalSmoother(weight)
            smoothed = [smoother.smooth(picture, field) for picture, field in zip(shared, motions, strict=True)]
            figures = evaluator.evaluate(clip, smoothed)
            points.append(
                Point(
                    weight=weight,
                    warp=figures.warp / baseline.warp,
                    sharp=figures.sharp / baseline.sharp,
                    style=figures.style / baseline.style,
                )
            )
        yield Curve(
            clip=clip.name,
            painting=painting.stem,
            points=tuple(points),
            exact=clip.exact,
            unpainted=evaluator.evaluate(clip, clip.frames).warp / baseline.warp,
        )


def main() -> None:
    """Measure, print the table, and write it into docs/steadiness.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", type=Path, nargs="*", default=[SAMPLES / "sailing.mp4"])
    parser.add_argument("--paintings", type=Path, nargs="*", default=[SAMPLES / "painting.jpg"])
    parser.add_argument("--frames", type=int, default=32)
    parser.add_argument("--vgg", type=Path, default=weights_folder(os.environ) / "vgg16.safetensors")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--credit", default="")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scorer = AnyPainting.load(weights_folder(os.environ))
    vgg = load_vgg(arguments.vgg, torch.device("cpu"))
    clips = [read_clip(path, arguments.frames) for path in arguments.clips]
    still = next(read_frames(arguments.clips[0]))
    clips += [camera_move(name, still, arguments.frames) for name in ("pan", "zoom")]
    curves = []
    for painting in arguments.paintings:
        for curve in measure(scorer, Evaluator(vgg, painting), painting, clips):
            curves.append(curve)
            print(format_table([curve]).splitlines()[2 + WEIGHTS.index(0.8)], flush=True)
    text = "\n\n".join(filter(None, (format_table(curves), arguments.credit)))
    page = arguments.docs / "steadiness.md"
    head, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{head}{BEGIN}\n{text}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
