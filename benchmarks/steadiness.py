"""Measure temporal smoothing and write the tables in docs/steadiness.md: its effect and its cost.

    .venv-scoring/bin/python -m benchmarks.steadiness [--clips a.mp4 b.mp4:120] [--stills a.jpg b.jpg]
        [--scenes pan zoom] [--paintings a.jpg b.jpg] [--frames 24] [--drift c.mp4] [--done figures.jsonl]
        [--vgg scoring/weights/vgg16.safetensors] [--docs docs] [--credit "clips: ..."]

Each clip is painted with per-frame and with shared statistics; the latter is then smoothed with increasing weights.
Besides the clips, scenes over stills are evaluated, whose motion is known exactly (`benchmarks.steady_clips`): the
method itself estimates motion, so estimated motion alone would favor it. All figures are ratios to the frames painted
independently. With `--drift`, 300 frames of one more clip show the change over ten frames (`benchmarks.drift`). With
`--done`, figures are kept in a file, and an interrupted measurement continues where it was. Four paintings with sixteen
clips of 24 frames take about eight minutes of one core.
`python -m benchmarks.steadiness_chart` then draws docs/steadiness.svg from the table.
"""

import argparse
import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import numpy as np
import torch

from benchmarks.drift import DISTANCE, format_drift, measure_drift, pair_starts
from benchmarks.frames import resized
from benchmarks.steadiness_table import (
    BEGIN,
    DRIFT_BEGIN,
    DRIFT_END,
    END,
    Curve,
    FinishedCurves,
    Point,
    format_table,
    replaced,
)
from benchmarks.steady_clips import SCENES, Clip, draw_clips, read_clip
from frame_tools.contracts.options import Options
from frame_tools.media import images
from scoring.inference.weight_files import weights_folder
from scoring.perception.losses import grams, style_loss
from scoring.perception.vgg import Vgg, load_vgg
from scoring.scorers.any_painting.scorer import AnyPainting
from scoring.temporal.flow import MotionField, estimate_motion
from scoring.temporal.measure import sharpness, warp_error
from scoring.temporal.smooth import TemporalSmoother
from scoring.types import FramePosition, Picture, RunInputs, StyleFile, StyleMix

ROOT: Final = Path(__file__).parents[1]
SAMPLES: Final = ROOT / ".local" / "samples"
WEIGHTS: Final = (0.0, 0.5, 0.7, 0.8)
STYLE_LOSS_FRAMES: Final = 2
"""Frames of a clip for which the style loss is computed."""
DRIFT_FRAMES: Final = 300

Pictures = list[Picture]


@dataclass(frozen=True)
class Figures:
    """Figures of one way to paint one clip: warping error (mean square), sharpness, style loss."""

    warp: float
    sharp: float
    style: float


def paint(scorer: AnyPainting, painting: Path, frames: Pictures, statistics: str) -> Pictures:
    """Paint frames with statistics "shared" or "frame"."""
    sample = [frames[i] for i in np.linspace(0, len(frames) - 1, 8).round().astype(int)]
    run = RunInputs(
        options=Options.model_validate({"scorer": "any", "statistics": statistics}),
        styles=(StyleFile(painting.name, painting.read_bytes()),),
        style_mixes=(StyleMix(0.0, (1.0,)),),
        sample=lambda: sample,
    )
    score = scorer.open(run, scorer.prepare(run))
    return [score(frame[None], (FramePosition(i, i / 25),))[0] for i, frame in enumerate(frames)]


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

    @staticmethod
    def warp(clip: Clip, shown: Pictures) -> float:
        """Return the warping error of a clip without its first third, where smoothing has little history."""
        pairs = range(len(shown) // 3, len(shown) - 1)
        return fmean(warp_error(shown[i], shown[i + 1], *clip.motion[i]) for i in pairs)

    def evaluate(self, clip: Clip, painted: Pictures) -> Figures:
        """Return the figures of a clip without its first third."""
        third = len(painted) // 3
        sampled = np.linspace(third, len(painted) - 1, STYLE_LOSS_FRAMES).round().astype(int)
        return Figures(
            self.warp(clip, painted),
            fmean(sharpness(picture) for picture in painted[third:]),
            fmean(style_loss(self._features(painted[i]), self._target).item() for i in sampled),
        )


def smooth(painted: Pictures, motions: Sequence[MotionField | None], weight: float) -> Pictures:
    """Return painted frames after temporal smoothing."""
    smoother = TemporalSmoother(weight)
    pairs = zip(painted, motions, strict=True)
    return [smoother.smooth(picture, field, index) for index, (picture, field) in enumerate(pairs)]


def motions_of(frames: Pictures) -> list[MotionField | None]:
    """Estimate the motion of each frame; the first one has none."""
    return [None, *(estimate_motion(a, b) for a, b in pairwise(frames))]


def measure(
    scorer: AnyPainting, evaluator: Evaluator, painting: Path, clips: Sequence[Clip], finished: FinishedCurves
) -> Iterator[Curve]:
    """Yield the curve of each clip with one painting; weight 0 shows the effect of shared statistics alone."""
    for clip in clips:
        if (curve := finished.find(clip.name, painting.stem)) is not None:
            yield curve
            continue
        baseline = evaluator.evaluate(clip, paint(scorer, painting, clip.frames, "frame"))
        shared = paint(scorer, painting, clip.frames, "shared")
        motions = motions_of(clip.frames)
        points = []
        for weight in WEIGHTS:
            figures = evaluator.evaluate(clip, smooth(shared, motions, weight))
            points.append(
                Point(
                    weight=weight,
                    warp=figures.warp / baseline.warp,
                    sharp=figures.sharp / baseline.sharp,
                    style=figures.style / baseline.style,
                )
            )
        yield finished.add(
            Curve(
                clip=clip.name,
                painting=painting.stem,
                points=tuple(points),
                exact=clip.exact,
                unpainted=evaluator.warp(clip, clip.frames) / baseline.warp,
            )
        )


def drift_table(scorer: AnyPainting, vgg: Vgg, source: str, paintings: Sequence[Path]) -> str:
    """Return the table of the change over ten frames, in a clip and in its painted frames."""
    frames = read_clip(source, DRIFT_FRAMES).frames
    motions = motions_of(frames)
    pairs = [(start, start + DISTANCE) for start in pair_starts(len(frames))]
    needed = sorted({place for pair in pairs for place in pair})
    rows = []
    for painting in paintings:
        independent = paint(scorer, painting, [frames[place] for place in needed], "frame")
        versions: dict[str, Mapping[int, Picture]] = {
            "of the clip": dict(enumerate(frames)),
            "painted independently": dict(zip(needed, independent, strict=True)),
            "temporal_smoothing 0.7": dict(enumerate(smooth(paint(scorer, painting, frames, "shared"), motions, 0.7))),
        }
        for name, pictures in versions.items():
            rows.append((painting.stem, name, measure_drift(vgg, [(pictures[a], pictures[b]) for a, b in pairs])))
    return format_drift(rows)


def main() -> None:
    """Measure, print the table, and write it into docs/steadiness.md."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="*", default=[str(SAMPLES / "sailing.mp4")])
    parser.add_argument("--stills", type=Path, nargs="*", default=[], help="the first clip's first frame if none")
    parser.add_argument("--scenes", nargs="*", choices=SCENES, default=list(SCENES))
    parser.add_argument("--paintings", type=Path, nargs="*", default=[SAMPLES / "painting.jpg"])
    parser.add_argument("--frames", type=int, default=24)
    parser.add_argument("--drift", help="a clip of a fixed camera, measured with the first painting")
    parser.add_argument("--done", type=Path, help="file of figures that are measured already; new ones are added")
    parser.add_argument("--vgg", type=Path, default=weights_folder(os.environ) / "vgg16.safetensors")
    parser.add_argument("--docs", type=Path, default=ROOT / "docs")
    parser.add_argument("--credit", default="")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    scorer = AnyPainting.load(weights_folder(os.environ))
    vgg = load_vgg(arguments.vgg, torch.device("cpu"))
    clips = [read_clip(source, arguments.frames) for source in arguments.clips]
    stills = [np.array(images.read_rgb(path.read_bytes())) for path in arguments.stills] or [clips[0].frames[0]]
    clips += draw_clips(stills, arguments.scenes, arguments.frames)
    finished, curves = FinishedCurves(arguments.done), []
    for painting in arguments.paintings:
        for curve in measure(scorer, Evaluator(vgg, painting), painting, clips, finished):
            curves.append(curve)
            print(format_table([curve]).splitlines()[2 + WEIGHTS.index(0.7)], flush=True)
    page = arguments.docs / "steadiness.md"
    text = page.read_text(encoding="utf-8")
    text = replaced(text, BEGIN, END, "\n\n".join(filter(None, (format_table(curves), arguments.credit))))
    if arguments.drift:
        table = drift_table(scorer, vgg, arguments.drift, arguments.paintings[:1])
        text = replaced(text, DRIFT_BEGIN, DRIFT_END, table)
    page.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
