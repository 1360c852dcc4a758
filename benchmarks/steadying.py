"""Draw docs/steadiness.svg and write the table in docs/steadiness.md: what steadying gives, and what it costs.

    .venv-scoring/bin/python -m benchmarks.steadying [--clips a.mp4 b.mp4] [--paintings a.jpg b.jpg] [--frames 32]
        [--vgg scoring/weights/vgg16.safetensors] [--docs docs] [--credit "clips: ..."]

Each clip is painted with per-frame and with shared statistics; the latter is then steadied with rising weights. Besides
the clips, a pan and a zoom over a still are judged, whose flow is known exactly: a method that seeks flow would flatter
itself if it were judged by flow that it seeks. All figures are ratios to the frames painted one by one.
"""

import argparse
import os
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from statistics import fmean
from typing import Any, Final

import av
import cv2
import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.steadying_chart import Curve, Point, chart
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
JUDGED_WITH_VGG: Final = 2
"""Frames of a clip that style loss is taken of."""
BEGIN, END = "<!-- figures: begin -->", "<!-- figures: end -->"

Motion = list[tuple[VectorField, GrayImage]]
Pictures = list[Picture]


@dataclass(frozen=True)
class Clip:
    """Frames, where each pixel of the later frames was in the frame before, and whether that is known exactly."""

    name: str
    frames: Pictures
    motion: Motion
    exact: bool


@dataclass(frozen=True)
class Figures:
    """Of one way to paint one clip: warping error (mean square), sharpness, style loss."""

    warp: float
    sharp: float
    style: float


def film(path: Path, count: int) -> Clip:
    """Read frames from the middle of a video, at 640x360 or the nearest to it of the same shape, never larger."""
    with av.open(str(path)) as container:
        frames = [frame.to_ndarray(format="rgb24") for frame in container.decode(video=0)]
    start = max(0, (len(frames) - count) // 2)
    height, width = frames[0].shape[:2]
    share = min(1.0, (SIZE[0] * SIZE[1] / (width * height)) ** 0.5)
    size = (round(width * share), round(height * share))
    frames = [cv2.resize(f, size, interpolation=cv2.INTER_AREA) for f in frames[start : start + count]]
    return Clip(path.stem, frames, [motion(a, b) for a, b in pairwise(frames)], exact=False)


def first_frame(path: Path) -> Picture:
    """Read a video's first frame at its own size."""
    with av.open(str(path)) as container:
        still: Picture = next(container.decode(video=0)).to_ndarray(format="rgb24")
    return still


def journey(name: str, still: Picture, count: int) -> Clip:
    """Move a window over a still: "pan" by 3.4 and 1.2 pixels a frame, or "zoom" in by 1.2 % a frame."""
    width, height = SIZE
    still = cv2.resize(still, (2 * width, 2 * height), interpolation=cv2.INTER_AREA)
    ways = []
    for t in range(count):
        scale = 1.0 if name == "pan" else 1.6 * 0.988**t
        x, y = (3.4 * t, 1.2 * t) if name == "pan" else ((2 - scale) * width / 2, (2 - scale) * height / 2)
        ways.append(np.array([[scale, 0, x], [0, scale, y], [0, 0, 1]]))
    flags = cv2.INTER_CUBIC | cv2.WARP_INVERSE_MAP
    frames = [cv2.warpAffine(still, way[:2], SIZE, flags=flags, borderMode=cv2.BORDER_REFLECT) for way in ways]
    return Clip(name, frames, [_exact(before, after) for before, after in pairwise(ways)], exact=True)


def _exact(before: NDArray[np.float64], after: NDArray[np.float64]) -> tuple[VectorField, GrayImage]:
    width, height = SIZE
    to_before = (np.linalg.inv(before) @ after).astype(np.float32)
    own = pixel_grid(range(height), width)
    places = own @ to_before[:2, :2].T + to_before[:2, 2]
    x, y = places[..., 0], places[..., 1]
    return places, ((x >= 0) & (y >= 0) & (x <= width - 1) & (y <= height - 1)).astype(np.uint8)


def painted(scorer: AnyPainting, painting: Path, clip: Clip, statistics: str) -> Pictures:
    """Paint a clip's frames."""
    chosen = [clip.frames[i] for i in np.linspace(0, len(clip.frames) - 1, 8).round().astype(int)]
    run = RunInputs(
        options=Options.model_validate({"scorer": "any", "statistics": statistics}),
        styles=(StyleFile(painting.name, painting.read_bytes()),),
        style_mixes=(StyleMix(0.0, (1.0,)),),
        sample=lambda: chosen,
    )
    score = scorer.open(run, scorer.prepare(run))
    return [score(frame[None], (FramePosition(i, i / 25),))[0] for i, frame in enumerate(clip.frames)]


class Judge:
    """Measures painted clips against their painting."""

    def __init__(self, vgg: Vgg, painting: Path) -> None:
        self._vgg = vgg
        whole = np.array(images.read_rgb(painting.read_bytes()))
        share = 512 / min(whole.shape[:2])
        self._target = grams(self._features(cv2.resize(whole, None, fx=share, fy=share, interpolation=cv2.INTER_AREA)))

    def _features(self, picture: Picture) -> Any:
        with torch.inference_mode():
            return self._vgg(torch.from_numpy(picture).permute(2, 0, 1)[None].float() / 255)

    def figures(self, clip: Clip, shown: Pictures) -> Figures:
        """Measure; the first third of a clip is left out, where steadying has little to go on."""
        third = len(shown) // 3
        pairs = range(third, len(shown) - 1)
        judged = np.linspace(third, len(shown) - 1, JUDGED_WITH_VGG).round().astype(int)
        return Figures(
            fmean(warp_error(shown[i], shown[i + 1], *clip.motion[i]) for i in pairs),
            fmean(sharpness(picture) for picture in shown[third:]),
            fmean(style_loss(self._features(shown[i]), self._target).item() for i in judged),
        )


def curves(scorer: AnyPainting, judge: Judge, painting: Path, clips: list[Clip]) -> Iterator[Curve]:
    """Yield the curve of each clip with one painting, and the step that shared statistics are alone."""
    for clip in clips:
        alone = judge.figures(clip, painted(scorer, painting, clip, "frame"))
        shared = painted(scorer, painting, clip, "shared")
        links = [None, *(estimate_motion(a, b) for a, b in pairwise(clip.frames))]
        points = []
        for weight in WEIGHTS:
            steadier = TemporalSmoother(weight)
            got = judge.figures(clip, [steadier.smooth(p, way) for p, way in zip(shared, links, strict=True)])
            points.append(
                Point(
                    weight=weight,
                    warp=got.warp / alone.warp,
                    sharp=got.sharp / alone.sharp,
                    style=got.style / alone.style,
                )
            )
        unpainted = judge.figures(clip, clip.frames).warp
        yield Curve(clip.name, painting.stem, tuple(points), exact=clip.exact, unpainted=unpainted / alone.warp)


def table(found: list[Curve]) -> str:
    """Return the curves as Markdown: one row for each clip, painting and weight, means last."""
    lines = [
        "| clip | painting | steady | warping error | its root | sharpness | style loss | input's warping error |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for curve in found:
        for point in curve.points:
            clip = f"{curve.clip} (exact flow)" if curve.exact else curve.clip
            lines.append(
                f"| {clip} | {curve.painting} | {point.weight:g} | {point.warp:.3f} | {point.warp**0.5:.3f} "
                f"| {point.sharp:.3f} | {point.style:.3f} | {curve.unpainted:.3f} |"
            )
    for words, exact in (("mean of the clips", False), ("mean with exact flow", True)):
        chosen = [curve.points for curve in found if curve.exact is exact]
        for column in zip(*chosen, strict=True):
            warp, sharp, style = (fmean(getattr(p, word) for p in column) for word in ("warp", "sharp", "style"))
            root = fmean(p.warp**0.5 for p in column)
            lines.append(
                f"| **{words}** | | {column[0].weight:g} | {warp:.3f} | {root:.3f} | {sharp:.3f} | {style:.3f} | |"
            )
    return "\n".join(lines)


def main() -> None:
    """Measure, print the table, and write it and the chart into the documents."""
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
    clips = [film(path, arguments.frames) for path in arguments.clips]
    clips += [journey(name, first_frame(arguments.clips[0]), arguments.frames) for name in ("pan", "zoom")]
    found = []
    for painting in arguments.paintings:
        for curve in curves(scorer, Judge(vgg, painting), painting, clips):
            found.append(curve)
            print(table([curve]).splitlines()[2 + WEIGHTS.index(0.8)], flush=True)
    words = "\n\n".join(filter(None, (table(found), arguments.credit)))
    page = arguments.docs / "steadiness.md"
    head, rest = page.read_text(encoding="utf-8").split(BEGIN)
    page.write_text(f"{head}{BEGIN}\n{words}\n{END}{rest.split(END)[1]}", encoding="utf-8")
    (arguments.docs / "steadiness.svg").write_text(chart(found), encoding="utf-8")
    print(words)


if __name__ == "__main__":
    main()
