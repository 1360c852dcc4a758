"""Measure the losses of painted frames before and after: two files of weights, or the untuned and a tuned style.

    python -m benchmarks.losses --clips a.mp4 b.mp4 --paintings a.jpg --before old.safetensors
    python -m benchmarks.losses --clips a.mp4 b.mp4 --paintings a.jpg --styles a.safetensors

One frame of each clip is painted alone, `--lines` high (360 unless given). Content and style loss are those of
scoring/perception; *grid* is the energy of the network's grid, *flat* fine detail where the input is flat, *smooth* the
same where it has no edges or is out of focus. *noise* is by how many gray levels (root mean square) the painting
changes when noise of two levels is added to the input, with the statistics of the frame without it. *warp* is the
warping error between this frame and the next (mean square of gray levels), each painted by its own statistics and not
steadied.

`--before` names the weights of another transformer, or `published`; `--after` those to compare them with, in place of
the shipped ones. The last row is the mean over the paintings, of the ratios too.
"""

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import torch

from benchmarks.frames import read_frames
from scoring.image_codec import decode
from scoring.inference.tensors import to_pictures
from scoring.inference.weight_files import VGG, weights_folder
from scoring.perception import losses
from scoring.perception.vgg import Vgg, load_vgg
from scoring.scorers.any_painting.conditional_norm import StyleCondition
from scoring.scorers.any_painting.convert import TRANSFORMER, load_published_networks
from scoring.scorers.any_painting.scorer import pad
from scoring.scorers.any_painting.tuned import load_style
from scoring.scorers.any_painting.weights import Networks
from scoring.temporal.measure import motion, warp_error
from scoring.training.augmentation import resize_shorter_side, to_batch
from scoring.training.files import load_transformer
from scoring.training.finetune import features
from scoring.training.tune import predicted_style, style_target
from scoring.types import Picture

COLUMNS: Final = ("content", "style", "grid", "flat", "smooth", "specks", "noise", "warp")
NOISE: Final = 2.0
"""Gray levels: standard deviation of the noise that is added to the input."""
POSITION: Final = 0.4
"""Where in a clip the measured frame is, 0 to 1."""


@dataclass(frozen=True)
class FramePair:
    """Two consecutive frames of a clip, (H, W, 3) uint8."""

    name: str
    frame: Picture
    following: Picture


def read_pair(path: Path, lines: int) -> FramePair:
    """Read the measured frame of a video and the next one, `lines` pixels high."""
    frames = list(read_frames(path))
    index = min(int(POSITION * len(frames)), len(frames) - 2)
    frame, following = (resize_shorter_side(each, lines) for each in frames[index : index + 2])
    return FramePair(path.stem, frame, following)


def measure(
    networks: Networks, vgg: Vgg, style: torch.Tensor, target: dict[str, torch.Tensor], pairs: Sequence[FramePair]
) -> list[float]:
    """Return the mean of each of `COLUMNS` over the pairs of frames."""
    with torch.inference_mode():
        rows = [_measure_pair(networks, vgg, style, target, pair) for pair in pairs]
    means: list[float] = np.mean(rows, axis=0).tolist()
    return means


def _measure_pair(
    networks: Networks, vgg: Vgg, style: torch.Tensor, target: dict[str, torch.Tensor], pair: FramePair
) -> list[float]:
    x = pad(to_batch([pair.frame]))
    painted = networks.transformer(x, StyleCondition(style))
    painted_features, content = features(vgg, painted), features(vgg, x)
    values = (
        losses.content_loss(painted_features, content),
        losses.style_loss(painted_features, target),
        losses.grid_energy(painted),
        losses.flat_energy(painted, losses.flat_regions(x)),
        losses.flat_energy(painted, losses.smooth_regions(x)),
        losses.specks(painted, x),
    )
    return [*(value.item() for value in values), _noise_response(networks, style, x), _warp(networks, style, pair)]


def _noise_response(networks: Networks, style: torch.Tensor, x: torch.Tensor) -> float:
    """Return by how many gray levels (root mean square) noise in the input changes the painting."""
    noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0)) * (NOISE / 255)
    condition = StyleCondition(style, networks.transformer.measure(x, style))
    difference = networks.transformer((x + noise).clamp(0, 1), condition) - networks.transformer(x, condition)
    return 255 * difference.square().mean().sqrt().item()


def _warp(networks: Networks, style: torch.Tensor, pair: FramePair) -> float:
    """Return the warping error between the paintings of two consecutive frames."""
    height, width = pair.frame.shape[:2]
    before, after = (
        np.ascontiguousarray(to_pictures(networks.transformer(pad(to_batch([frame])), StyleCondition(style)) * 255)[0])
        for frame in (pair.frame, pair.following)
    )
    positions, visible = motion(pair.frame, pair.following)
    return warp_error(before[:height, :width], after[:height, :width], positions, visible)


def row(name: str, before: Sequence[float], after: Sequence[float]) -> str:
    """Return a row of the table: before, after and their ratio for each column."""
    cells = (f"{b:.4g} | {a:.4g} | {a / b:.3f}" for b, a in zip(before, after, strict=True))
    return f"| {name} | " + " | ".join(cells) + " |"


def mean_row(rows: Sequence[tuple[Sequence[float], Sequence[float]]]) -> str:
    """Return the last row: the means over the paintings, and the mean of their ratios."""
    before, after = np.array(rows).transpose(1, 0, 2)
    columns = zip(before.mean(0), after.mean(0), (after / before).mean(0), strict=True)
    return "| mean | " + " | ".join(f"{b:.4g} | {a:.4g} | {ratio:.3f}" for b, a, ratio in columns) + " |"


def load_weights(name: str) -> Networks:
    """Return the networks with the transformer weights of a file, or with the `published` ones."""
    networks = load_published_networks()
    if name != "published":
        load_transformer(networks.transformer, Path(name))
    return networks


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clips", nargs="+", type=Path, required=True)
    parser.add_argument("--paintings", nargs="+", type=Path, required=True)
    parser.add_argument("--lines", type=int, default=360)
    parser.add_argument("--after", default=str(TRANSFORMER))
    compared = parser.add_mutually_exclusive_group(required=True)
    compared.add_argument("--before")
    compared.add_argument("--styles", nargs="+", type=Path, default=[])
    arguments = parser.parse_args()
    cpu, vgg = torch.device("cpu"), load_vgg(weights_folder({}) / VGG, torch.device("cpu"))
    after = load_weights(arguments.after)
    before = load_weights(arguments.before) if arguments.before else after
    pairs = [read_pair(path, arguments.lines) for path in arguments.clips]
    print("| painting | " + " | ".join(f"{name} before | after | ratio" for name in COLUMNS) + " |")
    print("|---" * (1 + 3 * len(COLUMNS)) + "|")
    rows = []
    for i, path in enumerate(arguments.paintings):
        painting = decode(path.read_bytes(), path.name)
        target = style_target(vgg, painting, cpu)
        styles = [predicted_style(networks, painting) for networks in (before, after)]
        if arguments.styles:
            styles[1] = torch.from_numpy(load_style(arguments.styles[i].read_bytes(), arguments.styles[i].name))
        rows.append(
            (measure(before, vgg, styles[0], target, pairs), measure(after, vgg, styles[1], target, pairs)),
        )
        print(row(path.stem, *rows[-1]), flush=True)
    print(mean_row(rows))


if __name__ == "__main__":
    main()
